package templates_test

import (
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"usher/templates"
)

// most is how many bytes a page may have.
func most(s sample) int {
	if home, ok := s.page.(templates.Home); ok && (len(home.Devices) > 0 || len(home.Told) > 0) { // lists
		return 42_000
	}
	if _, ok := s.page.(templates.SetupDone); ok { // files
		return 70_000
	}
	if strings.HasPrefix(s.name, "office") { // lists
		return 90_000
	}
	return 28_000
}

func TestHostileValues(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for name, value := range map[string]string{
		"script closes a tag":           `<script>alert(1)</script>"'>`,
		"title and style are closed":    `</title></style></noscript><img src=x onerror=alert(1)>`,
		"attribute is left":             `" onfocus=alert(1) autofocus x="`,
		"comment opens":                 `<!--`,
		"template action":               `{{.Script}}`,
		"javascript address":            `javascript:alert(1)//`,
		"javascript address, spelled":   " java\tscript:alert(1)",
		"data address":                  `data:text/html,<script>alert(1)</script>`,
		"script address that starts ok": `http:javascript:alert(1)`,
		"10 kB":                         strings.Repeat("casey ", 2000),
		"10 kB without a space":         strings.Repeat("<&\"'", 2500),
		"right to left override":        "casey\u202egro.elpmaxe@\u2066",
		"right to left":                 "שלום העולם",
		"NUL, escape, line breaks":      "a\x00b\x1b[31mc\r\nd\u2028e",
		"not UTF-8":                     "\xff\xfe\xc0\xaf",
	} {
		for _, s := range hostile(value) {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				doc, body := render(t, pages, s)
				checkDocument(t, doc, body)
				if len(body) > most(s) {
					t.Errorf("%d bytes", len(body))
				}
				if strings.ContainsAny(body, "\x00\x1b") {
					t.Error("a control character came through")
				}
			})
		}
	}
}

// A name that turns the direction of text must not reach beyond itself: it stands inside of an element of its own.
func TestDirectionIsIsolated(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	const mark = "mallory\u202e"
	for _, s := range hostile(mark) {
		if s.name == "problem" { // its text is Usher's own sentence
			continue
		}
		doc, _ := render(t, pages, s)
		for n := range doc.Descendants() {
			if n.Type == html.TextNode && strings.Contains(n.Data, mark) && n.Parent.DataAtom != atom.Bdi && n.Parent.DataAtom != atom.Textarea {
				t.Errorf("%s: %q stands in <%s>", s.name, n.Data, n.Parent.Data)
			}
		}
	}
}

func TestWriteRefusesFormsToNowhere(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	const post = "https://auth.example.com/login"
	for name, page := range map[string]templates.Page{
		"no action":                    templates.SignIn{},
		"action of another scheme":     templates.SignIn{Action: "javascript:alert(1)"},
		"action without a host":        templates.SignOut{Action: "/logout"},
		"poll of another scheme":       templates.Waiting{Poll: "file:///etc/passwd"},
		"keys made nowhere":            templates.Keys{},
		"a language chosen nowhere":    templates.ChooseLanguage{Action: "javascript:alert(1)"},
		"a set-up code to nowhere":     templates.SetupCode{},
		"set-up finished nowhere":      templates.SetupPeople{Action: "javascript:alert(1)"},
		"keys revoked nowhere":         templates.Keys{Make: post, End: "javascript:alert(1)", Keys: []templates.Key{{}}},
		"a device signed out nowhere":  templates.Home{Devices: []templates.Device{{End: "javascript:alert(1)"}}},
		"sign-out of another scheme":   templates.Home{SignOut: "data:,x"},
		"origin that ends a directive": templates.SignIn{Action: post, FormAction: []string{"https://a; script-src *"}},
		"origin that is a wildcard":    templates.SignIn{Action: post, FormAction: []string{"https://*"}},
		"origin that is a keyword":     templates.SignIn{Action: post, FormAction: []string{"'unsafe-inline'"}},
		"origin that is a scheme":      templates.SignOut{Action: post, FormAction: []string{"https:"}},
		"origin with a list":           templates.SignOut{Action: post, FormAction: []string{"https://a,https://b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			if err := pages.Write(w, http.StatusOK, page, templates.Reader{}); err == nil {
				t.Error("no error")
			}
			if w.Code != http.StatusInternalServerError || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
				t.Errorf("answered %d %s", w.Code, w.Header().Get("Content-Type"))
			}
			if strings.Contains(w.Body.String(), "<") || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%v %q", w.Header(), w.Body)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	want := map[string]string{
		"Content-Type":               "text/html; charset=utf-8",
		"Cache-Control":              "no-store",
		"Referrer-Policy":            "no-referrer",
		"X-Content-Type-Options":     "nosniff",
		"X-Frame-Options":            "DENY",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Retry-After":                "30",
	}
	for _, s := range samples() {
		w := httptest.NewRecorder()
		w.Header().Set("Retry-After", "30")
		if err := pages.Write(w, s.status, s.page, templates.Reader{}); err != nil {
			t.Fatal(err)
		}
		if w.Code != s.status {
			t.Errorf("%s: answered %d, want %d", s.name, w.Code, s.status)
		}
		got := make(map[string]string)
		for name := range w.Header() {
			got[name] = w.Header().Get(name)
		}
		delete(got, "Content-Security-Policy") // a test of its own
		want := maps.Clone(want)
		if s.name == "framed" {
			delete(want, "X-Frame-Options")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
	}
}

func TestContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			if err := pages.Write(w, s.status, s.page, templates.Reader{}); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{
				"default-src":     "'none'",
				"base-uri":        "'none'",
				"frame-ancestors": "'none'",
				"img-src":         "data:",
				"form-action":     "'none'",
			}
			doc := parse(t, w.Body.String())
			for style := range elements(doc, atom.Style) {
				want["style-src"] = hash(style.FirstChild.Data)
			}
			for script := range elements(doc, atom.Script) {
				want["script-src"] = strings.TrimSpace(want["script-src"] + " " + hash(script.FirstChild.Data))
			}
			switch page := s.page.(type) {
			case templates.Waiting:
				want["connect-src"] = "'self'"
			case templates.Link:
				if want["connect-src"] = "'self'"; page.Code == "" {
					delete(want, "connect-src")
					want["form-action"] = "'self' https://photos.example.com"
				}
			case templates.Framed:
				if len(page.Frames) > 0 {
					want["frame-ancestors"] = "https://example.com:* https://*.example.com:*"
				}
			case templates.Expired:
				if page.Action != "" {
					want["form-action"] = "'self' https://app.plex.tv https://photos.example.com"
				}
				if page.PINs != "" {
					want["connect-src"] = "https://plex.tv/api/v2/pins"
				}
			case templates.SignIn:
				want["form-action"] = "'self' https://app.plex.tv"
				if page.Return != "" {
					want["form-action"] += " https://photos.example.com"
				}
				if page.PINs != "" {
					want["connect-src"] = "https://plex.tv/api/v2/pins" // and nothing beside or below it
				}
			case templates.SignOut:
				want["form-action"] = "'self' https://photos.example.com"
			case templates.ChooseLanguage:
				want["form-action"] = "'self' https://photos.example.com"
			case templates.Refused:
				if page.Asking.Action != "" {
					want["form-action"] = "'self' https://photos.example.com"
				}
			case templates.Who:
				if page.Problem != templates.WhoNobody {
					want["form-action"] = "'self'"
				}
				if page.Return != "" {
					want["form-action"] += " https://photos.example.com"
				}
			case templates.SetupAccount:
				want["form-action"] = "'self' https://app.plex.tv"
			case templates.SetupProblem:
				if page.Switch != "" {
					want["form-action"] = "'self'"
				}
			case templates.Home, templates.Keys, templates.SetupCode, templates.SetupServers, templates.SetupPeople:
				want["form-action"] = "'self'"
			}
			if strings.HasPrefix(s.name, "office") {
				want["form-action"] = "'self'"
			}
			got := make(map[string]string)
			for directive := range strings.SplitSeq(w.Header().Get("Content-Security-Policy"), "; ") {
				name, sources, _ := strings.Cut(directive, " ")
				if _, twice := got[name]; twice {
					t.Errorf("%s is there twice", name)
				}
				got[name] = sources
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An address to return to that a policy cannot name must not add to the policy.
func TestReturnNeverWidensThePolicy(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for _, rd := range []string{"", "/", "https://a.example;script-src *", "https://a.example%20*/", "http://[::1]:8080/", "https://u:p@a.example/", "ws://a.example", "https:"} {
		w := httptest.NewRecorder()
		if err := pages.Write(w, 200, templates.SignIn{Action: "https://auth.example.com/login", Return: rd}, templates.Reader{}); err != nil {
			t.Fatal(err)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; form-action 'self'") {
			t.Errorf("%q: %s", rd, policy)
		}
	}
}

// An address of plex.tv that a policy cannot name, or that would allow more than itself, costs the page its script.
func TestAskingNeverWidensThePolicy(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for pins, want := range map[string]string{
		"": "", "/api/v2/pins": "", "https://": "", "javascript:alert(1)//": "",
		"https://plex.tv":                     "",
		"https://plex.tv/":                    "",
		"https://plex.tv/api/v2/pins/":        "",
		"https://plex.tv/a;script-src *":      "",
		"https://plex.tv/a,b":                 "",
		"https://plex.tv/a%3Bscript-src%20*":  "",
		"https://*/api/v2/pins":               "",
		"https://*.plex.tv/api/v2/pins":       "",
		"https://u:p@plex.tv/api/v2/pins":     "",
		"http://[::1]:8080/api/v2/pins":       "",
		"wss://plex.tv/api/v2/pins":           "",
		pins:                                  "https://plex.tv/api/v2/pins",
		"http://127.0.0.1:8080/stand-in/pins": "http://127.0.0.1:8080/stand-in/pins",
	} {
		w := httptest.NewRecorder()
		if err := pages.Write(w, 200, templates.SignIn{Action: "https://auth.example.com/login", PINs: pins}, templates.Reader{}); err != nil {
			t.Fatal(err)
		}
		got := ""
		for directive := range strings.SplitSeq(w.Header().Get("Content-Security-Policy"), "; ") {
			if sources, ok := strings.CutPrefix(directive, "connect-src "); ok {
				got = sources
			}
		}
		if script := strings.Contains(w.Body.String(), "pin_code"); got != want || script != (want != "") {
			t.Errorf("%q: connect-src %q, want %q; script: %t", pins, got, want, script)
		}
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			doc, body := render(t, pages, s)
			checkDocument(t, doc, body)
			if len(body) > most(s) {
				t.Errorf("%d bytes", len(body))
			}
		})
	}
}

func TestTitle(t *testing.T) {
	t.Parallel()
	pages, err := templates.New(`Robin's <b>"house"`)
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := render(t, pages, sample{"", 200, templates.SignedOut{}})
	if got := text(first(doc, atom.Title)); got != `You are signed out – Robin's <b>"house"` {
		t.Errorf("title %q", got)
	}
	if got := strings.TrimSpace(text(first(doc, atom.Footer))); got != "Usher" {
		t.Errorf("footer %q", got)
	}
}

func render(t *testing.T, pages *templates.Pages, s sample) (doc *html.Node, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := pages.Write(w, s.status, s.page, templates.Reader{}); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return parse(t, w.Body.String()), w.Body.String()
}

// scripting off, so that what stands in <noscript> is looked at too
func parse(t *testing.T, body string) *html.Node {
	t.Helper()
	doc, err := html.ParseWithOptions(strings.NewReader(body), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

var (
	link    = regexp.MustCompile(`^https?://[^/]`)
	inside  = regexp.MustCompile(`^data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*$`)
	cssURL  = regexp.MustCompile(`(?i)url\(|@import`)
	allowed = []string{"html", "head", "meta", "title", "link", "style", "noscript", "body", "main", "footer", "div", "p", "svg", "path", "img", "bdi", "h1", "h2",
		"form", "input", "button", "label", "a", "b", "em", "i", "span", "strong", "dl", "dt", "dd", "ul", "li", "time", "details", "summary", "code", "script",
		"select", "option", "textarea", "nav", "ol", "table", "thead", "tbody", "tr", "th", "td", "wbr", "rect", "desc", "pre"}
)

// checkDocument holds every page to what does not depend on what it says: it needs nothing from elsewhere, runs
// nothing that is not ours, and can be found one's way in.
func checkDocument(t *testing.T, doc *html.Node, body string) {
	t.Helper()
	if !strings.HasPrefix(body, "<!doctype html>\n") {
		t.Error("no doctype: the browser falls back to quirks")
	}
	if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "<no value>") {
		t.Error("a value was refused by html/template")
	}
	for _, once := range []atom.Atom{atom.Title, atom.H1, atom.Main, atom.Style} {
		n := slices.Collect(elements(doc, once))
		if len(n) != 1 || strings.TrimSpace(text(n[0])) == "" {
			t.Errorf("want one <%s> that says something, got %d", once, len(n))
		}
	}
	if lang, dir := attribute(first(doc, atom.Html), "lang"), attribute(first(doc, atom.Html), "dir"); lang != "en" || dir != "ltr" {
		t.Errorf("lang %q, dir %q", lang, dir)
	}
	if !strings.Contains(body, `<meta name="referrer" content="same-origin">`) {
		t.Error("our own forms would be sent with Origin: null")
	}
	if cssURL.MatchString(text(first(doc, atom.Style))) {
		t.Error("the style loads something")
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			checkElement(t, n)
		}
	}
}

func checkElement(t *testing.T, n *html.Node) {
	t.Helper()
	if !slices.Contains(allowed, n.Data) {
		t.Errorf("<%s> is none of the elements of the pages", n.Data)
	}
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src" && !inside.MatchString(a.Val), a.Key == "srcset", a.Key == "autofocus":
			t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
		case a.Key == "href" && n.DataAtom == atom.Link:
			if !strings.HasPrefix(a.Val, "data:image/svg+xml,") {
				t.Errorf("icon %q", a.Val)
			}
		case a.Key == "href", a.Key == "action", a.Key == "formaction":
			if !link.MatchString(a.Val) {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		case a.Key == "data-poll-url", a.Key == "data-again-url" && a.Val != "":
			if !link.MatchString(a.Val) {
				t.Errorf("%s=%q", a.Key, a.Val)
			}
		}
	}
	switch n.DataAtom {
	case atom.Button, atom.A, atom.Label, atom.Summary:
		if strings.TrimSpace(text(n)) == "" {
			t.Errorf("<%s> without a name", n.Data)
		}
	case atom.Input, atom.Select, atom.Textarea:
		if attribute(n, "type") != "hidden" && n.Parent.DataAtom != atom.Label {
			t.Errorf("<input name=%q> without a label", attribute(n, "name"))
		}
	case atom.Form:
		if m := attribute(n, "method"); m != "post" && (m != "get" || attribute(n, "class") != "find") || attribute(n, "action") == "" {
			t.Error("a form that does not POST somewhere")
		}
	case atom.Th:
		if attribute(n, "scope") == "" || strings.TrimSpace(text(n)) == "" {
			t.Error("a table's header that heads nothing, or says nothing")
		}
	case atom.Td:
		if attribute(n, "role") == "cell" && attribute(n, "data-label") == "" {
			t.Error("a cell that nothing names on a phone")
		}
	case atom.Img: // what it shows is said beside it
		if n.Attr[len(n.Attr)-1] != (html.Attribute{Key: "alt"}) {
			t.Error("a picture that a screen reader would try to name")
		}
	case atom.Svg:
		if attribute(n, "aria-hidden") != "true" && (attribute(n, "role") != "img" || attribute(n, "aria-labelledby") == "") {
			t.Error("a picture that a screen reader would try to read")
		}
	}
}

func elements(doc *html.Node, a atom.Atom) iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		for n := range doc.Descendants() {
			if n.DataAtom == a && n.Namespace == "" && !yield(n) {
				return
			}
		}
	}
}

func first(doc *html.Node, a atom.Atom) *html.Node {
	for n := range elements(doc, a) {
		return n
	}
	return &html.Node{}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// What an app gets is shown as it gets it: copied from the page it is the same.
func TestHeadersAreShownWhole(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for _, value := range []string{"casey", "shared,friend,library:Films", "a,,b,", ",", "two  spaces", `<b>&amp;"'`, "é,映画", strings.Repeat("library:x,", 204), strings.Repeat("x", 2048)} {
		doc, _ := render(t, pages, sample{"", 200, templates.Home{Told: []templates.Header{{Name: "Remote-Groups", Value: value}}}})
		if got := text(first(doc, atom.Dd)); got != value {
			t.Errorf("%q is shown as %q", value, got)
		}
	}
}
