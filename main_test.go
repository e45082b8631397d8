package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usher/plex/plextest"
)

const (
	testSecret = "test-secret-0123456789-abcdefghijklmnop"
	testToken  = "test-token-that-must-not-be-shown"
)

// TestMain lets the test binary be usher itself, so that exit codes, signals
// and the environment are the real ones.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AS_USHER") != "" {
		os.Unsetenv("RUN_AS_USHER")
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a running usher and what it has printed.
type process struct {
	t           *testing.T
	cmd         *exec.Cmd
	out, errOut output
	done        chan struct{} // closed when it has ended
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs usher with exactly these variables, and kills it with the test.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), done: make(chan struct{})}
	p.cmd.Env = append([]string{"RUN_AS_USHER=1", "HOME=/nonexistent"}, env...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errOut
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.cmd.Wait() // the exit code is read from ProcessState
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("usher %s\n%s%s", args, p.out.String(), p.errOut.String())
		}
	})
	return p
}

// exit waits for the end of the process.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		p.t.Fatal("usher did not end")
		return -1
	}
}

// run is start and exit for commands that end by themselves.
func run1(t *testing.T, env []string, args ...string) (code int, out, errOut string) {
	t.Helper()
	p := start(t, env, args...)
	return p.exit(), p.out.String(), p.errOut.String()
}

// await asks until an address answers with a status.
func (p *process) await(address string, status int) *http.Response {
	p.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := http.Get(address)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == status {
				return res
			}
		}
		select {
		case <-p.done:
			p.t.Fatalf("usher ended with %d", p.cmd.ProcessState.ExitCode())
		case <-deadline.C:
			p.t.Fatalf("%s does not answer %d: %v", address, status, err)
		case <-tick.C:
		}
	}
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

func TestServesAndStops(t *testing.T) {
	t.Parallel()
	data, listen, metrics := filepath.Join(t.TempDir(), "new", "data"), freeAddress(t), freeAddress(t)
	env := []string{"USHER_DATA_DIR=" + data, "USHER_LISTEN=" + listen, "USHER_METRICS_LISTEN=" + metrics}
	p := start(t, env)
	p.await("http://"+listen+"/readyz", http.StatusOK)
	secret, id := fileOf(t, data, "secret"), fileOf(t, data, "client-id")
	if len(secret) < 64 || len(id) < 16 {
		t.Errorf("generated a secret of %d and a client id of %d bytes", len(secret), len(id))
	}
	for _, name := range []string{"secret", "client-id", "usher.db"} {
		if info, err := os.Stat(filepath.Join(data, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if code, _, errOut := run1(t, []string{"USHER_LISTEN=" + listen}, "healthcheck"); code != 0 {
		t.Errorf("healthcheck of a server that is well: %d %s", code, errOut)
	}
	p.await("http://"+metrics+"/metrics", http.StatusOK)
	for _, address := range []string{listen + "/metrics", listen + "/debug/pprof/", metrics + "/debug/pprof/", metrics + "/healthz"} {
		p.await("http://"+address, http.StatusNotFound)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("ended with %d after SIGTERM", code)
	}
	if strings.Contains(p.errOut.String(), strings.TrimSpace(secret)) {
		t.Error("the secret is in the log")
	}
	if code, _, _ := run1(t, []string{"USHER_LISTEN=" + listen}, "healthcheck"); code != 1 {
		t.Errorf("healthcheck of nobody: %d, want 1", code)
	}

	again := start(t, env)
	again.await("http://"+listen+"/readyz", http.StatusOK)
	if fileOf(t, data, "secret") != secret || fileOf(t, data, "client-id") != id {
		t.Error("the second start made another secret or client id")
	}
}

func TestHTTPWithoutTLSIsToldAtStart(t *testing.T) {
	t.Parallel()
	for address, warned := range map[string]bool{"http://auth.example.com": true, "http://192.0.2.1:4181": true, "http://127.0.0.1:4181": false,
		"http://auth.usher.localhost": false, "https://auth.example.com": false} {
		listen := freeAddress(t)
		p := start(t, []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + listen, "USHER_URL=" + address})
		p.await("http://"+listen+"/readyz", http.StatusOK)
		p.cmd.Process.Signal(syscall.SIGTERM)
		p.exit()
		if got := strings.Contains(p.errOut.String(), "USHER_INSECURE_COOKIES"); got != warned {
			t.Errorf("%s: warned %v, want %v", address, got, warned)
		}
	}
}

func TestRedeemIsToldAtStart(t *testing.T) {
	t.Parallel()
	for value, warned := range map[string]bool{"true": true, "false": false} {
		listen := freeAddress(t)
		p := start(t, []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + listen, "USHER_REDEEM=" + value})
		p.await("http://"+listen+"/readyz", http.StatusOK)
		p.cmd.Process.Signal(syscall.SIGTERM)
		p.exit()
		if got := strings.Count(p.errOut.String(), "can sign in as them"); (got == 1) != warned {
			t.Errorf("USHER_REDEEM=%s: %d warnings", value, got)
		}
	}
}

func fileOf(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSIGTERMLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	stand := plextest.Start(t)
	slow := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			close(asked)
			<-answer
		}
		stand.ServeHTTP(w, r)
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go slow.Serve(ln)
	t.Cleanup(func() { slow.Close() })

	listen := freeAddress(t)
	p := start(t, []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + listen, "USHER_SERVERS=" + plextest.Attic, "USHER_OWNER=70010009",
		"USHER_PLEX_URL=http://" + ln.Addr().String(), "USHER_PLEX_AUTH_URL=" + stand.AuthURL, "USHER_URL=http://" + listen, "USHER_INSECURE_COOKIES=true"})
	p.await("http://"+listen+"/readyz", http.StatusOK)
	got := make(chan error, 1)
	go func() {
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := client.PostForm("http://"+listen+"/login", nil)
		if err == nil && res.StatusCode != http.StatusSeeOther {
			err = errors.New(res.Status)
		}
		got <- err
	}()
	<-asked
	p.cmd.Process.Signal(syscall.SIGTERM)
	for { // it no longer listens
		c, err := net.Dial("tcp", listen)
		if err != nil {
			break
		}
		c.Close()
	}
	close(answer)
	if err := <-got; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	if code := p.exit(); code != 0 {
		t.Errorf("ended with %d", code)
	}
}

func TestStartIsStoppedByTheDataFolder(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, path, content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		file    string // whose path must be told, and whose content must stay
		says    string
	}{
		"a file where the folder should be": {func(t *testing.T, dir string) { os.Remove(dir); write(t, dir, "x") }, "", "USHER_DATA_DIR"},
		"damaged store": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "usher.db"), strings.Repeat("damaged ", 4096))
		}, "usher.db", "damaged"},
		"empty secret":                    {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "secret"), "\n") }, "secret", "secret"},
		"short secret":                    {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "secret"), "test-secret\n") }, "secret", "32"},
		"secret of one letter":            {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "secret"), strings.Repeat("a", 64)) }, "secret", "random"},
		"client id with a line end in it": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "client-id"), "a\nb") }, "client-id", "client id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			c.prepare(t, dir)
			path := filepath.Join(dir, c.file)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			code, _, errOut := run1(t, []string{"USHER_DATA_DIR=" + dir, "USHER_LISTEN=127.0.0.1:0"})
			if code != 1 || !strings.Contains(errOut, path) || !strings.Contains(errOut, c.says) || strings.Contains(errOut, "panic") {
				t.Errorf("exit %d: %s", code, errOut)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("%s was changed: %v", path, err)
			}
		})
	}
}

func TestStoreInUse(t *testing.T) {
	t.Parallel()
	dir, listen := t.TempDir(), freeAddress(t)
	start(t, []string{"USHER_DATA_DIR=" + dir, "USHER_LISTEN=" + listen}).await("http://"+listen+"/healthz", http.StatusOK)
	code, _, errOut := run1(t, []string{"USHER_DATA_DIR=" + dir, "USHER_LISTEN=127.0.0.1:0"})
	if code != 1 || !strings.Contains(errOut, filepath.Join(dir, "usher.db")) || !strings.Contains(errOut, "in use") {
		t.Errorf("a second start on the same folder: %d %s", code, errOut)
	}
	code, _, errOut = run1(t, []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + listen})
	if code != 1 || !strings.Contains(errOut, "USHER_LISTEN") {
		t.Errorf("a second start on the same port: %d %s", code, errOut)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"version", 0, "usher "},
		{"help", 0, "USHER_TRUSTED_PROXIES"},
		{"--help", 0, "usher demo"},
		{"help", 0, "usher backup FILE"},
		{"help", 0, "usher restore FILE"},
		{"frobnicate", 2, "frobnicate"},
		{"serve now", 2, "no arguments"},
		{"config --all", 2, "no arguments"},
		{"demo -listen 0.0.0.0:8080", 2, "loopback"},
		{"demo elsewhere", 2, "-listen"},
	} {
		code, out, errOut := run1(t, nil, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errOut, c.says) {
			t.Errorf("usher %s: %d\n%s%s", c.args, code, out, errOut)
		}
	}
}

// TestColdStart holds the start to its budget. The best of a few counts: the
// machine may be busy, but it never makes a slow start fast.
func TestColdStart(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector slows the start several times; plain go test measures it")
	}
	const budget = 200 * time.Millisecond
	best := time.Hour
	for range 5 {
		listen := freeAddress(t)
		began := time.Now()
		p := start(t, []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + listen, "USHER_SERVERS=" + plextest.Attic, "USHER_OWNER=70010009"})
		p.await("http://"+listen+"/readyz", http.StatusOK)
		best = min(best, time.Since(began))
		p.cmd.Process.Kill()
		p.exit()
	}
	t.Logf("cold start to ready: %v", best)
	if best > budget {
		t.Errorf("cold start to ready took %v, want at most %v", best, budget)
	}
}

// TestBinarySize builds what the Dockerfile builds.
func TestBinarySize(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher")
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if size := info.Size(); size > 25<<20 {
		t.Errorf("the binary has %d bytes, want at most 25 MB", size)
	}
}

func read(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Whoever asks a command for help gets it where it can be read page by page, and nothing is done.
func TestHelpOfEachCommand(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"serve", "setup", "demo", "doctor", "explain", "backup", "restore", "config", "healthcheck", "version"} {
		for _, flag := range []string{"-h", "--help"} {
			env := []string{"USHER_NONSENSE=1", "USHER_DATA_DIR=" + filepath.Join(t.TempDir(), "data")}
			code, out, errOut := run1(t, env, command, flag)
			if code != 0 || !strings.Contains(out, "usher "+command+" ") || errOut != "" {
				t.Errorf("usher %s %s: exit %d, %q, %q", command, flag, code, out, errOut)
			}
		}
		if code, out, errOut := run1(t, nil, command, "--nonsense"); code != 2 || out != "" || !strings.Contains(errOut, "usher "+command) {
			t.Errorf("usher %s --nonsense: exit %d, %q, %q", command, code, out, errOut)
		}
	}
	if _, out, _ := run1(t, nil, "setup", "-h"); !strings.Contains(out, "-print") {
		t.Errorf("usher setup -h names no flag: %q", out)
	}
}

// An address that cannot be listened at: only one that somebody has is said to be taken.
func TestListenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const another, none = "is another Usher running", "no such address"
	for address, says := range map[string]string{taken.Addr().String(): another, "192.0.2.1:4181": none} {
		for _, name := range []string{"USHER_LISTEN", "USHER_METRICS_LISTEN"} {
			code, _, errOut := run1(t, []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=127.0.0.1:0", name + "=" + address})
			if code != 1 || !strings.Contains(errOut, name+": ") || !strings.Contains(errOut, says) || strings.Contains(errOut, another) != (says == another) {
				t.Errorf("%s=%s: exit %d, %s", name, address, code, errOut)
			}
		}
	}
}

func TestHealthcheckSaysWhereNobodyListens(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	if code, _, errOut := run1(t, []string{"USHER_LISTEN=" + address}, "healthcheck"); code != 1 || !strings.Contains(errOut, "nothing listens at http://"+address) {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

// asSomebodyElse runs usher as a user whom our folders do not belong to. It is for root.
func asSomebodyElse(t *testing.T, env []string, args ...string) (out string, err error) {
	t.Helper()
	self := filepath.Join(t.TempDir(), "usher")
	err = os.Link(os.Args[0], self)
	for _, path := range []string{self, filepath.Dir(self), filepath.Dir(filepath.Dir(self))} { // whatever the umask is
		err = errors.Join(err, os.Chmod(path, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env, cmd.Dir = with(env, "RUN_AS_USHER=1"), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// TestDataFolderOfAnotherUser: the message names the variable and who would need to be let in.
func TestDataFolderOfAnotherUser(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"USHER_DATA_DIR=" + dir, "USHER_LISTEN=127.0.0.1:0"}
	uid := os.Getuid()
	if uid == 0 { // whom nothing is closed to
		uid = 65534
	} else if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	for says, args := range map[string][]string{
		fmt.Sprintf("(uid %d) may read and write", uid):         nil,
		"as a user who may read it":                             {"backup", "-"},
		"the data folder (USHER_DATA_DIR) of the Usher that se": {"explain", "--url", "https://app.example.com/"},
	} {
		var out string
		if os.Getuid() == 0 {
			out, _ = asSomebodyElse(t, env, args...)
		} else {
			_, _, out = run1(t, env, args...)
		}
		if !strings.Contains(out, "USHER_DATA_DIR") || !strings.Contains(out, "permission denied") || !strings.Contains(out, says) {
			t.Errorf("usher %s does not say %q: %s", args, says, out)
		}
	}
}

// TestScreenshotsWithoutABrowser: those that are there stay.
func TestScreenshotsWithoutABrowser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tool := range []string{"make", "sh", "rm", "mkdir"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skip("not installed: ", tool)
		}
		if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	shot := filepath.Join(dir, "docs", "screenshots", "page.png")
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "Makefile"), makefile, 0o600), os.MkdirAll(filepath.Dir(shot), 0o700), os.WriteFile(shot, []byte("a picture"), 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "make"), "screenshots")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "needs Chromium") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(shot); err != nil {
		t.Error(err)
	}
}
