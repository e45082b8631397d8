package auth_test

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
)

const (
	casey, kiddo, sam, mallory, robin = 70010001, 70010002, 70010003, 70010007, 70010009

	site         = "https://auth.example.com"
	callback     = site + "/login/callback"
	poll         = site + "/login/poll"
	pendingName  = "__Host-usher-sign-in"
	sessionName  = "__Secure-usher"
	firstPIN     = "601223345" // plextest counts them
	beyondReplay = time.Minute + time.Second
)

// cookie is the value of a cookie in the browser's jar, "" for none.
func (b *browser) cookie(name string) string {
	b.t.Helper()
	for _, c := range b.jar.Cookies(mustParse(b.t, site)) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// raw sends a request with exactly this Cookie line, from a browser that has
// nothing.
func (w *world) raw(method, address, cookies string) *http.Response {
	w.t.Helper()
	header := http.Header{}
	if cookies != "" {
		header.Set("Cookie", cookies)
	}
	return w.browser().do(method, address, nil, header)
}

// state reads an answer to a poll.
func state(t *testing.T, res *http.Response) string {
	t.Helper()
	var body struct{ State, Next string }
	text := text(res)
	if err := json.Unmarshal([]byte(text), &body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("poll: %s, %v: %s", res.Status, err, text)
	}
	if !slices.Contains([]string{"pending", "ok", "denied", "expired", "unavailable"}, body.State) {
		t.Errorf("poll says %q, which no page knows", body.State)
	}
	if u, err := url.Parse(body.Next); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		t.Errorf("poll leads to %q, which is not absolute", body.Next)
	}
	return body.State
}

// setsSession reports whether an answer gives a session to the browser.
func setsSession(res *http.Response) bool {
	return slices.ContainsFunc(res.Cookies(), func(c *http.Cookie) bool { return strings.HasSuffix(c.Name, "usher") && c.Value != "" })
}

func (w *world) wantSessions(account int64, want int) {
	w.t.Helper()
	if got := len(w.store.ByAccount(account)); got != want {
		w.t.Errorf("%d sessions of %d, want %d", got, account, want)
	}
}

func TestASignInNeverEndsInAnotherBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.urls = []string{site, "https://auth.example.org"}
	})
	victim := w.browser()
	forward := victim.begin("/")
	code := fragment(t, forward).Get("code")
	victim.approve(forward, "casey")
	pending := victim.cookie(pendingName)
	if pending == "" || code == "" {
		t.Fatal("there is nothing to steal")
	}
	other := w.browser()
	other.begin("/")
	own := w.signedIn("mallory")
	before := w.plex.Requests(plextest.CheckPIN)

	plain := "PIN=" + firstPIN + "&pin=" + firstPIN + "&id=" + firstPIN + "&code=" + code + "&state=" + code
	for name, a := range map[string]struct {
		query, cookie string
		header        http.Header
	}{
		"no cookie":                        {},
		"PIN in the query":                 {query: plain},
		"PIN in the query and in a cookie": {query: plain, cookie: pendingName + "=" + firstPIN + "; code=" + code + "; pin=" + firstPIN},
		"PIN in the cookie as JSON":        {cookie: pendingName + `={"PIN":` + firstPIN + `,"Code":"` + code + `"}`},
		"PIN in headers":                   {header: http.Header{"X-Plex-Pin": {firstPIN}, "X-Plex-Code": {code}, "Authorization": {"Bearer " + code}}},
		"sealed value in the query":        {query: "sign-in=" + pending + "&" + pendingName + "=" + pending + "&cookie=" + pending},
		"sealed value in a header":         {header: http.Header{"X-Usher-Sign-In": {pending}, "Authorization": {"Bearer " + pending}}},
		"under the session's name":         {cookie: sessionName + "=" + pending},
		"under the name without a prefix":  {cookie: "usher-sign-in=" + pending},
		"under the name in capitals":       {cookie: strings.ToUpper(pendingName) + "=" + pending},
		"first byte changed":               {cookie: pendingName + "=" + flip(pending, 0)},
		"last byte changed":                {cookie: pendingName + "=" + flip(pending, len(pending)-1)},
		"cut by one":                       {cookie: pendingName + "=" + pending[:len(pending)-1]},
		"cut in half":                      {cookie: pendingName + "=" + pending[:len(pending)/2]},
		"one byte more":                    {cookie: pendingName + "=" + pending + "A"},
		"twice in one value":               {cookie: pendingName + "=" + pending + pending},
		"a session in its place":           {cookie: pendingName + "=" + own.cookie(sessionName)},
	} {
		for _, path := range []string{"/login/callback", "/login/poll"} {
			res := w.browser().do(http.MethodGet, site+path+"?"+a.query, nil, merge(a.header, a.cookie))
			if setsSession(res) {
				t.Errorf("%s: %s signs in", name, path)
			}
			if path == "/login/callback" && res.StatusCode != http.StatusGone {
				t.Errorf("%s: callback: %s, want 410", name, res.Status)
			} else if path == "/login/poll" && state(t, res) != "expired" {
				t.Errorf("%s: the poll tells more than expired", name)
			}
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		res := w.browser().do(method, callback+"?"+plain, url.Values{"pin": {firstPIN}, "code": {code}}, nil)
		if res.StatusCode != http.StatusMethodNotAllowed || setsSession(res) {
			t.Errorf("PIN in a form by %s: %s", method, res.Status)
		}
	}
	if res := w.raw(http.MethodGet, "https://auth.example.org/login/poll", pendingName+"="+pending); state(t, res) != "expired" || setsSession(res) {
		t.Error("the cookie of one site counts at another")
	}
	if got := w.plex.Requests(plextest.CheckPIN); got != before {
		t.Errorf("plex.tv was asked %d times about a PIN by others", got-before)
	}
	if res := other.get(poll); state(t, res) != "pending" || setsSession(res) {
		t.Error("somebody else's sign-in gets the approval")
	}
	w.wantSessions(casey, 0)
	if got := state(t, victim.get(poll)); got != "ok" {
		t.Errorf("the browser itself: %s", got)
	}
	w.wantSessions(casey, 1)
}

func TestACookieOfAnotherHostDoesNotCountInOverlayMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls = nil })
	b := w.browser()
	res := b.post("https://one.example.com/_usher/login", url.Values{"rd": {"/"}})
	forward := b.approve(res.Header.Get("Location"), "casey")
	if !strings.HasPrefix(forward, "https://one.example.com/_usher/login/callback") {
		t.Fatalf("Plex leads to %q", forward)
	}
	value := ""
	for _, c := range res.Cookies() {
		if c.Name == pendingName {
			value = c.Name + "=" + c.Value
		}
	}
	for _, host := range []string{"two.example.com", "example.com", "one.example.com.evil.com"} {
		res := w.raw(http.MethodGet, "https://"+host+"/_usher/login/poll", value)
		if state(t, res) != "expired" || setsSession(res) {
			t.Errorf("the sign-in of one.example.com counts at %s", host)
		}
	}
	res = b.get(forward)
	if res.StatusCode != http.StatusSeeOther || !setsSession(res) {
		t.Fatalf("the browser itself: %s", res.Status)
	}
	session := ""
	for _, c := range res.Cookies() {
		if c.Name == "__Host-usher" {
			session = c.Name + "=" + c.Value
		}
	}
	if res := w.raw(http.MethodGet, "https://two.example.com/_usher/api/session", session); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the session of one host at another: %s", res.Status)
	}
	if res := w.raw(http.MethodGet, "https://one.example.com/_usher/api/session", session); res.StatusCode != http.StatusOK {
		t.Errorf("the session at its host: %s", res.Status)
	}
}

// Without https the cookie has no __Host- to its name, and any app of the domain can plant one: whoever goes on with a
// sign-in that somebody else began signs that one in.
func TestASignInThatWasPlantedIsNotTaken(t *testing.T) {
	t.Parallel()
	const lan = "http://auth.home.lan"
	insecure := func(s *setup) { s.urls, s.Insecure = []string{lan}, true }
	form := url.Values{"rd": {"/"}}
	for name, from := range map[string][2]string{
		"another address":         {"203.0.113.66", "203.0.113.7"},
		"another network of IPv6": {"2001:db8:0:7::1", "2001:db8:0:8::1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, insecure)
				attacker, victim := w.browser(), w.browser()
				attacker.from, victim.from = from[0], from[1]
				begun := attacker.post(lan+"/login", form)
				victim.jar.SetCookies(mustParse(t, lan), begun.Cookies())
				if res := victim.get(lan + "/login/poll"); state(t, res) != "expired" {
					t.Error("what was planted is gone on with")
				}
				victim.jar.SetCookies(mustParse(t, lan), begun.Cookies())
				own := victim.post(lan+"/login", form)
				if w.codeIn(own) == w.codeIn(begun) {
					t.Error("the victim approves the attacker's PIN")
				}
				victim.approve(own.Header.Get("Location"), "casey")
				if res := attacker.get(lan + "/login/poll"); state(t, res) != "pending" || setsSession(res) {
					t.Error("the attacker is signed in as the victim")
				}
				attacker.approve(begun.Header.Get("Location"), "mallory")
				if res := victim.get(lan + "/login/poll"); state(t, res) != "ok" || !setsSession(res) {
					t.Error("the victim is not signed in")
				}
				w.wantSessions(casey, 1)
				w.wantSessions(mallory, 0)
			})
		})
	}
	t.Run("the same network", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, insecure)
		b := w.browser()
		b.from = "2001:db8:0:7::1"
		b.approve(b.post(lan+"/login", form).Header.Get("Location"), "casey")
		b.from = "2001:db8:0:7:ffff::1" // as browsers change it every day
		if res := b.get(lan + "/login/poll"); state(t, res) != "ok" || !setsSession(res) {
			t.Error("it is not gone on with")
		}
	})
}

func TestManyAskAtTheMomentOfApproval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser()
		b.approve(b.begin("/"), "casey")
		pending := pendingName + "=" + b.cookie(pendingName)
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				address := poll
				if i%3 == 0 {
					address = callback
				}
				res := w.raw(http.MethodGet, address, pending)
				if !setsSession(res) {
					t.Errorf("tab %d was not signed in: %s", i, res.Status)
				}
			})
		}
		all.Wait()
		w.wantSessions(casey, 1)
		if pins, users := w.plex.Requests(plextest.CheckPIN), w.plex.Requests(plextest.User); pins != 1 || users > 2 { // one is the owner's own
			t.Errorf("the PIN was read %d times, the account %d times", pins, users)
		}

		time.Sleep(beyondReplay)
		if res := w.raw(http.MethodGet, poll, pending); state(t, res) != "expired" || setsSession(res) {
			t.Error("a minute later the old cookie signs in again")
		}
		if res := w.raw(http.MethodGet, callback, pending); res.StatusCode != http.StatusGone || setsSession(res) {
			t.Errorf("a minute later the callback: %s", res.Status)
		}
		w.wantSessions(casey, 1)
	})
}

func TestAReplayAfterSigningOutGivesNothing(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]url.Values{"here": nil, "everywhere": {"everywhere": {"1"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			b := w.browser()
			forward := b.approve(b.begin("/"), "casey")
			pending := pendingName + "=" + b.cookie(pendingName)
			b.get(forward)
			session := sessionName + "=" + b.cookie(sessionName)
			w.wantSessions(casey, 1)
			if res := w.raw(http.MethodGet, poll, pending); state(t, res) != "ok" {
				t.Error("an answer that got lost is not given again")
			}
			w.wantSessions(casey, 1)
			b.post(site+"/logout", form)
			w.wantSessions(casey, 0)
			for _, cookies := range []string{pending, session, pending + "; " + session} {
				if res := w.raw(http.MethodGet, poll, cookies); state(t, res) != "expired" || setsSession(res) {
					t.Errorf("within the minute %.30s… signs in again", cookies)
				}
				if res := w.raw(http.MethodGet, callback, cookies); res.StatusCode != http.StatusGone || setsSession(res) {
					t.Errorf("within the minute %.30s… signs in again by the callback: %s", cookies, res.Status)
				}
			}
			w.wantSessions(casey, 0)
		})
	}
}

// abandoned sends a request whose browser goes away once plex.tv has been
// asked, and returns when Usher is done with it.
func (b *browser) abandoned(address, cookies string, ep plextest.Endpoint) {
	b.t.Helper()
	release := make(chan struct{})
	b.plex.Fail(ep, plextest.Until(release))
	n := b.plex.Requests(ep)
	ctx, goAway := context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	r.RemoteAddr = proxyAddr
	r.Header.Set("Cookie", cookies)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.usher.ServeHTTP(httptest.NewRecorder(), r)
	}()
	if err := b.plex.Wait(context.Background(), ep, n+1); err != nil {
		b.t.Fatal(err)
	}
	goAway()
	synctest.Wait()
	close(release)
	<-done
	b.plex.Heal()
}

func TestABrowserThatGoesAwayDoesNotLoseItsSignIn(t *testing.T) {
	t.Parallel()
	for name, ep := range map[string]plextest.Endpoint{
		"while the PIN is read":       plextest.CheckPIN,
		"while its account is read":   plextest.User,
		"while its servers are read":  plextest.Resources,
		"while nobody knows them yet": plextest.Users,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(s *setup) {
					if ep == plextest.Resources {
						s.owner, s.directory.Owner = "", robin
					}
				})
				synctest.Wait() // the owner's view is there, or being asked
				b := w.browser()
				b.approve(b.begin("/"), "casey")
				pending := pendingName + "=" + b.cookie(pendingName)
				if ep == plextest.Users {
					w.raw(http.MethodGet, poll, pending)
				} else {
					b.abandoned(poll, pending, ep)
				}
				w.plex.Advance(time.Minute) // the PIN is gone at plex.tv
				time.Sleep(time.Second)
				if got := state(t, w.raw(http.MethodGet, poll, pending)); got != "ok" {
					t.Errorf("the next poll: %s", got)
				}
				w.wantSessions(casey, 1)
			})
		})
	}
}

func TestAbortedPollsPileUpNowhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser()
		b.begin("/")
		pending := pendingName + "=" + b.cookie(pendingName)
		ctx, goAway := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, poll, nil)
				r.RemoteAddr = proxyAddr
				r.Header.Set("Cookie", pending)
				w.usher.ServeHTTP(httptest.NewRecorder(), r)
			})
		}
		synctest.Wait()
		goAway()
		start := time.Now()
		all.Wait()
		if took := time.Since(start); took > 0 {
			t.Errorf("requests of browsers that are gone went on for %v", took)
		}
		if got := w.plex.Requests(plextest.CheckPIN); got > 2 {
			t.Errorf("plex.tv was asked %d times", got)
		}
	})
}

func TestPollingFastCostsPlexOneQuestionASecond(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*plextest.Server){
		"not approved":      func(*plextest.Server) {},
		"the PIN fails":     func(p *plextest.Server) { p.Fail(plextest.CheckPIN, plextest.ServerError()) },
		"the account fails": func(p *plextest.Server) { p.Fail(plextest.User, plextest.ServerError()) },
		"nothing is said of their servers": func(p *plextest.Server) {
			p.Fail(plextest.Resources, plextest.ServerError())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(s *setup) { s.owner, s.directory.Owner = "", robin })
				b := w.browser()
				if forward := b.begin("/"); name != "not approved" {
					b.approve(forward, "casey")
				}
				pending := pendingName + "=" + b.cookie(pendingName)
				fail(w.plex)
				start := time.Now()
				var all sync.WaitGroup
				for range 20 { // tabs
					all.Go(func() {
						for time.Since(start) < 20*time.Second {
							if got := state(t, w.raw(http.MethodGet, poll, pending)); got != "pending" && got != "unavailable" {
								t.Errorf("the poll says %s", got)
								return
							}
							time.Sleep(100 * time.Millisecond)
						}
					})
				}
				all.Wait()
				for _, ep := range []plextest.Endpoint{plextest.CheckPIN, plextest.User, plextest.Resources} {
					if got := w.plex.Requests(ep); got > 45 { // two questions about the account a round
						t.Errorf("plex.tv was asked %d times for %s", got, ep)
					}
				}
				w.wantSessions(casey, 0)
			})
		})
	}
}

func TestTwoHundredSignInsAreNeverCrossed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var all sync.WaitGroup
		var arrived atomic.Int64
		for i := range 200 {
			person := []string{"casey", "sam"}[i%2]
			b := w.browser()
			b.from = "203.0." + strconv.Itoa(i) + ".1"
			forward := b.begin("/")
			all.Go(func() {
				time.Sleep(200*time.Second - time.Duration(i)*time.Second) // all at once
				back, err := w.plex.SignIn(forward, person)
				if err != nil {
					t.Error(err)
					return
				}
				for range 5 { // as the page asks, until it is let look
					b.get(poll)
					if res := b.get(back); res.StatusCode != http.StatusOK {
						break
					}
					time.Sleep(2 * time.Second)
				}
				res := b.check("traefik", "https://app.example.com/", nil)
				switch got := res.Header.Get("Remote-User"); {
				case res.StatusCode == http.StatusOK && got == person:
					arrived.Add(1)
				case res.StatusCode != http.StatusFound: // one person has fifty sessions at most
					t.Errorf("%s arrives as %q: %s", person, got, res.Status)
				}
			})
			time.Sleep(time.Second)
		}
		all.Wait()
		if n := arrived.Load(); n < 100 {
			t.Errorf("only %d of 200 arrived", n)
		}
		if pins := w.plex.Requests(plextest.CheckPIN); pins != 200 {
			t.Errorf("200 PINs were read %d times", pins)
		}
	})
}

func TestASignInEndsTheSessionBeforeInThatBrowserAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	elsewhere := w.signedIn("casey")
	b := w.signedIn("casey")
	old := sessionName + "=" + b.cookie(sessionName)
	b.signIn("sam", "/")
	if res := w.raw(http.MethodGet, site+"/api/session", old); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the session before: %s", res.Status)
	}
	w.wantSessions(casey, 1)
	w.wantSessions(sam, 1)
	if res := elsewhere.check("traefik", page, nil); res.StatusCode != http.StatusOK {
		t.Errorf("another browser of the same person: %s", res.Status)
	}
	if res := b.check("traefik", page, nil); res.Header.Get("Remote-User") != "sam" {
		t.Errorf("signed in as sam, but the app sees %q", res.Header.Get("Remote-User"))
	}
}

func TestThePINIsOverAfterHalfAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser()
		forward := b.begin("https://app.example.com/x")
		back := fragment(t, forward).Get("forwardUrl")
		res := b.get(back)
		if body := text(res); res.StatusCode != http.StatusOK || !strings.Contains(body, "data-poll-url") || setsSession(res) {
			t.Errorf("not approved: %s, no waiting page", res.Status)
		}
		pending := pendingName + "=" + b.cookie(pendingName)
		time.Sleep(9 * time.Minute)
		other := w.browser()
		other.from = "203.0.113.8"
		other.jar.SetCookies(mustParse(t, site), b.jar.Cookies(mustParse(t, site)))
		other.begin("/") // the same PIN, sealed anew: no longer life for it
		later := pendingName + "=" + other.cookie(pendingName)
		time.Sleep(20 * time.Minute)
		if got := state(t, b.get(poll)); got != "pending" {
			t.Errorf("after 29 minutes: %s", got)
		}
		w.plex.Advance(2 * time.Minute) // plex.tv's clock is ahead of ours
		if res := w.raw(http.MethodGet, callback, pending); res.StatusCode != http.StatusGone {
			t.Errorf("plex.tv says that it has expired: %s", res.Status)
		}
		asked := w.plex.Requests(plextest.CheckPIN)
		time.Sleep(10 * time.Second)
		if got := state(t, w.raw(http.MethodGet, poll, pending)); got != "expired" {
			t.Errorf("plex.tv has said that it has expired: %s", got)
		}
		time.Sleep(2 * time.Minute)
		w.restart(nil) // and has forgotten what it was told
		if got := state(t, w.raw(http.MethodGet, poll, later)); got != "expired" {
			t.Errorf("after 31 minutes, sealed anew: %s", got)
		}
		if got := state(t, w.raw(http.MethodGet, poll, pending)); got != "expired" {
			t.Errorf("after 31 minutes: %s", got)
		}
		if res := b.get(back); res.StatusCode != http.StatusGone || hiddenReturn.FindStringSubmatch(text(res))[1] != "https://app.example.com/x" {
			t.Errorf("after 31 minutes the callback: %s", res.Status)
		}
		if got := w.plex.Requests(plextest.CheckPIN); got != asked {
			t.Error("plex.tv is asked about a PIN that is over")
		}
	})
}

func TestAUsedPINIsNotHandedOutAgain(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]func(w *world, b *browser){
		"signed in":            func(_ *world, b *browser) { b.get(callback) },
		"approved, who is not": func(w *world, b *browser) { w.plex.Fail(plextest.User, plextest.ServerError()); b.get(callback) },
		"refused":              func(w *world, b *browser) { w.plex.Fail(plextest.User, plextest.Unauthorized()); b.get(callback) },
		"expired":              func(w *world, b *browser) { w.plex.Advance(time.Hour); b.get(callback) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ownView)
			b := w.browser()
			forward := b.begin("/")
			b.approve(forward, "casey")
			pending := pendingName + "=" + b.cookie(pendingName)
			over(w, b)
			res := w.raw(http.MethodPost, site+"/login", pending)
			if fragment(t, res.Header.Get("Location")).Get("code") == fragment(t, forward).Get("code") {
				t.Error("the browser is sent to Plex with a PIN that leads nowhere")
			}
		})
	}
}

func TestThePollSaysWhoMayNotPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for person, want := range map[string]string{"mallory": "denied", "pat": "denied", "ivan": "denied", "frankie": "denied", "otto": "denied", "casey": "ok"} {
		b := w.browser()
		b.approve(b.begin("/"), person)
		if got := state(t, b.get(poll)); got != want {
			t.Errorf("%s: %s, want %s", person, got, want)
		}
		if res := b.check("traefik", page, nil); res.StatusCode == http.StatusOK && want == "denied" {
			t.Errorf("%s passes", person)
		}
	}
}

func TestAPollDoesNotWaitAsLongAsPlexAsksFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser()
		b.begin("/")
		w.plex.Fail(plextest.CheckPIN, plextest.TooMany(30*time.Second))
		b.get(poll)
		start := time.Now()
		if got := state(t, b.get(poll)); got != "unavailable" || time.Since(start) > 0 {
			t.Errorf("%s after %v", got, time.Since(start))
		}
	})
}

func TestASecondTabGetsTheSamePIN(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser()
		first, second := b.begin("/one"), b.begin("/two")
		if fragment(t, first).Get("code") != fragment(t, second).Get("code") || w.plex.Requests(plextest.CreatePIN) != 1 {
			t.Error("two tabs of one browser cost two PINs: the first is lost")
		}
		time.Sleep(11 * time.Minute)
		if third := b.begin("/"); fragment(t, third).Get("code") == fragment(t, first).Get("code") {
			t.Error("a PIN of eleven minutes is handed out again")
		}
	})
}

var pollURL = regexp.MustCompile(`data-poll-url="([^"]*)"`)

// pollOf is where a waiting page, or one with a code, asks how far its sign-in is.
func pollOf(t *testing.T, page string) string {
	t.Helper()
	found := pollURL.FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("it does not ask: %s", page)
	}
	return html.UnescapeString(found[1])
}

// A page whose sign-in was given up for another one's in the same browser would wait for ever, or go on with what its
// person has not approved.
func TestATabWhoseSignInWasGivenUpIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser()
		forward := b.begin("/")
		first := pollOf(t, text(b.get(callback)))
		time.Sleep(time.Minute)
		b.begin("/two") // the same PIN
		want := func(address, want string) {
			t.Helper()
			if got := state(t, b.get(address)); got != want {
				t.Errorf("%s: %s, want %s", address, got, want)
			}
		}
		want(first, "pending")
		b.post(site+"/login/device", url.Values{"rd": {"/"}})
		page := text(b.get(site + "/login/device"))
		second := pollOf(t, page)
		want(first, "expired")
		want(second, "pending")
		want(poll, "pending") // of a page from before, which does not say what it waits for
		b.approve(forward, "mallory")
		want(first, "expired")
		if err := w.plex.Approve(code(page), "casey"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		want(second, "ok")
		want(first, "ok") // the browser is signed in
		b.is(casey)
		w.wantSessions(mallory, 0)
	})
}

// fragment is what Plex's page reads of a sign-in address.
func fragment(t *testing.T, address string) url.Values {
	t.Helper()
	_, query, _ := strings.Cut(address, "#?")
	q, err := url.ParseQuery(query)
	if err != nil || q.Get("code") == "" {
		t.Fatalf("%q is no sign-in address: %v", address, err)
	}
	return q
}

// flip changes one character of a base64 text into another.
func flip(s string, i int) string {
	c := byte('A')
	if s[i] == c {
		c = 'B'
	}
	return s[:i] + string(c) + s[i+1:]
}

func merge(header http.Header, cookie string) http.Header {
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	if cookie != "" {
		header.Set("Cookie", cookie)
	}
	return header
}

func mustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
