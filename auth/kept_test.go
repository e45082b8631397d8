package auth_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
)

var hiddenField = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`)

// fields is what a page's form sends whatever is chosen in it.
func fields(body string) url.Values {
	form := url.Values{}
	for _, f := range hiddenField.FindAllStringSubmatch(body, -1) {
		form.Add(f[1], strings.ReplaceAll(f[2], "&amp;", "&"))
	}
	return form
}

// saysCookie reports whether the form of a page tells that a cookie was set with it.
func saysCookie(body string) bool { return slices.Equal(fields(body)["cookie"], []string{"asked"}) }

// A browser that keeps no cookies learns it here, not after Plex: nothing is asked of plex.tv for it, and no budget pays.
func TestBrowsersWithoutCookiesDoNotGoToPlex(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*setup)
		base   string
		way    string
	}{
		"a host of its own":  {nil, site, wayName},
		"beside an app":      {func(s *setup) { s.urls = []string{"https://example.com/_usher"} }, "https://example.com/_usher", wayName},
		"overlay":            {func(s *setup) { s.urls = nil }, "https://app.example.com/_usher", wayName},
		"a port":             {func(s *setup) { s.urls = []string{"https://auth.example.com:8443"} }, "https://auth.example.com:8443", wayName},
		"another of several": {func(s *setup) { s.urls = []string{site, "https://auth.example.org"} }, "https://auth.example.org", wayName},
		"over http":          {func(s *setup) { s.urls, s.Insecure = []string{"http://auth.example.com"}, true }, "http://auth.example.com", "usher-way"},
		"on one's machine":   {func(s *setup) { s.urls = []string{"http://auth.usher.localhost"} }, "http://auth.usher.localhost", wayName},
		"the page asks Plex": {asksItself, site, wayName},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.change)
				login := c.base + "/login?rd=" + url.QueryEscape(strings.TrimSuffix(c.base, "/_usher")+"/x?a=1&b=2")
				for range 20 { // more than an address may sign in
					b := w.browser()
					res := b.get(login)
					if !slices.ContainsFunc(res.Cookies(), func(k *http.Cookie) bool { return k.Name == c.way && k.MaxAge == 0 && k.HttpOnly }) {
						t.Fatalf("the sign-in page sets no cookie: %q", res.Header["Set-Cookie"])
					}
					form := fields(text(res))
					if !slices.Equal(form["cookie"], []string{"asked"}) {
						t.Fatalf("its form does not say so: %v", form)
					}
					for _, path := range []string{"/login", "/login/device"} {
						b.jar, _ = cookiejar.New(nil)
						res := b.post(c.base+path, form)
						body := text(res)
						if len(res.Cookies()) != 0 || !strings.Contains(body, `class="go" href="`+strings.ReplaceAll(login, "&", "&amp;")+`"`) || strings.Contains(body, "http-equiv") || strings.Contains(body, "<script>location") {
							t.Errorf("%s: %d cookies, or no link back to the sign-in:\n%s", path, len(res.Cookies()), body)
						}
						if res.StatusCode != http.StatusBadRequest || !strings.Contains(body, notKept) || res.Header.Get("Location") != "" {
							t.Fatalf("%s: %s to %q", path, res.Status, res.Header.Get("Location"))
						}
					}
				}
				w.wantPINs(0)
				if strings.Contains(w.log.String(), "event=sign_in") {
					t.Error("a sign-in is written down")
				}
				for range 5 { // who keeps them pays for nobody else
					b := w.browser()
					form := fields(text(b.get(login)))
					for _, path := range []string{"/login", "/login/device"} {
						if res := b.post(c.base+path, form); res.StatusCode != http.StatusSeeOther {
							t.Errorf("with the cookie, %s: %s", path, res.Status)
						}
					}
				}
				w.wantPINs(10)
			})
		})
	}
}

// Only a form that says that a cookie was set is held to it.
func TestFormsThatAskedForNoCookie(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		form    url.Values
		cookies string
		status  int
	}{
		"asked, none came":         {url.Values{"cookie": {"asked"}}, "", http.StatusBadRequest},
		"asked, another came":      {url.Values{"cookie": {"asked"}}, "__Host-usher=x; usher-way=x", http.StatusBadRequest},
		"asked, it came":           {url.Values{"cookie": {"asked"}}, wayName + "=x", http.StatusSeeOther},
		"not asked":                {url.Values{}, "", http.StatusSeeOther},
		"not asked in these words": {url.Values{"cookie": {""}}, "", http.StatusSeeOther},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			header := http.Header{}
			if c.cookies != "" {
				header.Set("Cookie", c.cookies)
			}
			for _, path := range []string{"/login", "/login/device"} {
				if res := w.browser().do(http.MethodPost, site+path, c.form, header); res.StatusCode != c.status {
					t.Errorf("%s: %s, want %d", path, res.Status, c.status)
				}
				if res := w.browser().post(site+path+"?cookie=asked", url.Values{}); res.StatusCode != http.StatusSeeOther {
					t.Errorf("%s, asked in the address: %s", path, res.Status)
				}
			}
		})
	}
}

// A form says nothing of a cookie that its browser cannot send, or was never given.
func TestPagesThatAskForNoCookie(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*setup)
		address string
		header  http.Header
	}{
		"an app's host":               {nil, "https://app.example.com/login?rd=/x", nil},
		"Usher's own address":         {nil, "https://192.0.2.7:8080/login?rd=/x", nil},
		"over http, where it is lost": {nil, "http://auth.example.com/login?rd=/x", nil},
		"beside another app":          {func(s *setup) { s.urls = []string{"https://example.com/_usher"} }, "https://app.example.com/_usher/login?rd=/x", nil},
		"within a frame":              {nil, site + "/login?rd=/x", http.Header{"Sec-Fetch-Dest": {"iframe"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.change)
			res := w.browser().do(http.MethodGet, c.address, nil, c.header)
			if body := text(res); res.StatusCode != http.StatusOK || strings.Contains(body, `name="cookie"`) || len(res.Cookies()) != 0 {
				t.Errorf("%s, %d cookies:\n%s", res.Status, len(res.Cookies()), body)
			}
		})
	}
}

// What a browser remembers of its way is not taken from it.
func TestACookieThatIsThereIsNotSetAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	casey := w.browser()
	casey.begin("/")
	before := casey.cookie(wayName)
	for _, value := range []string{before, "x", "", flip(before, 0)} {
		res := w.raw(http.MethodGet, site+"/login?rd=/x", wayName+"="+value)
		if body := text(res); len(res.Cookies()) != 0 || !saysCookie(body) {
			t.Errorf("with %.20q: %d cookies, says so: %t", value, len(res.Cookies()), saysCookie(body))
		}
	}
	casey.get(site + "/login?switch=1")
	if casey.cookie(wayName) != before {
		t.Error("switching accounts: it is another")
	}
}

// Whatever else posts there is held to its cookie as well.
func TestEveryFormThatBeginsASignInAsksForACookie(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reach func(*browser) *http.Response
		path  string
	}{
		"the sign-in page": {func(b *browser) *http.Response { return b.get(site + "/login?rd=/x") }, "/login"},
		"it took too long": {func(b *browser) *http.Response {
			b.begin("/x")
			b.plex.Advance(time.Hour)
			return b.get(callback)
		}, "/login"},
		"the code has run out": {func(b *browser) *http.Response {
			b.beginLink("/x")
			for range 3 {
				time.Sleep(codeLife)
				b.get(linkPage)
			}
			return b.get(linkPage)
		}, "/login/device"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				b := w.browser()
				body := text(c.reach(b))
				if !strings.Contains(body, `method="post" action="`+site+c.path+`"`) || !saysCookie(body) {
					t.Fatalf("no form that says so:\n%s", body)
				}
				pins := w.plex.Requests(plextest.CreatePIN)
				b.jar, _ = cookiejar.New(nil)
				says(t, b.post(site+c.path, fields(body)), http.StatusBadRequest, notKept)
				w.wantPINs(pins)
			})
		})
	}
}
