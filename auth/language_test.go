package auth_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// lang is the language that a page is in.
func lang(res *http.Response) string {
	m := regexp.MustCompile(`<html lang="([^"]*)"`).FindStringSubmatch(text(res))
	if m == nil {
		return ""
	}
	return m[1]
}

// The page of languages leads nowhere else, and remembers nothing that is no language.
func TestLanguageIsNoWayOut(t *testing.T) {
	t.Parallel()
	b := newWorld(t, nil).browser()
	for _, rd := range []string{"https://evil.com/", "//evil.com", `/\evil.com`, "https://example.com.evil.com/", "javascript:alert(1)", "https://auth.example.com@evil.com/", "/%2f/evil.com", ""} {
		res := b.post(site+"/language", url.Values{"to": {"de"}, "rd": {rd}})
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != site+"/" {
			t.Errorf("%q: %s to %q", rd, res.Status, res.Header.Get("Location"))
		}
		if body := text(b.get(site + "/language?rd=" + url.QueryEscape(rd))); strings.Contains(body, "evil.com") || strings.Contains(body, "alert(1)") {
			t.Errorf("%q is on the page", rd)
		}
	}
	if res := b.post(site+"/language?rd=https://app.example.com/", url.Values{"to": {"de"}, "rd": {"https://photos.example.com/"}}); res.Header.Get("Location") != site+"/" {
		t.Errorf("two addresses: to %q", res.Header.Get("Location"))
	}
	for _, to := range []string{"", "tlh", "DE", "de; Domain=evil.com", "de\r\nSet-Cookie: x=y", "../de", strings.Repeat("de", 5000)} {
		res := b.post(site+"/language", url.Values{"to": {to}, "rd": {"/"}})
		if c := res.Header["Set-Cookie"]; c != nil || res.StatusCode != http.StatusSeeOther {
			t.Errorf("%.40q: %s, sets %q", to, res.Status, c)
		}
	}
	for name, a := range map[string]struct {
		method string
		header http.Header
	}{
		"a link":             {"GET", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}},
		"a HEAD":             {"HEAD", nil},
		"a form elsewhere":   {"POST", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.com"}}},
		"a form on an app":   {"POST", http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.example.com"}}},
		"another method yet": {"PUT", http.Header{"Sec-Fetch-Site": {"same-origin"}}},
	} {
		res := b.do(a.method, site+"/language?to=ja", url.Values{"to": {"ja"}}, a.header)
		if c := res.Header["Set-Cookie"]; c != nil {
			t.Errorf("%s: sets %q", name, c)
		}
	}
}

// A cookie that is no language of ours is as good as none, and no page is made of what it says.
func TestLanguageCookieOfSomebodyElse(t *testing.T) {
	t.Parallel()
	b := newWorld(t, nil).browser()
	for _, value := range []string{"tlh", "", `"><script>`, "de-x-evil", strings.Repeat("d", 3000)} {
		res := b.do(http.MethodGet, site+"/login", nil, http.Header{"Cookie": {"usher-language=" + value}, "Accept-Language": {"fr"}})
		if got := lang(res); got != "fr" {
			t.Errorf("%.40q: %q", value, got)
		}
	}
}

func TestLanguageIsChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("mallory")
	german := http.Header{"Accept-Language": {"de-AT,de;q=0.9"}}
	if got := lang(b.do(http.MethodGet, site+"/login?switch=1", nil, german)); got != "de" {
		t.Errorf("the browser's: %q", got)
	}
	for _, family := range families {
		if family == "nginx" { // its pages are ours
			continue
		}
		if got := lang(b.check(family, page, german)); got != "de" {
			t.Errorf("%s, a refusal: %q", family, got)
		}
	}
	res := b.post(site+"/language", url.Values{"to": {"ar"}, "rd": {"https://photos.example.com/a?b=c"}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "https://photos.example.com/a?b=c" {
		t.Fatalf("%s to %q", res.Status, res.Header.Get("Location"))
	}
	c := res.Cookies()
	if len(c) != 1 || c[0].Name != "usher-language" || c[0].Value != "ar" || c[0].Domain != "example.com" || c[0].Path != "/" ||
		c[0].MaxAge != 365*24*60*60 || !c[0].Secure || c[0].SameSite != http.SameSiteLaxMode {
		t.Fatalf("cookie %v", res.Header["Set-Cookie"])
	}
	if got := lang(b.do(http.MethodGet, site+"/login?switch=1", nil, german)); got != "ar" {
		t.Errorf("chosen: %q", got)
	}
	if got := lang(b.check("traefik", page, german)); got != "ar" {
		t.Errorf("a refusal on the app's host: %q", got)
	}
	if got := lang(b.get(b.check("nginx", page, german).Header.Get("Location"))); got != "ar" {
		t.Errorf("nginx, a refusal: %q", got)
	}
	if res := b.check("traefik", page, scripts["fetch"]); strings.Contains(text(res), "<html") {
		t.Error("a program got a page")
	}
}

// Every page leads to the languages and from there back to itself.
func TestLanguageLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`class="language" href="([^"]*)"`)
	w := newWorld(t, nil)
	b, overlay := w.signedIn("mallory"), newWorld(t, func(s *setup) { s.urls = nil }).browser()
	for name, tt := range map[string]struct {
		res  *http.Response
		site string
		back string // "" where there is no link, "-" where it leads back to nothing
	}{
		"the languages":            {b.get(site + "/language?rd=/"), site, ""},
		"a host out of reach":      {b.check("traefik", "https://app.example.org/x", nil), site, ""},
		"the sign-in page":         {b.get(site + "/login?switch=1&rd=https://app.example.com/a%3Fb"), site, site + "/login?switch=1&rd=https://app.example.com/a%3Fb"},
		"a page that is not there": {b.get(site + "/nowhere"), site, "-"},
		"an address too long":      {b.get(site + "/login?switch=1&" + strings.Repeat("x", 5000)), site, site + "/"},
		"an address to be cleaned": {b.get(site + "/login?switch=1&x=%2f%2fevil.com|"), site, site + "/"},
		"an answer to a form":      {b.do("POST", site+"/devices/end", url.Values{"rd": {"%"}}, http.Header{"Sec-Fetch-Site": {"cross-site"}}), site, site + "/"},
		"a refusal":                {b.check("traefik", page, nil), site, page},
		"overlay":                  {overlay.get("https://app.example.com/_usher/login?rd=/x"), "https://app.example.com/_usher", "https://app.example.com/_usher/login?rd=/x"},
	} {
		m := link.FindStringSubmatch(text(tt.res))
		want := ""
		switch tt.back {
		case "":
		case "-":
			want = tt.site + "/language"
		default:
			want = tt.site + "/language?rd=" + url.QueryEscape(tt.back)
		}
		got := ""
		if m != nil {
			got = m[1]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
