// Package templates writes Usher's pages: signing in, waiting for Plex, refused, signed in, and what can go wrong.
//
// A page may be shown on any app's own host, because some proxies pass the body of a refusal through. So each is
// one document that needs nothing else: style, script and icon are inside of it, and the Content-Security-Policy
// names them by their hashes and allows nothing more. Pages work without the script.
//
// Every string in a page's fields is untrusted: it is escaped, set apart from the direction of the text around it,
// cut when it is long, and only absolute http(s) addresses become links. What the package trusts is its caller's
// judgement of where a form may be sent and where it may lead.
//
// What the pages say is in the catalogues under words, one file a language. Those are trusted no more than the fields: a text is
// escaped like a value. The desk's and set-up's pages have no catalogue, and are English.
package templates

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
)

//go:embed html words
var files embed.FS

// Pages renders the pages under one brand. It is safe for concurrent use.
type Pages struct {
	brand     Brand
	logo      logoView
	style     template.CSS
	styleHash string            // in the form of a Content-Security-Policy source
	scripts   map[string]script // by the name of their file
	wide      look              // of the desk
	byName    map[string]func() (*template.Template, error)
	languages languages
	words     map[Language]words
}

// Reader is who reads a page.
type Reader struct {
	Language Language
	Choose   string // address at which they choose another language; "" offers none
}

// script is a script, and the source that allows it.
type script struct {
	text template.JS
	hash string
}

// look is a style, and the source that allows it.
type look struct {
	style template.CSS
	hash  string
}

// New reads the embedded templates. The title is the name on every page; "" is "Usher".
func New(title string) (*Pages, error) { return Branded(Brand{Title: title}) }

// Branded is New with everything that can be the owner's.
func Branded(brand Brand) (*Pages, error) {
	brand.Title = cmp.Or(brand.Title, "Usher")
	style, err := files.ReadFile("html/look.css")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	more, err := files.ReadFile("html/office.css")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	own := brand.style()
	style, more = tight(slices.Concat(style, []byte(own))), tight(slices.Concat(style, more, []byte(own)))
	p := &Pages{
		brand:     brand,
		logo:      brand.Logo.view(),
		style:     template.CSS(style),
		styleHash: hashSource(style),
		scripts:   make(map[string]script),
		wide:      look{template.CSS(more), hashSource(more)},
		byName:    make(map[string]func() (*template.Template, error)),
		languages: newLanguages(),
		words:     bookshelf(Languages()),
	}
	for _, name := range []string{pollScript, pinScript, tryScript, remoteScript} {
		text, err := files.ReadFile("html/" + name)
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		text = bare(text)
		p.scripts[name] = script{template.JS(text), hashSource(text)}
	}
	layout, err := template.New("layout.html").Funcs(funcs()).Funcs(officeFuncs()).ParseFS(files, "html/layout.html", "html/office.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	for _, page := range kinds() {
		name := page.about().name
		p.byName[name] = sync.OnceValues(func() (*template.Template, error) { // when it is first shown: they are many
			t, err := layout.Clone()
			if err != nil {
				return nil, err
			}
			return t.ParseFS(files, "html/"+name+".html")
		})
	}
	return p, nil
}

// Write answers with the page, in the reader's language. Headers that the caller has set before, such as Retry-After, stay. No
// cache may keep the answer, so nothing has to say what it varies by.
//
// Nothing is sent before the page is whole: when it cannot be rendered the answer is 500 in plain text, and the
// error, which is a mistake of the caller's, is returned for the log. A client that has gone away is no error.
func (p *Pages) Write(w http.ResponseWriter, status int, page Page, reader Reader) error {
	body, policy, err := p.render(page, reader)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if len(page.about().framedBy) == 0 || err != nil { // where both are said browsers go by frame-ancestors, but not all of them
		h.Set("X-Frame-Options", "DENY")
	}
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

func (p *Pages) render(page Page, reader Reader) (body []byte, policy string, err error) {
	about := page.about()
	if len(about.framedBy) > 0 { // one link, and no more
		reader.Choose = ""
	}
	policy, err = p.policy(about)
	if err != nil {
		return nil, "", fmt.Errorf("templates: page %s: %w", about.name, err)
	}
	in := reader.Language
	wording, known := p.words[in]
	if !known {
		in, wording = english, p.words[english]
	}
	data := view{p.brand, p.logo, p.style, p.scriptsOf(about), about.wide, in.named(), reader.Choose, page, wording}
	if about.wide {
		data.Style = p.wide.style
	}
	var b bytes.Buffer
	t, err := p.byName[about.name]()
	if err == nil {
		err = t.Execute(&b, data)
	}
	if err != nil {
		return nil, "", fmt.Errorf("templates: page %s: %w", about.name, err)
	}
	return b.Bytes(), policy, nil
}

// tight is a style without the spaces that are for its readers.
func tight(style []byte) []byte {
	var b strings.Builder
	for line := range bytes.Lines(style) {
		b.Write(bytes.TrimSpace(line)) // a rule or a part of one, or a comment
	}
	return []byte(strings.NewReplacer(" { ", "{", " } ", "}", "; ", ";", ": ", ":", ", ", ",", " {", "{", "{ ", "{", " }", "}", "} ", "}").Replace(b.String()))
}

// bare is a script without the lines that are for its readers, and how its lines are set in: every page carries it.
func bare(script []byte) []byte {
	var lines [][]byte
	for line := range bytes.Lines(script) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			lines = append(lines, line)
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// scriptNames are the scripts that a page runs.
func (a about) scriptNames() (names []string) {
	if a.script != "" {
		names = append(names, a.script)
	}
	if !a.wide && len(a.framedBy) == 0 { // whose arrows are those of the page around it
		names = append(names, remoteScript)
	}
	return names
}

func (p *Pages) scriptsOf(a about) (texts []template.JS) {
	for _, name := range a.scriptNames() {
		texts = append(texts, p.scripts[name].text)
	}
	return texts
}

func hashSource(b []byte) string {
	sum := sha256.Sum256(b)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
