package session_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"usher/session"
)

// The people of the tests.
const (
	casey   = 70010001
	sam     = 70010003
	mallory = 70010007
)

const (
	secretA = "test-secret-A-0123456789-abcdefghij"
	secretB = "test-secret-B-9876543210-zyxwvutsrq"
	agent   = "Mozilla/5.0 (test)"
)

var attic = session.Scope{Domain: "example.com", Host: "app.example.com"}

func newKeys(t testing.TB, secrets ...string) session.Keys {
	t.Helper()
	keys, err := session.NewKeys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// openStore opens a store and closes it with the test, if the test does not.
func openStore(t testing.TB, path string, keys session.Keys) *session.Store {
	t.Helper()
	store, err := session.Open(path, keys, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func newStore(t testing.TB) *session.Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "usher.db"), newKeys(t, secretA))
}

func begin(t testing.TB, store *session.Store, account int64) session.Session {
	t.Helper()
	s, err := store.Begin(session.Session{
		Account: account, Audience: attic.Audience(), Device: agent, Address: "192.0.2.7",
		Expires: time.Now().Add(720 * time.Hour), Keep: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newCookies(t testing.TB, keys session.Keys, store *session.Store) *session.Cookies {
	t.Helper()
	cookies, err := session.NewCookies(keys, store, session.CookieConfig{Lifetime: 720 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return cookies
}

// desk is one installation: a store, its cookies, and casey signed in.
type desk struct {
	store   *session.Store
	cookies *session.Cookies
	casey   session.Session
	cookie  *http.Cookie // casey's
}

func newDesk(t testing.TB) desk {
	t.Helper()
	store := newStore(t)
	d := desk{store: store, cookies: newCookies(t, newKeys(t, secretA), store), casey: begin(t, store, casey)}
	d.cookie = issue(t, d.cookies, attic, d.casey)
	return d
}

func issue(t testing.TB, cookies *session.Cookies, scope session.Scope, s session.Session) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if err := cookies.Set(w, scope, s); err != nil {
		t.Fatal(err)
	}
	set := w.Result().Cookies()
	if len(set) != 1 {
		t.Fatalf("%d cookies were set", len(set))
	}
	return set[0]
}

// carrying is a request with these Cookie headers, as they are.
func carrying(headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "https://app.example.com/", nil)
	r.Header["Cookie"] = headers
	return r
}

func pair(c *http.Cookie) string { return c.Name + "=" + c.Value }
