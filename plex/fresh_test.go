package plex_test

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex"
	"usher/plex/plextest"
)

// TestNobodyPassesByAnOldView: a share is taken away while nobody is checked.
func TestNobodyPassesByAnOldView(t *testing.T) {
	for _, recheck := range []time.Duration{recheck, 10 * time.Second, time.Second} {
		t.Run(recheck.String(), func(t *testing.T) {
			inHouse(t, []option{withToken("robin"), func(h *house) { h.cfg.Recheck = recheck }}, func(t *testing.T, h *house) {
				h.dir.Start()
				_, _ = h.signIn("casey")
				for range 3 {
					time.Sleep(40*recheck + recheck/7)
					h.RemoveFriend("casey")
					time.Sleep(recheck)
					h.is("casey", "no")
					time.Sleep(40 * recheck)
					h.Share("casey", plextest.Attic)
					time.Sleep(recheck)
					h.is("casey", "friend server")
				}
			})
		})
	}
}

func TestTheOwnersViewIsRenewedByItself(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		h.dir.Start()
		synctest.Wait()
		start, seen := time.Now(), h.Requests(plextest.Users)
		at := func(until time.Duration) (at []time.Duration) {
			for time.Since(start) < until {
				time.Sleep(time.Second)
				synctest.Wait()
				if n := h.Requests(plextest.Users); n != seen {
					at, seen = append(at, time.Since(start)), n
				}
			}
			return at
		}
		const s, m = time.Second, time.Minute
		if got, want := at(13*m), []time.Duration{4 * m, 8 * m, 12 * m}; !slices.Equal(got, want) {
			t.Errorf("while plex.tv answers: asked at %v, want %v", got, want)
		}
		if n := h.Requests(plextest.SharedServers); n != 4 {
			t.Errorf("asked %d times about libraries, want 4", n)
		}
		h.Fail(plextest.Any, plextest.TooMany(0))
		want := []time.Duration{16 * m, 16*m + 10*s, 16*m + 30*s, 16*m + 70*s, 16*m + 150*s, 16*m + 270*s}
		if got := at(22 * m); !slices.Equal(got, want) {
			t.Errorf("while it says 429: asked at %v, want %v", got, want)
		}
		h.Heal()
		if got, want := at(31*m), []time.Duration{16*m + 390*s, 16*m + 390*s + 4*m, 16*m + 390*s + 8*m}; !slices.Equal(got, want) {
			t.Errorf("afterwards: asked at %v, want %v", got, want)
		}
	})
}

// A person's own list is asked for by those who are checked alone: there may be many.
func TestNobodysOwnViewIsRenewedByItself(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		h.dir.Start()
		_, _ = h.signIn("casey")
		h.asks(0, "hours in which nobody is checked", func() { time.Sleep(5 * time.Hour) })
	})
}

// TestRefusals: plex.tv is asked at once where its answer is ten seconds old, else when it is, and never more often however many
// are refused.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		option
		requests int
	}{"owner's view": {withToken("robin"), ownersView}, "person's view": {withOwner(robin), 2}} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, []option{c.option}, func(t *testing.T, h *house) {
				_, _ = h.signIn("frankie")
				synctest.Wait()
				h.asks(0, "refused at once", func() { h.refuse("frankie") })
				h.asks(0, "refused again and again", func() {
					for range 9 {
						time.Sleep(time.Second)
						h.refuse("frankie")
						h.refuse("frankie")
					}
					time.Sleep(time.Second - time.Nanosecond)
				})
				h.Share("frankie", plextest.Attic)
				h.asks(c.requests, "when the answer is ten seconds old", func() { time.Sleep(time.Nanosecond) })
				if a, err := h.check("frankie"); err != nil || len(a.Servers) != 1 {
					t.Errorf("a share given meanwhile: %+v %v", a, err)
				}
				h.asks(0, "nobody refused", func() { time.Sleep(time.Minute) })
				h.Unshare("frankie", plextest.Attic)
				start := time.Now()
				h.asks(c.requests, "refused by an answer of a minute ago", func() { h.refuse("frankie"); h.refuse("frankie") })
				if time.Since(start) > 0 {
					t.Errorf("waited for %v", time.Since(start))
				}
				if a, err := h.check("frankie"); err != nil || len(a.Servers) != 0 {
					t.Errorf("a share taken away meanwhile: %+v %v", a, err)
				}
				h.asks(6*c.requests, "a minute of refusals", func() {
					for range 600 {
						time.Sleep(100 * time.Millisecond)
						h.refuse("frankie")
					}
				})
				h.Fail(plextest.Any, plextest.Hung())
				start = time.Now()
				h.refuse("frankie")
				if time.Since(start) > 0 {
					t.Errorf("waited for %v", time.Since(start))
				}
			})
		})
	}
}

// Many are refused at once: one refresh of the owner's view is for all of them.
func TestManyRefusals(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		for _, name := range everybody {
			_, _ = h.signIn(name)
		}
		h.asks(ownersView, "of people whom the owner knows", func() {
			for range 3 {
				for _, name := range []string{"sam", "Kiddo", "casey", "frankie", "otto"} {
					h.dir.Doubt(h.id(name))
				}
			}
			time.Sleep(15 * time.Second)
		})
		h.asks(ownersView+2, "and of a stranger, whose own list counts", func() {
			for _, name := range []string{"sam", "casey", "mallory"} {
				h.dir.Doubt(h.id(name))
			}
			time.Sleep(5 * time.Second)
		})
		h.Fail(plextest.Any, plextest.TooMany(0))
		time.Sleep(10 * time.Second)
		h.asks(3+2, "while plex.tv says 429", func() {
			for range 90 {
				h.dir.Doubt(h.id("mallory"))
				time.Sleep(100 * time.Millisecond)
			}
		})
	})
}

// Refusals by the thousand take no more than one does.
func TestRefusalsTakeNothing(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("frankie")
		before := runtime.NumGoroutine()
		for range 20_000 {
			h.dir.Doubt(h.id("frankie"))
		}
		if n := runtime.NumGoroutine() - before; n > 10_000 { // other tests run meanwhile
			t.Errorf("%d goroutines more", n)
		}
	})
}

// Close ends what is only to be asked later.
func TestCloseEndsDoubts(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("mallory")
		h.refuse("mallory")
		start := time.Now()
		h.dir.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("took %v", took)
		}
		h.asks(0, "a closed directory", func() {
			h.refuse("mallory")
			time.Sleep(time.Minute)
		})
		for _, id := range []int64{0, -1} {
			h.dir.Doubt(id)
		}
	})
}

// TestADeadOwnersTokenLosesNobodyTheirAccess: plex.tv rejects it while everybody is signed in.
func TestADeadOwnersTokenLosesNobodyTheirAccess(t *testing.T) {
	inHouse(t, []option{withToken("robin"), func(h *house) { h.cfg.Grace = 3 * time.Hour }}, func(t *testing.T, h *house) {
		for _, name := range []string{"robin", "sam", "casey", "frankie"} { // Kiddo has no token of their own
			_, _ = h.signIn(name)
		}
		h.dir.Start()
		if s := h.dir.View(); !s.TokenOK || s.People != 6 || time.Since(s.At) != 0 {
			t.Errorf("%+v", s)
		}
		known := map[string]string{"robin": "owner server", "sam": "friend home server", "casey": "friend server", "frankie": "friend", "Kiddo": "friend home server"}
		libraries := map[string]string{"robin": everyLibrary, "sam": everyLibrary, "casey": "Films|Shows", "frankie": "", "Kiddo": everyLibrary}
		h.RevokeTokens("robin")
		_, _ = h.signIn("robin") // their own sign-in is another token
		for range 17 {
			time.Sleep(10 * time.Minute)
			for name, want := range known {
				h.is(name, want)
				h.has(name, libraries[name])
			}
		}
		if s := h.dir.View(); s.TokenOK || s.People != 6 || time.Since(s.At) != 170*time.Minute {
			t.Errorf("%+v", s)
		}
		if p := h.dir.Problems(); len(p) != 1 || !strings.Contains(p[0], "rejects the owner's token") || h.dir.State() != plex.Ready {
			t.Error(p, h.dir.State())
		}
		if n := strings.Count(h.logs.String(), "rejects the owner's token"); n != 1 {
			t.Errorf("told %d times in the log", n)
		}

		// After the grace people's own views stand alone, which tell nothing about libraries and friends.
		time.Sleep(10 * time.Minute)
		for range 2 {
			for name := range known {
				_, _ = h.check(name)
			}
		}
		for name, want := range map[string]string{"robin": "owner server", "sam": "home server", "casey": "server", "frankie": "unavailable", "Kiddo": "sign in again"} {
			h.is(name, want)
			if a, err := h.check(name); err == nil && shelved(a, err) != "?" {
				t.Errorf("%s has %q", name, shelved(a, err))
			}
		}
		if h.dir.Libraries() != nil {
			t.Errorf("all libraries are said to be %q", h.dir.Libraries())
		}
		h.wasRejected()
	})
}

// What an answer was decided by, and from when.
func TestWhichViewDecided(t *testing.T) {
	check := func(t *testing.T, h *house, name string, want plex.View, at time.Time) {
		t.Helper()
		a, err := h.check(name)
		if err != nil || a.View != want || !a.At.Equal(at) {
			t.Errorf("%s: by %v of %v, want %v of %v (%v)", name, a.View, a.At, want, at, err)
		}
	}
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		at := time.Now()
		time.Sleep(time.Minute)
		check(t, h, "casey", plex.PersonsView, at)
	})
	t.Run("with the owner's token", func(t *testing.T) {
		inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
			_, _ = h.signIn("casey")
			first := time.Now()
			time.Sleep(time.Second)
			h.Share("pat", plextest.Attic)
			_, _ = h.signIn("pat")
			check(t, h, "robin", plex.OwnersView, first)
			check(t, h, "casey", plex.OwnersView, first)
			check(t, h, "pat", plex.BothViews, first) // their own list adds the share
			h.RevokeTokens("robin")
			time.Sleep(recheck)
			_, _ = h.check("casey")
			check(t, h, "casey", plex.OwnersView, first)
			_, _ = h.check("casey")
			check(t, h, "casey", plex.BothViews, first) // replaces all but who is a friend
			time.Sleep(grace)
			_, _ = h.check("casey")
			check(t, h, "casey", plex.PersonsView, time.Now())
		})
	})
	for v, want := range map[plex.View]string{0: "no view", plex.OwnersView: "the owner's view", plex.PersonsView: "the person's own view", plex.BothViews: "the owner's view and the person's own"} {
		if v.String() != want {
			t.Errorf("%d is called %q", v, v)
		}
	}
}

// TestPeek asks what a check would be decided by. It asks plex.tv nothing and leaves no trace.
func TestPeek(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		peek := func(name, want string) {
			t.Helper()
			if got := says(h.dir.Peek(h.id(name))); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		h.asks(0, "peeking before plex.tv has said anything", func() { peek("casey", "owner unknown") })
		_, _ = h.signIn("mallory")
		time.Sleep(grace)
		log := h.logs.String()
		h.asks(0, "peeking at a view older than the grace", func() {
			for name, want := range map[string]string{"robin": "unavailable", "casey": "unavailable", "frankie": "unavailable",
				"pat": "sign in again", "ivan": "sign in again", "mallory": "unavailable"} {
				peek(name, want)
			}
		})
		if h.logs.String() != log {
			t.Error("peeking is logged")
		}
		h.dir.Start()
		time.Sleep(time.Second)
		h.asks(0, "peeking at a fresh view", func() {
			for name, want := range map[string]string{ // of whom only mallory has ever signed in
				"robin": "owner server", "sam": "friend home server", "Kiddo": "friend home server", "casey": "friend server", "frankie": "friend",
				"otto": "friend", "pat": "sign in again", "ivan": "sign in again", "mallory": "no",
			} {
				peek(name, want)
			}
		})
		if got := shelved(h.dir.Peek(casey)); got != "Films|Shows" {
			t.Errorf("casey would have %q", got)
		}
		reads := h.store.reads
		peek("casey", "friend server")
		h.is("casey", "friend server")
		if h.store.reads != reads+2 {
			t.Error("peeking keeps somebody in memory, or does not read the store")
		}
		for _, id := range []int64{0, -1} {
			if got := says(h.dir.Peek(id)); got != "sign in again" {
				t.Errorf("id %d: %q", id, got)
			}
		}
	})
}

func TestFind(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		find := func(text, want string) {
			t.Helper()
			var names []string
			for _, a := range h.dir.Find(text) {
				names = append(names, a.Name())
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%q may mean %q, want %q", text, got, want)
			}
		}
		find("robin", "") // nothing is known yet
		_, _ = h.signIn("mallory")
		find("robin", "robin")
		find("70010009", "robin")
		find(" CASEY@example.org ", "casey")
		find("kiddo", "Kiddo")
		find("MALLORY", "mallory")
		find(h.Person("mallory").UUID, "mallory")
		find(strings.ToUpper(h.Person("robin").UUID), "robin")
		find("pat", "pat")
		for _, nobody := range []string{"", " ", "0", "nobody", "ivan", "case", "caſey", "70010008"} {
			find(nobody, "")
		}

		// A name of before is nobody's.
		_, _ = h.signIn("otto")
		h.Rename("otto", "ottilie")
		time.Sleep(time.Second)

		// Whose id it is comes first, then usernames, then titles, which anybody can choose.
		h.Edit("Kiddo", func(p *plextest.Person) { p.Title = "70010001" })
		h.Rename("frankie", "70010001")
		h.Edit("frankie", func(p *plextest.Person) { p.Title = "frankie" })
		h.dir.Start()
		time.Sleep(time.Second)
		find("otto", "")
		find("ottilie", "ottilie")
		find("70010001", "casey frankie 70010001")
		find("frankie", "frankie")
		h.AddPeople(30, plextest.Friend)
		for _, p := range h.People() {
			if strings.HasPrefix(p.Name, "guest") {
				h.Edit(p.Name, func(p *plextest.Person) { p.Title = "casey" })
			}
		}
		h.restart()
		h.dir.Start()
		time.Sleep(recheck)
		if got := h.dir.Find("casey"); len(got) != 20 || got[0].ID != casey {
			t.Errorf("%d found, the first is %+v", len(got), got[0])
		}
		for _, a := range h.dir.Find("mallory") {
			t.Errorf("%+v is not in memory any more", a)
		}
		if !bytes.Contains(h.store.owner, []byte("guest")) {
			t.Error("the people were never there")
		}
	})
}
