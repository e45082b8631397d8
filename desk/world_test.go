package desk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"usher/auth"
	"usher/desk"
	"usher/plex"
	"usher/plex/plextest"
	"usher/session"
	"usher/templates"
)

const (
	testSecret = "test-secret-0123456789-abcdefghijklmnop"
	clientID   = "test-client-usher"
	base       = "https://auth.example.com"
	robinID    = 70010009
)

// world is a desk with a plex.tv of its own, and what it has been asked to put
// in force.
type world struct {
	t    testing.TB
	plex *plextest.Server
	desk *desk.Desk
	keys session.Keys
	log  *logBuffer

	mu      sync.Mutex
	now     desk.Setup
	applied int
	refuse  error // of the next Apply
	renewed []int64
	audit   []string // result, reason and whose, of each event
}

func newWorld(t testing.TB, change func(*desk.Config)) *world {
	t.Helper()
	w := &world{t: t, plex: plextest.Start(t, plextest.InMemory()), log: &logBuffer{}}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	w.keys, err = session.NewKeys(testSecret)
	must(err)
	pages, err := templates.New("")
	must(err)
	client, err := plex.New(plex.Config{URL: w.plex.URL, ClientID: clientID, Transport: w.plex.Transport()})
	must(err)
	site, err := url.Parse(base)
	must(err)
	cfg := desk.Config{Sites: []desk.Site{{URL: site, Domain: "example.com"}}, Port: "4181", Plex: client, PlexAuth: w.plex.AuthURL, Keys: w.keys, Pages: pages,
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Person: auth.Person,
		InForce: w.setup, Stored: w.setup, Apply: w.apply,
		Renewed: func(account int64, _ plex.Token) { w.mu.Lock(); w.renewed = append(w.renewed, account); w.mu.Unlock() },
		Audit: func(e session.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.audit = append(w.audit, strings.Join(strings.Fields(fmt.Sprint(e.Kind, " ", e.Result, " ", e.Reason, " ", e.User)), " "))
		}}
	if change != nil {
		change(&cfg)
	}
	w.desk, err = desk.New(cfg)
	must(err)
	return w
}

func (w *world) setup() desk.Setup {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) apply(s desk.Setup) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	w.now = s
	w.applied++
	return nil
}

// wantUntouched expects that nothing has been set up.
func (w *world) wantUntouched() {
	w.t.Helper()
	if s := w.setup(); len(s.Servers) > 0 || s.Owner != 0 || s.Token != "" || s.Allow != "" {
		w.t.Errorf("half set up: %+v", s)
	}
}

// browser keeps cookies and goes nowhere by itself.
type browser struct {
	*world
	jar   http.CookieJar
	visit desk.Visit
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, jar, desk.Visit{Base: base, Host: "auth.example.com", HTTPS: true, Client: netip.MustParseAddr("203.0.113.7")}}
}

// answer is one that was read whole.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, address string, form url.Values) answer {
	b.t.Helper()
	return b.raw(method, address, form.Encode())
}

func (b *browser) raw(method, address, text string) answer {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.t.Context(), method, u.RequestURI(), strings.NewReader(text))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Host = u.Host
	for _, c := range b.jar.Cookies(u) {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	if !b.desk.Serve(rec, r, b.visit) {
		rec.WriteHeader(http.StatusNotFound)
	}
	res := rec.Result()
	b.jar.SetCookies(u, res.Cookies())
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if secret := "test-token-"; strings.Contains(string(body), secret) || strings.Contains(strings.Join(res.Header["Location"], " "), secret) {
		b.t.Errorf("%s %s: the browser got a token", method, address)
	}
	return answer{res, string(body)}
}

// text is what a page says, for a failure's message.
func (a answer) text() string {
	_, page, _ := strings.Cut(a.body, "<h1>")
	page, _, _ = strings.Cut(page, "</main>")
	return strings.TrimSpace(tags.ReplaceAllString(page, ""))
}

func (b *browser) get(path string) answer { b.t.Helper(); return b.do(http.MethodGet, base+path, nil) }
func (b *browser) post(path string, pairs ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.do(http.MethodPost, base+path, form)
}

// open follows redirects within the desk.
func (b *browser) open(path string) answer {
	b.t.Helper()
	for range 10 {
		res := b.get(path)
		if res.StatusCode != http.StatusSeeOther {
			return res
		}
		path = strings.TrimPrefix(res.Header.Get("Location"), base)
	}
	b.t.Fatal("a round of redirects")
	panic("unreachable")
}

// want expects a status and words of an answer.
func (b *browser) want(what string, a answer, status int, words ...string) {
	b.t.Helper()
	if a.StatusCode != status {
		b.t.Errorf("%s: %s, want %d\n%s", what, a.Status, status, a.text())
	}
	for _, word := range words {
		if !strings.Contains(a.body, word) {
			b.t.Errorf("%s: no %q in\n%s", what, word, a.text())
		}
	}
}

// wantTo expects to be sent to a page of the desk.
func (b *browser) wantTo(what string, a answer, path string) {
	b.t.Helper()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != base+path {
		b.t.Errorf("%s: %s to %q, want %s\n%s", what, a.Status, a.Header.Get("Location"), path, a.text())
	}
}

// begun is a browser that has entered the code.
func (w *world) begun() *browser {
	w.t.Helper()
	b := w.browser()
	b.wantTo("the code", b.post("/setup/code", "code", w.desk.NewCode()), "/setup")
	return b
}

// again is a browser in which the owner at the desk has set-up run again.
func (w *world) again(owner int64) *browser {
	w.t.Helper()
	return w.againBy(owner, "")
}

func (w *world) againBy(owner int64, session string) *browser {
	w.t.Helper()
	b := w.browser()
	rec := httptest.NewRecorder()
	w.desk.Again(rec, b.visit, plex.Account{ID: owner, Username: "owner"}, session)
	u, err := url.Parse(base)
	if err != nil {
		w.t.Fatal(err)
	}
	res := rec.Result()
	b.jar.SetCookies(u, res.Cookies())
	b.wantTo("again", answer{res, ""}, "/setup")
	return b
}

// events are what was audited so far.
func (w *world) events() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.audit, "; ")
}

// approve is what a person does at Plex; the browser comes back.
func (b *browser) approve(person string) answer {
	b.t.Helper()
	res := b.post("/setup/plex")
	forward, err := b.plex.SignIn(res.Header.Get("Location"), person)
	if err != nil {
		b.t.Fatalf("%v (%s)\n%s", err, res.Status, res.body)
	}
	if forward != base+"/setup/callback" {
		b.t.Errorf("Plex leads back to %q", forward)
	}
	return b.get(strings.TrimPrefix(forward, base))
}

// signedIn is a browser whose person has signed in at Plex for set-up.
func (w *world) signedIn(person string) *browser {
	w.t.Helper()
	b := w.begun()
	b.wantTo("back from Plex", b.approve(person), "/setup")
	return b
}

// ticked is robin's browser before the last step.
func (w *world) ticked() *browser {
	w.t.Helper()
	b := w.signedIn("robin")
	b.wantTo("ticked", b.post("/setup/servers", "server", plextest.Attic), "/setup/people")
	b.want("who may pass", b.open("/setup"), http.StatusOK, "Who may pass?")
	return b
}

var errTest = errors.New("the disk is full")

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
