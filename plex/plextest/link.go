package plextest

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
)

// linkPage stands in for https://plex.tv/link, where somebody types the code
// that another device shows. It works without script, as a person's phone may.
func (s *Server) linkPage(r *http.Request) reply {
	said := ""
	if r.Method == http.MethodPost {
		said = "There is no such code, or it has run out."
		if s.approveLink(r.PostFormValue("code"), r.PostFormValue("person")) {
			said = "Done. The device that showed the code goes on by itself."
		}
	}
	people := s.shownPeople()
	var b bytes.Buffer
	t := template.Must(template.ParseFS(pageFiles, "page/link.html"))
	if err := t.Execute(&b, map[string]any{"Code": r.FormValue("pin"), "Said": said, "People": people}); err != nil {
		panic("plextest: " + err.Error()) // our own template
	}
	return reply{status: http.StatusOK, typ: "text/html; charset=utf-8", body: b.Bytes(), header: http.Header{
		"Cache-Control": {"no-store"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; " +
			"form-action 'self'; frame-ancestors 'none'"},
	}}
}

// approveLink is Approve for what comes from a form.
func (s *Server) approveLink(code, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.people[strings.ToLower(name)]
	return who != nil && len(code) == 4 && s.claim(s.livePIN(code), who)
}
