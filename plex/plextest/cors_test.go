package plextest_test

import (
	"testing"

	"usher/plex/plextest"
)

// What a page may do is what a browser makes of these headers, as TestPINOfTheBrowser of package auth shows.
func TestCORS(t *testing.T) {
	t.Parallel()
	const page, header = "https://auth.example.com", "Access-Control-Allow-Origin"
	for _, c := range []struct {
		name             string
		mode             plextest.CORS
		asks, asksBefore string // the header of either answer
	}{
		{"no page may", plextest.NoPage, "", ""},
		{"not with headers of its own", plextest.NoPreflight, "*", ""},
		{"any page may", plextest.AnyPage, "*", "*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := plextest.Start(t)
			s.SetCORS(c.mode)
			res := call(t, s, "OPTIONS", "/api/v2/pins?strong=true", nil, "Origin", page, "Access-Control-Request-Method", "POST",
				"Access-Control-Request-Headers", "x-plex-client-identifier")
			if got := res.Header.Get(header); res.StatusCode/100 != 2 || got != c.asksBefore || res.Header.Get("Access-Control-Allow-Headers") != "x-plex-client-identifier" {
				t.Errorf("preflight: %s, %v", res.Status, res.Header)
			}
			res = call(t, s, "POST", "/api/v2/pins?strong=true&X-Plex-Client-Identifier="+gate, nil, "Origin", page, "Accept", "application/json")
			if got := res.Header.Get(header); res.StatusCode != 201 || got != c.asks {
				t.Errorf("PIN: %s, %v", res.Status, res.Header)
			}
			if p := decode[pin](t, res); s.AskedBy(p.Code) != page || p.Client != gate {
				t.Errorf("asked for by %q, for %q", s.AskedBy(p.Code), p.Client)
			}
			s.Fail(plextest.CreatePIN, plextest.ServerError())
			if res = call(t, s, "POST", "/api/v2/pins", nil, "Origin", page); res.Header.Get(header) != c.asks {
				t.Errorf("an error: %v", res.Header)
			}
			if res = get(t, s, "/api/v2/user"); res.Header.Get(header) != "" {
				t.Error("of accounts too")
			}
		})
	}
	s := plextest.Start(t)
	if p := newPIN(t, s, "?strong=true"); s.AskedBy(p.Code) != "" || s.AskedBy("ABCD") != "" {
		t.Error("a page asked where none did")
	}
}

func TestWarnsOfAnotherAddress(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	type info struct {
		Matches bool `json:"ipMatches"`
		From    string
	}
	p := newPIN(t, s, "?strong=true")
	if got := decode[info](t, get(t, s, "/auth/info?code="+p.Code)); !got.Matches || got.From != "127.0.0.1" {
		t.Errorf("from the same address: %+v", got)
	}
	wantError(t, get(t, s, "/auth/info?code=nope"), 404, 1020)
}
