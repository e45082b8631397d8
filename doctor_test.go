package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"usher/plex/plextest"
)

// ward is an installation for the doctor: Usher, a proxy in one process with
// the test, and an app that is an echo.
type ward struct {
	t      *testing.T
	addr   string // of the proxy
	port   string
	data   string // Usher's data folder
	usher  *httputil.ReverseProxy
	check  string
	cookie string // a file with casey's session

	mu sync.Mutex
	wrongs
}

// wrongs are what is wrong with the proxy; each is nil for a right one.
type wrongs struct {
	skip    func(r *http.Request) bool    // pass without a check
	tell    func(check, r *http.Request)  // what Usher is told beside
	hand    func(app, client http.Header) // what the app gets
	answer  func(w http.ResponseWriter, r *http.Request) bool
	present string // Server header
	app     http.Handler
}

func newWard(t *testing.T) *ward {
	t.Helper()
	stand := plextest.Start(t)
	front := httptest.NewUnstartedServer(nil)
	w := &ward{t: t, addr: front.Listener.Addr().String(), data: t.TempDir(), wrongs: wrongs{app: http.HandlerFunc(echoApp)}}
	_, w.port, _ = net.SplitHostPort(w.addr)
	a, err := demoApp(stand, w.port, w.data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	usher := httptest.NewServer(a)
	front.Config.Handler = w
	front.Start()
	t.Cleanup(func() { front.Close(); usher.Close(); a.close() })
	target, err := url.Parse(usher.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.check = usher.URL + "/auth/traefik"
	w.usher = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}}
	w.cookie = filepath.Join(t.TempDir(), "cookie")
	w.signIn("casey", w.cookie)
	return w
}

func (w *ward) signIn(person, file string) {
	w.t.Helper()
	client := demoClient(w.t, w.port)
	demoSignIn(w.t, client, w.url("/"), person)
	u, err := url.Parse(w.url("/"))
	if err != nil {
		w.t.Fatal(err)
	}
	var text strings.Builder
	for _, c := range client.Jar.Cookies(u) {
		text.WriteString(c.Name + "=" + c.Value)
	}
	if err := os.WriteFile(file, []byte(text.String()+"\n"), 0o600); err != nil || text.Len() == 0 {
		w.t.Fatal(err, "no cookie")
	}
}

func (w *ward) url(path string) string { return "http://app.usher.localhost:" + w.port + path }

// echoApp tells the headers that reached it.
func echoApp(w http.ResponseWriter, r *http.Request) {
	json.NewEncoder(w).Encode(map[string]any{"headers": r.Header})
}

// whoami tells them as traefik/whoami does.
func whoami(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "Hostname: attic\nIP: 127.0.0.1\nRemoteAddr: 127.0.0.1:40000\nGET "+r.RequestURI+" HTTP/1.1\nHost: "+r.Host+"\n")
	r.Header.Write(w)
}

// set changes what is wrong while the proxy runs.
func (w *ward) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *ward) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	now := w.wrongs
	w.mu.Unlock()
	now.serve(w, rw, r)
}

func (f wrongs) serve(w *ward, rw http.ResponseWriter, r *http.Request) {
	if f.present != "" {
		rw.Header().Set("Server", f.present)
	}
	if strings.HasPrefix(r.Host, "auth.") {
		w.usher.ServeHTTP(rw, r)
		return
	}
	if f.answer != nil && f.answer(rw, r) {
		return
	}
	told := http.Header{"X-Forwarded-Method": {r.Method}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {r.Host}, "X-Forwarded-Uri": {r.URL.RequestURI()}, "X-Forwarded-For": {hostOf(r.RemoteAddr)}}
	client := r.Header.Clone()
	names := http.Header{}
	if f.skip == nil || !f.skip(r) {
		ask, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, w.check, nil)
		ask.Header = r.Header.Clone()
		for name, values := range told {
			ask.Header[name] = values
		}
		if f.tell != nil {
			f.tell(ask, r)
		}
		answer, err := http.DefaultTransport.RoundTrip(ask)
		if err != nil {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			for name, values := range answer.Header {
				rw.Header()[name] = values
			}
			rw.WriteHeader(answer.StatusCode)
			io.Copy(rw, answer.Body)
			return
		}
		names = answer.Header
	}
	for name := range r.Header {
		if n := fold(name); strings.HasPrefix(n, "remote-") || strings.HasPrefix(n, "x-forwarded-") {
			delete(r.Header, name)
		}
	}
	for name, values := range told {
		r.Header[name] = values
	}
	r.Header.Del("X-Usher-Key")
	delete(r.Header, "Authorization")
	for name, values := range names {
		if isIdentity(name) || name == "Authorization" {
			r.Header[name] = values
		}
	}
	if f.hand != nil {
		f.hand(r.Header, client)
	}
	r.Header.Del("Connection") // it would take the identity away again
	if strings.HasSuffix(r.URL.Path, "/doctor/echo") {
		w.usher.ServeHTTP(rw, r)
		return
	}
	f.app.ServeHTTP(rw, r)
}

// examine runs the doctor and reads what it says.
func (w *ward) examine(args ...string) (int, report, string) {
	w.t.Helper()
	return examine(w.t, "", append([]string{"--connect", w.addr, "--cookie", w.cookie}, args...)...)
}

func examine(t *testing.T, stdin string, args ...string) (int, report, string) {
	t.Helper()
	var out bytes.Buffer
	err := doctor(context.Background(), append([]string{"--json"}, args...), strings.NewReader(stdin), &out, &out)
	code := map[error]int{nil: 0, errHoles: 1, errUnseen: 2}
	var r report
	if jerr := json.Unmarshal(out.Bytes(), &r); jerr != nil {
		return 2, report{}, err.Error()
	}
	if c, ok := code[err]; !ok || c != r.Exit {
		t.Errorf("ended with %v and says %d", err, r.Exit)
	}
	return r.Exit, r, out.String()
}

func (r report) has(level string, k kind, header string) *finding {
	for _, f := range r.Findings {
		if f.Level == level && f.Kind == k && f.Header == header {
			return f
		}
	}
	return nil
}

// copyTo hands the app a client's own header, in the spelling in which it came.
func copyTo(names ...string) func(app, client http.Header) {
	return func(app, client http.Header) {
		for _, name := range names {
			if v, ok := client[name]; ok {
				app[name] = v
			}
		}
	}
}

// TestDoctorFindsHoles breaks the proxy in one way at a time.
func TestDoctorFindsHoles(t *testing.T) {
	t.Parallel()
	nobody := func(r *http.Request) bool { return !strings.Contains(r.Header.Get("Cookie"), "usher=") }
	for name, c := range map[string]struct {
		wrong  func(w *ward)
		kind   kind
		header string
	}{
		"no check at all": {func(w *ward) { w.skip = func(*http.Request) bool { return true } }, anybody, ""},
		"no check of an app that is no echo": {func(w *ward) {
			w.skip, w.app = nobody, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
		}, anybody, ""},
		"no check of WebSockets":             {func(w *ward) { w.skip = func(r *http.Request) bool { return r.Header.Get("Upgrade") != "" } }, anybody, ""},
		"no check of those who bring a name": {func(w *ward) { w.skip = func(r *http.Request) bool { return r.Header.Get("Remote-User") != "" } }, anybody, "identity"},
		"no check below /api":                {func(w *ward) { w.skip = func(r *http.Request) bool { return strings.HasPrefix(r.RequestURI, "/api/") } }, byPath, ""},
		"no check of .css":                   {func(w *ward) { w.skip = func(r *http.Request) bool { return strings.HasSuffix(r.RequestURI, ".css") } }, byPath, ""},
		"a policy in the query": {func(w *ward) {
			w.skip = func(r *http.Request) bool { return r.URL.Query().Get("policy") == "anyone" }
		}, byPath, ""},
		"the host compared letter by letter": {func(w *ward) {
			w.skip = func(r *http.Request) bool { return !strings.HasPrefix(r.Host, "app.usher.localhost:") }
		}, twoHosts, ""},
		"a client's X-Forwarded-Host": {func(w *ward) {
			w.tell = func(check, r *http.Request) { copyTo("X-Forwarded-Host")(check.Header, r.Header) }
		}, told, "X-Forwarded-Host"},
		"a client's X-Forwarded-Uri": {func(w *ward) {
			w.tell = func(check, r *http.Request) { copyTo("X-Forwarded-Uri")(check.Header, r.Header) }
		}, told, "X-Forwarded-Uri"},
		"a client's X-Forwarded-Method": {func(w *ward) {
			w.tell = func(check, r *http.Request) { copyTo("X-Forwarded-Method")(check.Header, r.Header) }
		}, told, "X-Forwarded-Method"},
		"a client's X-Forwarded-Proto": {func(w *ward) {
			w.tell = func(check, r *http.Request) { copyTo("X-Forwarded-Proto")(check.Header, r.Header) }
		}, told, "X-Forwarded-Proto"},
		"nothing told by the proxy itself": {func(w *ward) {
			w.tell = func(check, r *http.Request) {
				delete(check.Header, "X-Forwarded-Host")
				copyTo("X-Forwarded-Host")(check.Header, r.Header)
			}
		}, told, "X-Forwarded-Host"},
		"X-Rewrite-URL decides": {func(w *ward) {
			w.tell = func(check, r *http.Request) {
				if to := r.Header.Get("X-Rewrite-Url"); to != "" {
					check.Header.Set("X-Forwarded-Uri", to)
				}
			}
		}, told, "X-Rewrite-URL"},
		"X-Original-URL of a health check": {func(w *ward) { w.skip = func(r *http.Request) bool { return r.Header.Get("X-Original-Url") != "" } }, told, "X-Original-URL"},
		"a client's Remote-User":           {func(w *ward) { w.hand = copyTo("Remote-User") }, identity, "Remote-User"},
		"a client's Remote-Groups":         {func(w *ward) { w.hand = copyTo("Remote-Groups") }, identity, "Remote-Groups"},
		"a client's Remote_User":           {func(w *ward) { w.hand = copyTo("Remote_user") }, alias, "Remote-User"},
		"a client's Remote.User":           {func(w *ward) { w.hand = copyTo("Remote.user") }, alias, "Remote-User"},
		"added to ours": {func(w *ward) {
			w.hand = func(app, client http.Header) {
				app["Remote-Email"] = append(app["Remote-Email"], client["Remote-Email"]...)
			}
		}, identity, "Remote-Email"},
		"an empty one wins": {func(w *ward) {
			w.hand = func(app, client http.Header) {
				if v := client["Remote-User"]; len(v) > 0 && v[0] == "" {
					app["Remote-User"] = []string{""}
				}
			}
		}, identity, "Remote-User"},
		"Connection takes a name away": {func(w *ward) {
			w.hand = func(app, client http.Header) {
				for name := range strings.SplitSeq(client.Get("Connection"), ",") {
					app.Del(strings.TrimSpace(name))
				}
			}
		}, hop, "Remote-User"},
		"Connection takes X-Forwarded-For away": {func(w *ward) {
			w.hand = func(app, client http.Header) {
				if strings.Contains(client.Get("Connection"), "X-Forwarded-For") {
					app.Del("X-Forwarded-For")
				}
			}
		}, hop, "X-Forwarded-For"},
		"a client's X-Forwarded-For at the app":   {func(w *ward) { w.hand = copyTo("X-Forwarded-For") }, forwarded, "X-Forwarded-For"},
		"a client's X-Forwarded-Proto at the app": {func(w *ward) { w.hand = copyTo("X-Forwarded-Proto") }, forwarded, "X-Forwarded-Proto"},
		"the app is not told": {func(w *ward) {
			w.hand = func(app, _ http.Header) { app.Del("Remote-Id") }
		}, unnamed, "Remote-Id"},
		"X-Usher-Key at the app":   {func(w *ward) { w.hand = copyTo("X-Usher-Key") }, secret, "X-Usher-Key"},
		"a client's Authorization": {func(w *ward) { w.hand = copyTo("Authorization") }, secret, "Authorization"},
		"names at an open path": {func(w *ward) {
			w.skip = func(r *http.Request) bool { return r.URL.Path == "/api" }
			w.hand = func(app, client http.Header) {
				if app["Remote-Id"] == nil {
					copyTo("Remote-User")(app, client)
				}
			}
		}, atOpen, "Remote-User"},
		"the check's own address": {func(w *ward) {
			w.answer = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/__usher" {
					return false
				}
				rw.Header().Set("Location", "http://auth.usher.localhost:1/login?rd="+url.QueryEscape("http://"+r.Host+"/__usher"))
				rw.WriteHeader(http.StatusUnauthorized)
				return true
			}
		}, check, ""},
		"an old nginx": {func(w *ward) { w.present = "nginx/1.16.1" }, outdated, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.set(func() { c.wrong(w) })
			code, r, out := w.examine("--proxy", "traefik=3.7.12", w.url("/"))
			if w.present != "" {
				code, r, out = w.examine(w.url("/"))
			}
			f := r.has("hole", c.kind, c.header)
			if code != 1 || f == nil {
				t.Fatalf("exit %d, want a hole %s %s:\n%s", code, c.kind, c.header, out)
			}
			if len(f.Text) < 20 || c.kind != twoHosts && c.kind != outdated && c.kind != check && f.Fix == nil {
				t.Errorf("says %q, closed by %v", f.Text, f.Fix)
			}
			for _, f := range r.Findings {
				if f.Level == "hole" && f.Kind != c.kind && c.kind != anybody && !(c.kind == told && f.Kind == anybody) {
					t.Errorf("also finds %s %s, which is not there: %s", f.Kind, f.Header, f.Text)
				}
			}
		})
	}
}

// TestDoctorIsContent: a right proxy has no hole, whatever tells what reached
// the app.
func TestDoctorIsContent(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	code, r, out := w.examine(w.url("/some/page?a=1&b=%2F"))
	if code != 0 || r.holes() != 0 || r.SeenBy != "a JSON echo" || len(r.Findings) != 1 || r.Requests < 100 || r.Requests >= maxProbes {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if f := r.has("note", forwarded, ""); f == nil || !strings.Contains(strings.Join(f.Sent, " "), "X-Rewrite-URL") {
		t.Errorf("nothing is said of what no recipe takes away:\n%s", out)
	}
	w.set(func() { w.hand = func(app, _ http.Header) { app.Del("Authorization") } })
	if code, r, out := w.examine(w.url("/")); code != 0 || r.has("note", secret, "Authorization") == nil {
		t.Errorf("an app's own credentials kept back: exit %d:\n%s", code, out)
	}
	w.set(func() { w.hand, w.app = nil, http.HandlerFunc(whoami) })
	if code, r, out = w.examine(w.url("/")); code != 0 || r.SeenBy != "whoami" {
		t.Errorf("whoami: exit %d:\n%s", code, out)
	}
	var text bytes.Buffer
	if err := doctor(t.Context(), []string{"--connect", w.addr, "--cookie", w.cookie, "--proxy", "caddy=2.11.9", w.url("/")}, nil, &text, &text); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"NOTE ", "NOT SEEN ", "No hole in what could be seen.", "caddy 2.11.9", "whoami told"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not said:\n%s", want, text.String())
		}
	}
	session := strings.TrimSpace(fileOf(t, filepath.Dir(w.cookie), filepath.Base(w.cookie)))
	if _, value, _ := strings.Cut(session, "="); strings.Contains(text.String()+out, value) {
		t.Error("the session is in the report")
	}
	for form, stdin := range map[string]string{"as a header": "Cookie: other=1; " + session + "\n", "the value alone": session[strings.Index(session, "=")+1:]} {
		if code, r, out := examine(t, stdin, "--connect", w.addr, "--cookie", "-", w.url("/")); code != 0 || r.SeenBy == "" {
			t.Errorf("%s: exit %d:\n%s", form, code, out)
		}
	}
	if code, r, out := examine(t, "", "--connect", w.addr, w.url("/")); code != 0 || !strings.Contains(strings.Join(r.NotSeen, "\n"), "--cookie") {
		t.Errorf("without a session: exit %d:\n%s", code, out)
	}
}

// TestDoctorAtAnOpenPath: what is open on purpose must give nobody a name.
func TestDoctorAtAnOpenPath(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	if code, r, out := examine(t, "", "--connect", w.addr, "--open", w.url("/api")); code != 2 || !strings.Contains(r.Problem, "--open") {
		t.Errorf("a closed path: exit %d:\n%s", code, out)
	}
	w.set(func() { w.skip = func(r *http.Request) bool { return r.URL.Path == "/api" } })
	if code, _, out := examine(t, "", "--connect", w.addr, "--open", w.url("/api")); code != 0 {
		t.Errorf("a right one: exit %d:\n%s", code, out)
	}
	w.set(func() {
		w.skip = func(r *http.Request) bool { return r.URL.Path == "/api" && r.Header.Get("X-Api-Key") != "" }
	})
	w.set(func() { w.hand = copyTo("Remote_user") })
	if code, r, out := examine(t, "", "--connect", w.addr, "--open", w.url("/api")); code != 1 || r.has("hole", atOpen, "Remote-User") == nil {
		t.Errorf("a wrong one, with a key: exit %d:\n%s", code, out)
	}
	w.set(func() { w.hand = copyTo("Authorization") })
	if code, r, out := examine(t, "", "--connect", w.addr, "--open", w.url("/api")); code != 1 || r.has("hole", secret, "Authorization") == nil {
		t.Errorf("a key that passes there: exit %d:\n%s", code, out)
	}
	w.set(func() {
		w.answer = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Header["Remote-User"] == nil {
				return false
			}
			rw.WriteHeader(http.StatusForbidden)
			return true
		}
	})
	if _, r, out := examine(t, "", "--connect", w.addr, "--open", w.url("/api")); !strings.Contains(strings.Join(r.NotSeen, "\n"), "never reached the app") {
		t.Errorf("refused requests are not told:\n%s", out)
	}
}

// TestDoctorWithUshersEcho: the app is no echo, and need not be.
func TestDoctorWithUshersEcho(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.set(func() { w.app = http.NotFoundHandler() })
	run := func(data, address string) (int, string) {
		code, out, errOut := run1(t, []string{"USHER_DATA_DIR=" + data}, "doctor", "--json", "--echo", "--connect", w.addr, "--cookie", w.cookie, address)
		return code, out + errOut
	}
	for _, address := range []string{w.url("/doctor/echo"), w.url("")} {
		if code, out := run(w.data, address); code != 0 || !strings.Contains(out, "Usher's echo") {
			t.Errorf("%s: exit %d:\n%s", address, code, out)
		}
	}
	if _, err := os.Lstat(filepath.Join(w.data, wordName)); !os.IsNotExist(err) {
		t.Errorf("the word is left: %v", err)
	}
	if code, out := run(t.TempDir(), w.url("")); code != 2 || !strings.Contains(out, "data folder of that very Usher") {
		t.Errorf("another data folder: exit %d:\n%s", code, out)
	}
	if code, out := run(filepath.Join(w.data, "missing"), w.url("")); code != 2 || !strings.Contains(out, "USHER_DATA_DIR") {
		t.Errorf("no data folder: exit %d:\n%s", code, out)
	}
	asked, hold := make(chan struct{}, 1), make(chan struct{})
	t.Cleanup(func() { close(hold) })
	w.set(func() {
		w.answer = func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case asked <- struct{}{}:
			default:
			}
			<-hold
			return true
		}
	})
	p := start(t, []string{"USHER_DATA_DIR=" + w.data}, "doctor", "--echo", "--connect", w.addr, w.url(""))
	<-asked
	if _, err := os.Lstat(filepath.Join(w.data, wordName)); err != nil {
		t.Error(err)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(); code != 2 {
		t.Errorf("ended with %d after SIGTERM", code)
	}
	if _, err := os.Lstat(filepath.Join(w.data, wordName)); !os.IsNotExist(err) {
		t.Errorf("after SIGTERM the word is left: %v", err)
	}
	w.set(func() { w.answer = nil })
	w.set(func() { w.hand = copyTo("Remote-Name") })
	if code, out := run(w.data, w.url("")); code != 1 || !strings.Contains(out, "Remote-Name") {
		t.Errorf("a hole: exit %d:\n%s", code, out)
	}
}

// TestDoctorWithOtherHeaders: the identity is whatever USHER_HEADERS makes it.
func TestDoctorWithOtherHeaders(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.set(func() {
		w.hand = func(app, client http.Header) {
			for name := range client {
				if fold(name) == "x-webauth-user" {
					delete(app, name)
				}
			}
			app["X-Webauth-User"] = app["Remote-User"]
			copyTo("X-Webauth-User")(app, client)
		}
	})
	args := []string{"--connect", w.addr, "--cookie", w.cookie, "--headers", "X-WEBAUTH-USER={username}", "--proxy", "nginx", w.url("/")}
	if code, r, out := examine(t, "", args...); code != 1 || r.has("hole", identity, "X-Webauth-User") == nil || r.holes() != 1 {
		t.Errorf("exit %d:\n%s", code, out)
	}
	var text bytes.Buffer
	if err := doctor(t.Context(), args, nil, &text, &text); err != errHoles || !strings.Contains(text.String(), "a line for it like that of deploy/nginx/usher-answers.conf") {
		t.Errorf("%v:\n%s", err, text.String())
	}
}

func TestDoctorCountsOneRequest(t *testing.T) {
	t.Parallel()
	for n, says := range map[int]string{1: ": 1 request through", 2: ": 2 requests through"} {
		var out strings.Builder
		(&report{Requests: n}).writeText(&out)
		if !strings.Contains(out.String(), says) {
			t.Errorf("%q, want %q", out.String(), says)
		}
	}
}
