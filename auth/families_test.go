package auth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"usher/plex/plextest"
)

// families are the kinds of proxy. nginx takes nothing of a refusal but 401,
// 403 and Location.
var families = []string{"traefik", "caddy", "haproxy", "envoy", "nginx"}

// checkAs is checkRequest with another method than GET, put where the kind of
// proxy puts it.
func (b *browser) checkAs(method, path, address string, header http.Header) *http.Response {
	b.t.Helper()
	r := b.checkRequest(path, address, header)
	switch {
	case strings.HasPrefix(path, "nginx"):
		r.Header.Set("X-Original-Method", method)
	case strings.HasPrefix(path, "envoy"):
		r.Method = method
	default:
		r.Header.Set("X-Forwarded-Method", method)
	}
	return b.ask(r)
}

// raw asks at a path as it stands, with all headers of a good check through
// every kind of proxy and with the session cookie of https://app.example.com.
func (b *browser) raw(target string) *http.Response {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://app.example.com/", nil)
	u, err := url.ParseRequestURI(target)
	if err != nil {
		b.t.Fatal(err)
	}
	r.URL, r.RequestURI, r.RemoteAddr = u, target, proxyAddr
	r.Header = http.Header{
		"Accept":             {"text/html"},
		"X-Forwarded-Method": {"GET"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.example.com"}, "X-Forwarded-Uri": {"/"},
		"X-Original-Method": {"GET"}, "X-Original-Url": {"https://app.example.com/"}, "X-Forwarded-For": {b.from},
	}
	for _, c := range b.cookies() {
		r.AddCookie(c)
	}
	return b.ask(r)
}

// cookies are what this browser sends to the apps of example.com.
func (b *browser) cookies() []*http.Cookie {
	return b.jar.Cookies(&url.URL{Scheme: "https", Host: "app.example.com", Path: "/"})
}

// holds checks what is true of every answer to a check, and of which 200 tells
// who the person is.
func holds(t *testing.T, w *world, res *http.Response) {
	t.Helper()
	if got := res.Header["Cache-Control"]; !slices.Equal(got, []string{"no-store"}) {
		t.Errorf("%s: Cache-Control %q", res.Status, got)
	}
	if got := res.Header["Set-Cookie"]; got != nil {
		t.Errorf("%s: a check sets a cookie", res.Status)
	}
	if at := res.Header.Get("Location"); at != "" {
		if u, err := url.Parse(at); err != nil || u.Scheme != "https" || u.Host != "auth.example.com" {
			t.Errorf("%s: Location %q is not absolute, or not ours", res.Status, at)
		}
	}
	for _, name := range identityHeaders {
		switch values, there := res.Header[name]; {
		case res.StatusCode == http.StatusOK && len(values) != 1:
			t.Errorf("%s: %s is there %d times", res.Status, name, len(values))
		case res.StatusCode != http.StatusOK && there:
			t.Errorf("%s: tells %s", res.Status, name)
		}
	}
	if body := text(res); res.StatusCode == http.StatusOK && body != "" {
		t.Errorf("%s: a body of %d bytes", res.Status, len(body))
	}
}

// noPIN fails the test if what follows makes a PIN.
func (w *world) noPIN(t *testing.T) {
	before := w.plex.Requests(plextest.CreatePIN)
	t.Cleanup(func() {
		if n := w.plex.Requests(plextest.CreatePIN) - before; n != 0 {
			t.Errorf("%d PINs were made", n)
		}
	})
}

// signInAt is signIn for pages elsewhere than at https://auth.example.com.
func (b *browser) signInAt(base, person, back string) *http.Response {
	b.t.Helper()
	res := b.post(base+"/login", url.Values{"rd": {back}})
	if res.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("POST %s/login: %s", base, res.Status)
	}
	return b.get(b.approve(res.Header.Get("Location"), person))
}

// replay asks about an address with somebody else's cookies, whatever host
// they were set for.
func (b *browser) replay(family, address string, cookies []*http.Cookie) *http.Response {
	b.t.Helper()
	r := b.checkRequest(family, address, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return b.ask(r)
}
