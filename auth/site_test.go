package auth_test

import (
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"usher/auth"
)

// A host is what every browser reads in it, and a cookie reaches our domain
// alone.
func TestHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	nobody, cookies := w.browser(), w.signedIn("casey").cookies()
	const outside = http.StatusBadRequest
	for host, want := range map[string]int{
		"evilexample.com":                        outside,
		"example.com.evil.com":                   outside,
		"app.example.com.evil.com":               outside,
		"example.com.":                           http.StatusOK,
		"example.comm":                           outside,
		"example.co":                             outside,
		"com":                                    outside,
		"example":                                outside,
		"xexample.com":                           outside,
		"app-example.com":                        outside,
		"app_example.com":                        outside,
		"example.org":                            outside,
		"xn--exmple-4nf.com":                     outside,
		"app.xn--exmple-4nf.com":                 outside,
		"192.0.2.7":                              outside,
		"127.0.0.1":                              outside,
		"[::1]":                                  outside,
		"[2001:db8::1]:443":                      outside,
		"localhost":                              outside,
		"usher":                                  outside,
		"EVILEXAMPLE.COM":                        outside,
		"app.example.com.example.org":            outside,
		"example.com:443":                        http.StatusOK,
		"app.example.com":                        http.StatusOK,
		"APP.EXAMPLE.COM":                        http.StatusOK,
		"aPp.eXample.Com.":                       http.StatusOK,
		"app.example.com.":                       http.StatusOK,
		"app.example.com:443":                    http.StatusOK,
		"APP.example.com.:8443":                  http.StatusOK,
		"a.b.c.app.example.com":                  http.StatusOK,
		"xn--bcher-kva.example.com":              http.StatusOK,
		"my_app.example.com":                     http.StatusOK,
		strings.Repeat("a", 63) + ".example.com": http.StatusOK,
	} {
		for _, family := range families {
			want := want
			if family == "nginx" && want == outside {
				want = http.StatusUnauthorized
			}
			r := nobody.checkRequest(family, "https://app.example.com/x", nil)
			switch family {
			case "nginx":
				r.Header.Set("X-Original-URL", "https://"+host+"/x")
			case "envoy":
				r.Host = host
			default:
				r.Header.Set("X-Forwarded-Host", host)
			}
			if res := nobody.ask(r); res.StatusCode == http.StatusOK {
				t.Errorf("%s, %s: nobody passes", family, host)
			} else if at := res.Header.Get("Location"); want == http.StatusOK {
				back, err := url.Parse(at)
				if err != nil || strings.ToLower(back.Query().Get("rd")) != back.Query().Get("rd") || strings.Contains(back.Query().Get("rd"), ".com.") {
					t.Errorf("%s, %s: back to %q", family, host, at)
				}
			}
			for _, c := range cookies {
				r.AddCookie(c)
			}
			res := nobody.ask(r)
			if res.StatusCode != want {
				t.Errorf("%s, %s: %s, want %d", family, host, res.Status, want)
			}
			holds(t, w, res)
		}
	}
}

// An app and the pages on one host.
func TestOneHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls = []string{"https://example.com/_usher"} })
	nobody, casey := w.browser(), w.browser()
	if res := casey.signInAt("https://example.com/_usher", "casey", "https://example.com/x"); res.Header.Get("Location") != "https://example.com/x" {
		t.Fatalf("%s to %q", res.Status, res.Header.Get("Location"))
	}
	for _, family := range families {
		res := nobody.check(family, "https://example.com/x", nil)
		if at := res.Header.Get("Location"); at != "https://example.com/_usher/login?rd=https%3A%2F%2Fexample.com%2Fx" {
			t.Errorf("%s: nobody to %q", family, at)
		}
		if res := casey.check(family, "https://example.com/x", nil); res.StatusCode != http.StatusOK {
			t.Errorf("%s: casey: %s", family, res.Status)
		}
	}
	for path, want := range map[string]int{"/_usher": 200, "/_usher/": 200, "/_usher/login": 303, "/_usher/logout": 200, "/_usherx/login": 404, "/login": 404, "/": 404, "/_USHER/login": 404, "/_usher/../login": 404, "/_usher%2flogin": 404} {
		res := casey.get("https://example.com" + path)
		if res.StatusCode != want {
			t.Errorf("GET %s: %s, want %d", path, res.Status, want)
		}
		if at := res.Header.Get("Location"); at != "" && at != "https://example.com/" {
			t.Errorf("GET %s: to %q", path, at)
		}
	}
}

// Two domains, two cookies: neither opens what the other is for.
func TestCookieOfAnotherDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls = []string{"https://auth.example.com", "https://auth.example.org"} })
	com, org, nobody := w.browser(), w.browser(), w.browser()
	if at := com.signInAt("https://auth.example.com", "casey", "https://app.example.org/").Header.Get("Location"); at != "https://auth.example.com/" {
		t.Errorf("signed in for .com and sent to %q", at)
	}
	if at := org.signInAt("https://auth.example.org", "robin", "https://app.example.org/").Header.Get("Location"); at != "https://app.example.org/" {
		t.Errorf("signed in for .org and sent to %q", at)
	}
	jar := func(b *browser, host string) []*http.Cookie {
		return b.jar.Cookies(&url.URL{Scheme: "https", Host: host, Path: "/"})
	}
	ofCom, ofOrg := jar(com, "app.example.com"), jar(org, "app.example.org")
	if len(ofCom) == 0 || len(ofOrg) == 0 {
		t.Fatal("no cookies")
	}
	for _, family := range families {
		for address, c := range map[string]struct {
			own, other []*http.Cookie
			user       string
		}{
			"https://app.example.com/": {ofCom, ofOrg, "casey"},
			"https://app.example.org/": {ofOrg, ofCom, "robin"},
		} {
			res := nobody.replay(family, address, c.other)
			if domain := address[len("https://app.") : len(address)-1]; res.StatusCode == http.StatusOK || !strings.HasPrefix(res.Header.Get("Location"), "https://auth."+domain+"/login?") {
				t.Errorf("%s, %s with the other's cookie: %s to %q", family, address, res.Status, res.Header.Get("Location"))
			}
			told(t, nobody.replay(family, address, c.own), "Remote-User", c.user)
			told(t, nobody.replay(family, address, append(c.other[:len(c.other):len(c.other)], c.own...)), "Remote-User", c.user)
		}
	}
}

// Without addresses of its own every host has its own cookie, and one that got
// out opens no other host.
func TestOverlay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls = nil })
	casey, nobody := w.browser(), w.browser()
	if at := casey.signInAt("https://app.example.com/_usher", "casey", "https://app.example.com/x").Header.Get("Location"); at != "https://app.example.com/x" {
		t.Fatalf("sent to %q", at)
	}
	cookies := slices.DeleteFunc(casey.cookies(), func(c *http.Cookie) bool { return c.Name == "__Host-usher-way" }) // which says nothing of who it is
	if len(cookies) != 1 || cookies[0].Name != "__Host-usher" {
		t.Fatalf("%d cookies", len(cookies))
	}
	for _, family := range families {
		for _, host := range []string{"other.example.com", "example.com", "sub.app.example.com", "app.example.com.evil.com", "app.example.co", "192.0.2.7", "[::1]", "localhost"} {
			res := nobody.replay(family, "https://"+host+"/x", cookies)
			if want := "https://" + host + "/_usher/login?rd=" + url.QueryEscape("https://"+host+"/x"); res.StatusCode == http.StatusOK || res.Header.Get("Location") != want {
				t.Errorf("%s, %s: %s to %q", family, host, res.Status, res.Header.Get("Location"))
			}
		}
		for _, host := range []string{"app.example.com", "APP.example.com", "app.example.com:8443"} {
			if res := nobody.replay(family, "https://"+host+"/x", cookies); res.StatusCode != http.StatusOK {
				t.Errorf("%s, %s: %s", family, host, res.Status)
			}
		}
		for _, renamed := range []string{"usher", "__Secure-usher", "__host-usher", "__Host-usher-sign-in", "\u2000__Host-usher"} {
			if res := nobody.replay(family, "https://app.example.com/x", []*http.Cookie{{Name: renamed, Value: cookies[0].Value}}); res.StatusCode == http.StatusOK {
				t.Errorf("%s: opens as %q", family, renamed)
			}
		}
	}
	for _, rd := range []string{"https://other.example.com/", "https://sub.app.example.com/", "//evil.com", "https://example.com/"} {
		res := casey.get("https://app.example.com/_usher/login?rd=" + url.QueryEscape(rd))
		if at := res.Header.Get("Location"); at != "https://app.example.com/" {
			t.Errorf("back to %q: %s to %q", rd, res.Status, at)
		}
	}
}

// Cookies that travel over https alone never reach an http address: a sign-in
// for it ends at a page that says so, not where it began.
func TestPlainHTTPDoesNotLoop(t *testing.T) {
	t.Parallel()
	says := func(t *testing.T, res *http.Response) {
		t.Helper()
		body := text(res)
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "USHER_INSECURE_COOKIES") || res.Header.Get("Location") != "" {
			t.Errorf("%s to %q, want a page that explains", res.Status, res.Header.Get("Location"))
		}
		if len(res.Cookies()) != 0 && strings.HasPrefix(res.Request.URL.String(), "http:") {
			t.Error("sets cookies that the browser will drop")
		}
	}
	ask := func(b *browser, address string) *http.Response {
		res := b.get(address)
		res.Request = &http.Request{URL: &url.URL{Opaque: address}}
		return res
	}
	t.Run("an app", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		casey := w.browser()
		at := casey.check("traefik", "http://app.example.com/x", nil).Header.Get("Location")
		rd, _ := url.Parse(at)
		w.noPIN(t)
		res := casey.post("https://auth.example.com/login", url.Values{"rd": {rd.Query().Get("rd")}})
		if body := text(res); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, html.EscapeString("https://app.example.com/x")) {
			t.Errorf("before Plex: %s to %q", res.Status, res.Header.Get("Location"))
		}
		says(t, ask(casey, at))
	})
	t.Run("overlay", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *setup) { s.urls = nil })
		w.noPIN(t)
		b := w.browser()
		at := b.check("traefik", "http://app.example.com/x", nil).Header.Get("Location")
		says(t, ask(b, at))
		if res := b.post("http://app.example.com/_usher/login", nil); res.StatusCode != http.StatusBadRequest || len(res.Cookies()) != 0 {
			t.Errorf("POST /login: %s with %d cookies", res.Status, len(res.Cookies()))
		}
	})
	t.Run("the pages", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *setup) { s.urls = []string{"http://auth.example.com"} })
		w.noPIN(t)
		says(t, ask(w.browser(), "http://auth.example.com/login?rd=http%3A%2F%2Fapp.example.com%2F"))
	})
	t.Run("with cookies that may", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *setup) { s.urls, s.Insecure = []string{"http://auth.example.com"}, true })
		casey := w.browser()
		at := casey.signInAt("http://auth.example.com", "casey", "http://app.example.com/x").Header.Get("Location")
		if res := casey.check("nginx", at, nil); res.StatusCode != http.StatusOK {
			t.Errorf("%s for %q", res.Status, at)
		}
	})
}

// Addresses of pages that could not be served end the start, with an error.
func TestPathsThatNoRouteCanHave(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"https://example.com/..", "https://example.com/.", "https://example.com/a/../b", "https://example.com/a/./b", "https://example.com/a//b", "https://example.com/{a}", "https://example.com/a b",
		"https://example.com/a%20b", "https://example.com/auth/x", "https://example.com/_usher/{$}"} {
		if _, err := auth.NewSite(address, "example.com"); err == nil {
			t.Errorf("%s is accepted", address)
		}
	}
}

// A proxy that guards the sign-in pages too would send everybody round for ever.
func TestPagesBehindTheCheckDoNotLoop(t *testing.T) {
	t.Parallel()
	for base, c := range map[string]struct {
		change func(*setup)
		others []string
	}{
		"https://auth.example.com":       {nil, []string{"https://auth.example.com:8443/login", "http://auth.example.com/login", "https://app.example.com/login"}},
		"https://example.com/_usher":     {func(s *setup) { s.urls = []string{"https://example.com/_usher"} }, []string{"https://example.com/", "https://example.com/_usherx/login", "https://app.example.com/_usher/login"}},
		"https://app.example.com/_usher": {func(s *setup) { s.urls = nil }, []string{"https://app.example.com/login", "https://app.example.com/", "https://app.example.com/x/_usher/login"}},
	} {
		w := newWorld(t, c.change)
		nobody := w.browser()
		for _, family := range families {
			for _, path := range []string{"/login", "/login?rd=/x", "/login/callback?rd=x"} {
				res := nobody.check(family, base+path, nil)
				if body := text(res); res.StatusCode != http.StatusForbidden || res.Header.Get("Location") != "" || family != "nginx" && !strings.Contains(body, base+"/") {
					t.Errorf("%s, %s: %s to %q", family, base+path, res.Status, res.Header.Get("Location"))
				}
				if res := nobody.check(family, base+path, scripts["fetch"]); res.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s, %s by a script: %s", family, base+path, res.Status)
				}
			}
			for _, address := range c.others {
				if res := nobody.check(family, address, nil); res.Header.Get("Location") == "" {
					t.Errorf("%s, %s: %s", family, address, res.Status)
				}
			}
		}
		if !strings.Contains(w.log.String(), "let the proxy pass "+base+"/ to Usher without asking") {
			t.Errorf("%s: the log does not say how to mend it", base)
		}
	}
}
