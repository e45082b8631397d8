package templates

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// Language is one that pages can be in, as a BCP 47 tag of [Languages]. The zero value, and any other, is English.
type Language string

// english is the language in which every text is there.
const english Language = "en"

// named is a language as a page tells of it.
type named struct {
	Tag  Language // for a lang attribute
	Name string   // in itself
	Dir  string   // how it is written, for a dir attribute
}

// names are all languages that pages can be in, English first.
func names() []named {
	return []named{
		{english, "English", "ltr"},
		{"de", "Deutsch", "ltr"},
		{"fr", "Français", "ltr"},
		{"es", "Español", "ltr"},
		{"it", "Italiano", "ltr"},
		{"nl", "Nederlands", "ltr"},
		{"pt-BR", "Português (Brasil)", "ltr"},
		{"pl", "Polski", "ltr"},
		{"sv", "Svenska", "ltr"},
		{"da", "Dansk", "ltr"},
		{"nb", "Norsk bokmål", "ltr"},
		{"fi", "Suomi", "ltr"},
		{"ru", "Русский", "ltr"},
		{"uk", "Українська", "ltr"},
		{"tr", "Türkçe", "ltr"},
		{"cs", "Čeština", "ltr"},
		{"ja", "日本語", "ltr"},
		{"ko", "한국어", "ltr"},
		{"zh-CN", "简体中文", "ltr"},
		{"ar", "العربية", "rtl"},
	}
}

// Languages are the tags of all that pages can be in, English first.
func Languages() []Language {
	all := names()
	tags := make([]Language, len(all))
	for i, l := range all {
		tags[i] = l.Tag
	}
	return tags
}

// ParseLanguage is the language with a tag, in just the spelling of [Languages].
func ParseLanguage(tag string) (Language, bool) {
	l := Language(tag)
	return l, tag != "" && l.named().Tag == l
}

// named is what there is to tell of a language; of one that is not ours, what there is of English.
func (l Language) named() named {
	all := names()
	for _, n := range all {
		if n.Tag == l {
			return n
		}
	}
	return all[0]
}

// maxAccept bounds the Accept-Language that is read, in bytes; browsers send a tenth of it. Whoever sends more is read as far as that.
const maxAccept = 512

// languages picks one of [Languages]. What it needs for that is made when somebody first asks.
type languages struct {
	all     []Language
	matcher func() language.Matcher
}

func newLanguages() languages {
	all := Languages()
	return languages{all, sync.OnceValue(func() language.Matcher {
		tags := make([]language.Tag, len(all))
		for i, l := range all {
			tags[i] = language.MustParse(string(l)) // constants: a test parses each
		}
		return language.NewMatcher(tags)
	})}
}

// Match is the language that somebody chose, where it is one of ours, else the one that suits their browser's Accept-Language best,
// else English. Both may come from anybody.
func (p *Pages) Match(chosen, acceptLanguage string) Language {
	if l, ok := ParseLanguage(chosen); ok {
		return l
	}
	if len(acceptLanguage) > maxAccept {
		acceptLanguage = acceptLanguage[:maxAccept]
		acceptLanguage = acceptLanguage[:max(0, strings.LastIndexByte(acceptLanguage, ','))]
	}
	known := slices.DeleteFunc(strings.Split(acceptLanguage, ","), func(one string) bool { // one unknown tag must not hide the others
		_, _, err := language.ParseAcceptLanguage(one)
		return err != nil
	})
	wanted, _, err := language.ParseAcceptLanguage(strings.Join(known, ","))
	if err != nil || len(wanted) == 0 {
		return english
	}
	_, i, sure := p.languages.matcher().Match(wanted...)
	if sure == language.No { // it names one all the same, such as Russian for Bulgarian
		return english
	}
	return p.languages.all[i]
}
