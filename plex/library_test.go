package plex_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex"
	"usher/plex/plextest"
)

// has fails the test unless a check of the person finds these libraries: "Films|Shows", "" for none, and with "?" behind it where
// there may be others.
func (h *house) has(name, want string) {
	h.t.Helper()
	a, err := h.check(name)
	if got := shelved(a, err); got != want {
		h.t.Errorf("%s has %q, want %q", name, got, want)
	}
}

func shelved(a *plex.Answer, err error) string {
	if err != nil {
		return err.Error()
	}
	s := strings.Join(a.Libraries, "|")
	if !a.LibrariesKnown {
		s += "?"
	}
	return s
}

const everyLibrary = "Films|Home, Videos|Music|Shows" // of Attic

func TestWhoHasWhichLibrary(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		h.AddMachine(plextest.Machine{ID: "an-impostors-server-00", Name: "Attic", Owner: "mallory", Provides: "server", Libraries: []plextest.Library{{Title: "Films", Type: "movie"}}})
		h.ShareBy("ivan", "mallory", plextest.Attic)
		for name, want := range map[string]string{
			"robin": everyLibrary, "sam": everyLibrary, "Kiddo": everyLibrary, "casey": "Films|Shows",
			"frankie": "", "pat": "", "otto": "", // Cellar has Films too, and is not allowed
			"mallory": "", "ivan": "", // a Films of their own, or of the impostor
		} {
			if got := shelved(h.signIn(name)); got != want {
				t.Errorf("%s signs in and has %q, want %q", name, got, want)
			}
			h.has(name, want)
		}
		if got := strings.Join(h.dir.Libraries(), "|"); got != everyLibrary {
			t.Errorf("there are %q", got)
		}
	})
}

// Two servers are allowed, and each is shared with others.
func TestLibrariesOfTwoServers(t *testing.T) {
	both := func(h *house) { h.cfg.Servers = []string{plextest.Attic, plextest.Cellar} }
	inHouse(t, []option{withToken("robin"), both}, func(t *testing.T, h *house) {
		h.Share("frankie", plextest.Cellar)
		h.Share("frankie", plextest.Attic, "Shows")
		for name, want := range map[string]string{
			"robin": "Books|Films|Home, Videos|Music|Shows", "casey": "Films|Shows", "otto": "Books|Films",
			"frankie": "Books|Films|Shows", // all of Cellar's is not all of Attic's
			"sam":     everyLibrary,
		} {
			if got := shelved(h.signIn(name)); got != want {
				t.Errorf("%s has %q, want %q", name, got, want)
			}
		}

		// Of one of the two plex.tv says nothing any more: what it last said of it serves, and what it says of the other counts.
		h.Fail(plextest.Libraries, plextest.Maintenance())
		h.GiveLibraries("casey", plextest.Attic, "Music")
		time.Sleep(recheck)
		_, _ = h.check("casey")
		h.has("casey", "Films|Shows")
		h.Heal()
		time.Sleep(recheck)
		_, _ = h.check("casey")
		h.has("casey", "Films|Music|Shows")
	})
}

// Of two servers plex.tv shows the libraries of one alone: who has shares of both may have more than is known.
func TestTheLibrariesOfOneOfTwoServersAreUnknown(t *testing.T) {
	inHouse(t, []option{withToken("robin"), func(h *house) { h.cfg.Servers = []string{plextest.Attic, plextest.Cellar} }}, func(t *testing.T, h *house) {
		real := h.Transport()
		defer real.CloseIdleConnections()
		h.through(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/api/servers/"+plextest.Cellar) {
				return answer(404, xmlType, `<errors><error code="1002"/></errors>`)(r)
			}
			return real.RoundTrip(r)
		}))
		for name, want := range map[string]string{"casey": "Films|Shows", "robin": everyLibrary + "?", "otto": "?", "frankie": ""} {
			if got := shelved(h.signIn(name)); got != want {
				t.Errorf("%s has %q, want %q", name, got, want)
			}
		}
		if got := h.dir.Libraries(); got != nil {
			t.Errorf("all libraries are said to be %q", got)
		}
	})
}

// through replaces the way to plex.tv.
func (h *house) through(t *testing.T, rt http.RoundTripper) {
	t.Helper()
	c, err := plex.New(plex.Config{URL: h.URL, ClientID: clientID, Transport: rt})
	if err != nil {
		t.Fatal(err)
	}
	h.cfg.Client = c
	h.restart()
}

func TestLibrariesComeAndGo(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		h.dir.Start()
		_, _ = h.signIn("casey")
		step := func(change func(), want string) {
			t.Helper()
			change()
			time.Sleep(10 * time.Second)
			h.refuse("casey") // any policy that they fail
			h.has("casey", want)
		}
		step(func() { h.TakeLibraries("casey", plextest.Attic, "Films") }, "Shows")
		step(func() { h.GiveLibraries("casey", plextest.Attic, "Home, Videos") }, "Home, Videos|Shows")
		step(func() { h.Share("casey", plextest.Attic) }, everyLibrary)
		step(func() {
			h.EditMachine("robin", plextest.Attic, func(m *plextest.Machine) {
				m.Libraries = append(m.Libraries, plextest.Library{Title: "New", Type: "movie"})
			})
		}, "Films|Home, Videos|Music|New|Shows") // all is all to come
		for _, name := range []string{"sam", "Kiddo", "pat"} {
			h.Unshare(name, plextest.Attic)
		}
		step(func() { h.Share("casey", plextest.Attic, "Films") }, "Films")
		step(func() {
			h.EditMachine("robin", plextest.Attic, func(m *plextest.Machine) {
				m.Libraries = append(m.Libraries, plextest.Library{Title: "Own", Type: "movie"})
			})
		}, "Films") // of which nobody has a share
		h.has("robin", "Films|Home, Videos|Music|New|Own|Shows")
		step(func() { h.Invite("casey", plextest.Attic) }, "") // offered anew, and not accepted
		step(func() { h.Share("casey", plextest.Attic, "Music") }, "Music")
		h.TakeLibraries("casey", plextest.Attic, "Music")
		time.Sleep(recheck) // nobody is refused, and nobody checked
		h.has("casey", "")
		step(func() { h.Unshare("casey", plextest.Attic) }, "")
		if got := strings.Join(h.dir.Libraries(), "|"); got != "Films|Home, Videos|Music|New|Own|Shows" {
			t.Errorf("there are %q", got)
		}
	})
}

// What could not be had of libraries is asked for again, and nothing else with it.
func TestLibrariesAreAskedForAgain(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		h.Fail(plextest.Libraries, plextest.Maintenance())
		h.dir.Start()
		_, _ = h.signIn("casey")
		h.has("casey", "?")
		users := h.Requests(plextest.Users)
		time.Sleep(9 * time.Second)
		h.Heal()
		h.has("casey", "?")
		time.Sleep(11 * time.Second)
		h.has("casey", "Films|Shows")
		if h.Requests(plextest.Users) != users {
			t.Error("everybody was asked for again")
		}
	})
}

// A server that is not the owner's is not asked about, and gives nobody a library.
func TestLibrariesOfAServerThatIsNotTheOwners(t *testing.T) {
	inHouse(t, []option{withToken("robin"), func(h *house) { h.cfg.Servers = append(h.cfg.Servers, "not-robins-server-000") }}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		h.has("casey", "Films|Shows")
		if n := h.Requests(plextest.SharedServers); n != 1 || h.dir.Libraries() == nil {
			t.Errorf("%d requests, %q", n, h.dir.Libraries())
		}
	})
}

// Only the owner's view tells about libraries.
func TestLibrariesWithoutTheOwnersView(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		for _, name := range everybody {
			if got := shelved(h.signIn(name)); got != "?" {
				t.Errorf("%s has %q", name, got)
			}
		}
		if h.dir.Libraries() != nil || h.Requests(plextest.SharedServers)+h.Requests(plextest.Libraries) > 0 {
			t.Error(h.dir.Libraries())
		}
	})
}

// silences are answers to the questions about libraries that say nothing about anybody.
func silences() []plextest.Fault {
	return append(plextest.Outages(), plextest.Hung(), plextest.Drip(time.Second), plextest.Unauthorized(), plextest.TokenExpired(), plextest.Unprocessable(),
		plextest.Forbidden(), plextest.EmptyArray(),
		plextest.Answer(404, xmlType, `<errors><error code="1002" message="The requested resource or endpoint could not be found" status="404"/></errors>`),
		plextest.Answer(410, xmlType, `<Response code="410" status="This endpoint was deprecated and removed"/>`),
		plextest.Answer(200, xmlType, `<MediaContainer/>`),
		plextest.Answer(200, xmlType, `<MediaContainer size="4"></MediaContainer>`),
		plextest.Answer(200, xmlType, `<MediaContainer size="1"><SharedServer userID="seven"/></MediaContainer>`),
	)
}

// TestLibrariesAloneCannotBeHad: tiers are renewed all the same; the libraries that plex.tv last showed serve for the grace, also across a
// restart, and are then unknown, never none.
func TestLibrariesAloneCannotBeHad(t *testing.T) {
	for _, endpoint := range []plextest.Endpoint{plextest.SharedServers, plextest.Libraries} {
		for _, fault := range silences() {
			t.Run(fmt.Sprint(endpoint, " ", fault.Name), func(t *testing.T) {
				inHouse(t, []option{withToken("robin"), func(h *house) { h.cfg.Grace = time.Hour }}, func(t *testing.T, h *house) {
					_, _ = h.signIn("casey")
					_, _ = h.signIn("frankie")
					_, _ = h.signIn("sam")
					h.dir.Start()
					h.Fail(endpoint, fault)
					h.TakeLibraries("casey", plextest.Attic, "Shows")
					h.RemoveFriend("sam")
					time.Sleep(recheck)
					h.is("sam", "no") // tiers are renewed
					h.has("casey", "Films|Shows")
					h.restart()
					h.dir.Start()
					h.has("casey", "Films|Shows")
					time.Sleep(time.Hour - recheck - time.Second)
					h.has("casey", "Films|Shows")
					time.Sleep(11 * time.Second)
					h.has("casey", "?")
					h.is("casey", "friend server")
					h.has("frankie", "") // who has no server has no library
					if h.dir.Libraries() != nil {
						t.Errorf("all libraries are said to be %q", h.dir.Libraries())
					}
					if n := strings.Count(h.logs.String(), "level=WARN"); n != 2 { // once by each directory
						t.Errorf("%d warnings:\n%s", n, h.logs.String())
					}
					h.Heal()
					time.Sleep(2*time.Minute + 20*time.Second) // the longest pause
					h.has("casey", "Films")
					h.wasRejected()
					if p := h.dir.Problems(); len(p) > 0 {
						t.Error(p)
					}
				})
			})
		}
	}
}

// A share that plex.tv has shown since it last told about libraries gives unknown ones, not none.
func TestANewShareWhileLibrariesAreSilent(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("frankie")
		_, _ = h.signIn("casey")
		h.has("frankie", "")
		h.Fail(plextest.SharedServers, plextest.Maintenance())
		h.Share("frankie", plextest.Attic, "Music")
		time.Sleep(recheck)
		h.refuse("frankie")
		h.is("frankie", "friend server")
		h.has("frankie", "?")
		h.has("casey", "Films|Shows")
		h.Heal()
		time.Sleep(recheck)
		_, _ = h.check("frankie")
		h.has("frankie", "Music")
	})
}

// pat accepts an invitation: their own list shows the server at once, and the owner's view, which alone tells the libraries, later.
func TestAShareThatOnlyThePersonsViewShows(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("sam")
		time.Sleep(time.Second)
		h.Share("pat", plextest.Attic, "Music")
		if got := shelved(h.signIn("pat")); got != "?" {
			t.Errorf("at first %q", got)
		}
		h.refuse("pat")
		time.Sleep(10 * time.Second)
		h.has("pat", "Music")
	})
}

// TestWhatASharesRowSays has plex.tv show casey's share of Attic in ways that give no library.
func TestWhatASharesRowSays(t *testing.T) {
	t.Parallel()
	const films, section = `<Section id="1" key="1" title="Films" type="movie" shared="1"/>`, `<Section id="2" key="2" title="Shows" type="show" shared="0"/>`
	const user = `<User id="70010001"><Server machineIdentifier="` + plextest.Attic + `" owned="1" pending="0"/></User>`
	tests := []struct{ name, user, row, want string }{
		{"one of two", user, `<SharedServer userID="70010001" acceptedAt="1700000000">` + films + section + `</SharedServer>`, "Films"},
		{"all", user, `<SharedServer userID="70010001" acceptedAt="1700000000" allLibraries="1">` + section + `</SharedServer>`, "Films|Shows"},
		{"none", user, `<SharedServer userID="70010001" acceptedAt="1700000000"/>`, ""},
		{"pending by a zero", user, `<SharedServer userID="70010001" acceptedAt="0" allLibraries="1">` + films + `</SharedServer>`, ""},
		{"pending by silence", user, `<SharedServer userID="70010001" allLibraries="1">` + films + `</SharedServer>`, ""},
		{"pending by an empty word", user, `<SharedServer userID="70010001" acceptedAt="" allLibraries="1">` + films + `</SharedServer>`, ""},
		{"somebody else's", user, `<SharedServer userID="70010007" username="casey" email="casey@example.org" acceptedAt="1700000000">` + films + `</SharedServer>`, ""},
		{"nobody's", user, `<SharedServer username="casey" acceptedAt="1700000000">` + films + `</SharedServer>`, ""},
		{"a library that does not say whether it is shared", user, `<SharedServer userID="70010001" acceptedAt="1700000000"><Section title="Films"/></SharedServer>`, ""},
		{"a library without a title", user, `<SharedServer userID="70010001" acceptedAt="1700000000"><Section title="" shared="1"/></SharedServer>`, ""},
		{"a library in something else", user, `<SharedServer userID="70010001" acceptedAt="1700000000"/><Other>` + films + `</Other>`, ""},
		{"a library in a library", user, `<SharedServer userID="70010001" acceptedAt="1700000000"><Section shared="0">` + films + `</Section></SharedServer>`, ""},
		{"a share that the owner's list does not have", `<User id="70010001"/>`, `<SharedServer userID="70010001" acceptedAt="1700000000">` + films + `</SharedServer>`, ""},
		{"a share that is pending on the owner's list", strings.Replace(user, `pending="0"`, `pending="1"`, 1), `<SharedServer userID="70010001" acceptedAt="1700000000">` + films + `</SharedServer>`, ""},
		{"in the Home, without a row", `<User id="70010001" home="1"><Server machineIdentifier="` + plextest.Attic + `"/></User>`, ``, ""},
		{"in the Home, without the server", `<User id="70010001" home="1"/>`, `<SharedServer userID="70010001" acceptedAt="1700000000">` + films + `</SharedServer>`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &script{row: tt.user, owners: ownedAttic, persons: `[]`}
			d := scripted(t, func(r *http.Request) roundTrip {
				switch r.URL.Path {
				case "/api/servers/" + plextest.Attic:
					return answer(200, xmlType, `<MediaContainer size="2"><Server machineIdentifier="`+plextest.Attic+`">`+films+section+`</Server></MediaContainer>`)
				case "/api/servers/" + plextest.Attic + "/shared_servers":
					return answer(200, xmlType, `<MediaContainer size="0">`+tt.row+`</MediaContainer>`)
				}
				return s.answer(r)
			}, plex.DirectoryConfig{OwnerToken: testToken})
			if got := shelved(d.SignedIn(t.Context(), plex.Account{ID: casey}, "test-token-casey")); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A check of somebody known does not wait for libraries, a cold start does, and a page where they are being asked for.
func TestWhoWaitsForLibraries(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		takes := func(what string, want time.Duration, f func()) {
			t.Helper()
			start := time.Now()
			f()
			if took := time.Since(start); took != want {
				t.Errorf("%s took %v, want %v", what, took, want)
			}
		}
		_, _ = h.signIn("casey")
		h.Fail(plextest.SharedServers, plextest.Hung())
		time.Sleep(recheck)
		takes("a check that starts a refresh", 0, func() { h.has("casey", "Films|Shows") })
		takes("a check while it hangs", 0, func() { h.has("casey", "Films|Shows") })
		time.Sleep(time.Minute)
		takes("a page after it has failed", 0, func() { _, _ = h.dir.Refresh(t.Context(), casey, 0) })

		h.store.owner = nil
		h.restart()
		takes("a first check", 10*time.Second, func() { h.has("casey", "?") })
		takes("a second check", 0, func() { h.has("casey", "?") })
	})
}

// slow answers truly after a time.
func slow(d time.Duration) plextest.Fault {
	released := make(chan struct{})
	go func() { time.Sleep(d); close(released) }()
	return plextest.Until(released)
}

// A page that asks anew shows the libraries of now.
func TestAPageWaitsForLibraries(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		time.Sleep(10 * time.Second)
		h.GiveLibraries("casey", plextest.Attic, "Music")
		h.Fail(plextest.SharedServers, slow(time.Second))
		if got := shelved(h.dir.Refresh(t.Context(), casey, 0)); got != "Films|Music|Shows" {
			t.Errorf("it shows %q", got)
		}
	})
}

// What is stored is read again only for the servers, the owner and the clock of today, and broken values are not believed.
func TestStoredLibraries(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		h.Fail(plextest.Any, plextest.Maintenance())
		synctest.Wait()
		stored := slices.Clone(h.store.owner)
		for name, c := range map[string]struct{ old, new, want string }{
			"as they were":         {`"rev"`, `"rev"`, "Films|Shows"},
			"null":                 {`"libraries":{"` + plextest.Attic + `":{`, `"libraries":{"x":null,"` + plextest.Attic + `":{`, "Films|Shows"},
			"from the future":      {`]},"at":"2000-`, `]},"at":"2100-`, "?"},
			"of the server's name": {`"libraries":{"` + plextest.Attic + `"`, `"libraries":{"Attic"`, "?"},
		} {
			if bytes.Count(stored, []byte(c.old)) != 1 {
				t.Fatalf("%s: %s is not once in %s", name, c.old, stored)
			}
			h.store.owner = bytes.Replace(stored, []byte(c.old), []byte(c.new), 1)
			h.restart()
			a, err := h.check("casey")
			got := says(a, err)
			if err == nil {
				got = shelved(a, nil)
			}
			if got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		}
		h.Heal()
		h.Fail(plextest.Libraries, plextest.Maintenance())
		h.store.owner = bytes.Replace(stored, []byte(`"owner":{"id":70010009`), []byte(`"owner":{"id":70010008`), 1)
		time.Sleep(recheck)
		h.restart()
		h.is("casey", "friend server")
		h.has("casey", "?") // another account's libraries are not the owner's

		h.store.owner = stored
		h.cfg.Servers = []string{plextest.Cellar}
		h.restart()
		h.has("casey", "")
	})
}

// What plex.tv shows is stored again only when it has changed; when it was shown is stored each time, apart.
func TestAnUnchangedViewIsNotStoredAgain(t *testing.T) {
	inHouse(t, []option{withToken("robin"), func(h *house) { h.cfg.Grace = time.Hour }}, func(t *testing.T, h *house) {
		h.dir.Start()
		_, _ = h.signIn("casey")
		synctest.Wait()
		saves := func(want int, what string, change func()) {
			t.Helper()
			before := h.store.saves
			change()
			time.Sleep(recheck)
			synctest.Wait()
			if got := h.store.saves - before; got != want {
				t.Errorf("%s: stored %d times, want %d", what, got, want)
			}
		}
		saves(0, "nothing has changed", func() {})
		saves(1, "a library", func() { h.TakeLibraries("casey", plextest.Attic, "Films") })
		saves(1, "a name", func() { h.Rename("sam", "samuel") })
		saves(1, "the owner's name", func() { h.Rename("robin", "rob") })
		saves(1, "an invitation", func() { h.Invite("frankie", plextest.Attic) }) // whoever accepts nothing is no friend
		saves(1, "a share of another server", func() { h.Share("casey", plextest.Cellar) })
		saves(2, "shares", func() {
			for _, name := range []string{"sam", "Kiddo"} {
				h.Unshare(name, plextest.Attic)
			}
		})
		saves(1, "a library that is shared with nobody", func() {
			h.EditMachine("robin", plextest.Attic, func(m *plextest.Machine) {
				m.Libraries = append(m.Libraries, plextest.Library{Title: "New", Type: "movie"})
			})
		})
		saves(0, "nothing for hours", func() { time.Sleep(3 * time.Hour) })
		h.Fail(plextest.Any, plextest.Maintenance())
		h.restart()
		time.Sleep(time.Hour - recheck)
		h.has("casey", "Shows") // by the time that was stored apart
		time.Sleep(recheck)
		h.is("casey", "unavailable")

		// A time that belongs to another view than the stored one makes that no younger.
		h.Heal()
		time.Sleep(10 * time.Minute)
		_, _ = h.check("casey")
		h.has("casey", "Shows")
		var times map[string]any
		if err := json.Unmarshal(h.store.fresh, &times); err != nil {
			t.Fatal(err)
		}
		times["rev"], times["at"] = "another", time.Now()
		h.store.fresh, _ = json.Marshal(times)
		h.Fail(plextest.Any, plextest.Maintenance())
		h.restart()
		h.is("Kiddo", "unavailable") // casey's own list would serve
	})
}

// A view that could not be stored is stored later, though nothing changes any more.
func TestAViewThatCouldNotBeStored(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		h.dir.Start()
		_, _ = h.signIn("casey")
		h.Unshare("casey", plextest.Attic)
		h.store.breaks(errors.New("disk full"))
		time.Sleep(recheck)
		h.is("casey", "friend")
		h.store.breaks(nil)
		time.Sleep(recheck)
		synctest.Wait()
		h.Fail(plextest.Any, plextest.Maintenance())
		h.restart()
		h.is("casey", "friend")
	})
}
