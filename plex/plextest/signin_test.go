package plextest_test

import (
	"net/url"
	"strings"
	"testing"

	"usher/plex/plextest"
)

func signInURL(s *plextest.Server, mark string, p pin, forward string) string {
	u := s.AuthURL + mark + "clientID=" + p.Client + "&code=" + p.Code + "&context%5Bdevice%5D%5Bproduct%5D=Example%20Gate"
	if forward != "" {
		u += "&forwardUrl=" + url.QueryEscape(forward)
	}
	return u
}

func TestSignInRefusals(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	p := newPIN(t, s, "?strong=true")
	stolen := p
	stolen.Client = "test-client-thief"
	good := signInURL(s, "#?", p, "https://auth.example.com/login/callback")
	for _, c := range []struct{ name, url, person string }{
		{"another client identifier", signInURL(s, "#?", stolen, ""), "casey"},
		{"in the query, not the fragment", strings.Replace(good, "#?", "?", 1), "casey"},
		{"a fragment that is no query", strings.Replace(good, "#?", "#", 1), "casey"},
		{"another page", strings.Replace(good, "/auth#", "/link#", 1), "casey"},
		{"no product", strings.Replace(good, "context", "kontext", 1), "casey"},
		{"a forwardUrl that runs", signInURL(s, "#?", p, "javascript:alert(1)"), "casey"},
		{"a forwardUrl that is a path", signInURL(s, "#?", p, "/login/callback"), "casey"},
		{"nobody of that name", good, "nobody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := s.SignIn(c.url, c.person); err == nil {
				t.Error("signed in")
			} else if strings.Contains(err.Error(), p.Code) {
				t.Errorf("the error repeats the code: %v", err)
			}
		})
	}
	if got := decode[pin](t, get(t, s, path(p))); got.AuthToken != nil {
		t.Error("a refused sign-in approved the PIN")
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	const forward = "https://auth.example.com/login/callback?rd=https%3A%2F%2Fapp.example.com%2F%3Fa%3D1%26b%3D%252F&x=a+b#end"
	for _, c := range []struct{ name, mark, forward string }{
		{"the official form", "#?", forward},
		{"the older form", "#!?", forward},
		{"the older form behind a slash", "/#!?", forward},
		{"without forwardUrl", "#?", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPIN(t, s, "?strong=true")
			got, err := s.SignIn(signInURL(s, c.mark, p, c.forward), "Casey")
			if err != nil || got != c.forward {
				t.Fatalf("forwarded to %q, %v; want %q", got, err, c.forward)
			}
			if p := decode[pin](t, get(t, s, path(p))); p.AuthToken == nil {
				t.Error("not approved")
			}
		})
	}
}

func TestApproveByPage(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	p := newPIN(t, s, "?strong=true")
	approve := func(client, code, person string) int {
		return call(t, s, "POST", "/auth/approve", form("clientID", client, "code", code, "person", person),
			"Content-Type", "application/x-www-form-urlencoded").StatusCode
	}
	for _, c := range []struct{ name, client, code, person string }{
		{"another client identifier", "test-client-thief", p.Code, "casey"},
		{"no client identifier", "", p.Code, "casey"},
		{"another code", gate, "abcd", "casey"},
		{"nobody", gate, p.Code, "nobody"},
	} {
		if got := approve(c.client, c.code, c.person); got != 404 {
			t.Errorf("%s: %d, want 404", c.name, got)
		}
	}
	if got := approve(gate, p.Code, "Kiddo"); got != 204 {
		t.Errorf("approval got %d, want 204", got)
	}
	if got := decode[pin](t, get(t, s, path(p))); got.AuthToken == nil || !strings.Contains(*got.AuthToken, "kiddo") {
		t.Errorf("token %v", got.AuthToken)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	s.AddPerson(plextest.Person{Name: "<script>alert(1)</script>"})
	res := get(t, s, "/auth")
	body := text(t, res)
	if strings.Contains(body, "<script>alert") {
		t.Error("a name runs as a script")
	}
	for _, want := range []string{`data-person="robin"`, `data-person="Kiddo"`, `data-person="ivan"`, "stand-in", "noscript"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	for i := range 100 {
		s.AddPerson(plextest.Person{Name: "guest" + strings.Repeat("x", i)})
	}
	if n := strings.Count(text(t, get(t, s, "/auth")), "data-person"); n > 50 {
		t.Errorf("%d people on one page", n)
	}
}
