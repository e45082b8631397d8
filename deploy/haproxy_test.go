package deploy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func haproxyRecipe() proxy {
	return proxy{
		name: "haproxy", site: "haproxy.cfg", overlay: "overlay.cfg", run: runHAProxy,
		available: func(t *testing.T) { findHAProxy(t) },
		undecided: 503, unanswered: 503, cutsUploads: true, refusesTwoHosts: true,
	}
}

func findHAProxy(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil { // Debian has it where only root's PATH looks
		path, err = exec.LookPath("/usr/sbin/haproxy")
	}
	if err != nil {
		missing(t, "HAProxy is not installed: apt-get install haproxy, or make test as root")
	}
	return path
}

func runHAProxy(t *testing.T, h *house, site string) *process {
	dir := t.TempDir()
	pasted := t.TempDir()
	h.paste(t, "haproxy", pasted, strings.NewReplacer(
		"bind :443", "bind "+h.front,
		"bind :80", "bind "+freeAddress(t),
		"/etc/ssl/example.com.pem", filepath.Join(dir, "site.pem"),
		"/etc/haproxy/", dir+"/",
		"example.com", "usher.test",
		"127.0.0.1:4181", h.listen,
		"127.0.0.1:8080", h.app.Listener.Addr().String(),
	))
	for _, name := range []string{site, "usher.lua"} {
		if err := os.Rename(filepath.Join(pasted, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	var pem []byte // HAProxy wants the certificate and its key in one file
	for _, name := range []string{"site.crt", "site.key"} {
		part, err := os.ReadFile(filepath.Join(h.ca.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, part...)
	}
	write(t, filepath.Join(dir, "site.pem"), string(pem))
	return start(t, nil, findHAProxy(t), "-db", "-f", filepath.Join(dir, site))
}

// TestHAProxyTakesAway: HAProxy itself changes none of a client's headers; the recipe's lines do.
func TestHAProxyTakesAway(t *testing.T) {
	watchSources(t)
	t.Parallel()
	h := newHouse(t, haproxyRecipe(), "haproxy.cfg")
	forged := http.Header{
		"Connection": {"Remote-User, X-Forwarded-Host"}, "Forwarded": {"for=203.0.113.9"}, "X-Forwarded-For": {"203.0.113.9"},
		"X-Forwarded-Prefix": {"/evil"}, "X-Forwarded-User": {"robin"}, "X-Original-Url": {"/evil"}, "X-Rewrite-Url": {"/evil"},
		"Remote-Anything": {"robin"},
	}
	for _, got := range []arrival{
		h.signedIn(t, "casey").get(h.url("app", "/"), asPage, forged).arrival(t),
		h.browser(t).get(h.url("app", "/api/v3/items"), asScript, forged).arrival(t),
	} {
		for name, value := range forged {
			if values := got.all(name); slices.Contains(values, value[0]) {
				t.Errorf("the app saw %s %q", name, values)
			}
		}
		if at := got.all("X-Forwarded-For"); len(at) != 1 || at[0] != "127.0.0.1" {
			t.Errorf("the app saw X-Forwarded-For %q, want 127.0.0.1", at)
		}
	}
}

// TestHAProxyBelievesUsherAlone: whatever else may answer where Usher should, and whatever becomes of the Lua
// action by it, nobody passes.
func TestHAProxyBelievesUsherAlone(t *testing.T) {
	watchSources(t)
	t.Parallel()
	h := newHouse(t, haproxyRecipe(), "haproxy.cfg")
	g := guests{nobody: h.browser(t), casey: h.signedIn(t, "casey")}
	h.usher.stop(t)
	for name, answer := range map[string]string{
		"another server's page":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"half an identity":          "HTTP/1.1 200 OK\r\nRemote-User: robin\r\nContent-Length: 0\r\n\r\n",
		"two identities":            "HTTP/1.1 200 OK\r\n" + headers("casey") + headers("robin") + "Content-Length: 0\r\n\r\n",
		"no content":                "HTTP/1.1 204 No Content\r\n" + headers("robin") + "\r\n",
		"accepted":                  "HTTP/1.1 202 Accepted\r\n" + headers("robin") + "Content-Length: 0\r\n\r\n",
		"nothing":                   "",
		"no HTTP":                   "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"a header cut off":          "HTTP/1.1 200 OK\r\n" + headers("robin"),
		"a header that is no Usher": "HTTP/1.1 200 OK\r\nX-Remote-User: robin\r\nContent-Length: 0\r\n\r\n",
		"a status of its own":       "HTTP/1.1 999 Unknown\r\nContent-Length: 0\r\n\r\n",
		"a redirect inside":         "HTTP/1.1 307 Temporary Redirect\r\nLocation: " + h.app.URL + "/instead\r\nContent-Length: 0\r\n\r\n",
		"a page without an end":     "HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\nno",
	} {
		t.Run(name, func(t *testing.T) {
			stop := answering(t, h.listen, answer)
			defer stop()
			for _, who := range []*browser{g.nobody, g.casey} {
				if got := who.in(t).get(h.url("app", "/believed"), asScript, http.Header{"Remote-User": {"robin"}}); got.StatusCode < 300 {
					t.Errorf("got %s", got.Status)
				}
			}
			notReached(t, h, "/believed")
			notReached(t, h, "/instead")
		})
	}
}

// headers is a whole identity, as Usher sends it.
func headers(user string) (lines string) {
	for _, name := range identity {
		lines += name + ": " + user + "\r\n"
	}
	return lines
}

// answering gives every connection one answer and closes it, until it is stopped.
func answering(t *testing.T, address, answer string) (stop func()) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, answer)
			conn.Close()
		}
	}()
	return func() { l.Close(); <-done }
}
