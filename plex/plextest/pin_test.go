package plextest_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/plex/plextest"
)

func TestPINRefusals(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	p := newPIN(t, s, "?strong=true")
	for _, c := range []struct {
		name, path, client string
		status, code       int
	}{
		{"asked for by another client identifier", path(p), "test-client-thief", 404, 1020},
		{"asked for without client identifier", path(p), "", 400, 1000},
		{"a PIN that never was", "/api/v2/pins/1", gate, 404, 1020},
		{"no number", "/api/v2/pins/undefined", gate, 400, 1004},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, get(t, s, c.path, "X-Plex-Client-Identifier", c.client), c.status, c.code)
		})
	}
	t.Run("created without client identifier", func(t *testing.T) {
		wantError(t, call(t, s, "POST", "/api/v2/pins", nil, "Accept", "application/json"), 400, 1000)
	})
	t.Run("approved with an unknown code", func(t *testing.T) {
		if s.Approve("ABCD", "casey") == nil {
			t.Error("approved")
		}
	})
	t.Run("approved after its end", func(t *testing.T) {
		s.Advance(30 * time.Minute)
		if s.Approve(p.Code, "casey") == nil {
			t.Error("approved")
		}
		wantError(t, get(t, s, path(p)), 404, 1020)
	})
}

func TestCreatePIN(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	for _, c := range []struct {
		name, query, typ, body string
		code                   string
		life                   int
	}{
		{"strong in the query", "?strong=true", "", "", `^[a-z0-9]{25}$`, 1800},
		{"strong in a form", "", "application/x-www-form-urlencoded", "strong=true", `^[a-z0-9]{25}$`, 1800},
		{"strong in JSON", "", "application/json", `{"strong":true}`, `^[a-z0-9]{25}$`, 1800},
		{"weak because it says so", "?strong=false", "", "", `^[A-Z0-9]{4}$`, 900},
		{"weak because it says nothing", "", "", "", `^[A-Z0-9]{4}$`, 900},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := call(t, s, "POST", "/api/v2/pins"+c.query, strings.NewReader(c.body), "Content-Type", c.typ,
				"Accept", "application/json", "X-Plex-Client-Identifier", gate, "X-Plex-Product", "Example Gate")
			if res.StatusCode != http.StatusCreated {
				t.Fatalf("status %d, want 201", res.StatusCode)
			}
			p := decode[pin](t, res)
			if !regexp.MustCompile(c.code).MatchString(p.Code) {
				t.Errorf("code %q, want %s", p.Code, c.code)
			}
			if p.ExpiresIn != c.life || p.Product != "Example Gate" || p.Client != gate || p.AuthToken != nil || p.ID <= 0 {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestPINBodies(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	p := newPIN(t, s, "?strong=true")

	body := decode[map[string]any](t, get(t, s, path(p)))
	if len(body) != 12 {
		t.Errorf("%d keys, want 12: %v", len(body), body)
	}
	for _, k := range []string{"authToken", "newRegistration"} {
		if v, ok := body[k]; !ok || v != nil {
			t.Errorf("%s is %v before approval, want null", k, v)
		}
	}
	res := get(t, s, path(p), "Accept", "*/*")
	if typ := res.Header.Get("Content-Type"); !strings.HasPrefix(typ, "application/xml") {
		t.Errorf("without JSON in Accept the type is %q", typ)
	}
	x := decode[pin](t, res)
	if x.ID != p.ID || x.Code != p.Code || x.AuthToken == nil || *x.AuthToken != "" {
		t.Errorf("XML says %+v", x)
	}
}

func TestPINLife(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	p := newPIN(t, s, "?strong=true")
	s.Advance(10 * time.Minute)
	if got := decode[pin](t, get(t, s, path(p))).ExpiresIn; got > 1200 || got < 1190 {
		t.Errorf("expiresIn is %d after ten minutes", got)
	}
	if err := s.Approve(p.Code, "casey"); err != nil {
		t.Fatal(err)
	}
	claimed := decode[pin](t, get(t, s, path(p)))
	if claimed.AuthToken == nil || !strings.HasPrefix(*claimed.AuthToken, "test-token-casey-") {
		t.Fatalf("token %v after approval", claimed.AuthToken)
	}
	if claimed.ExpiresIn > 10 {
		t.Errorf("a claimed PIN still lives %d s", claimed.ExpiresIn)
	}
	if s.Approve(p.Code, "mallory") == nil {
		t.Error("a claimed PIN was claimed again")
	}
	s.Advance(10 * time.Second)
	wantError(t, get(t, s, path(p)), 404, 1020)
	if res := get(t, s, "/api/v2/user", "X-Plex-Token", *claimed.AuthToken); res.StatusCode != 200 {
		t.Errorf("the token died with its PIN: %d", res.StatusCode)
	}
}

func TestLinkPIN(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	p := newPIN(t, s, "")
	token := s.Token("casey", "test-client-browser")
	link := func(code, token string) *http.Response {
		return call(t, s, "PUT", "/api/v2/pins/link", form("code", code), "Accept", "application/json",
			"Content-Type", "application/x-www-form-urlencoded", "X-Plex-Client-Identifier", "test-client-browser", "X-Plex-Token", token)
	}
	wantError(t, link(p.Code, "test-token-made-up"), 401, 1001)
	wantError(t, link("nope", token), 404, 1020)
	if got := decode[pin](t, get(t, s, path(p))); got.AuthToken != nil {
		t.Fatal("a refused link approved")
	}
	if res := link(strings.ToLower(p.Code), token); res.StatusCode != http.StatusNoContent {
		t.Fatalf("status %d, want 204", res.StatusCode)
	}
	got := decode[pin](t, get(t, s, path(p)))
	if got.AuthToken == nil || *got.AuthToken == token || !strings.HasPrefix(*got.AuthToken, "test-token-casey-") {
		t.Errorf("the gate got %v; want a casey token of its own", got.AuthToken)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	status := func(token string) int {
		return get(t, s, "/api/v2/ping", "X-Plex-Token", token).StatusCode
	}
	first := s.Token("casey", gate)
	if s.Token("casey", gate) != first || s.Token("casey", "test-client-tv") == first || s.Token("sam", gate) == first {
		t.Error("want one token per account and client identifier")
	}
	s.RotateTokens(true)
	second := s.Token("casey", gate)
	if second == first || status(first) != 401 || status(second) != 200 {
		t.Error("rotation did not put a new token in the old one's place")
	}
	res := call(t, s, "DELETE", "/api/v2/users/signout", nil, "X-Plex-Token", second, "X-Plex-Client-Identifier", gate)
	if res.StatusCode != http.StatusNoContent || status(second) != 401 {
		t.Errorf("signed out with %d, then the token got %d", res.StatusCode, status(second))
	}
	one, other := s.Token("casey", gate), s.Token("casey", "test-client-tv")
	sam := s.Token("sam", gate)
	s.RevokeTokens("casey")
	if status(one) != 401 || status(other) != 401 || status(sam) != 200 {
		t.Error("RevokeTokens must end all of that person's tokens and nobody else's")
	}
}
