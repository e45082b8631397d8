package templates

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// sayer is a view whose catalogues are these, the best first.
func sayer(tags []Language, books ...map[string]text) view {
	v := view{}
	for i, book := range books {
		c := newCatalogue(tags[i])
		c.texts = func() map[string]text { return book }
		v.wording = append(v.wording, c)
	}
	return v
}

// A catalogue is no more to be trusted than a name: neither makes markup, and a value stays within an element of its own.
func FuzzSay(f *testing.F) {
	f.Add("Hello {name}, it is {n} o’clock", "casey", 3)
	f.Add("<script>{name}</script>", "<img src=x onerror=alert(1)>", 0)
	f.Add("{name}{name}{", "}{name}", -1)
	f.Add("&lt;{name", "&amp;</bdi>", 1)
	f.Add("{{.Script}}", "\u202e", 1)
	f.Add("", "", 1)
	f.Fuzz(func(t *testing.T, words, value string, n int) {
		v := sayer([]Language{"en"}, map[string]text{"k": {plain: words}})
		said := string(v.Say("k", "name", value, "n", n))
		nodes, err := html.ParseFragment(strings.NewReader(said), &html.Node{Type: html.ElementNode, Data: "p", DataAtom: atom.P})
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, top := range nodes {
			for n := range top.Descendants() {
				if n.Type == html.TextNode {
					all.WriteString(n.Data)
				}
				if n.Type != html.TextNode {
					t.Fatalf("%q with %q: %q", words, value, said)
				}
			}
			switch {
			case top.Type == html.TextNode:
				all.WriteString(top.Data)
			case top.Type != html.ElementNode || top.Data != "bdi" || len(top.Attr) > 0:
				t.Fatalf("%q with %q: %q", words, value, said)
			}
		}
		if want := v.Text("k", "name", value, "n", n); clean(all.String()) != clean(want) {
			t.Errorf("%q with %q says %q, as text %q", words, value, all.String(), want)
		}
	})
}

// clean evens out what no HTML parser keeps.
func clean(s string) string {
	return strings.NewReplacer("\x00", "", "\ufffd", "", "\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(s, ""))
}

// What a language lacks is said in English, by the plural of English; a page never lacks a line.
func TestFallingBack(t *testing.T) {
	t.Parallel()
	english := map[string]text{
		"a": {plain: "A"}, "n": {forms: map[string]string{"one": "a day", "other": "{n} days"}}, "b": {plain: "B {x}"},
	}
	polish := map[string]text{
		"a": {plain: ""}, "n": {forms: map[string]string{"one": "{n} dzień", "few": "{n} dni"}}, "b": {plain: "BB {x} {y}"},
	}
	v := sayer([]Language{"pl", "en"}, polish, english)
	for _, tt := range []struct {
		got, want string
	}{
		{v.Text("a"), "A"},
		{v.Text("n", "n", 1), "1 dzień"},
		{v.Text("n", "n", 3), "3 dni"},
		{v.Text("n", "n", 5), "5 days"}, // Polish has a form of its own for it, which is missing
		{v.Text("n", "n", -3), "-3 dni"},
		{v.Text("n"), "{n} days"},
		{v.Text("b", "x", "1", "z", "2"), "BB 1 {y}"},
		{v.Text("b", "x"), "BB {x} {y}"},
		{v.Text("no.such"), "no.such"},
		{view{}.Text("no.such"), "no.such"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// A catalogue that is not there, or no catalogue, is an empty one.
func TestNoCatalogue(t *testing.T) {
	t.Parallel()
	if got, ok := newCatalogue("tlh").find("home.heading", 0); ok {
		t.Error(got)
	}
	if got, ok := newCatalogue("en").find("home.heading", 0); !ok || got == "" {
		t.Error("English is empty")
	}
}
