package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
)

// ownView is an Usher without the owner's token: each person's own list counts.
func ownView(s *setup) { s.owner, s.directory.Owner = "", robin }

// outages are the ways in which plex.tv says nothing.
func outages() []plextest.Fault {
	return append(plextest.Outages(), plextest.Hung(), plextest.Drip(time.Second), plextest.Alternating(plextest.Maintenance()))
}

// wantSilent expects the page that says so.
func wantSilent(t *testing.T, what string, res *http.Response) {
	t.Helper()
	body := text(res)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "Plex is not answering") {
		t.Errorf("%s: %s, Retry-After %q\n%.300s", what, res.Status, res.Header.Get("Retry-After"), body)
	}
	if setsSession(res) {
		t.Errorf("%s: somebody is signed in", what)
	}
}

func TestPlexFailsAtAStepOfASignIn(t *testing.T) {
	t.Parallel()
	for step, c := range map[string]struct {
		ep      plextest.Endpoint
		change  func(*setup)
		account int64
	}{
		"create":    {plextest.CreatePIN, nil, casey},
		"check":     {plextest.CheckPIN, nil, casey},
		"user":      {plextest.User, nil, casey},
		"resources": {plextest.Resources, ownView, casey},
	} {
		for _, fault := range outages() {
			if strings.HasPrefix(fault.Name, "alternating") {
				continue
			}
			t.Run(step+", "+fault.Name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(s *setup) { s.notSetUp = true })
					w.restart(c.change)
					synctest.Wait()
					b := w.browser()
					if c.ep == plextest.CreatePIN {
						w.plex.Fail(c.ep, fault)
						wantSilent(t, "POST /login", b.post(site+"/login", url.Values{"rd": {"/"}}))
						if b.cookie(pendingName) != "" {
							t.Error("a PIN that there is not is bound to the browser")
						}
						w.plex.Heal()
						b.signIn("casey", "/")
						w.wantSessions(casey, 1)
						return
					}
					forward := b.begin("/")
					if c.ep != plextest.CheckPIN {
						b.approve(forward, "casey")
					}
					w.plex.Fail(c.ep, fault)
					wantSilent(t, "callback", b.get(callback))
					if got := state(t, b.get(poll)); got != "unavailable" {
						t.Errorf("poll: %s", got)
					}
					if res := b.check("traefik", page, nil); res.StatusCode != http.StatusFound {
						t.Errorf("check: %s", res.Status)
					}
					w.wantSessions(casey, 0)
					w.plex.Heal()
					if c.ep == plextest.CheckPIN {
						b.approve(forward, "casey")
						time.Sleep(9 * time.Second)
					} else {
						time.Sleep(3 * time.Minute) // the PIN is long gone; plex.tv has been left alone for a while
					}
					if got := state(t, b.get(poll)); got != "ok" {
						time.Sleep(2 * time.Second)
						if got := state(t, b.get(poll)); got != "ok" {
							t.Errorf("healed: %s", got)
						}
					}
					w.wantSessions(casey, 1)
					if res := b.check("traefik", page, nil); res.StatusCode != http.StatusOK || res.Header.Get("Remote-User") != "casey" {
						t.Errorf("check afterwards: %s", res.Status)
					}
				})
			})
		}
	}
}

// While the owner's list alone cannot be had, each person's own view decides.
func TestTheOwnersListFailsDuringASignIn(t *testing.T) {
	t.Parallel()
	for _, fault := range plextest.Outages() {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *setup) { s.notSetUp = true })
			w.plex.Fail(plextest.Users, fault)
			w.restart(nil)
			for person, want := range map[string]int{"casey": http.StatusOK, "mallory": http.StatusForbidden, "ivan": http.StatusForbidden, "pat": http.StatusForbidden} {
				if res := w.signedIn(person).check("traefik", page, nil); res.StatusCode != want {
					t.Errorf("%s: %s, want %d", person, res.Status, want)
				}
			}
		})
	}
}

func TestPlexRefusesTheTokenOfASignIn(t *testing.T) {
	t.Parallel()
	for _, fault := range []plextest.Fault{plextest.Unauthorized(), plextest.TokenExpired(), plextest.Unprocessable(), plextest.Forbidden()} {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				synctest.Wait()
				b := w.browser()
				b.approve(b.begin("/"), "casey")
				pending := pendingName + "=" + b.cookie(pendingName)
				w.plex.Fail(plextest.User, fault)
				if res := b.get(callback); res.StatusCode != http.StatusGone || setsSession(res) {
					t.Errorf("callback: %s, want 410", res.Status)
				}
				w.plex.Heal()
				time.Sleep(2 * time.Second) // the PIN can still be read
				if got := state(t, w.raw(http.MethodGet, poll, pending)); got != "expired" {
					t.Errorf("a refused token is tried again: %s", got)
				}
				w.wantSessions(casey, 0)
			})
		})
	}
}

func TestPlexRefusesWhereThereIsNoToken(t *testing.T) {
	t.Parallel()
	for _, ep := range []plextest.Endpoint{plextest.CreatePIN, plextest.CheckPIN} {
		for _, fault := range []plextest.Fault{plextest.Unauthorized(), plextest.Forbidden(), plextest.EmptyArray()} {
			t.Run(string(ep)+" "+fault.Name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				b := w.browser()
				if ep == plextest.CheckPIN {
					b.begin("/")
				}
				w.plex.Fail(ep, fault)
				if ep == plextest.CheckPIN {
					wantSilent(t, "callback", b.get(callback))
				} else {
					wantSilent(t, "POST /login", b.post(site+"/login", nil))
				}
			})
		}
	}
}

func TestPlexIsSilent(t *testing.T) {
	t.Parallel()
	for view, change := range map[string]func(*setup){"owner's view": func(*setup) {}, "person's view": ownView} {
		for _, fault := range outages() {
			if strings.HasPrefix(fault.Name, "alternating") {
				continue
			}
			t.Run(view+", "+fault.Name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					silence(t, newWorld(t, func(s *setup) {
						change(s)
						s.directory.Grace = 30 * time.Minute
					}), fault)
				})
			})
		}
	}
}

// silence is an outage of plex.tv from its beginning to beyond the grace of half
// an hour, and what comes after it.
func silence(t *testing.T, w *world, fault plextest.Fault) {
	known, stranger, new := w.signedIn("casey"), w.signedIn("mallory"), w.browser()
	if res := known.check("traefik", page, nil); res.StatusCode != http.StatusOK {
		t.Fatalf("before: %s", res.Status)
	}
	forward := new.begin("/")
	began := time.Now()
	w.plex.Fail(plextest.Any, fault)
	new.approve(forward, "sam")
	wantSilent(t, "somebody new", new.get(callback))
	for time.Since(began) < 24*time.Minute {
		time.Sleep(6 * time.Minute)
		asked := time.Now()
		for range 50 {
			if res := known.check("traefik", page, nil); res.StatusCode != http.StatusOK || res.Header.Get("Remote-User") != "casey" {
				t.Fatalf("after %v of silence: %s", time.Since(began), res.Status)
			}
			if res := stranger.check("traefik", page, nil); res.StatusCode == http.StatusOK {
				t.Fatalf("after %v a stranger passes", time.Since(began))
			}
		}
		if waited := time.Since(asked); waited > 0 {
			t.Errorf("the checks waited %v for plex.tv", waited)
		}
		if n := w.plex.Handling(); n > 7 { // three about the owner, two about each of two people
			t.Errorf("%d questions at once", n)
		}
	}
	w.wantSessions(sam, 0)

	time.Sleep(10 * time.Minute)
	res := known.check("traefik", page, nil)
	wantSilent(t, "past the grace", res)
	if res := known.check("nginx", page, nil); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("past the grace, nginx: %s", res.Status)
	}
	if res := known.get(site + "/api/session"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("past the grace, the session: %s", res.Status)
	}
	if res := stranger.check("traefik", page, nil); res.StatusCode == http.StatusOK {
		t.Error("past the grace a stranger passes")
	}
	w.wantSessions(casey, 1)

	w.plex.Heal()
	time.Sleep(12 * time.Minute)
	known.check("traefik", page, nil)
	synctest.Wait()
	if res := known.check("traefik", page, nil); res.StatusCode != http.StatusOK {
		t.Errorf("healed: %s", res.Status)
	}
	stranger.check("traefik", page, nil)
	synctest.Wait()
	if res := stranger.check("traefik", page, nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("healed, a stranger: %s", res.Status)
	}
}

func TestARestartWhilePlexIsSilent(t *testing.T) {
	t.Parallel()
	for view, change := range map[string]func(*setup){"owner's view": func(*setup) {}, "person's view": ownView} {
		for _, fault := range []plextest.Fault{plextest.Hung(), plextest.EmptyNotFound(), plextest.TooMany(0)} {
			t.Run(view+", "+fault.Name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, change)
					known, stranger := w.signedIn("casey"), w.signedIn("mallory")
					w.plex.Fail(plextest.Any, fault)
					time.Sleep(2 * time.Hour)
					w.restart(change)
					if res := known.check("traefik", page, nil); res.StatusCode != http.StatusOK || res.Header.Get("Remote-User") != "casey" {
						t.Errorf("after the restart: %s", res.Status)
					}
					if res := stranger.check("traefik", page, nil); res.StatusCode == http.StatusOK {
						t.Error("after the restart a stranger passes")
					}
					new := w.browser()
					wantSilent(t, "somebody new", new.post(site+"/login", nil))
					time.Sleep(22*time.Hour + time.Minute)
					w.restart(change)
					if res := known.check("traefik", page, nil); res.StatusCode != http.StatusServiceUnavailable {
						t.Errorf("past the grace: %s", res.Status)
					}
					w.plex.Heal()
					time.Sleep(12 * time.Minute)
					known.check("traefik", page, nil)
					synctest.Wait()
					if res := known.check("traefik", page, nil); res.StatusCode != http.StatusOK {
						t.Errorf("healed: %s", res.Status)
					}
					w.wantSessions(casey, 1)
				})
			})
		}
	}
}

func TestAccessEndsWithinTheRecheck(t *testing.T) {
	t.Parallel()
	type ends struct {
		change    func(*setup)
		happens   func(*plextest.Server)
		status    int // of the check afterwards
		signedOut bool
	}
	share := func(p *plextest.Server) { p.Unshare("casey", plextest.Attic) }
	for name, c := range map[string]ends{
		"share removed, owner's view":          {nil, share, http.StatusForbidden, false},
		"share removed, person's view":         {ownView, share, http.StatusForbidden, false},
		"unfriended, owner's view":             {nil, func(p *plextest.Server) { p.RemoveFriend("casey") }, http.StatusForbidden, false},
		"account deleted, owner's view":        {nil, func(p *plextest.Server) { p.RemovePerson("casey") }, http.StatusFound, true},
		"account deleted, person's view":       {ownView, func(p *plextest.Server) { p.RemovePerson("casey") }, http.StatusFound, true},
		"token revoked, person's view":         {ownView, func(p *plextest.Server) { p.RevokeTokens("casey") }, http.StatusFound, true},
		"token revoked, but the owner vouches": {nil, func(p *plextest.Server) { p.RevokeTokens("casey") }, http.StatusOK, false},
		"plex.tv is busy":                      {ownView, func(p *plextest.Server) { p.Fail(plextest.Any, plextest.TooMany(0)) }, http.StatusOK, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.change)
				b, other := w.signedIn("casey"), w.signedIn("sam")
				cookie := sessionName + "=" + b.cookie(sessionName)
				c.happens(w.plex)
				for range 3 { // deleted: once for the owner's view, then for their own
					time.Sleep(5 * time.Minute)
					b.check("traefik", page, nil)
					synctest.Wait()
					if c.signedOut == (len(w.store.ByAccount(casey)) == 0) {
						break
					}
				}
				if res := b.check("traefik", page, nil); res.StatusCode != c.status {
					t.Errorf("%s, want %d", res.Status, c.status)
				}
				if signedOut := len(w.store.ByAccount(casey)) == 0; signedOut != c.signedOut {
					t.Errorf("signed out: %v, want %v", signedOut, c.signedOut)
				}
				if c.signedOut {
					if res := w.raw(http.MethodGet, site+"/api/session", cookie); res.StatusCode != http.StatusUnauthorized {
						t.Errorf("a copy of the cookie: %s", res.Status)
					}
				}
				if res := other.check("traefik", page, nil); res.StatusCode != http.StatusOK {
					t.Errorf("somebody else: %s", res.Status)
				}
			})
		})
	}
}

// TestTheStoreFails: a sign-in that cannot be stored is no fault of plex.tv's,
// and nobody is let in by it.
func TestTheStoreFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.browser()
	forward := b.approve(b.begin("/"), "casey")
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if res := b.get(forward); res.StatusCode != http.StatusServiceUnavailable || strings.Contains(strings.Join(res.Header["Set-Cookie"], ""), "__Secure-usher=") {
		t.Errorf("the callback: %s, cookies %q", res.Status, res.Header["Set-Cookie"])
	}
	if log := w.log.String(); !strings.Contains(log, "a sign-in could not be finished") || strings.Contains(log, "plex.tv did not") {
		t.Errorf("the log blames plex.tv:\n%s", log)
	}
	if got := b.check("traefik", page, nil).StatusCode; got != http.StatusFound {
		t.Errorf("a check: %d", got)
	}
}

// Whoever is refused is looked at anew once the answer is 10 seconds old: what changes at Plex opens the door at the next try, not
// after the recheck.
func TestRefusedPeopleAreLookedAtAnew(t *testing.T) {
	t.Parallel()
	for view, change := range map[string]func(*setup){"owner's view": nil, "own view": ownView} {
		t.Run(view, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, change)
				synctest.Wait()
				b := w.signedIn("casey")
				w.plex.Rename("casey", "neo")
				for _, c := range []struct {
					after time.Duration
					want  int
				}{{time.Second, http.StatusForbidden}, {8 * time.Second, http.StatusForbidden}, {2 * time.Second, http.StatusOK}} {
					time.Sleep(c.after)
					if res := b.check("traefik/user:neo", page, nil); res.StatusCode != c.want {
						t.Errorf("after %v more: %s, want %d", c.after, res.Status, c.want)
					}
					synctest.Wait()
				}
			})
		})
	}
}
