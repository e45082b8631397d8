package auth_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
)

const wayName = "__Host-usher-way"

// forget drops a cookie of the pages' host from the browser.
func (b *browser) forget(name string) {
	b.t.Helper()
	u := mustParse(b.t, site)
	b.jar.SetCookies(u, []*http.Cookie{{Name: name, Path: "/", Secure: true, MaxAge: -1}, {Name: name, Path: "/", Secure: true, Domain: "example.com", MaxAge: -1}})
	if b.cookie(name) != "" {
		b.t.Fatalf("%s is still there", name)
	}
}

// saysOf expects a page, whatever leads away from it.
func says(t *testing.T, res *http.Response, status int, words string) {
	t.Helper()
	if body := text(res); res.StatusCode != status || res.Header.Get("Location") != "" || !strings.Contains(body, words) {
		t.Errorf("%s to %q, want %d and a page that says %q", res.Status, res.Header.Get("Location"), status, words)
	}
}

const (
	notKept     = "did not keep our cookie"
	notArriving = "The app does not see your sign-in"
	startAgain  = "Please start again"
	onlyHTTPS   = "Only over https"
)

// A session that the pages know and the app does not: each sends the browser to
// the other. What the browser has is all that changes from round to round.
func TestNoRoundIsEndless(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]string{
		"the same page":    "https://app.example.com/x",
		"a page each time": "https://app.example.com/x?n=",
		"over a port":      "https://app.example.com:8443/x",
		"the pages' host":  "https://auth.example.com/x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			casey, nobody := w.signedIn("casey"), w.browser()
			for round := range 20 { // where browsers give up
				page := app
				if strings.HasSuffix(app, "=") {
					page += strings.Repeat("1", round)
				}
				login := nobody.check("traefik", page, nil).Header.Get("Location")
				if !strings.HasPrefix(login, site+"/login?") {
					t.Fatalf("sent to %q", login)
				}
				res := casey.get(login)
				if res.StatusCode == http.StatusSeeOther {
					continue
				}
				says(t, res, http.StatusBadRequest, notArriving)
				if again := casey.get(login); again.StatusCode != http.StatusSeeOther {
					t.Errorf("try again: %s", again.Status)
				}
				return
			}
			t.Error("it is endless")
		})
	}
}

func TestWhatIsNoRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		casey := w.signedIn("casey")
		login := site + "/login?rd=" + url.QueryEscape("https://app.example.com/x")
		goesOn := func(what string, b *browser, address string) {
			t.Helper()
			if res := b.get(address); res.StatusCode != http.StatusSeeOther {
				t.Errorf("%s: %s", what, res.Status)
			}
		}
		for range 9 {
			goesOn("a bookmark, now and then", casey, login)
			time.Sleep(10 * time.Second)
		}
		for _, host := range []string{"a", "b", "a", "b", "a", "b", "a", "b", "a", "b", "a", "b"} {
			goesOn("one app and another", casey, site+"/login?rd="+url.QueryEscape("https://"+host+".example.com/"))
		}
		time.Sleep(time.Minute)
		before, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		before.SetCookies(mustParse(t, site), casey.jar.Cookies(mustParse(t, site)))
		for range 9 { // which all send what the browser had then
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			jar.SetCookies(mustParse(t, site), before.Cookies(mustParse(t, site)))
			goesOn("tabs that are opened at once", &browser{world: w, jar: jar, from: casey.from}, login)
		}
	})
}

// A cookie that nobody can make says nothing that is not so.
func TestAWayThatIsNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	casey, mallory := w.browser(), w.signedIn("mallory")
	casey.begin("/")
	for name, value := range map[string]string{
		"text":             "x",
		"JSON":             `{"Rounds":9,"Host":"auth.example.com"}`,
		"a session":        mallory.cookie(sessionName),
		"a sign-in":        casey.cookie(pendingName),
		"changed":          flip(mallory.cookie(wayName), 0),
		"cut":              mallory.cookie(wayName)[1:],
		"very long":        strings.Repeat("A", 1<<20),
		"where one signed": mallory.cookie("__Host-usher-here"),
	} {
		if res := w.raw(http.MethodGet, site+"/login?rd=/x", wayName+"="+value); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
}

func TestCookiesThatDoNotComeBack(t *testing.T) {
	t.Parallel()
	login := site + "/login?rd=" + url.QueryEscape("https://app.example.com/x")
	for name, c := range map[string]struct {
		lose   func(*browser) // after signing in
		get    string
		status int
		words  string
	}{
		"all of them":                     {func(b *browser) { b.jar, _ = cookiejar.New(nil) }, callback, http.StatusGone, notKept},
		"the sign-in's alone":             {func(b *browser) { b.forget(sessionName); b.forget(pendingName) }, callback, http.StatusGone, startAgain},
		"the session's":                   {func(b *browser) { b.forget(sessionName) }, login, http.StatusBadRequest, notKept},
		"the session's, minutes on":       {func(b *browser) { b.forget(sessionName); time.Sleep(time.Minute) }, login, http.StatusOK, "Continue with Plex"},
		"the session's, twice":            {func(b *browser) { b.forget(sessionName); b.get(login) }, login, http.StatusOK, "Continue with Plex"},
		"browser closed":                  {func(b *browser) { b.jar, _ = cookiejar.New(nil) }, login, http.StatusOK, "Continue with Plex"},
		"signed out here":                 {func(b *browser) { b.post(site+"/logout", nil) }, login, http.StatusOK, "Continue with Plex"},
		"signed out, then back":           {func(b *browser) { b.post(site+"/logout", nil) }, callback, http.StatusGone, startAgain},
		"signed out elsewhere":            {func(b *browser) { b.store.EndAll(casey) }, login, http.StatusOK, "Continue with Plex"},
		"signed out elsewhere, then back": {func(b *browser) { b.store.EndAll(casey) }, callback, http.StatusGone, startAgain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newWorld(t, nil).signedIn("casey")
				c.lose(b)
				says(t, b.get(c.get), c.status, c.words)
			})
		})
	}
	t.Run("by the poll", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		b := w.browser()
		b.approve(b.begin("/"), "casey")
		if got := state(t, b.get(poll)); got != "ok" {
			t.Fatal(got)
		}
		b.forget(sessionName)
		says(t, b.get(login), http.StatusBadRequest, notKept)
	})
	t.Run("before Plex has confirmed", func(t *testing.T) {
		t.Parallel()
		b := newWorld(t, nil).browser()
		b.begin("/")
		b.jar, _ = cookiejar.New(nil)
		says(t, b.get(callback), http.StatusGone, notKept)
	})
}

func TestAnAddressThatIsDropped(t *testing.T) {
	t.Parallel()
	const dropped = "does not belong here"
	for name, c := range map[string]struct{ url, front string }{
		"a host of its own": {"https://auth.example.com", "https://auth.example.com/"},
		"beside an app":     {"https://example.com/_usher", "https://example.com/"}, // whose page is no place for words of ours
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *setup) { s.urls = []string{c.url} })
			for _, rd := range []string{"https://evil.com/login", "//evil.com", "https://evil.com&rd=/x"} {
				res := w.browser().get(c.url + "/login?rd=" + rd)
				body := text(res)
				if !strings.Contains(body, dropped) || strings.Contains(body, `="https://evil.com`) || strings.Contains(body, `="//evil.com`) {
					t.Errorf("%s: the page does not say so, or repeats it", rd)
				}
			}
			for _, rd := range []string{"", "?rd=", "?rd=/x", "?rd=https://app.example.com/"} {
				if strings.Contains(text(w.browser().get(c.url+"/login"+rd)), dropped) {
					t.Errorf("%q is said to be dropped", rd)
				}
			}
			b := w.browser()
			b.signInAt(c.url, "casey", "/")
			if res := b.get(c.url + "/login?rd=https://evil.com/"); res.Header.Get("Location") != c.front {
				t.Errorf("signed in: %s to %q", res.Status, res.Header.Get("Location"))
			}
			if c.front == front {
				says(t, b.get(c.front), http.StatusOK, dropped)
			}
			if strings.Contains(text(b.get(c.front)), dropped) {
				t.Error("it is said twice")
			}
		})
	}
}

func TestWithinAFrame(t *testing.T) {
	t.Parallel()
	frame := http.Header{"Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Mode": {"navigate"}}
	w := newWorld(t, nil)
	const page = "https://app.example.com/x"
	login := site + "/login?rd=" + url.QueryEscape(page)
	framable := func(t *testing.T, res *http.Response, status int, leads string) {
		t.Helper()
		csp, body := res.Header.Get("Content-Security-Policy"), text(res)
		if res.StatusCode != status || !strings.Contains(csp, "frame-ancestors https://example.com:* https://*.example.com:*;") || len(res.Cookies()) != 0 {
			t.Errorf("%s, %q, %d cookies", res.Status, csp, len(res.Cookies()))
		}
		if !strings.Contains(body, `target="_top"`) || !strings.Contains(body, leads) || strings.Contains(body, "mallory") {
			t.Errorf("the page does not lead to %q, or names somebody", leads)
		}
	}
	nobody, mallory, casey := w.browser(), w.signedIn("mallory"), w.signedIn("casey")
	w.noPIN(t)
	for _, family := range families {
		res := nobody.check(family, page, frame)
		if at := res.Header.Get("Location"); at != login {
			t.Errorf("%s sends a frame to %q", family, at)
		}
	}
	for _, dest := range []string{"iframe", "frame", "embed", "object"} {
		framable(t, nobody.do(http.MethodGet, login, nil, http.Header{"Sec-Fetch-Dest": {dest}, "Sec-Fetch-Mode": {"navigate"}}), http.StatusOK, `href="`+strings.ReplaceAll(login, "&", "&amp;"))
	}
	framable(t, mallory.do(http.MethodGet, login, nil, frame), http.StatusOK, login)
	framable(t, mallory.check("traefik", page, frame), http.StatusForbidden, page)
	framable(t, mallory.do(http.MethodGet, mallory.check("nginx", page, frame).Header.Get("Location"), nil, frame), http.StatusForbidden, site+"/refused?")
	if res := casey.do(http.MethodGet, login, nil, frame); res.Header.Get("Location") != page {
		t.Errorf("signed in: %s to %q", res.Status, res.Header.Get("Location"))
	}
	for _, path := range []string{"/", "/logout", "/keys", "/login/callback", "/login/poll", "/nowhere"} {
		if res := casey.do(http.MethodGet, site+path, nil, frame); strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			wantSafe(t, path, res)
		}
	}
	if res := nobody.do(http.MethodGet, login, nil, http.Header{"Sec-Fetch-Dest": {"document"}}); res.Header.Get("X-Frame-Options") != "DENY" {
		t.Error("the sign-in page itself may be framed")
	}

	for name, c := range map[string]struct{ base, want string }{
		"one host":    {"https://app.example.com/_usher", "https://app.example.com:*"},
		"an address":  {"https://[2001:db8::7]/_usher", "'none'"},
		"with a port": {"https://app.example.com:8443/_usher", "https://app.example.com:*"},
	} {
		w := newWorld(t, func(s *setup) { s.urls = nil })
		res := w.browser().do(http.MethodGet, c.base+"/login?rd=/x", nil, frame)
		if csp := res.Header.Get("Content-Security-Policy"); res.StatusCode != http.StatusOK || !strings.Contains(csp, "frame-ancestors "+c.want+";") {
			t.Errorf("%s: %s, %q", name, res.Status, csp)
		}
	}
}

// A page that is neither the sign-in nor a refusal stands in no frame either: on top the same address shows it.
func TestWithinAFrameNothingWorks(t *testing.T) {
	t.Parallel()
	frame := http.Header{"Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Mode": {"navigate"}}
	const page = "https://app.example.com/x"
	login := site + "/login?rd=" + url.QueryEscape(page)
	silent := func(t *testing.T) *browser {
		w := newWorld(t, nil)
		casey := w.signedIn("casey")
		w.plex.Fail(plextest.Any, plextest.Maintenance())
		time.Sleep(25 * time.Hour) // past the grace
		return casey
	}
	fresh := func(t *testing.T) *browser { return newWorld(t, func(s *setup) { s.notSetUp = true }).browser() }
	for name, c := range map[string]struct {
		who    func(*testing.T) *browser
		ask    func(*browser, http.Header) *http.Response
		status int
		leads  string
		words  string // on top
	}{
		"plex.tv is silent, a check":     {silent, (*browser).checkX, http.StatusServiceUnavailable, page, "Plex is not answering"},
		"plex.tv is silent, the sign-in": {silent, (*browser).loginX, http.StatusServiceUnavailable, login, "Plex is not answering"},
		"plex.tv is silent, one's page":  {silent, (*browser).frontX, http.StatusServiceUnavailable, front, "Plex is not answering"},
		"not set up, a check":            {fresh, (*browser).checkX, http.StatusServiceUnavailable, page, "Almost ready"},
		"not set up, the sign-in":        {fresh, (*browser).loginX, http.StatusServiceUnavailable, login, "Almost ready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := c.who(t)
				res := c.ask(b, frame)
				csp, body := res.Header.Get("Content-Security-Policy"), text(res)
				if res.StatusCode != c.status || !strings.Contains(csp, "frame-ancestors https://example.com:* https://*.example.com:*;") || len(res.Cookies()) != 0 {
					t.Errorf("%s, %q, %d cookies", res.Status, csp, len(res.Cookies()))
				}
				if strings.Count(body, "<a ") != 1 || !strings.Contains(body, `href="`+c.leads+`" target="_top"`) || strings.Contains(body, "casey") {
					t.Errorf("the page does not lead to %q alone, or names somebody", c.leads)
				}
				on := c.ask(b, nil)
				if on.Header.Get("X-Frame-Options") != "DENY" {
					t.Error("the page itself may be framed")
				}
				says(t, on, c.status, c.words)
			})
		})
	}
}

func (b *browser) checkX(h http.Header) *http.Response {
	return b.check("traefik", "https://app.example.com/x", h)
}

func (b *browser) loginX(h http.Header) *http.Response {
	return b.do(http.MethodGet, site+"/login?rd="+url.QueryEscape("https://app.example.com/x"), nil, h)
}

func (b *browser) frontX(h http.Header) *http.Response {
	return b.do(http.MethodGet, front, nil, h)
}

// Where the app or the pages are over http, and the cookie goes over https alone, nobody is sent to Plex in vain.
func TestOnlyHTTPS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pages, app string
		insecure   bool
		safe       string // where the page leads; "" for none
	}{
		"an http app, https pages":             {"https://auth.example.com", "http://app.example.com/x", false, "https://app.example.com/x"},
		"its port is its own":                  {"https://auth.example.com", "http://app.example.com:8080/x", false, "https://app.example.com:8080/x"},
		"an https app, http pages":             {"http://auth.example.com", "https://app.example.com/x", false, "https://auth.example.com/login?rd=https%3A%2F%2Fapp.example.com%2Fx"},
		"both http":                            {"http://auth.example.com", "http://app.example.com/x", false, "https://auth.example.com/login?rd=http%3A%2F%2Fapp.example.com%2Fx"},
		"both https":                           {"https://auth.example.com", "https://app.example.com/x", false, ""},
		"an http app, cookies for all":         {"https://auth.example.com", "http://app.example.com/x", true, ""},
		"an https app, http pages, for all":    {"http://auth.example.com", "https://app.example.com/x", true, ""},
		"an http app on the browser's machine": {"https://auth.usher.localhost", "http://app.usher.localhost/x", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *setup) { s.urls, s.Insecure = []string{c.pages}, c.insecure })
			nobody := w.browser()
			login := nobody.check("traefik", c.app, nil).Header.Get("Location")
			if login != c.pages+"/login?rd="+url.QueryEscape(c.app) {
				t.Fatalf("sent to %q", login)
			}
			for what, res := range map[string]*http.Response{
				"the page":       nobody.get(login),
				"its form":       nobody.post(c.pages+"/login", url.Values{"rd": {c.app}}),
				"another device": nobody.post(c.pages+"/login/device", url.Values{"rd": {c.app}}),
			} {
				body := text(res)
				if is := strings.Contains(body, onlyHTTPS); is != (c.safe != "") || is != (res.StatusCode == http.StatusBadRequest) || is && !strings.Contains(body, `class="go" href="`+c.safe+`"`) {
					t.Errorf("%s: %s, only over https: %t, want a way to %q", what, res.Status, is, c.safe)
				}
			}
			if n := w.plex.Requests(plextest.CreatePIN); n != 0 && c.safe != "" {
				t.Errorf("%d PINs for nothing", n)
			}
		})
	}
}

// Where Plex has not said which libraries are shared, the page of a check looks again by itself, decides by the check's
// own policy, and ends.
func TestTryingAgainForLibraries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *setup) { s.notSetUp = true })
		w.plex.Fail(plextest.SharedServers, plextest.Maintenance())
		w.restart(nil)
		casey, nobody := w.signedIn("casey"), w.browser()
		address := retry(text(casey.check("traefik/library:Films", page, nil)))
		if !strings.HasPrefix(address, site+"/refused?") {
			t.Fatalf("it tries %q", address)
		}
		if at := nobody.get(address).Header.Get("Location"); at != site+"/login?rd="+url.QueryEscape(page) {
			t.Errorf("somebody else is sent to %q", at)
		}
		for _, library := range []string{"Films", "Music"} { // one of which is shared
			address := retry(text(casey.check("traefik/library:"+library, page, nil)))
			for tries := 1; address != ""; tries++ {
				res := casey.get(address)
				if res.StatusCode != http.StatusServiceUnavailable || tries > 5 {
					t.Fatalf("%s: %s, time %d", library, res.Status, tries)
				}
				address = retry(text(res))
			}
		}
		films, music := retry(text(casey.check("traefik/library:Films", page, nil))), retry(text(casey.check("traefik/library:Music", page, nil)))
		w.plex.Heal()
		time.Sleep(10 * time.Minute)
		if at := casey.get(films).Header.Get("Location"); at != page {
			t.Errorf("what is shared leads to %q", at)
		}
		res := casey.get(music)
		says(t, casey.get(res.Header.Get("Location")), http.StatusForbidden, "No access to this app")
		says(t, casey.get(res.Header.Get("Location")), http.StatusForbidden, "No access to this app")
		if n := strings.Count(w.log.String(), "event=access result=refused user_id=70010001 user=casey app=app.example.com "); res.StatusCode != http.StatusSeeOther || n != 1 {
			t.Errorf("%s, and %d refusals are written down, want 1", res.Status, n)
		}
	})
}

// The page tries again by itself, but not for ever.
func TestTryingAgainIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.browser()
	b.begin("https://app.example.com/x?a=1&b=%26")
	forward := callback + "?rd=" + url.QueryEscape("https://app.example.com/x?a=1&b=%26")
	w.plex.Fail(plextest.Any, plextest.ServerError())
	address, tries := forward, 0
	for ; address != "" && tries < 20; tries++ {
		res := b.get(address)
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "30" {
			t.Fatalf("%s: %s", address, res.Status)
		}
		address = retry(text(res))
	}
	if tries != 6 {
		t.Errorf("%d times", tries)
	}
	for odd, want := range map[string]string{"-1": "", "-2": "", "6": "", "99999999999999999999": "", "x": "1", "5&try=1": "", "1e1": "1", "1&try=5": "2"} {
		got := retry(text(b.get(forward + "&try=" + odd)))
		if u := mustParse(t, got); u.Query().Get("try") != want || len(u.Query()["try"]) > 1 || got != "" && u.Query().Get("rd") != "https://app.example.com/x?a=1&b=%26" {
			t.Errorf("try=%s leads to %q", odd, got)
		}
	}
}

// retry is where a page tries again by itself.
func retry(body string) string {
	_, rest, _ := strings.Cut(body, `id="try" data-url="`)
	address, _, _ := strings.Cut(rest, `"`)
	return strings.ReplaceAll(address, "&amp;", "&")
}
