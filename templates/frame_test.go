package templates_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/html/atom"

	"usher/templates"
)

// Within somebody's page a click can be had of a person who does not know what they click on.
func TestNoPageThatActsMayBeFramed(t *testing.T) {
	t.Parallel()
	pages, framable := newPages(t), 0
	for _, s := range append(samples(), hostile("mallory")...) {
		w := httptest.NewRecorder()
		if err := pages.Write(w, s.status, s.page, templates.Reader{Choose: "https://auth.example.com/language"}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") && w.Header().Get("X-Frame-Options") == "DENY" {
			continue
		}
		framable++
		doc, links := parse(t, w.Body.String()), 0
		for _, kind := range []atom.Atom{atom.Form, atom.Input, atom.Button, atom.Select, atom.Textarea, atom.Script, atom.Iframe} {
			for range elements(doc, kind) {
				t.Errorf("%s may be framed, and has <%s>", s.name, kind)
			}
		}
		for a := range elements(doc, atom.A) {
			if links++; attribute(a, "target") != "_top" {
				t.Errorf("%s may be framed, and has a link that opens within the frame", s.name)
			}
		}
		if links != 1 || strings.Contains(w.Body.String(), `class="who"`) {
			t.Errorf("%s may be framed: %d links, or a person", s.name, links)
		}
	}
	if framable != 1 {
		t.Errorf("%d pages may be framed", framable)
	}
}

func TestWhoMayFrameCannotBeWidened(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for name, source := range map[string]string{
		"everybody":          "*",
		"a scheme":           "https:",
		"every host":         "https://*",
		"every host, a port": "https://*:*",
		"a keyword":          "'self'",
		"another directive":  "https://a.example; script-src *:*",
		"a list":             "https://a.example,https://b.example:*",
		"two in one":         "https://a.example:* https://b.example:*",
		"another scheme":     "data://a.example:*",
		"no scheme":          "a.example:*",
		"one port":           "https://a.example:8443",
		"a user":             "https://user@a.example:*",
		"a path":             "https://a.example/x:*",
		"a star inside":      "https://a.*.example:*",
		"an address":         "https://[::1]:*",
		"nothing":            "",
	} {
		w := httptest.NewRecorder()
		page := templates.Framed{Top: "https://auth.example.com/login", Frames: []string{"https://example.com:*", source}}
		if err := pages.Write(w, http.StatusOK, page, templates.Reader{}); err == nil || w.Code != http.StatusInternalServerError || w.Header().Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %d, %v", name, w.Code, w.Header())
		}
	}
}
