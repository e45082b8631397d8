package plextest

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed page
var pageFiles embed.FS

// maxShown bounds the page: with thousands of people it shows the first.
const maxShown = 50

// authPage stands in for https://app.plex.tv/auth. All that it is asked is in
// the fragment, so that its script does the work, as on the real one.
func (s *Server) authPage(*http.Request) reply {
	var b bytes.Buffer
	t := template.Must(template.ParseFS(pageFiles, "page/signin.html"))
	if err := t.Execute(&b, s.shownPeople()); err != nil {
		panic("plextest: " + err.Error()) // our own template
	}
	return reply{status: http.StatusOK, typ: "text/html; charset=utf-8", body: b.Bytes(), header: http.Header{
		"Cache-Control": {"no-store"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
			"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
	}}
}

// shownPeople are those whom the pages offer.
func (s *Server) shownPeople() []Person {
	people := s.People()
	slices.SortStableFunc(people, func(a, b Person) int {
		return cmp.Compare(uint(a.Kind-1), uint(b.Kind-1)) // the owner first, strangers last
	})
	return people[:min(len(people), maxShown)]
}

// approvePIN is what the page sends when a person was chosen.
func (s *Server) approvePIN(r *http.Request) reply {
	if err := s.choose(r.PostFormValue("clientID"), r.PostFormValue("code"), r.PostFormValue("person")); err != nil {
		return refuse(r, http.StatusNotFound, 1020, "Code not found or expired")
	}
	return reply{status: http.StatusNoContent}
}

func (s *Server) choose(clientID, code, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, who := s.livePIN(code), s.people[strings.ToLower(name)]
	if p == nil || p.client != clientID || who == nil || !s.claim(p, who) {
		return fmt.Errorf("plextest: no PIN to approve has that code and the client identifier %q, or there is no %q", clientID, name)
	}
	return nil
}

// SignIn does what a browser and a person do at a sign-in URL: it reads the
// fragment, approves as that person, and returns the forwardUrl as it was
// given; empty if there was none.
func (s *Server) SignIn(signInURL, name string) (forwardURL string, err error) {
	page, fragment, _ := strings.Cut(signInURL, "#")
	if s.AuthURL != "" && strings.TrimSuffix(page, "/") != s.AuthURL {
		return "", fmt.Errorf("plextest: the sign-in URL is not %s with a fragment", s.AuthURL)
	}
	query, ok := strings.CutPrefix(strings.TrimPrefix(fragment, "!"), "?")
	if !ok {
		return "", fmt.Errorf("plextest: the fragment of the sign-in URL starts with neither ? nor !?")
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return "", fmt.Errorf("plextest: the fragment of the sign-in URL: %w", err)
	}
	if q.Get("context[device][product]") == "" {
		return "", fmt.Errorf("plextest: the sign-in URL has no context[device][product]")
	}
	forward := q.Get("forwardUrl")
	if u, err := url.Parse(forward); forward != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("plextest: forwardUrl is not http or https")
	}
	return forward, s.choose(q.Get("clientID"), q.Get("code"), name)
}
