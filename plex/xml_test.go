package plex

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// scanned is what the scanner finds in a document, a line for each element.
func scanned(r io.Reader) (string, error) {
	var b strings.Builder
	s := newScanner(r)
	for {
		switch err := s.next(); err {
		case nil:
		case io.EOF:
			return b.String(), nil
		default:
			return b.String(), err
		}
		fmt.Fprintf(&b, "%d %s", s.depth, s.name)
		for _, a := range s.attrs {
			fmt.Fprintf(&b, " %s=%q", a.name, a.value)
		}
		b.WriteString("\n")
	}
}

// decoded is what encoding/xml finds, in the same form.
func decoded(doc string) (string, error) {
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(doc))
	depth := 0
	for {
		switch t, err := d.Token(); t := t.(type) {
		case nil:
			if err == io.EOF {
				err = nil
			}
			return b.String(), err
		case xml.StartElement:
			depth++
			fmt.Fprintf(&b, "%d %s", depth, t.Name.Local)
			for _, a := range t.Attr {
				fmt.Fprintf(&b, " %s=%q", a.Name.Local, a.Value)
			}
			b.WriteString("\n")
		case xml.EndElement:
			depth--
		}
	}
}

// What the scanner must not take for the XML that is due.
var refused = map[string]string{
	"nothing":                          ``,
	"white space alone":                " \n",
	"a declaration alone":              `<?xml version="1.0"?>`,
	"text":                             `hello`,
	"JSON":                             `{"a":[1]}`,
	"text before the document":         `x<a/>`,
	"text after the document":          `<a/>x`,
	"text in an element":               `<a>x</a>`,
	"a character by number as text":    `<a>&#65;</a>`,
	"a byte order mark":                "\ufeff<a/>",
	"a second document":                `<a/><a/>`,
	"a second document, unfinished":    `<a/><a`,
	"an end without a beginning":       `</a>`,
	"an end too many":                  `<a></a></a>`,
	"not ended":                        `<a><b/>`,
	"a row not ended":                  `<a><b></a>`,
	"ended in the wrong order":         `<a><b></a></b>`,
	"ended in another letter case":     `<a></A>`,
	"ended by a longer name":           `<a></aa>`,
	"an end with an attribute":         `<a></a b="1">`,
	"an end that closes itself":        `<a></a/>`,
	"half a tag":                       `<a b="1"`,
	"half a value":                     `<a b="1`,
	"half an end":                      `<a></a`,
	"a value not ended":                `<a b="1/>`,
	"a value without quotes":           `<a b=1/>`,
	"quotes that differ":               `<a b="1'/>`,
	"no value":                         `<a b/>`,
	"no name":                          `<a ="1"/>`,
	"no space between attributes":      `<a b="1"c="2"/>`,
	"no space behind the name":         `<a"1"/>`,
	"an attribute twice":               `<a b="1" b="1"/>`,
	"an attribute twice, not beside":   `<a b="1" c="2" b="3"/>`,
	"a tag without a name":             `< a/>`,
	"an empty tag":                     `<></>`,
	"a name that begins with a digit":  `<1a/>`,
	"a name that begins with a hyphen": `<-a/>`,
	"a name that begins with a dot":    `<.a/>`,
	"an attribute that begins so":      `<a -b="1"/>`,
	"no space behind such a name":      `<a-"1"/>`,
	"a name with a colon":              `<x:a/>`,
	"an attribute with a colon":        `<a x:b="1"/>`,
	"a name in other letters":          `<é/>`,
	"a slash too many":                 `<a //>`,
	"a slash in the tag":               `<a / b="1"/>`,
	"a tag in a value":                 `<a b="<c/>"/>`,
	"a tag in a tag":                   `<a <b/>`,
	"a doctype":                        `<!DOCTYPE a><a/>`,
	"a doctype with an entity":         `<!DOCTYPE a [<!ENTITY x "y">]><a b="&x;"/>`,
	"an entity that is not XML's":      `<a b="&nbsp;"/>`,
	"an entity in capitals":            `<a b="&AMP;"/>`,
	"an ampersand":                     `<a b="a & b"/>`,
	"an entity not ended":              `<a b="&amp"/>`,
	"an entity ended elsewhere":        `<a b="&amp" c=";"/>`,
	"an empty entity":                  `<a b="&;"/>`,
	"an empty number":                  `<a b="&#;"/>`,
	"a number without the sign":        `<a b="&x41;"/>`,
	"a number with a sign":             `<a b="&#+65;"/>`,
	"a number below zero":              `<a b="&#-1;"/>`,
	"a number with an underscore":      `<a b="&#6_5;"/>`,
	"a hexadecimal number in capitals": `<a b="&#X41;"/>`,
	"NUL by number":                    `<a b="&#0;"/>`,
	"a control by number":              `<a b="&#x1b;"/>`,
	"half a surrogate by number":       `<a b="&#xd800;"/>`,
	"beyond Unicode":                   `<a b="&#x110000;"/>`,
	"beyond 32 bits":                   `<a b="&#4294967361;"/>`,
	"no character by number":           `<a b="&#xffff;"/>`,
	"NUL":                              "<a b=\"\x00\"/>",
	"NUL between tags":                 "<a>\x00</a>",
	"a control":                        "<a b=\"\x1b[0m\"/>",
	"a carriage return in a value":     "<a b=\"1\r\n2\"/>",
	"not UTF-8":                        "<a b=\"\xff\"/>",
	"half a character":                 "<a b=\"\xc3\"/>",
	"an overlong character":            "<a b=\"\xc0\xaf\"/>",
	"half a surrogate":                 "<a b=\"\xed\xa0\x80\"/>",
	"no character":                     "<a b=\"\uffff\"/>",
	"a comment":                        `<a><!-- x --></a>`,
	"a comment with a row":             `<a><!-- <b/> --></a>`,
	"a marked section":                 `<a><![CDATA[x]]></a>`,
	"an instruction":                   `<?php x?><a/>`,
	"a declaration in the middle":      `<a><?xml version="1.0"?></a>`,
	"a declaration after a space":      ` <?xml version="1.0"?><a/>`,
	"a declaration twice":              `<?xml version="1.0"?><?xml version="1.0"?><a/>`,
	"another encoding":                 `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`,
	"another version":                  `<?xml version="2.0"?><a/>`,
	"too deep":                         strings.Repeat("<a>", 17) + strings.Repeat("</a>", 17),
	"a tag too long":                   `<a b="` + strings.Repeat("x", maxTag) + `"/>`,
	"a tag too long, in pieces":        `<a b="` + strings.Repeat("x>", maxTag) + `"/>`,
	"text too long":                    `<a>` + strings.Repeat(" ", maxTag) + `</a>`,
}

func TestScannerRefuses(t *testing.T) {
	t.Parallel()
	for name, doc := range refused {
		if got, err := scanned(strings.NewReader(doc)); !errors.Is(err, errXML) {
			t.Errorf("%s: %.60s is accepted: %v\n%.200s", name, doc, err, got)
		}
	}
	broken := errors.New("broken")
	if _, err := scanned(io.MultiReader(strings.NewReader("<a><b/>"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a connection that breaks is told as %v", err)
	}
}

func TestScanner(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		`<a/>`: "1 a\n",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n <b/>\r\n\t<c ></c >\n</a>\n": "1 a\n2 b\n2 c\n",
		`<?xml version='1.0'?><a/>`:                                  "1 a\n",
		`<a b="" c='"' d = "'" e="a>b" f="/>" />`:                    `1 a b="" c="\"" d="'" e="a>b" f="/>"` + "\n",
		`<a b="&amp;&lt;&gt;&quot;&apos;&#65;&#x1F3AC;&#x1f600;x"/>`: `1 a b="&<>\"'A🎬😀x"` + "\n",
		`<a b="Ünter &amp; Über"><b c="é>"/></a>`:                    `1 a b="Ünter & Über"` + "\n" + `2 b c="é>"` + "\n",
		"<a b=\"1\n\t2&#13;&#10;\"\r\n/>":                            `1 a b="1\n\t2\r\n"` + "\n",
		`<a.b-c _x.1-="1" y--="2"><d-/></a.b-c>`:                     `1 a.b-c _x.1-="1" y--="2"` + "\n2 d-\n",
		`<a><b><c/></b><b/></a>`:                                     "1 a\n2 b\n3 c\n2 b\n",
	} {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(doc), "by bytes": iotest.OneByteReader(strings.NewReader(doc))} {
			if got, err := scanned(r); got != want || err != nil {
				t.Errorf("%s, %s: %q %v, want %q", doc, name, got, err, want)
			}
		}
		if got, err := decoded(doc); got != want || err != nil {
			t.Errorf("encoding/xml reads %s as %q %v", doc, got, err)
		}
	}
}

// FuzzScanner: what the scanner accepts, encoding/xml accepts with the same elements and values.
func FuzzScanner(f *testing.F) {
	for _, doc := range refused {
		if len(doc) < 1000 {
			f.Add(doc)
		}
	}
	f.Add(`<?xml version="1.0" encoding="UTF-8"?><MediaContainer size="1"><User id="1" title="a&amp;b>&#x41;"><Server pending="0"/></User></MediaContainer>`)
	f.Fuzz(func(t *testing.T, doc string) {
		ours, err := scanned(strings.NewReader(doc))
		if err != nil {
			return
		}
		if theirs, err := decoded(doc); err != nil || ours != theirs {
			t.Errorf("%q:\n%s\nencoding/xml: %v\n%s", doc, ours, err, theirs)
		}
	})
}
