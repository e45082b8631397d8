package templates_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	syntax "text/template/parse"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"usher/templates"
)

// A text is one string, or one for each plural category of its language, by its name; "" is the name of the one.
type forms map[string]string

// use is where a text is said: its placeholders.
type use struct {
	where        string
	placeholders []string
}

func TestCatalogues(t *testing.T) {
	t.Parallel()
	english := catalogue(t, "en")
	if len(english) < 100 {
		t.Fatalf("%d texts", len(english))
	}
	for _, l := range templates.Languages() {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			texts := catalogue(t, string(l))
			for key := range texts {
				if _, ok := english[key]; !ok {
					t.Errorf("%s: English has no such key", key)
				}
			}
			for key, want := range english {
				got, ok := texts[key]
				if !ok {
					t.Errorf("%s: missing", key)
					continue
				}
				checkText(t, string(l), key, got, want)
			}
		})
	}
}

// checkText holds a text to the English one: as many forms as its language needs, and the same placeholders in each.
func checkText(t *testing.T, l, key string, got, english forms) {
	t.Helper()
	want := []string{""}
	numbers := map[string][]int{}
	if _, one := english[""]; !one {
		numbers = categories(l)
		want = slices.Sorted(maps.Keys(numbers))
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("%s: the forms (-want +got):\n%s", key, diff)
	}
	for form, text := range got {
		if text == "" || key != "list.comma" && strings.TrimSpace(text) != text {
			t.Errorf("%s %s: empty, or white space around it", key, form)
		}
		if strings.ContainsAny(text, "<>&\x00\r\n\t\u2028\u2029\u202a\u202b\u202c\u202d\u202e") {
			t.Errorf("%s %s: it is no markup, one line, and turns nobody's direction: %q", key, form, text)
		}
		has, should := holes(text), holes(english[""])
		if form != "" {
			should = holes(english["other"])
			if len(numbers[form]) == 1 && !slices.Contains(has, "n") { // "a day", where the form is for 1 alone
				should = slices.DeleteFunc(should, func(name string) bool { return name == "n" })
			}
		}
		if diff := cmp.Diff(should, has); diff != "" {
			t.Errorf("%s %s: the placeholders (-want +got):\n%s", key, form, diff)
		}
	}
}

// Every key is said by some page with just the values that its text has room for, and every page says keys that are there.
func TestKeysAreInUse(t *testing.T) {
	t.Parallel()
	english := catalogue(t, "en")
	used := uses(t)
	for key, places := range used {
		text, ok := english[key]
		if !ok {
			t.Errorf("%s says %q, which is not in en.json", places[0].where, key)
			continue
		}
		want := holes(text["other"] + text[""])
		for _, u := range places {
			if u.placeholders == nil { // a key in Go: which values come with it is not to be seen
				continue
			}
			if diff := cmp.Diff(want, u.placeholders); diff != "" {
				t.Errorf("%s, %s: placeholders of the text (-) and values given (+):\n%s", u.where, key, diff)
			}
		}
	}
	for key := range english {
		if used[key] == nil {
			t.Errorf("%s: nothing says it", key)
		}
	}
}

// What a page of the family says is in the catalogue: no word stands in its template.
func TestNoWordsInTemplates(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`{{define "shape"}}.*`) // a class
	actions, code, tags := regexp.MustCompile(`(?s){{.*?}}`), regexp.MustCompile(`<code>[^<]*</code>`), regexp.MustCompile(`(?s)<[^>]*>`)
	spoken := regexp.MustCompile(`(?:aria-label|placeholder|title|alt|data-[a-z]+)="[^"]*[A-Za-z]{2}[^"]*"`)
	pages, err := fs.Glob(os.DirFS("html"), "*.html")
	if err != nil || len(pages) == 0 {
		t.Fatal(err)
	}
	for _, name := range pages {
		if strings.HasPrefix(name, "office") || strings.HasPrefix(name, "setup") || name == "layout.html" {
			continue
		}
		text, err := os.ReadFile("html/" + name)
		if err != nil {
			t.Fatal(err)
		}
		rest := code.ReplaceAllString(actions.ReplaceAllString(shape.ReplaceAllString(string(text), ""), ""), "")
		for _, found := range spoken.FindAllString(rest, -1) {
			t.Errorf("%s: %s", name, found)
		}
		if words := strings.Fields(tags.ReplaceAllString(rest, " ")); regexp.MustCompile(`[A-Za-z]`).MatchString(strings.Join(words, "")) {
			t.Errorf("%s: %q", name, words)
		}
	}
}

// Every language has a name that its readers know, and is one that the tables of plurals know.
func TestLanguages(t *testing.T) {
	t.Parallel()
	all := templates.Languages()
	if len(all) != 20 || all[0] != "en" {
		t.Errorf("%d languages, the first %q", len(all), all[0])
	}
	for _, l := range written(t) {
		if !slices.Contains(all, templates.Language(l)) {
			t.Errorf("words/%s.json is of no language of ours", l)
		}
	}
	for _, l := range all {
		if tag, err := language.Parse(string(l)); err != nil || tag.String() != string(l) {
			t.Errorf("%q is no BCP 47 tag in its usual form: %v", l, err)
		}
	}
}

// written are the languages that have a catalogue.
func written(t *testing.T) (found []string) {
	t.Helper()
	files, err := fs.Glob(os.DirFS("words"), "*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		found = append(found, strings.TrimSuffix(f, ".json"))
	}
	return found
}

// catalogue reads one strictly: a key that stands twice would hide the other.
func catalogue(t *testing.T, l string) map[string]forms {
	t.Helper()
	file, err := os.Open("words/" + l + ".json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	texts := make(map[string]forms)
	d := json.NewDecoder(file)
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		t.Fatalf("%s: %v %v", l, token, err)
	}
	for d.More() {
		token, err := d.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			t.Fatalf("%s: %v %v", l, token, err)
		}
		if _, twice := texts[key]; twice {
			t.Errorf("%s: %s stands twice", l, key)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			t.Fatalf("%s: %s: %v", l, key, err)
		}
		one, many := "", forms{}
		if json.Unmarshal(raw, &one) == nil {
			many = forms{"": one}
		} else if err := json.Unmarshal(raw, &many); err != nil {
			t.Fatalf("%s: %s: %v", l, key, err)
		}
		texts[key] = many
	}
	return texts
}

// categories are the plural categories that whole numbers have in a language, each with some of its numbers.
func categories(l string) map[string][]int {
	names := map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other"}
	found := make(map[string][]int)
	for n := range 1001 {
		name := names[plural.Cardinal.MatchPlural(language.MustParse(l), n, 0, 0, 0, 0)]
		found[name] = append(found[name], n)
	}
	return found
}

var hole = regexp.MustCompile(`\{([^}]*)\}`)

// holes are the placeholders of a text, in alphabetical order.
func holes(text string) []string {
	names := []string{}
	for _, m := range hole.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// goKey is a key in the source, which no other string there looks like.
var goKey = regexp.MustCompile(`"((?:date|month|ago|wait|keep|key|list|problem|device)\.[a-z0-9.-]+)"`)

// uses finds where keys are said: in templates by their parse trees, in Go by their look.
func uses(t *testing.T) map[string][]use {
	t.Helper()
	found := make(map[string][]use)
	source, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range source {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range goKey.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = append(found[m[1]], use{where: name})
		}
	}
	pages, err := fs.Glob(os.DirFS("html"), "*.html")
	if err != nil || len(pages) == 0 {
		t.Fatal(err)
	}
	for _, name := range pages {
		text, err := os.ReadFile("html/" + name)
		if err != nil {
			t.Fatal(err)
		}
		tree := syntax.New(name)
		tree.Mode = syntax.SkipFuncCheck
		trees := make(map[string]*syntax.Tree)
		if _, err := tree.Parse(string(text), "", "", trees); err != nil {
			t.Fatal(err)
		}
		for _, tree := range trees {
			walk(tree.Root, func(c *syntax.CommandNode) {
				said, ok := c.Args[0].(*syntax.VariableNode)
				if !ok || len(said.Ident) != 2 || said.Ident[0] != "$" || said.Ident[1] != "Say" && said.Ident[1] != "Text" {
					return
				}
				key, ok := c.Args[1].(*syntax.StringNode)
				if !ok {
					if name != "problem.html" { // its keys are in problem.go
						t.Errorf("%s: %s: the key is not to be seen", name, c)
					}
					return
				}
				names := []string{}
				for i := 2; i < len(c.Args); i += 2 {
					hole, ok := c.Args[i].(*syntax.StringNode)
					if !ok || i+1 == len(c.Args) {
						t.Errorf("%s: %s: want names and values", name, c)
						return
					}
					names = append(names, hole.Text)
				}
				slices.Sort(names)
				found[key.Text] = append(found[key.Text], use{name, names})
			})
		}
	}
	return found
}

// walk calls with every command below a node.
func walk(n syntax.Node, with func(*syntax.CommandNode)) {
	branch := func(b syntax.BranchNode) {
		walk(b.Pipe, with)
		walk(b.List, with)
		if b.ElseList != nil {
			walk(b.ElseList, with)
		}
	}
	switch n := n.(type) {
	case *syntax.ListNode:
		for _, n := range n.Nodes {
			walk(n, with)
		}
	case *syntax.ActionNode:
		walk(n.Pipe, with)
	case *syntax.TemplateNode:
		if n.Pipe != nil {
			walk(n.Pipe, with)
		}
	case *syntax.IfNode:
		branch(n.BranchNode)
	case *syntax.RangeNode:
		branch(n.BranchNode)
	case *syntax.WithNode:
		branch(n.BranchNode)
	case *syntax.PipeNode:
		for _, c := range n.Cmds {
			walk(c, with)
		}
	case *syntax.CommandNode:
		with(n)
		for _, arg := range n.Args {
			walk(arg, with)
		}
	}
}
