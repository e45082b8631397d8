package auth_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"usher/plex/plextest"
)

// What a proxy reads: each identity header on one line, once, empty ones too.
func TestIdentityOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.Proxies = append(s.Proxies, netip.MustParsePrefix("127.0.0.0/8")) })
	w.plex.Edit("Kiddo", func(p *plextest.Person) {
		p.Title, p.FriendlyName = "É\r\nRemote-User: robin", "É\r\nRemote-User: robin"
	})
	kiddo := w.signedIn("Kiddo")
	server := httptest.NewServer(w.usher)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var cookies []string
	for _, c := range kiddo.cookies() {
		cookies = append(cookies, c.String())
	}
	io.WriteString(conn, "GET /auth/traefik HTTP/1.1\r\nHost: usher\r\nconnection: close\r\nx-forwarded-method: GET\r\nX-FORWARDED-PROTO: https\r\nx-Forwarded-host: app.example.com\r\nX-forwarded-Uri: /\r\n"+
		"Remote-User: robin\r\nremote-user: admin\r\nRemote-Groups: owner\r\nCookie: "+strings.Join(cookies, "; ")+"\r\n\r\n")
	got := map[string][]string{}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		got[strings.ToLower(name)] = append(got[strings.ToLower(name)], value)
	}
	for name, want := range map[string]string{"remote-user": " plex-70010002", "remote-name": " ÉRemote-User: robin", "remote-email": " ", "remote-groups": " home,shared,friend,library:Films,library:Home_ Videos,library:Music,library:Shows", "remote-id": " 70010002", "content-length": " 0"} {
		if v := got[name]; len(v) != 1 || v[0] != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
}

// Whatever clients send, the log has one line a record, and no secret.
func TestChecksLogLinesAndSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	mallory, casey := w.signedIn("mallory"), w.signedIn("casey")
	w.plex.Rename("mallory", "m\n{\"level\":\"ERROR\"}\x1b[31m\x00")
	renamed := w.signedIn("mallory")
	const secret = "test-token-in-a-query"
	before := len(w.log.String())
	asked := 0
	for _, family := range families {
		for _, b := range []*browser{mallory, renamed, casey, w.browser()} {
			for _, address := range []string{"https://app.example.com/?X-Plex-Token=" + secret, "https://app.example.org/?X-Plex-Token=" + secret, "https://app.example.com/%0a%7b%22level%22?" + secret} {
				b.check(family, address, http.Header{"X-Plex-Token": {secret}, "Authorization": {"Bearer " + secret}, "User-Agent": {"x\n" + secret}, "X-Forwarded-For": {"a\nlevel=ERROR " + secret}})
				asked++
			}
			b.check(family, page, http.Header{"X-Forwarded-Host": {"a\nlevel=ERROR " + secret}, "X-Original-URL": {"https://a\nlevel=ERROR " + secret}, "X-Forwarded-Proto": {secret}})
			b.raw("/auth/" + family + "/user:x%0alevel=ERROR%20msg=forged%1b%5b31m,?" + secret)
			asked += 2
		}
	}
	log := w.log.String()[before:]
	if lines := strings.Count(log, "\n"); lines > asked {
		t.Errorf("%d lines for %d checks", lines, asked)
	}
	for _, line := range strings.Split(strings.TrimSuffix(log, "\n"), "\n") {
		if !strings.HasPrefix(line, "time=") || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("a forged line: %q", line)
		}
	}
	secrets := []string{secret, w.plex.Token("robin", clientID), w.plex.Token("mallory", clientID), w.plex.Token("casey", clientID), testSecret}
	for _, b := range []*browser{mallory, renamed, casey} {
		secrets = append(secrets, b.cookies()[0].Value)
	}
	for _, s := range secrets {
		if strings.Contains(w.log.String(), s) {
			t.Errorf("the log has %q", s)
		}
	}
}

// TestChecksInDisguise: a proxy that keeps clients off /auth/ of the sign-in
// host must not be talked past.
func TestChecksInDisguise(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	casey := w.signedIn("casey")
	for _, disguised := range []string{
		"/%61uth/traefik", "/auth%2ftraefik", "/auth%2Ftraefik/owner", "//auth/traefik", "/./auth/traefik", "/x/../auth/traefik",
		"/auth/traefik/../../x", "/auth/envoy/../../x", "/auth/envoy/%2e%2e/%2e%2e/x", "/auth/envoy/..%2f..%2fx", "/auth/../x",
	} {
		r := casey.checkRequest("traefik", page, nil)
		at, err := url.ParseRequestURI(disguised)
		if err != nil {
			t.Fatal(err)
		}
		r.URL, r.RequestURI = at, disguised
		if res := casey.ask(r); res.StatusCode != http.StatusNotFound || res.Header.Get("Remote-User") != "" {
			t.Errorf("%s: %s", disguised, res.Status)
		}
	}
}
