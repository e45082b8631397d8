package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"usher/plex/plextest"
)

// openTerminal is a terminal and the end at which a person sits.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("no terminals here: ", err)
	}
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { person.Close() })
	control := func(request uintptr, value *uint32) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	var locked, number uint32
	control(syscall.TIOCSPTLCK, &locked)
	control(syscall.TIOCGPTN, &number)
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return person, program
}

// atTerminal runs usher setup as robin does: a code, typed at Plex, then server
// 1 and choice 3, and, where it is asked for, Caddy.
func atTerminal(t *testing.T, stand *plextest.Server, env []string, args ...string) (seen, out string) {
	t.Helper()
	person, program := openTerminal(t)
	cmd := exec.Command(os.Args[0], append([]string{"setup"}, args...)...)
	cmd.Env = append([]string{"RUN_AS_USHER=1", "HOME=/nonexistent"}, env...)
	var stdout, screen output
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	if len(args) > 0 {
		cmd.Stdout = &stdout
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	program.Close()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		b := make([]byte, 4096)
		for {
			n, err := person.Read(b)
			screen.Write([]byte(strings.ReplaceAll(string(b[:n]), "\r\n", "\n")))
			if err != nil { // EIO once the program has gone
				return
			}
		}
	}()
	await := func(what string, is func() bool) {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		late := time.After(20 * time.Second)
		for !is() {
			select {
			case <-tick.C:
			case <-late:
				cmd.Process.Kill()
				t.Fatalf("no %s:\n%s", what, screen.String())
			}
		}
	}
	await("code", func() bool { return codeShown(screen.String()) != "" })
	if err := stand.Approve(codeShown(screen.String()), "robin"); err != nil {
		t.Fatal(err)
	}
	steps := [][2]string{{"Numbers, such as", "1\n"}, {"A number (3", "3\n"}, {"Enter for none", "caddy\n"}}
	if len(args) > 0 {
		steps = steps[:2]
	}
	for _, step := range steps {
		await(step[0], func() bool { return strings.Contains(screen.String(), step[0]) })
		if _, err := person.WriteString(step[1]); err != nil {
			t.Fatal(err)
		}
	}
	await("end", func() bool { // its own end of the terminal is the last
		select {
		case <-drained:
			return true
		default:
			return false
		}
	})
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, screen.String())
	}
	return screen.String(), stdout.String()
}

// TestSetUpAtATerminal: with an Usher that serves, which goes by it at once;
// without one; and printed.
func TestSetUpAtATerminal(t *testing.T) {
	stand := plextest.Start(t)
	settings := func() (env []string, address string) {
		listen := freeAddress(t)
		return []string{"USHER_LISTEN=" + listen, "USHER_DATA_DIR=" + t.TempDir(), "USHER_URL=https://home.example.com/door", "USHER_CLIENT_ID=test-client",
			"USHER_PLEX_URL=" + stand.URL, "USHER_PLEX_AUTH_URL=" + stand.AuthURL}, "http://" + listen
	}
	ownLines := func(seen string) bool {
		_, lines, _ := strings.Cut(seen, "==> caddy/overlay.Caddyfile <==")
		return strings.Contains(lines, "home.example.com") && strings.Contains(lines, "/door/") && !strings.Contains(lines, "app.example.com")
	}
	t.Run("served", func(t *testing.T) {
		env, usher := settings()
		p := start(t, env)
		p.await(usher+"/healthz", http.StatusOK)
		if got := strangersCheck(t, usher, "app.example.com", "/"); got != http.StatusServiceUnavailable {
			t.Errorf("before: %d", got)
		}
		// It is not told where the pages live, but who serves is.
		seen, _ := atTerminal(t, stand, slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, "USHER_URL=") }))
		if !strings.Contains(seen, "Done.") || !ownLines(seen) || strings.Contains(seen, "test-token-") {
			t.Errorf("%s", seen)
		}
		if got := strangersCheck(t, usher, "app.example.com", "/"); got != http.StatusUnauthorized {
			t.Errorf("at once: %d", got)
		}
		if strings.Contains(p.errOut.String(), "test-token-") {
			t.Error("a token is in the log")
		}
	})
	t.Run("served by another secret", func(t *testing.T) {
		env, usher := settings()
		start(t, env).await(usher+"/healthz", http.StatusOK)
		_, program := openTerminal(t)
		defer program.Close()
		cmd := exec.Command(os.Args[0], "setup")
		cmd.Env = append([]string{"RUN_AS_USHER=1", "USHER_SECRET=" + testSecret}, env...)
		cmd.Stdin = program
		pins := stand.Requests(plextest.CreatePIN)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "no Usher with this secret") || stand.Requests(plextest.CreatePIN) != pins {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("served from another folder", func(t *testing.T) {
		env, usher := settings()
		env = append(env, "USHER_CLIENT_ID=") // both make their own
		start(t, env).await(usher+"/healthz", http.StatusOK)
		secret := strings.TrimSpace(fileOf(t, strings.TrimPrefix(env[1], "USHER_DATA_DIR="), "secret"))
		for _, own := range []string{"", "USHER_SECRET=" + secret} {
			_, program := openTerminal(t)
			defer program.Close()
			dir := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // it would wait for somebody to sign in
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "setup")
			cmd.Env = with(env, "RUN_AS_USHER=1", own, "USHER_DATA_DIR="+filepath.Join(dir, "data"))
			cmd.Stdin = program
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "the data folder") || strings.Contains(string(out), "plex.tv/link") {
				t.Errorf("%v: %s", err, out)
			}
			if left := filesOf(t, dir); len(left) > 0 {
				t.Errorf("%q left %v", own, left)
			}
		}
	})
	t.Run("not served, by root", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("only root makes files for others")
		}
		env, _ := settings()
		env = append(env, "USHER_CLIENT_ID=")
		dir := strings.TrimPrefix(env[1], "USHER_DATA_DIR=")
		if err := os.Chown(dir, 65532, 65533); err != nil {
			t.Fatal(err)
		}
		atTerminal(t, stand, env)
		for _, name := range []string{"secret", "client-id", "usher.db"} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if is := info.Sys().(*syscall.Stat_t); is.Uid != 65532 || is.Gid != 65533 {
				t.Errorf("%s belongs to %d:%d", name, is.Uid, is.Gid)
			}
		}
	})
	t.Run("the token fixed", func(t *testing.T) {
		env, usher := settings()
		env = append(env, "USHER_PLEX_TOKEN="+stand.Token("robin", "another-client"))
		p := start(t, env)
		p.await(usher+"/healthz", http.StatusOK)
		atTerminal(t, stand, env)
		if got := strangersCheck(t, usher, "app.example.com", "/"); got != http.StatusUnauthorized {
			t.Errorf("set up: %d", got)
		}
		if _, out, _ := run1(t, env, "config"); !strings.Contains(out, "(hidden)") || strings.Contains(out, "USHER_PLEX_TOKEN set-up") {
			t.Errorf("%s", out)
		}
	})
	t.Run("not served", func(t *testing.T) {
		env, usher := settings()
		if seen, _ := atTerminal(t, stand, env); !ownLines(seen) {
			t.Errorf("%s", seen)
		}
		p := start(t, env)
		p.await(usher+"/healthz", http.StatusOK)
		if got := strangersCheck(t, usher, "app.example.com", "/"); got != http.StatusUnauthorized {
			t.Errorf("the next start: %d", got)
		}
	})
	t.Run("printed", func(t *testing.T) {
		env, usher := settings()
		seen, out := atTerminal(t, stand, env, "--print")
		token := stand.Token("robin", "test-client")
		if want := "USHER_OWNER=70010009\nUSHER_SERVERS=" + plextest.Attic + "\nUSHER_PLEX_TOKEN=" + token + "\nUSHER_ALLOW=shared\n"; out != want || strings.Contains(seen, token) || strings.Contains(seen, "Done.") || !strings.Contains(seen, "environment, and start it again") {
			t.Errorf("%s\nseen: %s", out, seen)
		}
		p := start(t, append(env, strings.Fields(out)...))
		p.await(usher+"/healthz", http.StatusOK)
		if codeInLog.MatchString(p.errOut.String()) {
			t.Error("not set up by these lines")
		}
	})
}
