package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctorCannotLook: each reason has a sentence of its own, and exit 2.
func TestDoctorCannotLook(t *testing.T) {
	t.Parallel()
	serve := func(tls bool, status int, location, body string) string {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
		srv := httptest.NewUnstartedServer(h)
		srv.Config.ErrorLog = newServer(h, nullLog()).ErrorLog
		if srv.Start(); tls {
			srv.Close()
			srv = httptest.NewUnstartedServer(h)
			srv.Config.ErrorLog = newServer(h, nullLog()).ErrorLog
			srv.StartTLS()
		}
		t.Cleanup(srv.Close)
		return srv.Listener.Addr().String()
	}
	closed := freeAddress(t)
	dumb, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := dumb.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { dumb.Close() })
	for name, c := range map[string]struct{ address, connect, says string }{
		"nobody listens":            {"http://app.example.com/", closed, "nobody listens"},
		"no such name":              {"http://usher-doctor.invalid/", "", "no address for that name"},
		"it hangs up":               {"http://app.example.com/", dumb.Addr().String(), "cannot be reached"},
		"an untrusted certificate":  {"https://example.com/", serve(true, 200, "", "x"), "nobody whom this machine trusts"},
		"no TLS":                    {"https://example.com/", serve(false, 200, "", "x"), "speaks no TLS"},
		"not there":                 {"http://app.example.com/", serve(false, 404, "", "x"), "not behind Usher"},
		"somebody else's 401":       {"http://app.example.com/", serve(false, 401, "", "x"), "not behind Usher"},
		"somebody else's sign-in":   {"http://app.example.com/", serve(false, 302, "https://other.example.net/oauth?x=1", ""), "redirects elsewhere, to \"https://other.example.net\""},
		"a sign-in without an rd":   {"http://app.example.com/", serve(false, 302, "https://auth.example.com/login", ""), "redirects elsewhere"},
		"to https":                  {"http://app.example.com/", serve(false, 301, "https://app.example.com/", ""), "redirects to https://"},
		"to another path":           {"http://app.example.com/", serve(false, 302, "/web/", ""), `"/web/": give that one`},
		"to nowhere":                {"http://app.example.com/", serve(false, 302, "", ""), "to nowhere"},
		"Usher stopped":             {"http://app.example.com/", serve(false, 502, "", ""), "refuses everybody with 502"},
		"Usher not set up":          {"http://app.example.com/", serve(false, 503, "", ""), "not set up"},
		"an empty answer":           {"http://app.example.com/", serve(false, 200, "", ""), "not behind Usher"},
		"a header that is not sent": {"http://app.example.com/", serve(false, 400, "", "X-Forwarded-Host is missing."), "Usher cannot read the check"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, r, out := examine(t, "", "--connect", c.connect, c.address)
			if code != 2 || !strings.Contains(r.Problem, c.says) {
				t.Errorf("exit %d, want %q:\n%s", code, c.says, out)
			}
		})
	}
}

// TestDoctorSession: what is wrong with a session is told, and no hole is
// made of it.
func TestDoctorSession(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	stranger := filepath.Join(t.TempDir(), "mallory")
	func() { // the sign-in ends at a page that refuses, with a session
		client := demoClient(t, w.port)
		demoSignIn(t, client, w.url("/"), "mallory")
		r, err := http.NewRequest(http.MethodGet, w.url("/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range client.Jar.Cookies(r.URL) {
			if err := os.WriteFile(stranger, []byte(c.Name+"="+c.Value), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}()
	for name, c := range map[string]struct{ stdin, file, says string }{
		"one that does not open":    {"usher=test-cookie-that-is-none", "-", "does not open"},
		"one that may not pass":     {"", stranger, "may not open this address"},
		"none in it":                {"", "-", "no session cookie"},
		"another app's":             {"connect.sid=abc", "-", "no session cookie of Usher's"},
		"two lines":                 {"usher=a\nusher=b", "-", "something else"},
		"a file that is not there":  {"", filepath.Join(t.TempDir(), "none"), "no such file"},
		"a header smuggled with it": {"usher=a\r\nX-Evil: 1", "-", "something else"},
	} {
		code, r, out := examine(t, c.stdin, "--connect", w.addr, "--cookie", c.file, w.url("/"))
		if code != 2 || !strings.Contains(r.Problem+out, c.says) {
			// what is wrong with the command line is an error, not a report
			err := doctor(t.Context(), []string{"--connect", w.addr, "--cookie", c.file, w.url("/")}, strings.NewReader(c.stdin), io.Discard, io.Discard)
			if code != 2 || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: exit %d, %v\n%s", name, code, err, out)
			}
		}
	}
	w.set(func() {
		w.app = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "no echo") })
	})
	if code, r, out := w.examine(w.url("/")); code != 2 || !strings.Contains(r.Problem, "--echo") {
		t.Errorf("an app that is no echo: exit %d\n%s", code, out)
	}
}

func TestDoctorCommandLine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"doctor", 2, "takes one address"},
		{"doctor https://a.example.com https://b.example.com", 2, "takes one address"},
		{"doctor https://a.example.com --json", 2, "behind the flags"},
		{"doctor --cookie=x --frobnicate https://a.example.com", 2, "frobnicate"},
		{"doctor app.example.com", 2, "no address such as"},
		{"doctor ftp://app.example.com", 2, "no address such as"},
		{"doctor https://robin:test-password@app.example.com", 2, "no address such as"},
		{"doctor --proxy lighttpd https://a.example.com", 2, "no recipe for"},
		{"doctor --proxy caddy=new https://a.example.com", 2, "no version"},
		{"doctor --headers Cookie={id} https://a.example.com", 2, "--headers"},
		{"doctor --ca " + file + " https://a.example.com", 2, "no certificate"},
		{"doctor --connect here https://a.example.com", 2, "--connect"},
		{"doctor --help", 0, "Exit 0"},
		{"help", 0, "usher doctor"},
	} {
		code, out, errOut := run1(t, []string{"USHER_DATA_DIR=" + t.TempDir()}, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errOut, c.says) || strings.Contains(out+errOut, "panic") {
			t.Errorf("usher %s: %d\n%s%s", c.args, code, out, errOut)
		}
	}
}
