package auth_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"usher/plex/plextest"
	"usher/policy"
)

var tiers = []policy.Tier{policy.Anyone, policy.Friend, policy.Shared, policy.Home, policy.Owner}

// Everybody at every tier's door, by both views of plex.tv.
func TestWhoPasses(t *testing.T) {
	t.Parallel()
	for view, change := range map[string]func(*setup){
		"owner's":  nil,
		"person's": func(s *setup) { s.owner, s.directory.Owner = "", 70010009 },
	} {
		t.Run(view, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, change)
			w.plex.AddPerson(plextest.Person{Name: "judy", Kind: plextest.Stranger})
			w.plex.AddMachine(plextest.Machine{ID: plextest.Attic, Name: "Attic", Owner: "judy", Provides: "client,player"})
			w.plex.AddPerson(plextest.Person{Name: "heidi", Kind: plextest.Stranger})
			w.plex.ShareBy("ivan", "heidi", plextest.Attic)
			w.plex.AddPerson(plextest.Person{Name: "oscar", Kind: plextest.Stranger})
			w.plex.AddMachine(plextest.Machine{ID: plextest.Cellar[1:] + "0", Name: "Attic", Owner: "oscar", Provides: "server"})
			for name, tier := range map[string]policy.Tier{
				"mallory": policy.Anyone, // a stranger
				"ivan":    policy.Anyone, // owns a server that claims to be Attic
				"heidi":   policy.Anyone, // has a share of ivan's
				"judy":    policy.Anyone, // has a player that claims to be Attic
				"oscar":   policy.Anyone, // owns a server called Attic
				"pat":     policy.Anyone, // invited
				"frankie": policy.Friend,
				"otto":    policy.Friend, // has a share of Cellar
				"casey":   policy.Shared,
				"Kiddo":   policy.Home,
				"sam":     policy.Home,
				"robin":   policy.Owner,
			} {
				if view == "person's" && tier == policy.Friend {
					tier = policy.Anyone // who is a friend only the owner's view can tell
				}
				b := w.browser()
				b.from = "192.0.2." + strconv.Itoa(len(name)) // one address may not begin so many sign-ins
				b.signIn(name, "/")
				b.passes(t, name, tier, view == "owner's")
			}
		})
	}
}

// passes asks at each tier's door, through each kind of proxy.
func (b *browser) passes(t *testing.T, name string, tier policy.Tier, friends bool) {
	t.Helper()
	for _, family := range families {
		for _, door := range tiers {
			path := family + "/" + door.String()
			if family == "envoy" {
				path = family + ":" + door.String()
			}
			want := http.StatusForbidden
			switch {
			case door == policy.Friend && !friends:
				want = http.StatusInternalServerError
			case tier >= door:
				want = http.StatusOK
			}
			res := b.check(path, page, nil)
			if res.StatusCode != want {
				t.Errorf("%s, %s at %s's door: %s, want %d", family, name, door, res.Status, want)
			}
			if want == http.StatusOK && tier == policy.Anyone {
				told(t, res, "Remote-Groups", "")
			}
			holds(t, b.world, res)
		}
	}
}

// Names are for showing: who takes another's gains nothing.
func TestNamesOfOthers(t *testing.T) {
	t.Parallel()
	for view, change := range map[string]func(*setup){
		"owner's":  nil,
		"person's": func(s *setup) { s.owner, s.directory.Owner = "", 70010009 },
	} {
		for name, edit := range map[string]func(*plextest.Server){
			"the owner's username": func(p *plextest.Server) { p.Rename("mallory", "robin") },
			"the owner's e-mail":   func(p *plextest.Server) { p.SetEmail("mallory", "robin@example.org") },
			"the owner's everything": func(p *plextest.Server) {
				p.Edit("mallory", func(q *plextest.Person) {
					r := plextest.Person{Username: "robin", Title: "robin", Email: "robin@example.org", FriendlyName: "robin", UUID: q.UUID}
					q.Username, q.Title, q.Email, q.FriendlyName = r.Username, r.Title, r.Email, r.FriendlyName
				})
			},
			"an id as username":     func(p *plextest.Server) { p.Rename("mallory", "70010009") },
			"a uuid as username":    func(p *plextest.Server) { p.Rename("mallory", p.Person("robin").UUID) },
			"an e-mail as username": func(p *plextest.Server) { p.Rename("mallory", "robin@example.org") },
			"a tier as username":    func(p *plextest.Server) { p.Rename("mallory", "owner") },
			"nothing for a name": func(p *plextest.Server) {
				p.Edit("mallory", func(q *plextest.Person) { q.Username, q.Title, q.Email = "", "", "" })
			},
			"robin and mallory swap": func(p *plextest.Server) { p.Rename("robin", "mallory"); p.Rename("mallory", "robin") },
			"casey and mallory swap": func(p *plextest.Server) { p.Rename("casey", "mallory"); p.Rename("mallory", "casey") },
		} {
			t.Run(view+", "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, change)
				before := w.signedIn("mallory")
				edit(w.plex)
				after, robin, casey := w.signedIn("mallory"), w.signedIn("robin"), w.signedIn("casey")
				for _, b := range []*browser{before, after} {
					b.passes(t, "mallory", policy.Anyone, view == "owner's")
					for _, term := range []string{"user:70010009", "user:70010001", "owner,user:" + w.plex.Person("robin").UUID, "anyone,!user:70010007"} {
						if res := b.check("traefik/"+term, page, nil); res.StatusCode != http.StatusForbidden {
							t.Errorf("mallory passes %s: %s", term, res.Status)
						}
					}
				}
				robin.passes(t, "robin", policy.Owner, view == "owner's")
				casey.passes(t, "casey", policy.Shared, view == "owner's")
				if res := robin.check("traefik/user:70010009", page, nil); res.StatusCode != http.StatusOK {
					t.Errorf("robin by id: %s", res.Status)
				}
			})
		}
	}
}

// An account without a positive numeric id is nobody.
func TestIdsThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.allow = "anyone" })
	for name, body := range map[string]string{
		"zero":               `{"id":0,"username":"robin","email":"robin@example.org","uuid":"x"}`,
		"missing":            `{"username":"robin"}`,
		"null":               `{"id":null,"username":"robin"}`,
		"negative":           `{"id":-70010009,"username":"robin"}`,
		"a string":           `{"id":"70010009","username":"robin"}`,
		"a fraction":         `{"id":70010009.5,"username":"robin"}`,
		"too large":          `{"id":18446744073709551616,"username":"robin"}`,
		"a list":             `[{"id":70010009,"username":"robin"}]`,
		"true":               `{"id":true,"username":"robin"}`,
		"behind other words": `{"user":{"id":70010009,"username":"robin"}}`,
		"nothing":            `{}`,
		"null alone":         `null`,
		"half":               `{"id":70010009,"username":"rob`,
		"empty":              ``,
	} {
		b := w.browser()
		b.from = "203.0.113." + strconv.Itoa(len(name))
		at := b.approve(b.begin("https://app.example.com/"), "mallory")
		w.plex.Fail(plextest.User, plextest.Answer(http.StatusOK, "application/json", body))
		if res := b.get(at); res.StatusCode == http.StatusSeeOther {
			t.Errorf("%s: signed in, to %q", name, res.Header.Get("Location"))
		}
		w.plex.Heal()
		if len(b.cookies()) != 0 {
			t.Errorf("%s: has a session", name)
		}
		for _, family := range families {
			if res := b.check(family, page, nil); res.StatusCode == http.StatusOK {
				t.Errorf("%s, %s: passes", family, name)
			}
		}
	}
}

// A Plex token is no key here, wherever it is put.
func TestPlexTokensOpenNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.allow = "anyone" })
	token := w.plex.Token("robin", clientID)
	b := w.browser()
	for _, family := range families {
		for name, header := range map[string]http.Header{
			"X-Plex-Token": {"X-Plex-Token": {token}}, "Authorization": {"Authorization": {"Bearer " + token}}, "cookie": {"Cookie": {"__Secure-usher=" + token + "; plexToken=" + token + "; usher=" + token}},
		} {
			if res := b.check(family, page, header); res.StatusCode == http.StatusOK {
				t.Errorf("%s: opened by %s", family, name)
			}
		}
		if res := b.check(family, "https://app.example.com/?X-Plex-Token="+url.QueryEscape(token), nil); res.StatusCode == http.StatusOK {
			t.Errorf("%s: opened by the query", family)
		}
	}
}
