package plex_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/plex"
	"usher/plex/plextest"
)

func TestFreshness(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		h.asks(3, "a sign-in", func() { _, _ = h.signIn("casey") })
		h.asks(0, "checks of a fresh answer", func() {
			for range 100 {
				h.is("casey", "server")
			}
		})
		time.Sleep(recheck)
		h.Unshare("casey", plextest.Attic)
		h.asks(2, "a check of an old answer", func() { h.is("casey", "server") })
		h.is("casey", "no")
		h.Share("casey", plextest.Attic)
		h.asks(0, "a no that refuses nobody", func() {
			time.Sleep(10 * time.Second)
			h.is("casey", "no")
		})
		h.asks(2, "one that does", func() { h.refuse("casey") })
		h.is("casey", "server")
		h.asks(0, "a page that wants no more than that", func() { _, _ = h.dir.Refresh(t.Context(), casey, time.Minute) })
		time.Sleep(time.Minute)
		h.Unshare("casey", plextest.Attic)
		if got := says(h.dir.Refresh(t.Context(), casey, time.Minute)); got != "no" {
			t.Errorf("a page that waits: %q", got)
		}
		h.asks(0, "a page reloaded", func() { _, _ = h.dir.Refresh(t.Context(), casey, 0) })
	})
}

func TestOneSnapshotServesEverybody(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		for _, name := range everybody {
			if _, err := h.signIn(name); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(recheck)
		h.asks(ownersView, "a check of each of the owner's people", func() {
			for _, name := range []string{"robin", "sam", "Kiddo", "casey", "frankie", "otto"} {
				_, _ = h.dir.Lookup(t.Context(), h.id(name))
			}
		})
		h.Unshare("casey", plextest.Attic)
		h.RemoveFriend("casey")
		h.is("casey", "friend server")
		time.Sleep(recheck)
		h.is("casey", "friend server") // used once more
		h.is("casey", "no")
		h.Share("casey", plextest.Attic)
		time.Sleep(10 * time.Second)
		h.refuse("casey")
		h.is("casey", "friend server")
	})
}

func TestANewShareWorksAtOnceOnAPage(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		if got := says(h.signIn("mallory")); got != "no" {
			t.Fatal(got)
		}
		h.Share("mallory", plextest.Attic)
		time.Sleep(10 * time.Second)
		if got := says(h.dir.Refresh(t.Context(), h.id("mallory"), 0)); got != "friend server" {
			t.Error(got)
		}
		h.asks(0, "reloading", func() { _, _ = h.dir.Refresh(t.Context(), h.id("mallory"), 0) })
	})
}

func TestAnAcceptedInvitationWorksAtSignIn(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("sam") // the owner's view is a moment old
		time.Sleep(time.Second)
		h.Share("pat", plextest.Attic)
		if got := says(h.signIn("pat")); got != "server" {
			t.Errorf("by their own view: %q", got)
		}
		time.Sleep(recheck)
		h.is("pat", "server")
		h.is("pat", "friend server")

		// What their own view said before the owner's does not count against it.
		time.Sleep(time.Second)
		h.Share("mallory", plextest.Attic)
		if got := says(h.signIn("mallory")); got != "server" {
			t.Error(got)
		}
		h.RemoveFriend("mallory")
		time.Sleep(10 * time.Second)
		h.is("mallory", "server")
		h.refuse("mallory")
		h.is("mallory", "no")
	})
}

func TestSigningInAgainAsksAgain(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		if got := says(h.signIn("mallory")); got != "no" {
			t.Fatal(got)
		}
		h.Share("mallory", plextest.Attic)
		time.Sleep(time.Second)
		if got := says(h.signIn("mallory")); got != "server" {
			t.Error(got)
		}
	})
}

// TestTheGraceIsExact has plex.tv ask to be left alone beyond it.
func TestTheGraceIsExact(t *testing.T) {
	for name, o := range map[string]option{"person's view": withOwner(robin), "owner's view": withToken("robin")} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, []option{o, func(h *house) { h.cfg.Grace = 7 * time.Minute }}, func(t *testing.T, h *house) {
				known := says(h.signIn("casey"))
				h.Fail(plextest.Any, plextest.TooMany(10*time.Minute))
				time.Sleep(recheck)
				h.is("casey", known)
				time.Sleep(2*time.Minute - time.Second)
				h.is("casey", known)
				time.Sleep(time.Second)
				h.is("casey", "unavailable")
			})
		})
	}
}

// TestSilencePastTheGraceIsNotNobody: somebody without a token, whom the owner's view vouched for, need not sign in again
// because plex.tv is down.
func TestSilencePastTheGraceIsNotNobody(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		delete(h.store.tokens, casey)
		h.restart()
		h.is("casey", "friend server")
		h.Fail(plextest.Any, plextest.Maintenance())
		time.Sleep(recheck)
		h.is("casey", "friend server")
		time.Sleep(grace)
		h.is("casey", "unavailable")
		h.is("mallory", "sign in again")
		h.store.owner = nil
		h.cfg.Owner = robin
		h.restart()
		h.is("casey", "unavailable") // the owner's view has never been seen
	})
}

func TestSilenceKeepsWhatIsKnownThroughTheGrace(t *testing.T) {
	const grace = 2 * time.Hour
	for name, o := range map[string]option{"person's view": withOwner(robin), "owner's view": withToken("robin")} {
		for _, fault := range append(plextest.Outages(), plextest.Hung(), plextest.Drip(time.Second)) {
			if strings.HasPrefix(fault.Name, "huge") {
				continue // takes real time, and is tested with the client
			}
			t.Run(name+"/"+fault.Name, func(t *testing.T) {
				short := func(h *house) { h.cfg.Grace = grace }
				inHouse(t, []option{o, short}, func(t *testing.T, h *house) {
					h.dir.Start()
					known := says(h.signIn("casey"))
					if known == "no" {
						t.Fatal(known)
					}
					h.is("mallory", "sign in again")
					h.Fail(plextest.Any, fault)
					if got := says(h.signIn("mallory")); got != "unavailable" && got != "no" {
						t.Errorf("somebody new gets %q", got)
					}
					for range 11 {
						time.Sleep(grace / 12)
						start := time.Now()
						h.is("casey", known)
						if took := time.Since(start); took > 0 {
							t.Errorf("a check waited for %v", took)
						}
					}
					h.restart()
					h.is("casey", known)
					time.Sleep(grace / 12)
					h.is("casey", "unavailable")
					h.Heal()
					time.Sleep(10 * time.Minute)
					_, _ = h.check("casey")
					time.Sleep(10 * time.Second)
					h.is("casey", known)
					h.wasRejected()
				})
			})
		}
	}
}

func TestARejectedTokenEndsOnePersonsAccess(t *testing.T) {
	for _, fault := range []plextest.Fault{plextest.Unauthorized(), plextest.TokenExpired(), plextest.Unprocessable()} {
		for _, endpoint := range []plextest.Endpoint{plextest.Resources, plextest.Any} {
			t.Run(fault.Name+string(endpoint), func(t *testing.T) {
				inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
					_, _ = h.signIn("casey")
					_, _ = h.signIn("sam")
					time.Sleep(recheck)
					h.Fail(endpoint, fault)
					h.is("casey", "server")
					h.is("casey", "sign in again")
					h.Heal()
					h.is("sam", "home server")
					h.is("sam", "home server")
					h.wasRejected(casey)
					if h.store.tokens[casey] != "" || h.store.answers[casey] != nil || h.store.tokens[h.id("sam")] == "" {
						t.Error("the wrong person is in the store")
					}
					if got := says(h.signIn("casey")); got != "server" {
						t.Errorf("after signing in again: %q", got)
					}
				})
			})
		}
	}
}

func TestWhatEndsNobodysAccess(t *testing.T) {
	tests := []struct {
		name     string
		endpoint plextest.Endpoint
		fault    plextest.Fault
		want     string
	}{
		{"429", plextest.Any, plextest.TooMany(0), "server"},
		{"a profile that is refused", plextest.User, plextest.Forbidden(), "server"},
		{"a profile whose token is rejected while the servers are shown", plextest.User, plextest.Unauthorized(), "server"},
		{"a profile that cannot be had", plextest.User, plextest.EmptyNotFound(), "server"},
		{"servers that are refused", plextest.Resources, plextest.Forbidden(), "no"}, // a no, but the session stays
		{"no servers", plextest.Resources, plextest.EmptyArray(), "no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
				_, _ = h.signIn("casey")
				time.Sleep(recheck)
				h.Fail(tt.endpoint, tt.fault)
				h.is("casey", "server")
				h.is("casey", tt.want)
				if a, err := h.check("casey"); err != nil || a.Account.Username != "casey" || a.Account.ID != casey {
					t.Errorf("the profile is lost: %+v %v", a, err)
				}
				h.wasRejected()
				h.Heal()
				time.Sleep(recheck)
				_, _ = h.check("casey")
				h.is("casey", "server")
			})
		})
	}
}

func TestAProfileThatIsRejectedWhileTheServersAreSilent(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		time.Sleep(recheck)
		h.RevokeTokens("casey")
		h.Fail(plextest.Resources, plextest.Maintenance())
		_, _ = h.check("casey")
		h.is("casey", "sign in again")
		h.wasRejected(casey)
	})
}

func TestATokenThatIsSomebodyElses(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		if got := says(h.dir.SignedIn(t.Context(), plex.Account{ID: h.id("mallory")}, plex.Token(h.Token("casey", clientID)))); got != "sign in again" {
			t.Errorf("mallory with casey's token: %q", got)
		}
		h.wasRejected(h.id("mallory"))
		for _, id := range []int64{0, -1} {
			if _, err := h.dir.SignedIn(t.Context(), plex.Account{ID: id}, testToken); err == nil {
				t.Errorf("id %d signed in", id)
			}
			if got := says(h.dir.Lookup(t.Context(), id)); got != "sign in again" {
				t.Errorf("id %d: %q", id, got)
			}
		}
		if _, err := h.dir.SignedIn(t.Context(), plex.Account{ID: casey}, ""); err == nil {
			t.Error("signed in without a token")
		}
	})
}

func TestANewerTokenOutlivesTheOldOnesRejection(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		h.RotateTokens(true)
		_, _ = h.signIn("casey")
		time.Sleep(recheck)
		release := make(chan struct{})
		h.Fail(plextest.Resources, plextest.Until(release))
		h.is("casey", "server") // asks with the old token, which hangs
		h.Heal()
		start := time.Now()
		if got := says(h.signIn("casey")); got != "server" || time.Since(start) > 0 { // the old one is dead now
			t.Fatal(got, time.Since(start))
		}
		close(release)
		synctest.Wait()
		h.is("casey", "server")
		time.Sleep(recheck)
		h.is("casey", "server")
		h.is("casey", "server")
		h.wasRejected()
	})
}

// TestATokenReplacedElsewhere is a second replica, or an entry that was forgotten, over the same store.
func TestATokenReplacedElsewhere(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		h.RotateTokens(true)
		_, _ = h.signIn("casey")
		h.store.tokens[casey] = plex.Token(h.Token("casey", clientID))
		time.Sleep(recheck)
		h.is("casey", "server")
		h.is("casey", "server")
		h.wasRejected()
		if h.store.tokens[casey] == "" {
			t.Error("the newer token was forgotten")
		}
	})
}

func TestAStoredAnswerIsOfTheServersAndTheOwnerOfItsDay(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		_, _ = h.signIn("robin")
		h.cfg.Servers = []string{plextest.Cellar}
		h.restart()
		h.is("casey", "no")
		h.is("robin", "no")
		h.cfg.Servers, h.cfg.Owner = []string{plextest.Attic}, 70010007
		h.restart()
		h.is("casey", "no")
		h.is("robin", "no")
		delete(h.store.tokens, casey) // it could not be unsealed
		h.cfg.Owner = robin
		h.restart()
		h.is("casey", "sign in again")
		h.is("robin", "owner server")
	})
}

func TestColdStart(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		time.Sleep(time.Minute)
		h.restart()
		h.asks(0, "a stored answer that is fresh", func() { h.is("casey", "server") })

		h.Unshare("casey", plextest.Attic)
		time.Sleep(recheck)
		h.restart()
		h.asks(2, "a stored answer that is old", func() { h.is("casey", "no") })

		h.Share("casey", plextest.Attic)
		time.Sleep(recheck)
		_, _ = h.check("casey")
		h.is("casey", "server")
		time.Sleep(recheck)
		h.Fail(plextest.Any, plextest.Hung())
		h.restart()
		start := time.Now()
		h.is("casey", "server")
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("waited %v for plex.tv", took)
		}
		start = time.Now()
		for range 10 {
			h.is("casey", "server")
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %v again", took)
		}
		h.cfg.OwnerToken = plex.Token(h.Token("robin", "owners-client"))
		h.restart()
		start = time.Now()
		h.is("casey", "server")
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("waited %v for both views", took)
		}
		h.cfg.OwnerToken = ""
		h.restart()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if got := says(h.dir.Lookup(ctx, casey)); got != "server" || time.Since(start) != time.Second {
			t.Errorf("%q after %v", got, time.Since(start))
		}
	})
}

// TestNoCheckOfSomebodyKnownWaits has plex.tv hang at the moments when more must be asked about somebody than before.
func TestNoCheckOfSomebodyKnownWaits(t *testing.T) {
	tests := map[string]struct {
		options []option
		change  func(*house)
		want    string
	}{
		"the owner's list has just dropped them": {[]option{withToken("robin")}, func(h *house) {
			h.RemoveFriend("casey")
			time.Sleep(recheck)
			h.is("casey", "friend server")
		}, "no"},
		"the owner's token has just died": {[]option{withToken("robin")}, func(h *house) {
			h.RevokeTokens("robin")
			time.Sleep(recheck)
			h.is("casey", "friend server")
		}, "friend server"},
		"the owner's view has been silent for long": {[]option{withToken("robin")}, func(h *house) {
			h.Fail(plextest.Users, plextest.Maintenance())
			for range 3 {
				time.Sleep(recheck)
				_, _ = h.check("sam")
			}
		}, "friend server"},
		"their token was replaced elsewhere": {[]option{withOwner(robin)}, func(h *house) {
			h.RotateTokens(true)
			h.store.tokens[casey] = plex.Token(h.Token("casey", clientID))
			time.Sleep(recheck)
			h.is("casey", "server") // the old token is found to be dead
		}, "server"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inHouse(t, tt.options, func(t *testing.T, h *house) {
				_, _ = h.signIn("casey")
				_, _ = h.signIn("sam")
				tt.change(h)
				h.Fail(plextest.Any, plextest.Hung())
				start := time.Now()
				h.is("casey", tt.want)
				if took := time.Since(start); took > 0 {
					t.Errorf("waited for %v", took)
				}
			})
		})
	}
}

func TestAPauseLongerThanTheGrace(t *testing.T) {
	for name, o := range map[string]option{"person's view": withOwner(robin), "owner's view": withToken("robin")} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, []option{o}, func(t *testing.T, h *house) {
				known := says(h.signIn("casey"))
				time.Sleep(3 * grace)
				h.is("casey", known)
			})
		})
	}
}

func TestBackoff(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		time.Sleep(recheck)
		attempts := func(d time.Duration) (at []time.Duration) {
			start, seen := time.Now(), h.Requests(plextest.Resources)
			for time.Since(start) < d {
				_, _ = h.check("casey")
				if n := h.Requests(plextest.Resources); n != seen {
					at, seen = append(at, time.Since(start)), n
				}
				time.Sleep(time.Second)
			}
			return at
		}
		s := time.Second
		h.Fail(plextest.Any, plextest.TooMany(0))
		if diff := cmp.Diff([]time.Duration{0, 10 * s, 30 * s, 70 * s, 150 * s, 270 * s, 390 * s}, attempts(400*s)); diff != "" {
			t.Error(diff)
		}
		h.Fail(plextest.Any, plextest.TooMany(5*time.Minute))
		time.Sleep(2 * time.Minute)
		if diff := cmp.Diff([]time.Duration{0, 300 * s, 600 * s}, attempts(700*s)); diff != "" {
			t.Error(diff)
		}
		h.Fail(plextest.Any, plextest.TooMany(time.Second)) // too soon, with many people
		time.Sleep(5 * time.Minute)
		if diff := cmp.Diff([]time.Duration{0, 10 * s}, attempts(15*s)); diff != "" {
			t.Error(diff)
		}
		h.Fail(plextest.Any, plextest.TooMany(time.Hour))
		time.Sleep(5 * time.Minute)
		if diff := cmp.Diff([]time.Duration{0, 600 * s}, attempts(700*s)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestManyChecksAskOnce(t *testing.T) {
	for name, o := range map[string]option{"person's view": withOwner(robin), "owner's view": withToken("robin")} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, []option{o}, func(t *testing.T, h *house) {
				_, _ = h.signIn("casey")
				h.restart()
				time.Sleep(recheck)
				all := func() {
					var wg sync.WaitGroup
					for range 50 {
						wg.Go(func() {
							if _, err := h.dir.Lookup(t.Context(), casey); err != nil {
								t.Error(err)
							}
						})
					}
					wg.Wait()
				}
				want := map[string]int{"person's view": 2, "owner's view": ownersView}[name]
				h.asks(want, "a cold start", all)
				time.Sleep(recheck)
				h.asks(want, "a recheck", all)
				time.Sleep(recheck)
				h.Fail(plextest.Any, plextest.Hung())
				h.asks(min(want, 3), "while plex.tv hangs", func() { all(); all() })
			})
		})
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		time.Sleep(recheck)
		h.Fail(plextest.Any, plextest.Hung())
		h.dir.Start()
		h.is("casey", "friend server")
		start := time.Now()
		h.dir.Close()
		h.dir.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		h.asks(0, "a closed directory", func() {
			time.Sleep(time.Hour)
			h.is("casey", "friend server")
			h.dir.Start()
		})
	})
}

func TestTheStoreFails(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		h.store.err = errors.New("disk full")
		h.is("casey", "unavailable")
		if _, err := h.signIn("casey"); err == nil {
			t.Error("signed in without being stored")
		}
		if _, err := plex.NewDirectory(h.cfg); err == nil {
			t.Error("started without a store that can be read")
		}
		h.store.err = nil
		if got := says(h.signIn("casey")); got != "server" {
			t.Error(got)
		}
		h.store.err = errors.New("disk full")
		time.Sleep(recheck)
		h.is("casey", "server")
		h.is("casey", "server")
		h.store.err = nil
		h.store.answers[casey], h.store.owner = []byte("{"), []byte(`{"owner":{"id":-1}}`)
		h.restart()
		h.is("casey", "server") // asks, as if nothing were stored
	})
}

func TestAClockThatWasAhead(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		h.store.answers[casey] = bytes.ReplaceAll(h.store.answers[casey], []byte("2000-"), []byte("2100-"))
		h.restart()
		h.Fail(plextest.Any, plextest.Maintenance())
		h.is("casey", "unavailable") // not fresh for a hundred years
	})
}

func TestChecksTouchMemoryOnly(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		reads := h.store.reads
		for range 100 {
			h.is("casey", "server")
		}
		if h.store.reads != reads {
			t.Errorf("%d reads", h.store.reads-reads)
		}
	})
}

func TestOnlyTheIdleAreForgotten(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		h.dir.Start()
		_, _ = h.signIn("casey")
		reads := h.store.reads
		for range 3 {
			time.Sleep(20 * time.Hour)
			h.is("casey", "server")
		}
		if h.store.reads != reads {
			t.Error("somebody who is active was forgotten")
		}
		time.Sleep(26 * time.Hour)
		h.is("casey", "server")
		if h.store.reads != reads+1 {
			t.Error("somebody idle was not forgotten")
		}
	})
}

func TestStoredAnswersHoldNoToken(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		for _, name := range everybody {
			a, _ := h.signIn(name)
			b, err := json.Marshal(a)
			if err != nil || bytes.Contains(b, []byte("test-token")) {
				t.Errorf("%s %v", b, err)
			}
		}
		for id, b := range maps.All(h.store.answers) {
			if bytes.Contains(b, []byte("test-token")) || bytes.Contains(h.store.owner, []byte("test-token")) {
				t.Errorf("%d: %s", id, b)
			}
		}
	})
}

func TestDirectoryConfig(t *testing.T) {
	t.Parallel()
	good := plex.DirectoryConfig{Client: newClient(t, answer(500, "", "")), Store: newMemory(), Servers: []string{plextest.Attic}, Owner: robin, Recheck: recheck}
	if _, err := plex.NewDirectory(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*plex.DirectoryConfig){
		"no client":          func(c *plex.DirectoryConfig) { c.Client = nil },
		"no store":           func(c *plex.DirectoryConfig) { c.Store = nil },
		"no servers":         func(c *plex.DirectoryConfig) { c.Servers = nil },
		"an empty server":    func(c *plex.DirectoryConfig) { c.Servers = []string{""} },
		"no recheck":         func(c *plex.DirectoryConfig) { c.Recheck = 0 },
		"an owner below 0":   func(c *plex.DirectoryConfig) { c.Owner = -1 },
		"no way to an owner": func(c *plex.DirectoryConfig) { c.Owner = 0 },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := plex.NewDirectory(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	d, err := plex.NewDirectory(plex.DirectoryConfig{Client: newClient(b, roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/api/v2/user" {
			return answer(200, js, `{"id":70010001}`)(r)
		}
		return answer(200, js, `[{"clientIdentifier":"`+plextest.Attic+`","provides":"server","ownerId":70010009}]`)(r)
	})), Store: newMemory(), Servers: []string{plextest.Attic}, Owner: robin, Recheck: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	if _, err := d.SignedIn(b.Context(), plex.Account{ID: casey}, testToken); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = d.Lookup(ctx, casey) }); n > 2 {
		b.Errorf("%v allocations", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		if a, err := d.Lookup(ctx, casey); err != nil || len(a.Servers) != 1 {
			b.Fatal(a, err)
		}
	}
}
