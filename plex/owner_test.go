package plex_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex"
	"usher/plex/plextest"
)

// TestAHiccupOfTheOwnersView must not make everybody's token ask: that would answer plex.tv's 429 with more requests.
func TestAHiccupOfTheOwnersView(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		for _, name := range []string{"casey", "sam", "frankie"} {
			_, _ = h.signIn(name)
		}
		time.Sleep(recheck)
		h.Fail(plextest.Any, plextest.TooMany(0))
		h.is("casey", "friend server")
		h.asks(0, "the others", func() {
			h.is("casey", "friend server")
			h.is("sam", "friend home server")
			h.is("frankie", "friend")
		})
		time.Sleep(recheck)
		h.asks(3+2+2+2, "once it has lasted", func() {
			h.is("casey", "friend server")
			h.is("sam", "friend home server")
			h.is("frankie", "friend")
		})
	})
}

func TestTheOwnersViewOutlivesAPersonsToken(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		_, _ = h.signIn("mallory")
		h.RevokeTokens("casey")
		h.RevokeTokens("mallory")
		for range 10 {
			time.Sleep(recheck)
			h.is("casey", "friend server")
		}
		time.Sleep(recheck)
		_, _ = h.check("mallory")
		h.is("mallory", "sign in again")
		h.wasRejected(h.id("mallory"))
	})
}

func TestADeadOwnersToken(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		for _, name := range []string{"casey", "sam", "frankie", "otto"} {
			_, _ = h.signIn(name)
		}
		h.RevokeTokens("otto")
		h.RevokeTokens("robin")
		h.dir.Start()
		time.Sleep(recheck)
		_, _ = h.check("casey")
		synctest.Wait()
		if p := h.dir.Problems(); len(p) != 1 || !strings.Contains(p[0], "rejects the owner's token") || h.dir.State() != plex.Ready {
			t.Error(p, h.dir.State())
		}
		// The last view goes on to serve, and each person's own token can say more.
		h.is("frankie", "friend")
		h.is("otto", "friend")
		h.is("otto", "friend")
		h.wasRejected()
		h.Share("mallory", plextest.Attic)
		if got := says(h.signIn("mallory")); got != "server" {
			t.Errorf("shared after the token died: %q", got)
		}
		h.Unshare("casey", plextest.Attic)
		time.Sleep(recheck)
		_, _ = h.check("casey")
		h.is("casey", "friend") // the server is gone; friendship only the owner's view can deny
		h.is("sam", "friend home server")

		// After the grace each person's own view stands alone.
		time.Sleep(grace)
		for _, name := range []string{"casey", "sam", "frankie", "otto", "mallory"} {
			_, _ = h.check(name)
		}
		time.Sleep(time.Minute)
		h.is("sam", "home server")
		h.is("mallory", "server")
		h.is("frankie", "unavailable") // whether they still are a friend nobody can tell
		h.is("otto", "sign in again")

		// A new token heals it all.
		h.cfg.OwnerToken = plex.Token(h.Token("robin", "owners-client"))
		h.restart()
		h.is("frankie", "friend")
		h.is("casey", "friend")
		if p := h.dir.Problems(); len(p) > 0 {
			t.Error(p)
		}
	})
}

func TestAWrongOwnersToken(t *testing.T) {
	t.Run("and nobody else says who the owner is", func(t *testing.T) {
		inHouse(t, []option{withToken("mallory")}, func(t *testing.T, h *house) {
			h.dir.Start()
			synctest.Wait()
			if p := h.dir.Problems(); len(p) != 1 || !strings.Contains(p[0], "owns none of the allowed servers") || h.dir.State() != plex.Misconfigured {
				t.Error(p, h.dir.State())
			}
			for _, name := range []string{"mallory", "casey", "robin"} {
				if got := says(h.signIn(name)); got != "misconfigured" {
					t.Errorf("%s: %q", name, got)
				}
			}
			// It heals without a restart and without a check, once the account owns the server.
			h.AddMachine(plextest.Machine{Owner: "mallory", ID: plextest.Attic, Name: "Attic", Provides: "server"})
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			if h.dir.State() != plex.Ready || len(h.dir.Problems()) > 0 {
				t.Error(h.dir.Problems())
			}
		})
	})
	t.Run("the impostor's is the owner's only of the impostor's server", func(t *testing.T) {
		inHouse(t, []option{withToken("ivan"), withOwner(robin)}, func(t *testing.T, h *house) {
			for _, name := range []string{"ivan", "casey"} {
				if got := says(h.signIn(name)); got != "misconfigured" {
					t.Errorf("%s: %q", name, got)
				}
			}
			if p := h.dir.Problems(); len(p) != 1 || !strings.Contains(p[0], "70010008") || !strings.Contains(p[0], "70010009") || h.dir.State() != plex.Misconfigured {
				t.Error(p, h.dir.State())
			}
		})
	})
	for _, name := range []string{"casey", "mallory"} {
		t.Run("it can reach the server, or has a player of that identifier: "+name, func(t *testing.T) {
			inHouse(t, []option{withToken(name)}, func(t *testing.T, h *house) {
				h.AddMachine(plextest.Machine{Owner: "mallory", ID: plextest.Attic, Name: "Attic", Provides: "player"})
				if got := says(h.signIn(name)); got != "misconfigured" {
					t.Error(got)
				}
			})
		})
	}
	t.Run("after a right one the pinned owner counts", func(t *testing.T) {
		inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
			_, _ = h.signIn("casey")
			_, _ = h.signIn("frankie")
			h.cfg.OwnerToken = plex.Token(h.Token("mallory", "owners-client"))
			h.restart()
			time.Sleep(recheck)
			h.is("casey", "server")
			h.is("mallory", "sign in again")
			_, _ = h.check("frankie")
			h.is("frankie", "no")
			if h.dir.State() != plex.Ready || len(h.dir.Problems()) != 1 { // it answers, and says what to put right
				t.Error(h.dir.State(), h.dir.Problems())
			}
			h.Fail(plextest.Any, plextest.Maintenance())
			h.restart()
			h.is("casey", "server")
			h.is("frankie", "no") // the view of before is gone from the store as well
		})
	})
}

func TestTheOwnerIsNotYetKnown(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		h.Fail(plextest.Any, plextest.Maintenance())
		h.dir.Start()
		if got := says(h.signIn("casey")); got != "owner unknown" {
			t.Error(got)
		}
		h.is("casey", "owner unknown")
		if h.dir.State() != plex.Silent || len(h.dir.Problems()) > 0 {
			t.Error(h.dir.State(), h.dir.Problems())
		}
		h.Heal()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if h.dir.State() != plex.Ready {
			t.Error("does not heal by itself")
		}
		h.is("casey", "friend server")

		// The store remembers who the owner is, for a start while plex.tv is silent and after the token is gone.
		h.Fail(plextest.Any, plextest.Maintenance())
		h.restart()
		h.is("casey", "friend server")
		h.cfg.OwnerToken = ""
		h.restart()
		if h.dir.State() != plex.Ready {
			t.Error("the owner was not pinned")
		}
		h.cfg.Owner = h.id("mallory")
		h.cfg.OwnerToken = plex.Token(h.Token("robin", "owners-client"))
		h.restart()
		h.is("casey", "unavailable") // the configured owner is another: the stored view is not theirs
	})
}

func TestAStoredViewIsOfTheServersOfItsDay(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		h.cfg.Servers = []string{plextest.Attic, plextest.Cellar}
		h.restart()
		for name, want := range map[string]string{"casey": "friend server", "otto": "friend server", "robin": "owner server"} {
			if got := says(h.signIn(name)); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		h.Fail(plextest.Any, plextest.Maintenance())
		h.cfg.Servers = []string{plextest.Cellar, "not-robins-server"}
		h.restart()
		h.is("casey", "friend")
		h.is("otto", "friend server")
		if p := h.dir.Problems(); len(p) != 1 || !strings.Contains(p[0], "not-robins-server") {
			t.Error(p)
		}
		h.cfg.Servers = []string{"not-robins-server"}
		h.restart()
		h.is("casey", "unavailable")
		h.is("robin", "unavailable")
	})
}

// The owner gives one of two servers up, and nothing else changes.
func TestAServerIsNoLongerTheOwners(t *testing.T) {
	inHouse(t, []option{withToken("robin"), func(h *house) { h.cfg.Servers = []string{plextest.Attic, plextest.Cellar} }}, func(t *testing.T, h *house) {
		_, _ = h.signIn("robin")
		h.EditMachine("robin", plextest.Cellar, func(m *plextest.Machine) { m.Provides = "player" })
		time.Sleep(recheck)
		_, _ = h.check("robin")
		if a, err := h.check("robin"); err != nil || len(a.Servers) != 1 {
			t.Errorf("%+v %v", a, err)
		}
		h.Fail(plextest.Any, plextest.Maintenance())
		h.restart() // that is in the store too
		if p := h.dir.Problems(); len(p) != 1 || !strings.Contains(p[0], plextest.Cellar) {
			t.Error(p)
		}
	})
}

func TestAClockThatWasAheadOfTheOwnersView(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		h.store.owner = bytes.ReplaceAll(h.store.owner, []byte(`"at":"2000-`), []byte(`"at":"2100-`))
		h.restart()
		h.Fail(plextest.Any, plextest.Maintenance())
		h.is("casey", "unavailable")
	})
}

// The list alone failing is no reason not to know the owner: each person's own view decides.
func TestTheOwnersListAloneCannotBeHad(t *testing.T) {
	t.Parallel()
	for _, fault := range plextest.Outages() {
		t.Run(fault.Name, func(t *testing.T) {
			inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
				h.Fail(plextest.Users, fault)
				_, _ = h.signIn("casey")
				_, _ = h.signIn("ivan")
				h.is("casey", "server")
				h.is("ivan", "no")
				if h.dir.State() != plex.Ready {
					t.Error(h.dir.State())
				}
				h.Fail(plextest.Any, fault)
				h.restart()
				h.is("casey", "server") // the owner is known from the store
			})
		})
	}
}
