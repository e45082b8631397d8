package templates_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/html/atom"

	"usher/templates"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for name, tt := range map[string]struct {
		chosen, accept string
		want           templates.Language
	}{
		"nothing":                          {"", "", "en"},
		"a language that is not ours":      {"", "tlh", "en"},
		"one chosen that is not ours":      {"tlh", "", "en"},
		"one chosen in another spelling":   {"DE", "fr", "fr"},
		"a path for a choice":              {"../en", "de", "de"},
		"markup for a choice":              {`de"><script>`, "", "en"},
		"no header at all":                 {"", "\x00\xff;;q=,,", "en"},
		"a weight of nothing":              {"", "de;q=0", "en"},
		"a weight that is no number":       {"", "de;q=x", "en"},
		"anything will do":                 {"", "*", "en"},
		"a tag of a thousand parts":        {"", "de" + strings.Repeat("-x", 1000), "en"},
		"100 kB of commas":                 {"", strings.Repeat(",", 100_000), "en"},
		"100 kB of one tag":                {"", strings.Repeat("d", 100_000), "en"},
		"100 kB, ours behind the bound":    {"", strings.Repeat("tlh,", 25_000) + "de", "en"},
		"100 kB, ours in front":            {"", "de," + strings.Repeat("tlh;q=0.1,", 10_000), "de"},
		"chosen":                           {"ja", "de", "ja"},
		"the browser's":                    {"", "de", "de"},
		"of a region":                      {"", "de-AT,de;q=0.9,en;q=0.8", "de"},
		"the best of several":              {"", "en;q=0.5, fr;q=0.9, de;q=0.7", "fr"},
		"the second, for the first is not": {"", "tlh, it;q=0.8, en;q=0.5", "it"},
		"Norwegian, no kind of it":         {"", "no", "nb"},
		"Norwegian, the other kind":        {"", "nn-NO", "nb"},
		"Portuguese, no country":           {"", "pt", "pt-BR"},
		"Portuguese of Portugal":           {"", "pt-PT,pt;q=0.9", "pt-BR"},
		"Chinese, no script":               {"", "zh", "zh-CN"},
		"Chinese by its script":            {"", "zh-Hans-CN", "zh-CN"},
		"Chinese of Singapore":             {"", "zh-SG", "zh-CN"},
		"traditional Chinese, English too": {"", "zh-TW,zh;q=0.9,en-US;q=0.8,en;q=0.7", "zh-CN"},
		"British English, then German":     {"", "en-GB,en;q=0.9,de;q=0.8", "en"},
		"Arabic of Egypt":                  {"", "ar-EG", "ar"},
		"Ukrainian is not Russian":         {"", "uk,ru;q=0.5", "uk"},
		"Korean in capitals":               {"", "KO-kr", "ko"},
		"Bulgarian is not Russian":         {"", "bg", "en"},
		"Serbian is not Russian":           {"", "sr-RS,sr;q=0.9", "en"},
		"Macedonian is not Russian":        {"", "mk", "en"},
		"Bulgarian, then German":           {"", "bg-BG,bg;q=0.9,de;q=0.8", "de"},
		"traditional Chinese alone":        {"", "zh-TW", "zh-CN"},
		"a tag that nobody knows, German":  {"", "xx,de", "de"},
		"German, a tag that nobody knows":  {"", "de, xx;q=0.9", "de"},
		"tags that nobody knows":           {"", "xx, yy;q=0.5", "en"},
	} {
		if got := pages.Match(tt.chosen, tt.accept); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	for _, l := range templates.Languages() {
		if got := pages.Match("", string(l)+";q=0.7, tlh;q=0.9"); got != l {
			t.Errorf("%s: matched %s", l, got)
		}
		if got := pages.Match(string(l), "en"); got != l {
			t.Errorf("%s chosen: matched %s", l, got)
		}
	}
}

// The page of languages names each in itself, and marks the one at hand.
func TestLanguagesAreNamedInThemselves(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	page := templates.ChooseLanguage{Action: "https://auth.example.com/language", Return: "https://photos.example.com/"}
	if err := newPages(t).Write(w, 200, page, templates.Reader{Language: "ar"}); err != nil {
		t.Fatal(err)
	}
	doc := parse(t, w.Body.String())
	if top := first(doc, atom.Html); attribute(top, "lang") != "ar" || attribute(top, "dir") != "rtl" {
		t.Errorf("the page is in %q, written %q", attribute(top, "lang"), attribute(top, "dir"))
	}
	var tags, current []string
	seen := map[string]bool{}
	for b := range elements(doc, atom.Button) {
		tag, name := attribute(b, "value"), text(b)
		if attribute(b, "lang") != tag || attribute(b, "name") != "to" || seen[name] {
			t.Errorf("%q: %q", tag, name)
		}
		if (attribute(b, "dir") == "rtl") != (tag == "ar") {
			t.Errorf("%s is written %s", tag, attribute(b, "dir"))
		}
		if attribute(b, "aria-current") != "" {
			current = append(current, tag)
		}
		seen[name], tags = true, append(tags, tag)
	}
	if len(tags) != len(templates.Languages()) || len(current) != 1 || current[0] != "ar" {
		t.Errorf("%q, of them %q is at hand", tags, current)
	}
}

// No page is in a language that is not ours, whoever asks, and the desk's and set-up's have no link to others unless they are told.
func TestReaders(t *testing.T) {
	t.Parallel()
	pages := newPages(t)
	for _, tt := range []struct {
		reader     templates.Reader
		lang, link string
	}{
		{templates.Reader{}, "en", ""},
		{templates.Reader{Language: `x" onload="`}, "en", ""},
		{templates.Reader{Language: "tlh", Choose: "javascript:alert(1)"}, "en", ""},
		{templates.Reader{Language: "en", Choose: "/language"}, "en", ""},
		{templates.Reader{Language: "de", Choose: "https://auth.example.com/language?rd=%2F"}, "de", "https://auth.example.com/language?rd=%2F"},
	} {
		w := httptest.NewRecorder()
		if err := pages.Write(w, 200, templates.NotSetUp{}, tt.reader); err != nil {
			t.Fatal(err)
		}
		doc := parse(t, w.Body.String())
		link := ""
		for a := range elements(doc, atom.A) {
			link = attribute(a, "href")
		}
		if lang := attribute(first(doc, atom.Html), "lang"); lang != tt.lang || link != tt.link {
			t.Errorf("%+v: lang %q, link %q", tt.reader, lang, link)
		}
	}
}
