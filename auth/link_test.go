package auth_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
)

const (
	linkPage = site + "/login/device"
	codeLife = 15*time.Minute + time.Second
)

var shownCode = regexp.MustCompile(`"Code: ([A-Z0-9]) ([A-Z0-9]) ([A-Z0-9]) ([A-Z0-9])"`)

// code is the code that a page shows, "" for none.
func code(body string) string {
	found := shownCode.FindStringSubmatch(body)
	if found == nil {
		return ""
	}
	return strings.Join(found[1:], "")
}

// beginLink asks for a code and returns it.
func (b *browser) beginLink(back string) string {
	b.t.Helper()
	res := b.post(linkPage, url.Values{"rd": {back}, "keep": {"0", "1"}})
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), linkPage+"?rd=") {
		b.t.Fatalf("POST /login/device: %s to %q\n%s", res.Status, res.Header.Get("Location"), text(res))
	}
	shown := b.wantCode(res.Header.Get("Location"))
	if shown == "" {
		b.t.Fatal("the page shows no code")
	}
	return shown
}

// wantCode is what the page of the code shows, and fails where it is none.
func (b *browser) wantCode(address string) string {
	b.t.Helper()
	res := b.get(address)
	body := text(res)
	if res.StatusCode != http.StatusOK || code(body) == "" {
		b.t.Errorf("no code: %s\n%.300s", res.Status, body)
	}
	return code(body)
}

func (w *world) wantPINs(want int) {
	w.t.Helper()
	if got := w.plex.Requests(plextest.CreatePIN); got != want {
		w.t.Errorf("%d PINs were made, want %d", got, want)
	}
}

func TestACodeSignsInNoOtherBrowser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *setup) { s.urls = []string{site, "https://auth.example.org"} })
		tv := w.browser()
		shown := tv.beginLink("https://app.example.com/films")
		pending := tv.cookie(pendingName)
		other := w.browser()
		if other.beginLink("/") == shown {
			t.Fatal("two browsers have one code")
		}
		if err := w.plex.Approve(shown, "casey"); err != nil {
			t.Fatal(err)
		}
		tried := 10
		before := w.plex.Requests(plextest.CheckPIN)
		plain := "code=" + shown + "&pin=" + firstPIN + "&pin_id=" + firstPIN + "&pin_code=" + shown + "&PIN=" + firstPIN
		for name, a := range map[string]struct{ query, cookie string }{
			"nothing":                       {},
			"the code in the query":         {query: plain},
			"the code as the cookie":        {cookie: pendingName + "=" + shown},
			"the PIN as the cookie":         {cookie: pendingName + "=" + firstPIN},
			"the code as JSON":              {cookie: pendingName + `={"PIN":` + firstPIN + `,"Code":"` + shown + `","Link":true}`},
			"the sealed value in the query": {query: pendingName + "=" + pending},
			"a byte of it changed":          {cookie: pendingName + "=" + flip(pending, len(pending)/2)},
			"under another name":            {cookie: "usher-sign-in=" + pending + "; " + sessionName + "=" + pending},
		} {
			for _, path := range []string{"/login/device", "/login/callback", "/login/poll"} {
				res := w.raw(http.MethodGet, site+path+"?"+a.query, a.cookie)
				body := text(res)
				if setsSession(res) || a.query == "" && strings.Contains(body, shown) || code(body) != "" {
					t.Errorf("%s: %s gives something away: %s\n%.300s", name, path, res.Status, body)
				}
				if path == "/login/poll" && !strings.Contains(body, `"expired"`) || path != "/login/poll" && res.StatusCode != http.StatusGone {
					t.Errorf("%s: %s: %s", name, path, res.Status)
				}
			}
			for _, path := range []string{"/login/device", "/login"} {
				b := w.browser()
				tried++
				b.from = "203.0.113." + strconv.Itoa(tried) // or the budget refuses it, which proves nothing
				res := b.do(http.MethodPost, site+path+"?"+a.query, url.Values{"rd": {"/"}, "code": {shown}, "pin": {firstPIN}, "pin_id": {firstPIN}, "pin_code": {shown}}, merge(nil, a.cookie))
				if res.StatusCode != http.StatusSeeOther || setsSession(res) || strings.Contains(res.Header.Get("Location"), shown) {
					t.Errorf("%s: POST %s takes the code of another browser: %s", name, path, res.Status)
				}
			}
		}
		if res := w.raw(http.MethodGet, "https://auth.example.org/login/device", pendingName+"="+pending); res.StatusCode != http.StatusGone || setsSession(res) {
			t.Errorf("the code of one site at another: %s", res.Status)
		}
		if got := w.plex.Requests(plextest.CheckPIN); got != before {
			t.Errorf("plex.tv was asked %d times about a PIN by others", got-before)
		}
		if res := other.get(poll); state(t, res) != "pending" || setsSession(res) {
			t.Error("somebody else's code gets the approval")
		}
		w.wantSessions(casey, 0)
		if got := state(t, tv.get(poll)); got != "ok" {
			t.Errorf("the browser itself: %s", got)
		}
		w.wantSessions(casey, 1)
	})
}

func TestNoCodeIsMadeUnasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	signedIn := w.signedIn("casey")
	began := w.browser()
	began.begin("/")
	stale := w.browser()
	stale.beginLink("/")
	w.wantPINs(3)
	form := url.Values{"rd": {"/"}, "keep": {"1"}}
	for name, a := range map[string]struct {
		b               *browser
		method, address string
		header          http.Header
	}{
		"the page":                     {w.browser(), "GET", linkPage + "?rd=/", nil},
		"a HEAD":                       {w.browser(), "HEAD", linkPage, nil},
		"a prefetch":                   {w.browser(), "GET", linkPage, http.Header{"Purpose": {"prefetch"}, "Sec-Purpose": {"prefetch;prerender"}}},
		"a method in the query":        {w.browser(), "GET", linkPage + "?_method=POST&new=1", nil},
		"another method":               {w.browser(), "PUT", linkPage, nil},
		"a cookie of nonsense":         {w.browser(), "GET", linkPage, http.Header{"Cookie": {pendingName + "=x"}}},
		"the cookie of a session":      {w.browser(), "GET", linkPage, http.Header{"Cookie": {pendingName + "=" + signedIn.cookie(sessionName)}}},
		"signed in":                    {signedIn, "GET", linkPage, nil},
		"another sign-in under way":    {began, "GET", linkPage, nil},
		"a code that is good":          {stale, "GET", linkPage, nil},
		"a form of another site":       {w.browser(), "POST", linkPage, http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		"a form of a sibling host":     {stale, "POST", linkPage, http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.example.com"}}},
		"a form of an origin below":    {w.browser(), "POST", linkPage, http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://auth.example.com.evil.com"}}},
		"a form of an origin null":     {w.browser(), "POST", linkPage, http.Header{"Sec-Fetch-Site": nil, "Origin": {"null"}}},
		"a body that is no form of us": {w.browser(), "POST", linkPage, http.Header{"X-Big": {"yes"}}},
	} {
		body := form
		if a.method != http.MethodPost {
			body = nil
		}
		if a.header.Get("X-Big") != "" {
			body = url.Values{"rd": {strings.Repeat("a", 20<<10)}}
		}
		res := a.b.do(a.method, a.address, body, a.header)
		if a.method == http.MethodPost && res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	w.wantPINs(3)
}

func TestACodeHasTwoSuccessorsAndEachIsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		tv := w.browser()
		codes := []string{tv.beginLink("https://app.example.com/films")}
		for n := 2; n <= 3; n++ {
			old := pendingName + "=" + tv.cookie(pendingName)
			time.Sleep(codeLife)
			for range 3 { // they only tell
				if got := state(t, tv.get(poll)); got != "expired" {
					t.Errorf("the poll of a code that ran out: %s", got)
				}
				tv.do(http.MethodHead, linkPage, nil, nil)
			}
			w.wantPINs(n - 1)
			codes = append(codes, tv.wantCode(linkPage+"?rd=/"))
			var all sync.WaitGroup
			for range 20 { // tabs, or somebody who sends the old cookie for ever
				all.Go(func() {
					if got := code(text(w.raw(http.MethodGet, linkPage, old))); got != codes[n-1] {
						t.Errorf("the old cookie leads to %q, want %q", got, codes[n-1])
					}
				})
			}
			all.Wait()
			w.wantPINs(n)
			if got := tv.wantCode(linkPage); got != codes[n-1] {
				t.Errorf("the page shows %q, want %q", got, codes[n-1])
			}
		}
		if codes[0] == codes[1] || codes[1] == codes[2] {
			t.Errorf("the codes are %q", codes)
		}
		time.Sleep(codeLife)
		for range 5 {
			res := tv.get(linkPage + "?rd=https%3A%2F%2Fapp.example.com%2Ffilms")
			body := text(res)
			if res.StatusCode != http.StatusGone || code(body) != "" || !strings.Contains(body, "New code") || !strings.Contains(body, `name="rd" value="https://app.example.com/films"`) ||
				!strings.Contains(body, `name="keep" value="1"`) || strings.Contains(body, `http-equiv="refresh"`) {
				t.Fatalf("the third has run out: %s\n%s", res.Status, body)
			}
		}
		w.wantPINs(3)
		// By the button it goes on, and by itself twice more.
		last := tv.beginLink("https://app.example.com/films")
		time.Sleep(codeLife)
		if got := tv.wantCode(linkPage); got == last {
			t.Error("the code has no successor")
		}
		w.wantPINs(5)
		time.Sleep(time.Hour) // a television that slept
		if res := tv.get(linkPage); res.StatusCode != http.StatusGone || code(text(res)) != "" {
			t.Errorf("an hour later: %s", res.Status)
		}
		w.wantPINs(5)
	})
}

func TestACodeThatWasUsedHasNoSuccessor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		tv := w.browser()
		shown := tv.beginLink("/")
		old := pendingName + "=" + tv.cookie(pendingName)
		if err := w.plex.Approve(shown, "casey"); err != nil {
			t.Fatal(err)
		}
		if res := tv.get(linkPage); res.StatusCode != http.StatusSeeOther || !setsSession(res) {
			t.Fatalf("the page itself: %s", res.Status)
		}
		w.wantSessions(casey, 1)
		for _, later := range []time.Duration{beyondReplay, codeLife} {
			time.Sleep(later)
			if res := w.raw(http.MethodGet, linkPage, old); res.StatusCode != http.StatusGone || setsSession(res) || code(text(res)) != "" {
				t.Errorf("the old cookie: %s", res.Status)
			}
			if res := w.raw(http.MethodGet, poll, old); state(t, res) != "expired" || setsSession(res) {
				t.Error("the old cookie signs in again")
			}
		}
		if err := w.plex.Approve(shown, "mallory"); err == nil {
			t.Error("the code can be approved twice")
		}
		w.wantPINs(1)
		w.wantSessions(casey, 1)
	})
}

func TestCodesArePaidForFromTheBudgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		tv := w.browser()
		tv.beginLink("/")
		time.Sleep(codeLife)
		for range 5 {
			w.wantAsk(tv.from, http.StatusSeeOther)
			w.browser().beginLink("/")
		}
		w.wantPINs(11)
		for name, res := range map[string]*http.Response{
			"another":     w.browser().post(linkPage, url.Values{"rd": {"/"}}),
			"a successor": tv.get(linkPage),
		} {
			if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || res.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s beyond the budget: %s", name, res.Status)
			}
		}
		w.wantAsk(tv.from, http.StatusTooManyRequests)
		w.wantPINs(11)
		time.Sleep(7 * time.Second)
		tv.wantCode(linkPage)
		w.wantPINs(12)
	})
}

func TestCodesWhilePlexIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		tv := w.browser()
		w.plex.Fail(plextest.CreatePIN, plextest.ServerError())
		if res := tv.post(linkPage, url.Values{"rd": {"/"}}); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("no code can be made: %s", res.Status)
		}
		w.plex.Heal()
		shown := tv.beginLink("/")
		w.plex.Fail(plextest.Any, plextest.ServerError())
		time.Sleep(time.Minute)
		if got := tv.wantCode(linkPage); got != shown {
			t.Errorf("a code that may be good is not shown: %q", got)
		}
		time.Sleep(codeLife)
		if res := tv.get(linkPage); res.StatusCode != http.StatusServiceUnavailable || code(text(res)) != "" {
			t.Errorf("nobody knows whether it was used: %s", res.Status)
		}
		w.plex.Heal()
		w.plex.Fail(plextest.CreatePIN, plextest.ServerError())
		time.Sleep(time.Second)
		if res := tv.get(linkPage); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("it ran out, and no other can be made: %s", res.Status)
		}
		w.plex.Heal()
		time.Sleep(time.Second)
		if got := tv.wantCode(linkPage); got == shown {
			t.Error("the code has no successor once plex.tv is back")
		}
	})
}

func TestTwoWaysToSignInAreNotConfused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser()
		weak := b.beginLink("/")
		if res := b.get(callback + "?rd=/"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), linkPage+"?rd=") {
			t.Errorf("the callback of a code: %s to %q", res.Status, res.Header.Get("Location"))
		}
		at := b.begin("/")
		if strong := fragment(t, at).Get("code"); strong == weak || len(strong) != 25 {
			t.Errorf("Plex is shown a code of %d letters", len(strong))
		}
		if res := b.get(linkPage); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), callback+"?rd=") {
			t.Errorf("the page of a code, with the other sign-in: %s to %q", res.Status, res.Header.Get("Location"))
		}
		if again := b.beginLink("/"); again == weak {
			t.Error("a code that this browser gave up is shown again")
		}
		shown := b.beginLink("/")
		if b.beginLink("/") != shown {
			t.Error("a second tab gets another code")
		}
		w.wantPINs(3)
	})
}

func TestSigningInFromAnotherDevice(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		person string
		keep   []string
		kept   bool
		status int // of a check then
	}{
		"kept":                 {"casey", []string{"0", "1"}, true, 200},
		"not kept":             {"casey", []string{"0"}, false, 200},
		"may not pass":         {"mallory", []string{"0", "1"}, true, 403},
		"of the owner's Home":  {"sam", []string{"0", "1"}, true, 200},
		"no word about a stay": {"casey", nil, true, 200},
	} {
		for _, by := range []string{"poll", "page"} {
			t.Run(name+", by the "+by, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, nil)
					tv := w.browser()
					const back = "https://app.example.com/films?year=1968"
					first := text(tv.get(site + "/login?rd=" + url.QueryEscape(back)))
					if !strings.Contains(first, `formaction="`+linkPage+`"`) {
						t.Errorf("the sign-in page does not offer it:\n%s", first)
					}
					res := tv.do(http.MethodPost, linkPage, url.Values{"rd": {back}, "keep": tt.keep}, http.Header{"User-Agent": {"Mozilla/5.0 (SMART-TV; Linux; Tizen 2.4.0) SamsungBrowser/1.0"}})
					page := res.Header.Get("Location")
					body := text(tv.do(http.MethodGet, page, nil, http.Header{"User-Agent": {"Mozilla/5.0 (SMART-TV; Linux; Tizen 2.4.0) SamsungBrowser/1.0"}}))
					for _, want := range []string{tv.from, "Samsung Internet on TV", "15\u00a0minutes left", "app.example.com", "Only enter a code that you asked for"} {
						if !strings.Contains(body, want) {
							t.Errorf("the page does not say %q", want)
						}
					}
					time.Sleep(codeLife) // and by then the next
					if got := state(t, tv.get(poll+"?"+page[strings.Index(page, "rd="):])); got != "expired" {
						t.Errorf("the poll: %s", got)
					}
					if err := w.plex.Approve(tv.wantCode(page), tt.person); err != nil {
						t.Fatal(err)
					}
					time.Sleep(2 * time.Second)
					var led string
					if by == "page" {
						res = tv.get(page)
						led = res.Header.Get("Location")
					} else {
						res = tv.get(strings.Replace(page, "/device", "/poll", 1))
						if body := text(res); strings.Contains(body, back) {
							led = back
						}
					}
					if led != back || !setsSession(res) {
						t.Fatalf("%s leads to %q", res.Status, led)
					}
					for _, c := range res.Cookies() {
						if c.Name == sessionName && (c.MaxAge > 0 || !c.Expires.IsZero()) != tt.kept {
							t.Errorf("kept: %t", !tt.kept)
						}
					}
					if res := tv.check("traefik", back, nil); res.StatusCode != tt.status {
						t.Errorf("the app: %s, want %d", res.Status, tt.status)
					}
					if log := w.log.String(); strings.Count(log, "event=sign_in result=ok") != 1 && strings.Count(log, "event=sign_in result=refused") != 1 {
						t.Errorf("the audit log:\n%s", log)
					}
				})
			})
		}
	}
}

func TestCodesInOverlayMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls = nil })
	b := w.browser()
	res := b.post("https://one.example.com/_usher/login/device", url.Values{"rd": {"/x"}})
	page := res.Header.Get("Location")
	if !strings.HasPrefix(page, "https://one.example.com/_usher/login/device?rd=") {
		t.Fatalf("%s to %q", res.Status, page)
	}
	if err := w.plex.Approve(b.wantCode(page), "casey"); err != nil {
		t.Fatal(err)
	}
	for _, c := range res.Cookies() {
		if res := w.raw(http.MethodGet, "https://two.example.com/_usher/login/device", c.Name+"="+c.Value); res.StatusCode != http.StatusGone || setsSession(res) {
			t.Errorf("the code of one host at another: %s", res.Status)
		}
	}
	if res := b.get(page); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "https://one.example.com/x" || !setsSession(res) {
		t.Errorf("%s to %q", res.Status, res.Header.Get("Location"))
	}
}
