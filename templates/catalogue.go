package templates

import (
	"encoding/json"
	"sync"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// catalogue is what pages say in one language, by key. Its file is read when a page in that language is first asked for.
type catalogue struct {
	tag   language.Tag
	texts func() map[string]text
}

// text is one text, or one for each plural category.
type text struct {
	plain string
	forms map[string]string
}

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		return json.Unmarshal(b, &t.forms)
	}
	return json.Unmarshal(b, &t.plain)
}

// newCatalogue is the catalogue of a language. One without a file, or with a broken one, is empty: English steps in, and a test
// fails.
func newCatalogue(l Language) *catalogue {
	return &catalogue{tag: language.Make(string(l)), texts: sync.OnceValue(func() map[string]text {
		all := make(map[string]text)
		file, err := files.ReadFile("words/" + string(l) + ".json")
		if err != nil || json.Unmarshal(file, &all) != nil {
			return nil
		}
		return all
	})}
}

// find is the text of a key, for the number n where it has plural forms.
func (c *catalogue) find(key string, n int) (string, bool) {
	t := c.texts()[key]
	if t.forms != nil {
		t.plain = t.forms[category(c.tag, n)]
	}
	return t.plain, t.plain != ""
}

// category is the plural category of a whole number, as Unicode's tables name it.
func category(tag language.Tag, n int) string {
	switch plural.Cardinal.MatchPlural(tag, max(n, -n), 0, 0, 0, 0) {
	case plural.Zero:
		return "zero"
	case plural.One:
		return "one"
	case plural.Two:
		return "two"
	case plural.Few:
		return "few"
	case plural.Many:
		return "many"
	}
	return "other"
}

// words are the catalogues that a page takes its texts from, the best first; English comes last.
type words []*catalogue

// find is the text of a key in the first language that has it. A key that none has, which is a mistake of ours, stands for itself:
// a page that is short of a text is of more use than none.
func (w words) find(key string, n int) string {
	for _, c := range w {
		if found, ok := c.find(key, n); ok {
			return found
		}
	}
	return key
}

// bookshelf has the words of every language.
func bookshelf(all []Language) map[Language]words {
	shelf := make(map[Language]words, len(all)+1)
	last := newCatalogue(english)
	for _, l := range all {
		shelf[l] = words{newCatalogue(l), last}
	}
	shelf[english] = words{last}
	return shelf
}

// months are the keys of their names, in the form that a date has.
func months() [12]string {
	return [12]string{"month.1", "month.2", "month.3", "month.4", "month.5", "month.6", "month.7", "month.8", "month.9", "month.10", "month.11", "month.12"}
}
