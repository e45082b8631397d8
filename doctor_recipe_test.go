package main

import (
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
)

func nullLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestRecipeLines: every line that the doctor names is in its file.
func TestRecipeLines(t *testing.T) {
	t.Parallel()
	for _, r := range recipes() {
		check := func(l line) {
			text, err := os.ReadFile(l.File)
			if err != nil || !strings.Contains(string(text), l.Text) {
				t.Errorf("%s: %q is not in %s: %v", r.name, l.Text, l.File, err)
			}
		}
		for k, l := range r.lines {
			check(l)
			if len(k) == 0 {
				t.Errorf("%s: a line for nothing", r.name)
			}
		}
		for _, headers := range r.headers {
			for _, l := range headers {
				check(l)
			}
		}
		for _, k := range []kind{anybody, byPath, identity, alias, unnamed} {
			if r.closes(k, "Remote-User") == nil {
				t.Errorf("%s has no line for %q", r.name, k)
			}
		}
		for _, name := range []string{"Authorization", "X-Usher-Key"} {
			if r.closes(secret, name) == nil {
				t.Errorf("%s has no line for a key in %s", r.name, name)
			}
		}
		if readme, err := os.ReadFile("deploy/" + r.name + "/README.md"); err != nil || !strings.Contains(string(readme), r.needs) {
			t.Errorf("deploy/%s/README.md does not say that it needs %s: %v", r.name, r.needs, err)
		}
	}
}

func TestProxyOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		server, via, name, version string
		old                        bool
	}{
		{"nginx/1.22.1", "", "nginx", "1.22.1", false},
		{"nginx/1.16.1 (Ubuntu)", "", "nginx", "1.16.1", true},
		{"nginx", "", "nginx", "", false},
		{"openresty/1.21.4.1", "", "nginx", "1.21.4.1", false},
		{"Caddy", "", "caddy", "", false},
		{"uvicorn", "1.1 Caddy", "caddy", "", false},
		{"uvicorn", "2.0 Caddy", "caddy", "", false},
		{"", "", "", "", false},
		{"Apache/2.4", "1.1 varnish", "", "", false},
	} {
		h := http.Header{}
		if h.Set("Server", c.server); c.via != "" {
			h.Set("Via", c.via)
		}
		r, version := proxyOf(h)
		name := ""
		if r != nil {
			name = r.name
		}
		if name != c.name || version != c.version || r != nil && older(version, r.needs) != c.old {
			t.Errorf("Server: %s, Via: %s is %q %q", c.server, c.via, name, version)
		}
	}
	for version, old := range map[string]bool{"": false, "2.6.2": true, "2.11.3": true, "2.11": true, "v2.11.4": false, "2.11.4-beta.1": false, "2.12": false, "3": false} {
		if older(version, "2.11.4") != old {
			t.Errorf("%q", version)
		}
	}
}

// TestOldProxyIsNamed: with what is wrong with it, also where it has to be
// told to the doctor.
func TestOldProxyIsNamed(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	for proxy, says := range map[string]string{"caddy=2.10.0": "CVE-2026-30851", "traefik=v3.6.12": "CVE-2026-54763", "nginx=1.14.2": "1.18"} {
		code, r, out := examine(t, "", "--connect", w.addr, "--proxy", proxy, w.url("/"))
		if f := r.has("hole", outdated, ""); code != 1 || f == nil || !strings.Contains(f.Text, says) {
			t.Errorf("%s: exit %d\n%s", proxy, code, out)
		}
	}
	w.set(func() { w.present = "nginx/1.22.1" })
	if code, r, out := examine(t, "", "--connect", w.addr, w.url("/")); code != 0 || r.Proxy != "nginx 1.22.1" {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestParseEcho(t *testing.T) {
	t.Parallel()
	const nonce = "TESTNONCE"
	for name, c := range map[string]struct{ body, by string }{
		"nothing":                {"", ""},
		"a page":                 {"<html>GET / HTTP/1.1</html>", ""},
		"without our nonce":      {`{"headers":{"Remote-User":"a","X-Usher-Probe":"OTHER"}}`, ""},
		"JSON without headers":   {`{"name":"` + nonce + `"}`, ""},
		"a nonce elsewhere":      {`{"headers":{"User-Agent":"` + nonce + `"}}`, ""},
		"deeper than one looks":  {`{"a":{"b":{"c":{"d":{"headers":{"X-Usher-Probe":"` + nonce + `"}}}}}}`, ""},
		"JSON, lists":            {`{"Header":{"Remote-User":["a","b"],"X-Usher-Probe":["` + nonce + `"]}}`, "a JSON echo"},
		"JSON, texts, in lower":  {`{"request":{"headers":{"remote-user":"a","x-usher-probe":"` + nonce + `"}}}`, "a JSON echo"},
		"Usher's":                {`{"usher_echo":true,"header":{"X-Usher-Probe":["` + nonce + `"]}}`, "Usher's echo"},
		"whoami":                 {"Hostname: x\nIP: ::1\nGET /a?b HTTP/1.1\nHost: x:1\nRemote-User: a\nX-Usher-Probe: " + nonce + "\n", "whoami"},
		"whoami, a header twice": {"GET / HTTP/1.1\r\nRemote-User: a\r\nRemote-User: b\r\nX-Usher-Probe: " + nonce + "\r\n\r\nbody: x", "whoami"},
	} {
		s := parseEcho([]byte(c.body), nonce)
		if (s == nil) != (c.by == "") || s != nil && s.by != c.by {
			t.Errorf("%s: %+v", name, s)
		}
	}
	s := parseEcho([]byte("GET / HTTP/1.1\nRemote-User: a\nREMOTE_USER: b\nRemote.User:\nX-Usher-Probe: "+nonce+"\nCookie-Like: a: b\n"), nonce)
	if got := strings.Join(s.all("remote-user"), "|"); got != "b|a|" || !s.aliased("Remote-User", "b") || s.aliased("Remote-User", "a") || s.all("Cookie-Like")[0] != "a: b" {
		t.Errorf("%q, %+v", got, s)
	}
}
