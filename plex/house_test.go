package plex_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex"
	"usher/plex/plextest"
)

const (
	recheck = 5 * time.Minute
	grace   = 24 * time.Hour

	robin = 70010009
	casey = 70010001

	ownersView = 5 // requests: the account, its servers, its people; and of the one allowed server, the libraries and the shares
)

// memory is a store that forgets with the test.
type memory struct {
	mu      sync.Mutex
	tokens  map[int64]plex.Token
	answers map[int64][]byte
	owner   []byte
	fresh   []byte
	saves   int // of the owner's view, not only of when it was got
	reads   int
	err     error // of every call
}

func newMemory() *memory { return &memory{tokens: map[int64]plex.Token{}, answers: map[int64][]byte{}} }

func (m *memory) Person(id int64) (plex.Token, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	return m.tokens[id], m.answers[id], m.err
}

func (m *memory) set(f func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		f()
	}
	return m.err
}

// breaks makes every call fail from now on; nil: none.
func (m *memory) breaks(err error) { m.mu.Lock(); defer m.mu.Unlock(); m.err = err }

func (m *memory) SavePerson(id int64, b []byte) error { return m.set(func() { m.answers[id] = b }) }

func (m *memory) SaveToken(id int64, t plex.Token) error {
	return m.set(func() { m.tokens[id] = t })
}

func (m *memory) ForgetPerson(id int64) error {
	return m.set(func() { delete(m.tokens, id); delete(m.answers, id) })
}

func (m *memory) Owner() (view, fresh []byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owner, m.fresh, m.err
}

func (m *memory) SaveOwner(b []byte) error { return m.set(func() { m.owner = b; m.saves++ }) }

func (m *memory) SaveOwnerFresh(b []byte) error { return m.set(func() { m.fresh = b }) }

// house is a home server's sign-in: a plex.tv, a store, and a directory that can be restarted over them.
type house struct {
	*plextest.Server
	t      *testing.T
	store  *memory
	client *plex.Client
	cfg    plex.DirectoryConfig
	dir    *plex.Directory
	logs   lockedBuffer

	mu       sync.Mutex
	rejected []int64
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

type option func(*house)

// withToken gives the directory the token of that account as the owner's, withOwner the owner's id.
func withToken(name string) option {
	return func(h *house) { h.cfg.OwnerToken = plex.Token(h.Token(name, "owners-client")) }
}

func withOwner(id int64) option { return func(h *house) { h.cfg.Owner = id } }

// inHouse runs f in a bubble, where time passes only when everybody waits.
func inHouse(t *testing.T, options []option, f func(*testing.T, *house)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &house{Server: plextest.Start(t, plextest.InMemory()), t: t, store: newMemory()}
		var err error
		h.client, err = plex.New(plex.Config{URL: h.URL, ClientID: clientID, Transport: h.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		h.cfg = plex.DirectoryConfig{Client: h.client, Store: h.store, Servers: []string{plextest.Attic}, Recheck: recheck, Grace: grace,
			Log: slog.New(slog.NewTextHandler(&h.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Rejected: func(id int64) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.rejected = append(h.rejected, id)
			}}
		for _, o := range options {
			o(h)
		}
		h.restart()
		f(t, h)
		h.dir.Close()
		h.client.Close()
		for _, secret := range []string{"test-token", "@example.org"} {
			if strings.Contains(h.logs.String(), secret) {
				t.Errorf("the log has %q: %s", secret, h.logs.String())
			}
		}
	})
}

// restart replaces the directory by a new one over the same store, as configured now.
func (h *house) restart() {
	h.t.Helper()
	if h.dir != nil {
		h.dir.Close()
	}
	var err error
	if h.dir, err = plex.NewDirectory(h.cfg); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) id(name string) int64 { return h.Person(name).ID }

// signIn is a person's sign-in with the token of a new PIN.
func (h *house) signIn(name string) (*plex.Answer, error) {
	token := plex.Token(h.Token(name, clientID))
	a, err := h.client.Account(h.t.Context(), token)
	if err != nil { // plex.tv is down; the account is as it was
		p := h.Person(name)
		a = plex.Account{ID: p.ID, UUID: p.UUID, Username: p.Username, Email: p.Email, Title: p.Title}
	}
	return h.dir.SignedIn(h.t.Context(), a, token)
}

// check looks a person up as a check does and lets what that starts in the background come to its end.
func (h *house) check(name string) (*plex.Answer, error) {
	a, err := h.dir.Lookup(h.t.Context(), h.id(name))
	synctest.Wait()
	return a, err
}

// refuse is what a check does besides that refuses somebody.
func (h *house) refuse(name string) {
	h.t.Helper()
	h.dir.Doubt(h.id(name))
	synctest.Wait()
}

// is fails the test unless a check of the person gives want: their tiers and the number of servers, "no", or an error.
func (h *house) is(name, want string) {
	h.t.Helper()
	if got := says(h.check(name)); got != want {
		h.t.Errorf("%s: %q, want %q", name, got, want)
	}
}

func says(a *plex.Answer, err error) string {
	switch {
	case errors.Is(err, plex.ErrMisconfigured):
		return "misconfigured"
	case errors.Is(err, plex.ErrOwnerUnknown):
		return "owner unknown"
	case errors.Is(err, plex.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, plex.ErrUnauthorized):
		return "sign in again"
	case err != nil:
		return err.Error()
	}
	var list []string
	for tier, in := range map[string]bool{"owner": a.Owner, "home": a.Home, "friend": a.Friend, "server": len(a.Servers) > 0} {
		if in {
			list = append(list, tier)
		}
	}
	slices.Sort(list)
	if len(list) == 0 {
		return "no"
	}
	return strings.Join(list, " ")
}

func (h *house) requests() int {
	n := 0
	for _, e := range []plextest.Endpoint{plextest.User, plextest.Resources, plextest.Users, plextest.SharedServers, plextest.Libraries} {
		n += h.Requests(e)
	}
	return n
}

// asks fails the test unless f makes plex.tv answer that many requests.
func (h *house) asks(want int, what string, f func()) {
	h.t.Helper()
	before := h.requests()
	f()
	synctest.Wait()
	if got := h.requests() - before; got != want {
		h.t.Errorf("%s: %d requests, want %d", what, got, want)
	}
}

func (h *house) wasRejected(want ...int64) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.rejected, want) {
		h.t.Errorf("rejected %v, want %v", h.rejected, want)
	}
}

var everybody = []string{"robin", "sam", "Kiddo", "casey", "frankie", "pat", "otto", "mallory", "ivan"}
