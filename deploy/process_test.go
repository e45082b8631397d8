package deploy_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// deadline is how long a program may take to start or to stop; none is ever slept through.
const deadline = 20 * time.Second

// process is a program that a test started, with all that it has printed.
type process struct {
	cmd  *exec.Cmd
	log  buffer
	done chan struct{} // closed when it has ended
}

// start runs a program until the test ends, and prints its log if the test has failed by then.
func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, p.log.String())
		}
	})
	return p
}

// stop asks the program to end, insists if it does not, and waits for it.
func (p *process) stop(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
		return
	default:
	}
	// Again and again: nginx misses a signal that comes just before it begins to wait for events.
	again := time.NewTicker(time.Second)
	defer again.Stop()
	late := time.After(deadline)
	for {
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			return
		case <-again.C:
		case <-late:
			p.cmd.Process.Kill()
			<-p.done
			t.Errorf("%s did not stop within %v of SIGTERM", p.cmd.Path, deadline)
			return
		}
	}
}

// await polls until ready says so; a program that ends or takes too long fails the test.
func (p *process) await(t *testing.T, ready func() error) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	late := time.After(deadline)
	for {
		err := ready()
		if err == nil {
			return
		}
		select {
		case <-p.done:
			t.Fatalf("%s ended while starting", p.cmd.Path)
		case <-late:
			t.Fatalf("%s is not ready after %v: %v", p.cmd.Path, deadline, err)
		case <-poll.C:
		}
	}
}

// buffer is a bytes.Buffer that a program writes to while the test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// freePort is the last one that freeAddress has given out. A system gives out higher ones by itself, from 32768 at the least:
// what listens on such a one would now and then be in the way of a program that is still starting.
var freePort atomic.Int32

func init() { freePort.Store(16384 + rand.Int32N(12<<10)) }

// freeAddress is a loopback address that nobody listens on, and no other test was given.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", freePort.Add(1)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}
