package templates_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"usher/internal/axe"
	"usher/picture"
	"usher/templates"
)

// headers is more than those of any page have, in bytes.
const headers = 1500

func TestParseColourRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "#", "red", "#fff", "e5a00d", "#e5a00", "#e5a00dd", "#e5a00g", "#+e5a00", "#-e5a00", "#0x5a00", "#e5_a00", " #e5a00d", "#e5a00d;", "#e5a0\x00d",
		"#ｆｆ", "}a{b:c", "url(x)"} {
		if c, err := templates.ParseColour(text); err == nil {
			t.Errorf("%q is %v", text, c)
		}
	}
	for text, want := range map[string]string{"#e5a00d": "#e5a00d", "#FFFFFF": "#ffffff", "#000000": "#000000"} {
		if c, err := templates.ParseColour(text); err != nil || c.String() != want {
			t.Errorf("%q is %v, %v", text, c, err)
		}
	}
}

// Whatever colour an owner takes, what is written on the button can be read, and the focus can be seen.
func TestEveryAccentCanBeRead(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 6))
	accents := []string{"#000000", "#ffffff", "#241f19", "#777777", "#757575", "#e5a00d", "#ff0000", "#00ff00", "#0000ff", "#ffff00", "#241e18", "#fefefe"}
	for range 60 {
		accents = append(accents, fmt.Sprintf("#%06x", r.Uint32N(1<<24)))
	}
	for _, text := range accents {
		accent, err := templates.ParseColour(text)
		if err != nil {
			t.Fatal(err)
		}
		css := styleOf(t, templates.Brand{Accent: &accent})
		for _, scheme := range []string{"light", "dark"} {
			v := variables(css, scheme)
			for _, c := range []struct {
				on, behind string
				least      float64
			}{{"--on-accent", "--accent", 4.5}, {"--on-accent", "--accent-over", 4.5}, {"--focus", "--card", 4.5}, {"--tick", "--card", 3}, {"--focus", "--floor", 3}} {
				if got := ratio(t, v[c.on], v[c.behind]); got < c.least {
					t.Errorf("%s, %s: %s on %s has a contrast of %.2f", text, scheme, c.on, c.behind, got)
				}
			}
			if v["--accent"] == v["--accent-over"] {
				t.Errorf("%s: nothing changes below the pointer", text)
			}
		}
	}
}

// The look's own colours, by the same measure.
func TestColoursCanBeRead(t *testing.T) {
	t.Parallel()
	css := styleOf(t, templates.Brand{})
	for _, scheme := range []string{"light", "dark"} {
		v := variables(css, scheme)
		for _, c := range []struct {
			on, behind string
			least      float64
		}{{"--on-accent", "--accent", 7}, {"--on-accent", "--accent-over", 7}, {"--ink", "--card", 7}, {"--ink", "--soft", 7}, {"--quiet", "--card", 4.5}, {"--quiet", "--soft", 4.5},
			{"--quiet", "--floor", 4.5}, {"--quiet", "--light", 4.5}, {"--bad", "--card", 4.5}, {"--good", "--soft", 4.5}, {"--focus", "--card", 4.5}, {"--focus", "--floor", 3}, {"--tick", "--card", 3}} {
			if got := ratio(t, v[c.on], v[c.behind]); got < c.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f", scheme, c.on, c.behind, got)
			}
		}
	}
	dark := variables(css, "dark")
	if dark["--card"] != "#241f19" || variables(css, "light")["--card"] != "#fff" {
		t.Error("other colours are reckoned by a card that is not that of the style")
	}
}

// A page with all that an owner may add, at its largest, and a person's picture at its largest, is within the budget.
func TestBrandedPages(t *testing.T) {
	t.Parallel()
	plain := newPages(t)
	pages, err := templates.Branded(largest(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			doc, body := render(t, pages, withFace(t, s))
			_, bare := render(t, plain, s)
			if family(s) && len(body)+headers > heaviest {
				t.Errorf("%d bytes", len(body))
			}
			t.Logf("%d bytes, %d without", len(body), len(bare))
			if n := len(body) - len(bare); n > 9_500 {
				t.Errorf("%d bytes more", n)
			}
			if !strings.Contains(body, `<img src="data:image/`) || family(s) != strings.Contains(body, "Write to robin") {
				t.Error("the logo or the message is missing")
			}
			for n := range doc.Descendants() {
				if n.Type == html.ElementNode {
					checkElement(t, n)
				}
			}
		})
	}
}

// TestEverybodyCanUseABrandedPage has the rules of every page look at what an owner may make of it.
func TestEverybodyCanUseABrandedPage(t *testing.T) {
	t.Parallel()
	pages, err := templates.Branded(largest(t))
	if err != nil {
		t.Fatal(err)
	}
	tabs := newTabs(t, axe.Script(t))
	for _, s := range samples() {
		if s.name != "sign-in" && s.name != "home" && s.name != "refused no share" {
			continue
		}
		s := withFace(t, s)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if err := pages.Write(w, s.status, s.page, templates.Reader{}); err != nil {
				t.Error(err)
			}
		}))
		t.Cleanup(server.Close)
		tabs.use(t, func(tab context.Context) { lookAt(t, tab, server.URL, views...) })
	}
}

// The style is allowed by its hash with what the brand adds, and nothing of it is loaded from elsewhere.
func TestBrandIsInsideOfThePage(t *testing.T) {
	t.Parallel()
	pages, err := templates.Branded(largest(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []templates.Page{templates.SignedOut{}, templates.OfficeFront{Office: templates.Office{Base: "https://auth.example.com/admin"}}} {
		w := httptest.NewRecorder()
		if err := pages.Write(w, 200, page, templates.Reader{}); err != nil {
			t.Fatal(err)
		}
		css := text(first(parse(t, w.Body.String()), atom.Style))
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "style-src "+hash(css)) {
			t.Error("the style is not the one that is allowed")
		}
		for _, u := range regexp.MustCompile(`(?i)url\([^)]*\)`).FindAllString(css, -1) {
			if !regexp.MustCompile(`^url\(data:image/jpeg;base64,[A-Za-z0-9+/]+=*\)$`).MatchString(u) {
				t.Errorf("%.80s", u)
			}
		}
	}
}

func TestBrandIsText(t *testing.T) {
	t.Parallel()
	const evil = `</style><script>alert(1)</script>" onload=x {{.Style}}`
	pages, err := templates.Branded(templates.Brand{Title: evil, Message: evil, Logo: templates.Logo{Picture: []byte(evil)}, Backdrop: []byte(`);}</style>`)})
	if err != nil {
		t.Fatal(err)
	}
	doc, body := render(t, pages, sample{"", 200, templates.SignedOut{}})
	checkDocument(t, doc, body)
	if got := strings.TrimSpace(text(first(doc, atom.Footer))); !strings.HasPrefix(got, evil) {
		t.Errorf("footer %q", got)
	}
	if strings.Contains(body, "<img") {
		t.Error("a logo that is none is shown")
	}
}

// A face is shown beside its name, and only what is a picture.
func TestFace(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for name, c := range map[string]struct {
		face  []byte
		shown bool
	}{
		"a picture": {noisy(t, picture.Face), true},
		"none":      {nil, false},
		"a page":    {[]byte("<!doctype html><script>alert(1)</script>"), false},
		"SVG":       {[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), false},
		"too large": {append([]byte{0xff, 0xd8, 0xff}, make([]byte, 4000)...), false},
	} {
		person := casey
		person.Face = c.face
		doc, _ := render(t, pages, sample{"", 200, templates.SignOut{Action: "https://auth.example.com/logout", Person: person}})
		img := first(doc, atom.Img)
		if got := attribute(img, "src") == "data:image/jpeg;base64,"+base64.StdEncoding.EncodeToString(c.face); got != c.shown {
			t.Errorf("%s: shown %v", name, got)
		}
		if letter := strings.Contains(text(doc), "C"); !c.shown && !letter {
			t.Errorf("%s: no letter stands in", name)
		}
	}
}

// family reports whether a page is one that everybody may see.
func family(s sample) bool { return !strings.HasPrefix(s.name, "office") }

func withFace(t *testing.T, s sample) sample {
	t.Helper()
	face := noisy(t, picture.Face)
	switch page := s.page.(type) {
	case templates.Home:
		page.Person.Face = face
		s.page = page
	case templates.Refused:
		page.Person.Face = face
		s.page = page
	case templates.SignOut:
		page.Person.Face = face
		s.page = page
	}
	return s
}

// largest is everything that an owner may set, as heavy as it gets.
func largest(t *testing.T) templates.Brand {
	t.Helper()
	file := noise(t)
	logo, _, size, err := picture.Logo(file)
	if err != nil {
		t.Fatal(err)
	}
	backdrop, err := picture.Backdrop(file)
	if err != nil {
		t.Fatal(err)
	}
	return templates.Brand{Title: "Robin’s house", Message: strings.Repeat("Write to robin. ", 12), Logo: templates.Logo{Picture: logo, Width: size.Width, Height: size.Height},
		Accent: &templates.Colour{R: 0xff, G: 0xff, B: 0xff}, Floor: &templates.Floor{Light: templates.Colour{R: 0x80}, Dark: templates.Colour{B: 0x80}}, Backdrop: backdrop}
}

func noisy(t *testing.T, make func([]byte) ([]byte, error)) []byte {
	t.Helper()
	out, err := make(noise(t))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// noise is the picture that is hardest to make small.
func noise(t *testing.T) []byte {
	t.Helper()
	p := image.NewNRGBA(image.Rect(0, 0, 320, 72))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range p.Pix {
		p.Pix[i] = uint8(r.Uint32())
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func styleOf(t *testing.T, b templates.Brand) string {
	t.Helper()
	pages, err := templates.Branded(b)
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := render(t, pages, sample{"", 200, templates.SignedOut{}})
	return text(first(doc, atom.Style))
}

var (
	schemes    = regexp.MustCompile(`@media \(prefers-color-scheme:dark\)\{:root\{(.*?)\}`)
	roots      = regexp.MustCompile(`:root\{(.*?)\}`)
	definition = regexp.MustCompile(`(--[a-z-]+):(#[0-9a-f]+)\b`)
)

// variables are the colours of a style as they count in a scheme.
func variables(css, scheme string) map[string]string {
	v := make(map[string]string)
	add := func(blocks [][]string) {
		for _, b := range blocks {
			for _, d := range definition.FindAllStringSubmatch(b[1], -1) {
				v[d[1]] = d[2]
			}
		}
	}
	add(roots.FindAllStringSubmatch(schemes.ReplaceAllString(css, ""), -1))
	if scheme == "dark" {
		add(schemes.FindAllStringSubmatch(css, -1))
	}
	return v
}

// ratio is WCAG's contrast, reckoned here once more.
func ratio(t *testing.T, a, b string) float64 {
	t.Helper()
	luminance := func(c string) float64 {
		c = strings.TrimPrefix(c, "#")
		if len(c) == 3 {
			c = string([]byte{c[0], c[0], c[1], c[1], c[2], c[2]})
		}
		n, err := strconv.ParseUint(c, 16, 24)
		if err != nil || len(c) != 6 {
			t.Fatalf("%q is no colour", c)
		}
		sum := 0.0
		for i, weight := range []float64{0.0722, 0.7152, 0.2126} {
			s := float64(n>>(8*i)&0xff) / 255
			if s <= 0.04045 {
				sum += weight * s / 12.92
			} else {
				sum += weight * math.Pow((s+0.055)/1.055, 2.4)
			}
		}
		return sum
	}
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}
