package auth_test

import (
	"bytes"
	"cmp"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"usher/auth"
	"usher/plex"
	"usher/plex/plextest"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

const (
	testSecret = "test-secret-0123456789-abcdefghijklmnop"
	clientID   = "test-client-usher"
	proxyAddr  = "10.0.0.2:40000" // a trusted proxy, where nothing else is said
	strange    = "198.51.100.9:40000"
)

// setup is what a test may change before its Usher is made.
type setup struct {
	auth.Config
	urls, domains  []string
	allow, headers string
	directory      plex.DirectoryConfig
	owner          string // whose token Usher has; "" for none, with directory.Owner set
	notSetUp       bool
	secrets        []string
	logTo          slog.Handler    // nil: world.log, as text
	transport      *http.Transport // to plex.tv; nil: the stand-in's own
}

// world is an Usher with a plex.tv of its own.
type world struct {
	t     testing.TB
	plex  *plextest.Server
	usher *auth.Server
	store *session.Store
	dir   *plex.Directory
	log   *logBuffer
	file  string // of the store
}

// newWorld starts Usher at https://auth.example.com for example.com, with
// robin's token and the server Attic. change may alter that.
func newWorld(t testing.TB, change func(*setup)) *world {
	t.Helper()
	w := &world{t: t, plex: plextest.Start(t, plextest.InMemory()), log: &logBuffer{}, file: filepath.Join(t.TempDir(), "usher.db")}
	w.start(change)
	return w
}

// restart stops Usher and starts another over the same store.
func (w *world) restart(change func(*setup)) {
	w.t.Helper()
	if w.dir != nil {
		w.dir.Close()
		w.dir = nil
	}
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.store = nil
	w.start(change)
}

func (w *world) start(change func(*setup)) {
	w.t.Helper()
	set := setup{secrets: []string{testSecret}, urls: []string{"https://auth.example.com"}, allow: "shared", headers: auth.DefaultHeaders, owner: "robin"}
	set.Proxies = auth.Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	set.Lifetime = 720 * time.Hour
	set.directory = plex.DirectoryConfig{Servers: []string{plextest.Attic}, Recheck: 5 * time.Minute, Grace: 24 * time.Hour}
	if change != nil {
		change(&set)
	}
	w.build(set)
}

func (w *world) build(set setup) {
	t := w.t
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	if set.logTo == nil {
		set.logTo = slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	log := slog.New(set.logTo)
	set.Log, set.PlexAuth = log, w.plex.AuthURL
	if set.Metrics == nil {
		set.Metrics = auth.NewMetrics(prometheus.NewRegistry())
	}
	for i, u := range set.urls {
		site, err := auth.NewSite(u, append(set.domains, make([]string, len(set.urls))...)[i])
		must(err)
		set.Sites = append(set.Sites, site)
	}
	set.Headers, err = auth.ParseHeaders(set.headers)
	must(err)
	set.Policy, err = policy.Parse(set.allow)
	must(err)
	set.Known = policy.Context{Servers: set.directory.Servers, OwnerToken: set.owner != ""}
	set.Keys, err = session.NewKeys(set.secrets...)
	must(err)
	if w.store == nil {
		w.store, err = session.Open(w.file, set.Keys, log)
		must(err)
		store := w.store
		t.Cleanup(func() { store.Close() })
	}
	set.Store = w.store
	set.Cookies, err = session.NewCookies(set.Keys, w.store, session.CookieConfig{Lifetime: set.Lifetime, Insecure: set.Insecure})
	must(err)
	set.Pages, err = templates.New("")
	must(err)
	transport := cmp.Or(set.transport, w.plex.Transport())
	set.Plex, err = plex.New(plex.Config{URL: w.plex.URL, ClientID: clientID, Transport: transport})
	must(err)
	if !set.notSetUp {
		set.directory.Client, set.directory.Store, set.directory.Log = set.Plex, auth.PlexStore(w.store), log
		set.directory.Rejected = func(id int64) {
			if err := w.usher.TokenRejected(id); err != nil {
				t.Error(err)
			}
		}
		if set.owner != "" {
			set.directory.OwnerToken = plex.Token(w.plex.Token(set.owner, clientID))
		}
		w.dir, err = plex.NewDirectory(set.directory)
		must(err)
		w.dir.Start()
		if set.owner != "" {
			set.Metrics.WatchView(w.dir.View)
		}
		t.Cleanup(w.dir.Close)
		set.Directory = w.dir
	}
	t.Cleanup(transport.CloseIdleConnections)
	w.usher, err = auth.New(set.Config)
	must(err)
}

// browser is one browser of one person, behind a trusted proxy.
type browser struct {
	*world
	jar  *cookiejar.Jar
	from string // the client's address, as the proxy tells it
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{world: w, jar: jar, from: "203.0.113.7"}
}

// do sends a request to Usher through the proxy, and keeps the cookies.
func (b *browser) do(method, address string, body url.Values, header http.Header) *http.Response {
	b.t.Helper()
	r := httptest.NewRequest(method, address, strings.NewReader(body.Encode()))
	r.RemoteAddr = proxyAddr
	r.Header.Set("X-Forwarded-Host", r.Host)
	r.Header.Set("X-Forwarded-Proto", r.URL.Scheme)
	r.Header.Set("X-Forwarded-For", b.from)
	r.Header.Set("Accept", "text/html")
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	maps.Copy(r.Header, header)
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	b.usher.ServeHTTP(rec, r)
	res := rec.Result()
	b.jar.SetCookies(r.URL, res.Cookies())
	return res
}

func (b *browser) get(address string) *http.Response {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil, nil)
}

func (b *browser) post(address string, form url.Values) *http.Response {
	b.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return b.do(http.MethodPost, address, form, nil)
}

// check asks as a proxy does about a page load of an address by this browser.
// path is what follows /auth/: "traefik", "nginx/owner". header replaces
// headers; an empty value list removes one.
func (b *browser) check(path, address string, header http.Header) *http.Response {
	b.t.Helper()
	return b.ask(b.checkRequest(path, address, header))
}

func (b *browser) checkRequest(path, address string, header http.Header) *http.Request {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/auth/"+path, nil)
	r.RemoteAddr = proxyAddr
	r.Header.Set("Accept", "text/html")
	r.Header.Set("X-Forwarded-For", b.from)
	if strings.HasPrefix(path, "nginx") {
		r.Header.Set("X-Original-Method", "GET")
		r.Header.Set("X-Original-URL", address)
	} else {
		r.Header.Set("X-Forwarded-Method", "GET")
		r.Header.Set("X-Forwarded-Proto", u.Scheme)
		r.Header.Set("X-Forwarded-Host", u.Host)
		r.Header.Set("X-Forwarded-Uri", u.RequestURI())
	}
	if strings.HasPrefix(path, "envoy") {
		r = httptest.NewRequest(http.MethodGet, "/auth/"+path+u.RequestURI(), nil)
		r.RemoteAddr, r.Host = proxyAddr, u.Host
		r.Header = http.Header{"Accept": {"text/html"}, "X-Forwarded-For": {b.from}, "X-Forwarded-Proto": {u.Scheme}}
	}
	for _, c := range b.jar.Cookies(u) {
		r.AddCookie(c)
	}
	for name, values := range header {
		if r.Header.Del(name); len(values) > 0 {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return r
}

func (b *browser) ask(r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	b.usher.ServeHTTP(rec, r)
	return rec.Result()
}

// begin posts the sign-in form and returns Plex's address.
func (b *browser) begin(back string) string {
	b.t.Helper()
	res := b.post("https://auth.example.com/login", url.Values{"rd": {back}, "keep": {"0", "1"}})
	if res.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("POST /login: %s\n%s", res.Status, text(res))
	}
	return res.Header.Get("Location")
}

// approve does at Plex what a person would, and returns where Plex leads.
func (b *browser) approve(plexURL, person string) string {
	b.t.Helper()
	forward, err := b.plex.SignIn(plexURL, person)
	if err != nil {
		b.t.Fatal(err)
	}
	return forward
}

// signIn signs a person in and returns where Usher leads then.
func (b *browser) signIn(person, back string) string {
	b.t.Helper()
	res := b.get(b.approve(b.begin(back), person))
	if res.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("callback: %s\n%s", res.Status, text(res))
	}
	return res.Header.Get("Location")
}

// signedIn is a browser in which a person is signed in.
func (w *world) signedIn(person string) *browser {
	w.t.Helper()
	b := w.browser()
	b.signIn(person, "/")
	return b
}

func text(res *http.Response) string {
	var b bytes.Buffer
	b.ReadFrom(res.Body)
	return b.String()
}

// logBuffer is a log that may be written while it is read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
