package plex

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errXML: whatever is wrong with a document, it is not the one that is due.
var errXML = errors.New("not the XML that is due")

const (
	maxTag   = 64 << 10 // bytes
	maxDepth = 16
)

// scanner reads a document of elements that have attributes and no text, as the lists of plex.tv's first API are. They grow
// with the number of people, and encoding/xml takes many times as long. It holds one tag at a time, and refuses whatever it does
// not understand: a doctype, a comment, text, a name with a colon, an entity that is neither a number nor one of XML's five. What
// it accepts encoding/xml accepts too, with the same values: FuzzScanner compares the two.
type scanner struct {
	in    *bufio.Reader
	begun bool     // past the first "<"
	root  bool     // the root element has begun
	open  []string // names of the elements that have not ended
	long  []byte   // a tag that has ">" in a value
	text  []byte   // values that have entities, decoded

	// The element that next has found; valid until the following next.
	name  []byte
	depth int // 1: the root
	attrs []attr
}

type attr struct{ name, value []byte }

func newScanner(r io.Reader) *scanner { return &scanner{in: bufio.NewReaderSize(r, maxTag)} }

// next finds the beginning of the next element. Errors: io.EOF at the end of a whole document, errXML, or the reader's own.
func (s *scanner) next() error {
	for {
		between, err := s.in.ReadSlice('<')
		if err == io.EOF && s.root && len(s.open) == 0 && len(skipSpace(between)) == 0 {
			return io.EOF
		}
		if err != nil {
			return broken(err)
		}
		if len(skipSpace(between)) > 1 {
			return errXML
		}
		tag, err := s.tag()
		if err != nil {
			return err
		}
		first := !s.begun && len(between) == 1
		s.begun = true
		switch {
		case bytes.HasPrefix(tag, []byte("/")):
			last := len(s.open) - 1
			if last < 0 || s.open[last] != string(bytes.TrimRight(tag[1:], " \t\r\n")) {
				return errXML
			}
			s.open = s.open[:last]
		case !first || !isDeclaration(tag):
			return s.start(tag)
		}
	}
}

// broken is what an error says that comes in the middle of a document.
func broken(err error) error {
	if err == io.EOF || err == bufio.ErrBufferFull {
		return errXML
	}
	return err
}

func isDeclaration(tag []byte) bool {
	s := strings.ToLower(strings.ReplaceAll(string(tag), "'", `"`))
	return s == `?xml version="1.0" encoding="utf-8"?` || s == `?xml version="1.0"?`
}

// tag reads what stands between "<" and the first ">" that is in no value.
func (s *scanner) tag() ([]byte, error) {
	s.long = s.long[:0]
	var quote byte // of the value that is open
	wide := false
	for {
		b, err := s.in.ReadSlice('>')
		if err != nil {
			return nil, broken(err)
		}
		for _, c := range b {
			switch {
			case c >= utf8.RuneSelf:
				wide = true
			case c < ' ' && c != '\t' && c != '\n' && (c != '\r' || quote != 0) || c == '<':
				return nil, errXML
			case c == quote:
				quote = 0
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			}
		}
		if quote != 0 || len(s.long) > 0 {
			s.long = append(s.long, b...)
			b = s.long
		}
		switch {
		case quote != 0 && len(b) <= maxTag:
			continue
		case quote != 0, wide && (!utf8.Valid(b) || bytes.Contains(b, []byte("\ufffe")) || bytes.Contains(b, []byte("\uffff"))):
			return nil, errXML
		}
		return b[:len(b)-1], nil
	}
}

// start reads the tag that begins an element, and ends it too where it closes itself.
func (s *scanner) start(tag []byte) error {
	tag, closed := bytes.CutSuffix(tag, []byte("/"))
	n := nameLen(tag)
	if n == 0 || s.root && len(s.open) == 0 || len(s.open) == maxDepth {
		return errXML
	}
	s.root, s.name, s.depth = true, tag[:n], len(s.open)+1
	if !closed {
		s.open = append(s.open, string(s.name))
	}
	if !s.attributes(tag[n:]) {
		return errXML
	}
	return nil
}

// attributes reads name="value" pairs, each behind white space.
func (s *scanner) attributes(b []byte) bool {
	s.attrs, s.text = s.attrs[:0], s.text[:0]
	for {
		pair := skipSpace(b)
		if len(pair) == 0 {
			return true
		}
		n := nameLen(pair)
		name, quoted := pair[:n], skipSpace(pair[n:])
		if n == 0 || len(pair) == len(b) || len(quoted) == 0 || quoted[0] != '=' {
			return false
		}
		quoted = skipSpace(quoted[1:])
		if len(quoted) == 0 || quoted[0] != '"' && quoted[0] != '\'' {
			return false
		}
		raw, rest, ended := bytes.Cut(quoted[1:], quoted[:1])
		value, known := s.decode(raw)
		if !ended || !known || slices.ContainsFunc(s.attrs, func(a attr) bool { return bytes.Equal(a.name, name) }) {
			return false
		}
		s.attrs, b = append(s.attrs, attr{name, value}), rest
	}
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// nameLen is the length of the name at the beginning of b: XML's names (XML 1.0, production 5) as far as they are ASCII, without
// colons. Plex's have had letters, digits and "_" so far.
func nameLen(b []byte) int {
	for i, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '.') {
			return i
		}
	}
	return len(b)
}

// decode replaces entities by what they stand for.
func (s *scanner) decode(raw []byte) (value []byte, ok bool) {
	from := len(s.text)
	for {
		before, entity, found := bytes.Cut(raw, []byte("&"))
		if !found && len(s.text) == from {
			return raw, true
		}
		s.text = append(s.text, before...)
		if !found {
			return s.text[from:], true
		}
		name, rest, ended := bytes.Cut(entity, []byte(";"))
		r := runeOf(string(name))
		if !ended || r < 0 {
			return nil, false
		}
		s.text, raw = utf8.AppendRune(s.text, r), rest
	}
}

// runeOf is the character that an entity stands for, if XML allows it (XML 1.0, production 2); -1 if not.
func runeOf(entity string) rune {
	switch entity {
	case "amp":
		return '&'
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	digits, ok := strings.CutPrefix(entity, "#")
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 31)
	r := rune(n)
	if !ok || err != nil || r < ' ' && r != '\t' && r != '\n' && r != '\r' || !utf8.ValidRune(r) || r == 0xfffe || r == 0xffff {
		return -1
	}
	return r
}
