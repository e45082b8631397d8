package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/session"
)

// In the environment, these make this binary one that opens a store, and one that
// may write no file beyond so many bytes.
const (
	openerPath  = "USHER_TEST_OPENER"
	openerLimit = "USHER_TEST_FILE_LIMIT"
)

func init() {
	if path := os.Getenv(openerPath); path != "" {
		fmt.Println("opened", opener(path, os.Getenv(openerLimit)))
		os.Exit(0)
	}
}

func opener(path, limit string) error {
	if limit != "" {
		n, err := strconv.ParseUint(limit, 10, 64)
		signal.Ignore(syscall.SIGXFSZ) // a write fails, as on a full disk
		if err := errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})); err != nil {
			return err
		}
	}
	keys, err := session.NewKeys(secretA)
	if err != nil {
		return err
	}
	fmt.Println("opening")
	store, err := session.Open(path, keys, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return store.Close()
}

func opening(t *testing.T, path, limit string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), openerPath+"="+path, openerLimit+"="+limit, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// A kill -9 at any moment of a migration leaves the old store or the new one, and
// whatever is new has the old one beside it. Not parallel, like TestKill.
func TestKillWhileMigrating(t *testing.T) {
	path, before := oldStore(t)
	was, err := session.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	var olds, news int
	var whole time.Duration // from the first word to the end, undisturbed
	for round := range 61 {
		for _, name := range beside(t, path) {
			if err := os.Remove(filepath.Join(filepath.Dir(path), name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := opening(t, path, "")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 8)); err != nil { // "opening"
			t.Fatal(err)
		}
		if began := time.Now(); round == 0 {
			_, _ = io.Copy(io.Discard, out)
			whole = time.Since(began)
		} else {
			time.Sleep(whole * time.Duration(round) / 60) // each moment in turn
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
		is, err := session.Inspect(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		now, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case bytes.Equal(now, before):
			olds++
		case is.Schema == 3 && is.Sessions == was.Sessions:
			news++
			kept(t, path, before)
		default:
			t.Errorf("round %d: %+v, was %+v", round, is, was)
		}
		if err := openStore(t, path, newKeys(t, secretA)).Close(); err != nil {
			t.Errorf("round %d: the next start: %v", round, err)
		}
	}
	t.Logf("old %d times, new %d times", olds, news)
	if olds == 0 || news == 0 {
		t.Errorf("old %d times, new %d times: no kill came in the middle", olds, news)
	}
}

// Wherever a disk is full, the migration leaves the old store as it was and nothing
// more on the disk than before.
func TestMigratingOnAFullDisk(t *testing.T) {
	path, before := oldStore(t)
	for _, limit := range []int{0, 4096, len(before) / 2, len(before) - 1} {
		untouched(t, path, func() {
			out, err := opening(t, path, fmt.Sprint(limit)).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "as it was") || !strings.Contains(string(out), "file too large") {
				t.Errorf("%d bytes: %v, %s", limit, err, out)
			}
		})
		if names := beside(t, path); len(names) > 0 {
			t.Errorf("%d bytes: left %q", limit, names)
		}
	}
	if out, err := opening(t, path, fmt.Sprint(4*len(before))).CombinedOutput(); err != nil || !strings.Contains(string(out), "opened <nil>") {
		t.Errorf("with room again: %v, %s", err, out)
	}
	kept(t, path, before)
}
