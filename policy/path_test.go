package policy_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"usher/policy"
)

// pathRules are "bypass /public, owner for /admin, else shared".
const pathRules = `
- path: /public
  bypass: true
- path: /admin
  allow: owner
`

// decide is what the rules make of a path: bypass, refused, or the closest
// tier that every reading asks for.
func decide(t testing.TB, rules policy.Rules, uri string) string {
	t.Helper()
	p, err := policy.ParsePath(uri)
	if err != nil {
		return "refused"
	}
	bypass, choices := rules.Choose(policy.Request{Host: "app.example.com", Path: p, Method: "GET"}, parse(t, "shared"))
	if bypass != nil {
		return "bypass"
	}
	for _, who := range []policy.Person{mallory, casey, robin} {
		if !slices.ContainsFunc(choices, func(c policy.Choice) bool { return !c.Policy.Decide(who).Allowed }) {
			return map[int64]string{mallory.ID: "anyone", casey.ID: "shared", robin.ID: "owner"}[who.ID]
		}
	}
	return "nobody"
}

func parse(t testing.TB, text string) policy.Policy {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPaths(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, pathRules)
	text, err := os.ReadFile("testdata/paths.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		var c struct{ URI, Want, Note string }
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		n++
		if got := decide(t, rules, c.URI); got != c.Want {
			t.Errorf("%.80q (%s): %s, want %s", c.URI, c.Note, got, c.Want)
		}
	}
	if n < 90 {
		t.Errorf("%d cases", n)
	}
}

// A looser rule is a hole as much as a bypass: who may read /loose may not
// read what /loose/.. leads to.
func TestLooserRulesNeedEveryReading(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, "- path: /loose\n  allow: anyone\n")
	for uri, want := range map[string]string{
		"/loose":                    "anyone",
		"/loose/a":                  "anyone",
		"/loose/../secret":          "shared",
		"/loose/..%2fsecret":        "shared",
		"/loose/..;/secret":         "shared",
		`/loose/..\secret`:          "shared",
		"/loose/%252e%252e/secret":  "shared",
		"/secret/../loose":          "shared",
		"/LOOSE":                    "shared",
		"/loose;x/../secret":        "shared",
		"//loose":                   "shared",
		"/secret/..%2floose":        "shared",
		"/loose/%ef%bc%8e%ef%bc%8e": "shared",
	} {
		if got := decide(t, rules, uri); got != want {
			t.Errorf("%q: %s, want %s", uri, got, want)
		}
	}
}

// Some apps compare in capitals, where one letter is two.
func TestCapitalsOfOneLetterAreTwo(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, "- path: /access\n  allow: owner\n")
	for _, uri := range []string{"/acce%C3%9F", "/acce%E1%BA%9E/x", "/acce%C5%BFs"} {
		if got := decide(t, rules, uri); got != "owner" {
			t.Errorf("%s: %s, want owner", uri, got)
		}
	}
}

// No client writes a path with as many readings, and each costs time.
func TestTooManyReadings(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, pathRules)
	if got := decide(t, rules, `/public/a;b%252f..%253b/%23\%25253f//./%ff%ef%bc%8e%e2%80%8b`+`/x%3by/..%5c//%2523`); got != "nobody" {
		t.Errorf("%s, want nobody", got)
	}
	if got := decide(t, rules, "/public/"+strings.Repeat("%EF%B7%BA", 200)); got != "nobody" {
		t.Errorf("letters that stand for many: %s, want nobody", got)
	}
	for _, uri := range []string{"/%EF%B7%BA", "/a%2Fb%2Fc", "/a;b=c/d;e=f", "//x//y", "/wiki/C%2B%2B", "/wiki/What%3F", "/music/AC%2FDC%20%5BLive%5D/%2301%3B%20a%3F.mp3", "/a%252Fb", "/x/%E2%80%8B./y."} {
		if got := decide(t, rules, uri); got != "shared" {
			t.Errorf("%s: %s, want shared", uri, got)
		}
	}
}

func TestLongPaths(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, pathRules)
	for name, c := range map[string][2]string{
		"long and plain":          {"/public/" + strings.Repeat("a", 8000), "bypass"},
		"longer than any":         {"/public/" + strings.Repeat("a", 8200), "refused"},
		"long with a dot segment": {"/public/" + strings.Repeat("a/", 900) + strings.Repeat("../", 20), "shared"},
		"long and odd":            {"/public/" + strings.Repeat("a/", 1100) + "..", "refused"},
		"escapes all along":       {"/public/" + strings.Repeat("%2e%2e/", 250) + "admin", "owner"},
	} {
		if got := decide(t, rules, c[0]); got != c[1] {
			t.Errorf("%s: %s, want %s", name, got, c[1])
		}
	}
}

// FuzzPath: what a bypass lets through stays below its path however it is
// decoded and cleaned, and what is below an owner's path in some reading is
// the owner's.
func FuzzPath(f *testing.F) {
	rules := mustRules(f, pathRules)
	for _, seed := range []string{"/public/..%2fadmin", "/public/%252e%252e/admin", "/admin;x", "/public/a%20b", "/\u212a", "/public/%c0%af", `/public\..\admin`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		got := decide(t, rules, uri)
		read, _, _ := strings.Cut(uri, "?")
		for range 5 {
			for _, way := range []string{read, path.Clean(read), path.Clean(strings.ReplaceAll(read, `\`, "/"))} {
				way = strings.ToLower(way)
				if got == "bypass" && way != "/public" && !strings.HasPrefix(way, "/public/") {
					t.Fatalf("%q is let through and leads to %q", uri, way)
				}
				if (way == "/admin" || strings.HasPrefix(way, "/admin/")) && got != "owner" && got != "refused" {
					t.Fatalf("%q leads to %q and takes no more than %s", uri, way, got)
				}
			}
			next, err := url.PathUnescape(read)
			if err != nil {
				return
			}
			read = next
		}
	})
}

func BenchmarkChoose(b *testing.B) {
	rules := mustRules(b, pathRules)
	otherwise := parse(b, "shared")
	for name, uri := range map[string]string{"plain": "/movies/1234/edit", "odd": "/a;b/%2e%2e/c", "worst": "/" + strings.Repeat(`a;b%25252e\..//`, 125)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := policy.ParsePath(uri)
				if err != nil {
					b.Fatal(err)
				}
				rules.Choose(policy.Request{Host: "app.example.com", Path: p, Method: "GET"}, otherwise)
			}
		})
	}
}
