// Package templates writes Usher's pages: signing in, waiting for Plex, refused, signed in, and what can go wrong.
//
// A page may be shown on any app's own host, because some proxies pass the body of a refusal through. So each is
// one document that needs nothing else: style, script and icon are inside of it, and the Content-Security-Policy
// names them by their hashes and allows nothing more. Pages work without the script.
//
// Every string in a page's fields is untrusted: it is escaped, set apart from the direction of the text around it,
// cut when it is long, and only absolute http(s) addresses become links. What the package trusts is its caller's
// judgement of where a form may be sent and where it may lead.
package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed html
var files embed.FS

// Pages renders the pages under one title. It is safe for concurrent use.
type Pages struct {
	title  string
	style  template.CSS
	script template.JS
	// The hashes in the form of a Content-Security-Policy source.
	styleHash, scriptHash string
	wide                  look // of the desk
	byName                map[string]*template.Template
}

// look is a style, and the source that allows it.
type look struct {
	style template.CSS
	hash  string
}

// New reads the embedded templates. The title is the name on every page; "" is "Usher".
func New(title string) (*Pages, error) {
	if title == "" {
		title = "Usher"
	}
	style, err := files.ReadFile("html/look.css")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	more, err := files.ReadFile("html/office.css")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	script, err := files.ReadFile("html/poll.js")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	p := &Pages{
		title:      title,
		style:      template.CSS(style),
		script:     template.JS(script),
		styleHash:  hashSource(style),
		scriptHash: hashSource(script),
		wide:       look{template.CSS(style) + template.CSS(more), hashSource(append(style[:len(style):len(style)], more...))},
		byName:     make(map[string]*template.Template),
	}
	layout, err := template.New("layout.html").Funcs(funcs()).Funcs(officeFuncs()).ParseFS(files, "html/layout.html", "html/office.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	for _, page := range kinds() {
		name := page.about().name
		t, err := layout.Clone()
		if err == nil {
			t, err = t.ParseFS(files, "html/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		p.byName[name] = t
	}
	return p, nil
}

// Write answers with the page. Headers that the caller has set before, such as Retry-After, stay.
//
// Nothing is sent before the page is whole: when it cannot be rendered the answer is 500 in plain text, and the
// error, which is a mistake of the caller's, is returned for the log. A client that has gone away is no error.
func (p *Pages) Write(w http.ResponseWriter, status int, page Page) error {
	body, policy, err := p.render(page)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if err != nil {
		http.Error(w, "This page could not be made. The log says why.", http.StatusInternalServerError)
		return err
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	// Whoever opened this window gets no hold on it. Nothing is lost: Plex's own page cuts that tie as well.
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone away
	return nil
}

func (p *Pages) render(page Page) (body []byte, policy string, err error) {
	about := page.about()
	policy, err = p.policy(about)
	if err != nil {
		return nil, "", fmt.Errorf("templates: page %s: %w", about.name, err)
	}
	data := struct {
		Brand  string
		Style  template.CSS
		Script template.JS
		Polls  bool
		Wide   bool
		Page   Page
	}{p.title, p.style, p.script, about.polls, about.wide, page}
	if about.wide {
		data.Style = p.wide.style
	}
	var b bytes.Buffer
	if err := p.byName[about.name].Execute(&b, data); err != nil {
		return nil, "", fmt.Errorf("templates: page %s: %w", about.name, err)
	}
	return b.Bytes(), policy, nil
}

func hashSource(b []byte) string {
	sum := sha256.Sum256(b)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
