package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/plex/plextest"
	"usher/policy"
)

// awaitLog waits for a text in what the process has logged.
func (p *process) awaitLog(text string) {
	p.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.errOut.String(), text) {
		select {
		case <-deadline.C:
			p.t.Fatalf("the log never says %q", text)
		case <-tick.C:
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// house is the environment of an Usher whose owner is robin.
func house(t *testing.T, stand *plextest.Server, more ...string) (env []string, address string) {
	t.Helper()
	listen := freeAddress(t)
	return append([]string{
		"USHER_LISTEN=" + listen, "USHER_DATA_DIR=" + t.TempDir(), "USHER_URL=http://auth.home.localhost", "USHER_INSECURE_COOKIES=true",
		"USHER_SERVERS=" + plextest.Attic, "USHER_PLEX_TOKEN=" + stand.Token("robin", "test-client"), "USHER_CLIENT_ID=test-client",
		"USHER_PLEX_URL=" + stand.URL, "USHER_PLEX_AUTH_URL=" + stand.AuthURL, "USHER_LOG_LEVEL=debug",
	}, more...), "http://" + listen
}

// strangersCheck asks a running usher, for a stranger behind Traefik, about a page.
func strangersCheck(t *testing.T, usher, host, uri string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, usher+"/auth/traefik", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "http", "X-Forwarded-Host": host, "X-Forwarded-Uri": uri, "X-Forwarded-For": "203.0.113.7"} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestBadRulesFileStopsTheStart(t *testing.T) {
	stand := plextest.Start(t)
	file := filepath.Join(t.TempDir(), "rules.yaml")
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"two problems, both with their lines": {"- host: a b\n  allow: owner\n- host: app.home.localhost\n  alow: owner\n", []string{
			"USHER_RULES_FILE: " + file + ", line 1: \"a b\" is no host", "USHER_RULES_FILE: " + file + ", line 4: unknown key \"alow\""}},
		"empty":              {"", []string{"USHER_RULES_FILE: " + file + ", line 1: the file has no rules"}},
		"larger than it may": {"- host: a.localhost\n  allow: owner # " + strings.Repeat("x", maxRulesFile), []string{"USHER_RULES_FILE: " + file + " is larger than"}},
	} {
		write(t, file, c.text)
		env, _ := house(t, stand, "USHER_RULES_FILE="+file)
		for _, command := range []string{"serve", "config"} {
			code, _, errOut := run1(t, env, command)
			if code == 0 {
				t.Errorf("%s, %s: starts", name, command)
			}
			for _, want := range c.want {
				if !strings.Contains(errOut, want) {
					t.Errorf("%s, %s: %q lacks %q", name, command, errOut, want)
				}
			}
		}
	}
	env, _ := house(t, stand, "USHER_RULES_FILE="+filepath.Join(t.TempDir(), "none.yaml"))
	if code, _, errOut := run1(t, env); code != 2 || !strings.Contains(errOut, "USHER_RULES_FILE: ") {
		t.Errorf("a file that is not there: %d, %s", code, errOut)
	}
}

// A new file counts at SIGHUP, a bad one changes nothing.
func TestRulesFileIsReadAgain(t *testing.T) {
	stand := plextest.Start(t)
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, file, "- host: app.home.localhost\n  path: /one\n  bypass: true\n- host: app.home.localhost\n  path: /one/deep\n  allow: owner\n")
	env, usher := house(t, stand, "USHER_RULES_FILE="+file)
	p := start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	p.awaitLog("line 4: this rule never matches")
	open := func(uri string) bool { return strangersCheck(t, usher, "app.home.localhost", uri) == http.StatusOK }
	if !open("/one") || open("/two") {
		t.Fatalf("one %v, two %v by the first file", open("/one"), open("/two"))
	}
	write(t, file, "- host: app.home.localhost\n  path: /two\n  bypas: true\n")
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLog("line 3: unknown key")
	if !open("/one") || open("/two") {
		t.Errorf("one %v, two %v after a bad file", open("/one"), open("/two"))
	}
	// A pipe into which nobody writes would be waited for, also at the end.
	if err := errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLog("is no regular file")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	write(t, file, "- host: app.home.localhost\n  path: /two\n  bypass: true\n")
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLog("event=rules result=reloaded")
	if open("/one") || !open("/two") {
		t.Errorf("one %v, two %v by the second file", open("/one"), open("/two"))
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestConfigPrintsTheRules(t *testing.T) {
	stand := plextest.Start(t)
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, file, "- host: Sonarr.home.localhost.\n  preset: arr-api\n  bypass: true\n- host: sonarr.home.localhost\n  allow: owner\n- host: sonarr.home.localhost\n  path: /x\n  allow: home\n")
	env, _ := house(t, stand, "USHER_RULES_FILE="+file)
	code, out, errOut := run1(t, env, "config")
	if code != 0 || !strings.Contains(errOut, "line 6: this rule never matches") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	for _, want := range []string{"1     host sonarr.home.localhost, preset arr-api: let through unseen", "4     host sonarr.home.localhost: owner", "everything else: shared"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\nlacks %q", out, want)
		}
	}
}

// Without a rules file the signal that would end a process does nothing.
func TestSIGHUPWithoutRules(t *testing.T) {
	stand := plextest.Start(t)
	env, usher := house(t, stand)
	p := start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLog("no rules file")
	p.await(usher+"/healthz", http.StatusOK)
}

// The page about rules names every preset, and what it opens.
func TestRulesPageListsThePresets(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range policy.Presets() {
		if !strings.Contains(string(text), fmt.Sprintf("\n### `%s`\n", p.Name)) || !strings.Contains(string(text), p.Why) || !strings.Contains(string(text), p.Checks) {
			t.Errorf("docs/rules.md does not describe %s as the program does", p.Name)
		}
		for _, path := range p.Paths {
			want := "`" + path.Path + "/…`"
			if path.Exact {
				want = "`" + path.Path + "`"
			}
			if !strings.Contains(string(text), want) {
				t.Errorf("docs/rules.md: %s lacks %s", p.Name, want)
			}
		}
	}
}

// The file that docs/rules.md prints is a rules file.
func TestRulesPagePrintsARulesFile(t *testing.T) {
	stand := plextest.Start(t)
	text, err := os.ReadFile("docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, file, block)
	env, _ := house(t, stand, "USHER_RULES_FILE="+file)
	if code, out, errOut := run1(t, env, "config"); code != 0 || errOut != "" || strings.Count(out, "\n") < 30 {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
}
