package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/auth"
)

// TestWhereTheDeskIs: pages below /setup are the desk's, those beside it are
// not, and it is told how the browser came.
func TestWhereTheDeskIs(t *testing.T) {
	t.Parallel()
	type want struct {
		base  string
		https bool
		loses bool
		from  string
	}
	var last *auth.Visit
	desk := func(w http.ResponseWriter, _ *http.Request, v auth.Visit) bool {
		last = &v
		w.WriteHeader(http.StatusTeapot)
		return true
	}
	atHost := newWorld(t, func(s *setup) { s.Desk = desk })
	atPath := newWorld(t, func(s *setup) { s.Desk, s.urls = desk, []string{"https://home.example.com/door"} })
	overlay := newWorld(t, func(s *setup) { s.Desk, s.urls = desk, nil })
	insecure := newWorld(t, func(s *setup) { s.Desk, s.urls, s.Insecure = desk, nil, true })
	for _, c := range []struct {
		name       string
		w          *world
		host, path string
		from       string // RemoteAddr; "": the proxy's
		header     http.Header
		want       *want // nil: not the desk's
	}{
		{"beside it", atHost, "auth.example.com", "/setups", "", nil, nil},
		{"in another place", atHost, "auth.example.com", "/x/setup", "", nil, nil},
		{"with dots", atHost, "auth.example.com", "/setup/../setup", "", nil, nil},
		{"below no path", atPath, "home.example.com", "/setup", "", nil, nil},
		{"outside of the overlay", overlay, "app.example.com", "/setup", "", nil, nil},
		{"a host that is none", atHost, "a b", "/setup", "", nil, nil},
		{"the pages' host", atHost, "auth.example.com", "/setup", "", nil, &want{"https://auth.example.com", true, false, "10.0.0.2"}},
		{"below it", atHost, "auth.example.com", "/setup/code", "", http.Header{"X-Forwarded-For": {"203.0.113.7"}}, &want{"https://auth.example.com", true, false, "203.0.113.7"}},
		{"a path", atPath, "home.example.com", "/door/setup", "", nil, &want{"https://home.example.com/door", true, false, "10.0.0.2"}},
		{"by the machine itself", atHost, "127.0.0.1:4181", "/setup", strange, nil, &want{"http://127.0.0.1:4181", false, false, "198.51.100.9"}},
		{"by localhost", atPath, "localhost:4181", "/door/setup", strange, nil, &want{"http://localhost:4181/door", false, false, "198.51.100.9"}},
		{"a host that no address names", atHost, "nas.example.net", "/setup", "", http.Header{"X-Forwarded-Proto": {"https"}}, &want{"https://nas.example.net", true, false, "10.0.0.2"}},
		{"without TLS, said by the proxy", atHost, "nas.example.net", "/setup", "", http.Header{"X-Forwarded-Proto": {"http"}}, &want{"http://nas.example.net", false, true, "10.0.0.2"}},
		{"overlay", overlay, "app.example.com", "/_usher/setup", "", nil, &want{"https://app.example.com/_usher", true, false, "10.0.0.2"}},
		{"overlay without TLS", insecure, "192.0.2.1:4181", "/_usher/setup", strange, nil, &want{"http://192.0.2.1:4181/_usher", false, false, "198.51.100.9"}},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.RemoteAddr, r.URL.Path, r.RequestURI = c.host, proxyAddr, c.path, c.path
		if c.from != "" {
			r.RemoteAddr = c.from
		}
		if c.header != nil {
			r.Header = c.header
		}
		last = nil
		rec := httptest.NewRecorder()
		c.w.usher.ServeHTTP(rec, r)
		if c.want == nil {
			if last != nil || rec.Code == http.StatusTeapot {
				t.Errorf("%s: the desk was asked", c.name)
			}
			continue
		}
		if last == nil {
			t.Errorf("%s: %d, not the desk", c.name, rec.Code)
			continue
		}
		got := want{last.Base, last.HTTPS, last.Loses, last.Client.String()}
		if diff := cmp.Diff(*c.want, got, cmp.AllowUnexported(want{})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	if _, err := auth.NewSite("https://home.example.com/setup", ""); err == nil {
		t.Error("pages below /setup would hide it")
	}
	if res := newWorld(t, nil).browser().get("https://auth.example.com/setup"); res.StatusCode != http.StatusNotFound {
		t.Errorf("without a desk: %s", res.Status)
	}
}

// TestDeskIsGuarded: what another site's page posts never gets there, whatever
// it says of itself.
func TestDeskIsGuarded(t *testing.T) {
	t.Parallel()
	reached := 0
	w := newWorld(t, func(s *setup) {
		s.Desk = func(http.ResponseWriter, *http.Request, auth.Visit) bool { reached++; return true }
	})
	for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://mallory.example"}}, {"Origin": {"null"}}} {
		r := httptest.NewRequest(http.MethodPost, "/setup/code", strings.NewReader("code=x"))
		r.Host, r.RemoteAddr, r.Header = "auth.example.com", proxyAddr, header
		rec := httptest.NewRecorder()
		w.usher.ServeHTTP(rec, r)
		if rec.Code != http.StatusForbidden {
			t.Errorf("%v: %d", header, rec.Code)
		}
	}
	if reached > 0 {
		t.Errorf("reached %d times", reached)
	}
}
