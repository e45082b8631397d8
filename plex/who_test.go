package plex_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex"
	"usher/plex/plextest"
)

func TestPersonsViewSaysWhoEverybodyIs(t *testing.T) {
	inHouse(t, []option{withOwner(robin)}, func(t *testing.T, h *house) {
		h.AddMachine(plextest.Machine{Owner: "mallory", ID: plextest.Attic, Name: "Attic", Provides: "client,player"})
		h.ShareBy("ivan", "otto", plextest.Attic) // the impostor shares what claims to be Attic
		want := map[string]string{"robin": "owner server", "sam": "home server", "Kiddo": "home server", "casey": "server",
			"frankie": "no", "pat": "no", "otto": "no", "mallory": "no", "ivan": "no"}
		for _, name := range everybody {
			a, err := h.signIn(name)
			if got := says(a, err); got != want[name] {
				t.Errorf("%s signs in: %q, want %q", name, got, want[name])
			}
			h.is(name, want[name])
			if a != nil && a.Account.ID != h.id(name) {
				t.Errorf("%s: %+v", name, a)
			}
		}
	})
}

func TestOwnersViewSaysWhoEverybodyIs(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		h.AddMachine(plextest.Machine{Owner: "mallory", ID: plextest.Attic, Name: "Attic", Provides: "client,player"})
		h.ShareBy("ivan", "mallory", plextest.Attic)
		want := map[string]string{"robin": "owner server", "sam": "friend home server", "Kiddo": "friend home server", "casey": "friend server",
			"frankie": "friend", "pat": "no", "otto": "friend", "mallory": "no", "ivan": "no"}
		for _, name := range everybody {
			a, err := h.signIn(name)
			if got := says(a, err); got != want[name] {
				t.Errorf("%s signs in: %q, want %q", name, got, want[name])
			}
			h.is(name, want[name])
			if p := h.Person(name); a != nil && (a.Account.Username != p.Username || a.Account.Email != p.Email || a.Account.UUID != p.UUID || a.Account.Name() != p.Title) {
				t.Errorf("%s: %+v", name, a)
			}
		}
		if problems := h.dir.Problems(); len(problems) > 0 || h.dir.State() != plex.Ready {
			t.Error(problems, h.dir.State())
		}
	})
}

// TestWhoseServerItIs has plex.tv list the allowed identifier in every way that is not a share of the owner's server.
func TestWhoseServerItIs(t *testing.T) {
	t.Parallel()
	const id = `"clientIdentifier":"` + plextest.Attic + `"`
	tests := []struct {
		name, list, want string
		person           int64
	}{
		{"the owner's", `{` + id + `,"provides":"server","owned":false,"ownerId":70010009}`, "server", casey},
		{"the owner's, in the Home", `{` + id + `,"provides":"server","owned":false,"home":true,"ownerId":70010009}`, "home server", casey},
		{"the owner themselves", `{` + id + `,"provides":"client,server","owned":true,"ownerId":null}`, "owner server", robin},
		{"nobody's", `{` + id + `,"provides":"server","owned":false,"ownerId":null}`, "no", casey},
		{"of owner 0", `{` + id + `,"provides":"server","owned":false,"ownerId":0}`, "no", casey},
		{"no owner said", `{` + id + `,"provides":"server","home":true}`, "no", casey},
		{"somebody else's", `{` + id + `,"provides":"server","owned":false,"ownerId":70010008}`, "no", casey},
		{"somebody else's, in their Home", `{` + id + `,"provides":"server","home":true,"ownerId":70010008}`, "no", casey},
		{"an impostor's own", `{` + id + `,"provides":"server","owned":true,"ownerId":null}`, "no", casey},
		{"an impostor's own that names the owner", `{` + id + `,"provides":"server","owned":true,"ownerId":70010009}`, "no", casey},
		{"owned by the owner, of another owner", `{` + id + `,"provides":"server","owned":true,"ownerId":70010008}`, "no", robin},
		{"a player", `{` + id + `,"provides":"player","owned":false,"ownerId":70010009}`, "no", casey},
		{"nothing that serves", `{` + id + `,"provides":"serverless","owned":false,"ownerId":70010009}`, "no", casey},
		{"another server of that name", `{"clientIdentifier":"` + plextest.Cellar + `","name":"Attic","provides":"server","ownerId":70010009}`, "no", casey},
		{"the identifier in capitals", `{"clientIdentifier":"` + strings.ToUpper(plextest.Attic) + `","provides":"server","ownerId":70010009}`, "no", casey},
		{"no identifier", `{"provides":"server","ownerId":70010009}`, "no", casey},
		{"both, the impostor's first", `{` + id + `,"provides":"server","owned":true},{` + id + `,"provides":"server","ownerId":70010009}`, "server", casey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			account, _ := json.Marshal(map[string]any{"id": tt.person})
			d := scripted(t, func(r *http.Request) roundTrip {
				if r.URL.Path == "/api/v2/user" {
					return answer(200, js, string(account))
				}
				return answer(200, js, "["+tt.list+"]")
			}, plex.DirectoryConfig{Owner: robin})
			if got := says(d.SignedIn(t.Context(), plex.Account{ID: tt.person}, testToken)); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestWhatTheOwnersListSays has plex.tv show the owner's list in ways that are no share, and the person's own list in
// ways that prove nothing.
func TestWhatTheOwnersListSays(t *testing.T) {
	t.Parallel()
	const server = `machineIdentifier="` + plextest.Attic + `"`
	tests := []struct{ name, row, want string }{
		{"a share", `<User id="70010001"><Server ` + server + ` owned="1" pending="0"/></User>`, "friend server"},
		{"a share, no word on whose", `<User id="70010001"><Server ` + server + `/></User>`, "friend server"},
		{"in the Home", `<User id="70010001" home="1"/>`, "friend home"},
		{"pending", `<User id="70010001"><Server ` + server + ` owned="1" pending="1"/></User>`, "no"},
		{"pending in the Home", `<User id="70010001" home="1"><Server ` + server + ` owned="1" pending="1"/></User>`, "friend home"},
		{"pending here, accepted elsewhere", `<User id="70010001"><Server ` + server + ` pending="1"/><Server machineIdentifier="` + plextest.Cellar + `" owned="1"/></User>`, "friend"},
		{"not the owner's server", `<User id="70010001"><Server ` + server + ` owned="0" pending="0"/></User>`, "friend"},
		{"no server", `<User id="70010001"/>`, "friend"},
		{"somebody else", `<User id="70010007"><Server ` + server + `/></User>`, "no"},
		{"id 0", `<User id="0"><Server ` + server + `/></User>`, "no"},
		{"id missing", `<User><Server ` + server + `/></User>`, "no"},
		{"id negative", `<User id="-70010001"><Server ` + server + `/></User>`, "no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := scripted(t, (&script{row: tt.row, owners: ownedAttic, persons: `[]`}).answer, plex.DirectoryConfig{OwnerToken: testToken})
			if got := says(d.SignedIn(t.Context(), plex.Account{ID: casey}, "test-token-casey")); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestAListThatDoesNotSayWhoseProvesNothing: the owner's token is dead, and a person's own list has the server without its
// owner. That lets nobody in, but it does not put out whom the owner's view lets in either.
func TestAListThatDoesNotSayWhoseProvesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{row: `<User id="70010001" home="1"/>`, owners: ownedAttic,
			persons: `[{"clientIdentifier":"` + plextest.Attic + `","provides":"server","owned":false,"ownerId":null}]`}
		d := scripted(t, s.answer, plex.DirectoryConfig{OwnerToken: testToken})
		_, _ = d.SignedIn(t.Context(), plex.Account{ID: casey}, "test-token-casey")
		s.dead = true
		for _, c := range [][2]string{{s.persons, "friend home"}, {`[]`, "friend"}} {
			s.persons = c[0]
			for range 3 {
				time.Sleep(recheck)
				_, _ = d.Lookup(t.Context(), casey)
				synctest.Wait()
			}
			if got := says(d.Lookup(t.Context(), casey)); got != c[1] {
				t.Errorf("%s: %q, want %q", c[0], got, c[1])
			}
			synctest.Wait()
		}
	})
}

// TestTheOwnersViewIsTheStronger: while it can be renewed, a person's own list, here asked because their e-mail has changed,
// takes nothing away.
func TestTheOwnersViewIsTheStronger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{row: `<User id="70010001" home="1" email="new@example.org"/>`, owners: ownedAttic, persons: `[]`}
		d := scripted(t, s.answer, plex.DirectoryConfig{OwnerToken: testToken})
		_, _ = d.SignedIn(t.Context(), plex.Account{ID: casey, Email: "old@example.org"}, "test-token-casey")
		time.Sleep(recheck)
		for range 3 {
			time.Sleep(time.Second)
			if got := says(d.Lookup(t.Context(), casey)); got != "friend home" {
				t.Error(got)
			}
			synctest.Wait()
		}
		if s.asked == 0 {
			t.Error("the person's own list was not asked for")
		}
	})
}

// Somebody leaves the Home and stays a friend: nothing else on the owner's list changes.
func TestAPlaceInTheHomeEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store := &script{row: `<User id="70010001" home="1"/>`, owners: ownedAttic, persons: `[]`}, newMemory()
		d := scripted(t, s.answer, plex.DirectoryConfig{OwnerToken: testToken, Store: store})
		if got := says(d.SignedIn(t.Context(), plex.Account{ID: casey}, "test-token-casey")); got != "friend home" {
			t.Fatal(got)
		}
		s.row = `<User id="70010001" home="0"/>`
		time.Sleep(recheck)
		_, _ = d.Lookup(t.Context(), casey)
		synctest.Wait()
		if got := says(d.Lookup(t.Context(), casey)); got != "friend" {
			t.Error(got)
		}
		d = scripted(t, func(*http.Request) roundTrip { return answer(503, "", "") }, plex.DirectoryConfig{OwnerToken: testToken, Store: store})
		if got := says(d.Lookup(t.Context(), casey)); got != "friend" {
			t.Errorf("after a restart: %q", got)
		}
	})
}

func TestWhatDoesNotMakeAnOwner(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{
		"no servers":                    `[]`,
		"another server":                `[{"clientIdentifier":"` + plextest.Cellar + `","provides":"server","owned":true}]`,
		"somebody's, no word on whose":  `[{"clientIdentifier":"` + plextest.Attic + `","provides":"server","owned":false,"ownerId":null}]`,
		"somebody's, said to be theirs": `[{"clientIdentifier":"` + plextest.Attic + `","provides":"server","owned":false,"ownerId":70010009}]`,
		"theirs, said to be of another": `[{"clientIdentifier":"` + plextest.Attic + `","provides":"server","owned":true,"ownerId":70010008}]`,
		"a player":                      `[{"clientIdentifier":"` + plextest.Attic + `","provides":"player","owned":true}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := scripted(t, (&script{row: `<User id="70010001" home="1"/>`, owners: list, persons: `[]`}).answer, plex.DirectoryConfig{OwnerToken: testToken})
			if got := says(d.SignedIn(t.Context(), plex.Account{ID: casey}, "test-token-casey")); got != "misconfigured" || d.State() != plex.Misconfigured {
				t.Errorf("%q %v", got, d.State())
			}
		})
	}
}

// script is a plex.tv of two accounts, robin with testToken and casey with any other.
type script struct {
	row             string // of the owner's list of users
	owners, persons string // lists of resources
	dead            bool   // the owner's token
	asked           int    // the person's list
	mu              sync.Mutex
}

const ownedAttic = `[{"clientIdentifier":"` + plextest.Attic + `","provides":"server","owned":true,"ownerId":null}]`

func (s *script) answer(r *http.Request) roundTrip {
	s.mu.Lock()
	defer s.mu.Unlock()
	owners := r.Header.Get("X-Plex-Token") == string(testToken)
	switch {
	case owners && s.dead:
		return answer(401, "", "")
	case r.URL.Path == "/api/users":
		return answer(200, xmlType, `<MediaContainer size="1">`+s.row+`</MediaContainer>`)
	case r.URL.Path == "/api/v2/user" && owners:
		return answer(200, js, `{"id":70010009}`)
	case r.URL.Path == "/api/v2/user":
		return answer(200, js, `{"id":70010001}`)
	case owners:
		return answer(200, js, s.owners)
	}
	s.asked++
	return answer(200, js, s.persons)
}

// scripted is a directory over a plex.tv that answers by a function.
func scripted(t *testing.T, plexTV func(*http.Request) roundTrip, cfg plex.DirectoryConfig) *plex.Directory {
	t.Helper()
	cfg.Client = newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) { return plexTV(r)(r) }))
	cfg.Servers, cfg.Recheck, cfg.Grace = []string{plextest.Attic}, recheck, grace
	if cfg.Store == nil {
		cfg.Store = newMemory()
	}
	d, err := plex.NewDirectory(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestNamesChangeHands(t *testing.T) {
	for name, o := range map[string]option{"person's view": withOwner(robin), "owner's view": withToken("robin")} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, []option{o}, func(t *testing.T, h *house) {
				_, _ = h.signIn("casey")
				_, _ = h.signIn("mallory")
				_, _ = h.signIn("robin")
				h.Rename("robin", "rob")
				h.Edit("casey", func(p *plextest.Person) { p.Username, p.Email = "mallory", "mallory@example.org" })
				h.Edit("mallory", func(p *plextest.Person) { p.Username, p.Email = "casey", "casey@example.org" })
				time.Sleep(recheck)
				for range 3 {
					_, _ = h.check("casey")
					_, _ = h.check("mallory")
					_, _ = h.check("robin")
				}
				if a, _ := h.check("robin"); a.Account.Username != "rob" || !a.Owner {
					t.Errorf("%+v", a)
				}
				c, _ := h.check("casey")
				m, _ := h.check("mallory")
				if c.Account.Username != "mallory" || len(c.Servers) != 1 || c.Account.ID != casey || c.Account.Email != "mallory@example.org" {
					t.Errorf("%+v", c)
				}
				if m.Account.Username != "casey" || m.Owner || m.Home || m.Friend || len(m.Servers) > 0 {
					t.Errorf("%+v", m)
				}
			})
		})
	}
}

// TestAnEmailOnlyTheOwnersListHas: casey types sam's e-mail into their own account. The list shows it; the profile would say
// that it is not confirmed, and here cannot be had at all.
func TestAnEmailOnlyTheOwnersListHas(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		h.SetEmail("casey", "sam@example.org")
		h.RevokeTokens("casey")
		time.Sleep(recheck)
		_, _ = h.check("casey")
		if a, err := h.check("casey"); err != nil || a.Account.Email != "" || len(a.Servers) != 1 {
			t.Errorf("%+v %v", a, err)
		}
		h.wasRejected()
	})
}

// TestAProfileFromTheFuture: names on the owner's list count again although the clock was ahead when the profile was stored.
func TestAProfileFromTheFuture(t *testing.T) {
	inHouse(t, []option{withToken("robin")}, func(t *testing.T, h *house) {
		_, _ = h.signIn("casey")
		h.store.answers[casey] = bytes.ReplaceAll(h.store.answers[casey], []byte(`"account_at":"2000-`), []byte(`"account_at":"2100-`))
		h.Edit("casey", func(p *plextest.Person) { p.Username, p.Email = "cass", "cass@example.org" })
		h.RevokeTokens("casey")
		time.Sleep(recheck)
		h.restart()
		_, _ = h.check("casey")
		if a, err := h.check("casey"); err != nil || a.Account.Username != "cass" || a.Account.Email != "" {
			t.Errorf("%+v %v", a, err)
		}
	})
}

// TestManySignInsOfOnePerson: a newer token sets aside what is asked with an older one, and all of them hear an answer.
func TestManySignInsOfOnePerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plexTV := (&script{persons: `[{"clientIdentifier":"` + plextest.Attic + `","provides":"server","ownerId":70010009}]`}).answer
		d := scripted(t, func(r *http.Request) roundTrip {
			time.Sleep(100 * time.Millisecond)
			return plexTV(r)
		}, plex.DirectoryConfig{Owner: robin})
		said := make([]string, 12)
		var all sync.WaitGroup
		for i := range said {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 30 * time.Millisecond)
				said[i] = says(d.SignedIn(t.Context(), plex.Account{ID: casey}, testToken+plex.Token(strconv.Itoa(i))))
			})
		}
		all.Wait()
		for i, got := range said {
			if got != "server" {
				t.Errorf("sign-in %d: %q", i, got)
			}
		}
	})
}

// TestAMistypedOwner: nobody passes, not even the owner, and the log says why.
func TestAMistypedOwner(t *testing.T) {
	inHouse(t, []option{withOwner(casey)}, func(t *testing.T, h *house) {
		for _, name := range []string{"robin", "sam", "casey"} {
			if got := says(h.signIn(name)); got != "no" {
				t.Errorf("%s: %q", name, got)
			}
		}
		if log := h.logs.String(); !strings.Contains(log, "account=70010009 owner=70010001") {
			t.Errorf("the log does not name both:\n%s", log)
		}
	})
}
