package auth_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/auth"
	"usher/session"
)

// controlRequest is what a command of this machine sends, with any of its parts changed.
func controlRequest(t *testing.T, sealer *session.Sealer, c any) *http.Request {
	t.Helper()
	text, err := sealer.Seal(c)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, auth.ControlPath, strings.NewReader(text))
	r.RemoteAddr = "127.0.0.1:40000"
	return r
}

func testKeys(t *testing.T, secret string) session.Keys {
	t.Helper()
	keys, err := session.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// listensAt is the context of a request that came in at an address.
func listensAt(r *http.Request, ip string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.ParseIP(ip), Port: 4181})))
}

// TestControlIsNotThere: who does not have the secret, or is elsewhere, gets the same
// answer as for any path that does not exist.
func TestControlIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	keys := testKeys(t, testSecret)
	missing := text(w.serve(httptest.NewRequest(http.MethodPost, "/no/such/page", nil)))
	backup := auth.Control{Backup: true}
	good := func() *http.Request { return controlRequest(t, auth.ControlSealer(keys), backup) }
	from := func(address string) *http.Request {
		r := good()
		r.RemoteAddr = address
		return r
	}
	through := func(name, value string) *http.Request {
		r := good()
		r.Header.Set(name, value)
		return r
	}
	for name, r := range map[string]*http.Request{
		"nothing":                       httptest.NewRequest(http.MethodPost, auth.ControlPath, nil),
		"in clear":                      httptest.NewRequest(http.MethodPost, auth.ControlPath, strings.NewReader(`{"Backup":true}`)),
		"another secret":                controlRequest(t, auth.ControlSealer(testKeys(t, testSecret+"2")), backup),
		"sealed for something else":     controlRequest(t, keys.Sealer("sign-in", time.Minute), backup),
		"from a trusted proxy":          from(proxyAddr),
		"from a stranger":               from(strange),
		"from nowhere":                  from(""),
		"from elsewhere in the network": listensAt(from("192.168.1.3:40000"), "192.168.1.2"),
		"through a proxy":               through("X-Forwarded-For", "127.0.0.1"),
		"through a proxy, emptily":      through("X-Forwarded-For", ""),
		"through a modern proxy":        through("Forwarded", "for=127.0.0.1"),
		"through a cache":               through("Via", "1.1 cache"),
	} {
		if res := w.serve(r); res.StatusCode != http.StatusNotFound || text(res) != missing {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	r := good()
	r.Method = http.MethodGet
	if res := w.serve(r); res.StatusCode == http.StatusOK {
		t.Errorf("GET: %s", res.Status)
	}
}

func TestControlIsForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		r := controlRequest(t, auth.ControlSealer(testKeys(t, testSecret)), auth.Control{Backup: true})
		time.Sleep(time.Minute)
		if res := w.serve(r); res.StatusCode != http.StatusNotFound {
			t.Error(res.Status)
		}
	})
}

func TestControl(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	sealer := auth.ControlSealer(testKeys(t, testSecret))
	for name, address := range map[string][2]string{"loopback": {"127.0.0.1:40000", "127.0.0.1"}, "IPv6": {"[::1]:40000", "::1"}, "its own address": {"192.168.1.2:40000", "192.168.1.2"}} {
		r := listensAt(controlRequest(t, sealer, auth.Control{Backup: true}), address[1])
		r.RemoteAddr = address[0]
		res := w.serve(r)
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || res.ContentLength != int64(len(b)) {
			t.Fatalf("%s: %s, %d bytes of %d, %v", name, res.Status, len(b), res.ContentLength, err)
		}
		path := filepath.Join(t.TempDir(), "usher.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := session.Inspect(path); err != nil || found.Schema == 0 {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
	if res := w.serve(controlRequest(t, sealer, map[string]bool{"Restart": true})); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text(res), "another version") {
		t.Errorf("a command of another version: %s", res.Status)
	}
	if res := w.serve(controlRequest(t, sealer, auth.Control{Explain: &auth.Question{URL: "no URL"}})); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text(res), "the URL must be") {
		t.Errorf("explain: %s", res.Status)
	}
}
