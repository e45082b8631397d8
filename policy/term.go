package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

type kind uint8

const (
	tierTerm kind = iota
	userTerm
	serverTerm
	libraryTerm
)

// term is one item of a policy.
type term struct {
	text  string
	out   bool // behind "!"
	kind  kind
	tier  Tier
	value string // of user: and library: (lower case) and server:
}

func parseTerm(text string) (term, error) {
	t := term{text: text}
	word, out := strings.CutPrefix(text, "!")
	t.out = out
	if word == "" {
		return t, fmt.Errorf("empty term %q", text)
	}
	if tier, ok := parseTier(word); ok {
		t.tier = tier
		return t, nil
	}
	name, value, _ := strings.Cut(word, ":")
	switch name {
	case "user":
		t.kind, t.value = userTerm, lower(value)
		if value == "" || strings.TrimSpace(value) != value || strings.Count(value, "@") > 1 {
			return t, fmt.Errorf("term %q: user: takes a Plex id, uuid, username or e-mail address", text)
		}
	case "server":
		t.kind, t.value = serverTerm, value
		if !MachineID(value) {
			return t, fmt.Errorf("term %q: server: takes a machine identifier (20 to 64 letters, digits or -)", text)
		}
	case "library":
		t.kind, t.value = libraryTerm, lower(LibraryName(value))
		if t.value == "" {
			return t, fmt.Errorf("term %q: library: takes the title of a library; write _ for a comma in it", text)
		}
	default:
		return t, fmt.Errorf("unknown term %q: use owner, home, shared, friend, anyone, user:…, server:… or library:…", text)
	}
	return t, nil
}

// MachineID reports whether a text has the form of a Plex server's machine
// identifier. Names are refused: anybody can call a server anything.
func MachineID(text string) bool {
	if len(text) < 20 || len(text) > 64 {
		return false
	}
	for _, c := range []byte(text) {
		if c != '-' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}

// LibraryName is the title of a library as terms and groups write it: both are
// comma lists, so a comma in it becomes "_".
func LibraryName(title string) string {
	return strings.TrimSpace(strings.ReplaceAll(title, ",", "_"))
}

// match is whether a term describes a person.
type match uint8

const (
	no match = iota
	yes
	unsaid // plex.tv has not said
)

func matchIf(b bool) match {
	if b {
		return yes
	}
	return no
}

// matches reports whether the term describes the person.
func (t term) matches(p Person) match {
	if p.ID <= 0 {
		return no
	}
	switch t.kind {
	case tierTerm:
		return matchIf(p.Tier >= t.tier)
	case serverTerm:
		return matchIf(slices.Contains(p.Servers, t.value))
	case libraryTerm:
		if p.Tier < Owner && p.LibrariesUnknown {
			return unsaid
		}
		return matchIf(p.Tier >= Owner || slices.ContainsFunc(p.Libraries, func(title string) bool { return same(t.value, LibraryName(title)) }))
	default:
		return matchIf(t.matchesUser(p))
	}
}

// matchesUser compares by the form of the value where the term lets in, and
// with every field where it keeps out.
func (t term) matchesUser(p Person) bool {
	id := strconv.FormatInt(p.ID, 10)
	if t.out {
		return t.value == id || same(t.value, p.UUID) || same(t.value, p.Username) || same(t.value, p.Email)
	}
	switch {
	case strings.Trim(t.value, "0123456789") == "":
		return t.value == id
	case strings.Contains(t.value, "@"):
		return same(t.value, p.Email)
	case len(t.value) == 16 && strings.Trim(t.value, "0123456789abcdef") == "":
		return same(t.value, p.UUID)
	default:
		return same(t.value, p.Username) || same(t.value, p.UUID)
	}
}

// undoes reports whether nobody whom in lets in is left when out keeps out.
func (out term) undoes(in term) bool {
	if out.kind == tierTerm {
		least := Anyone
		switch in.kind {
		case tierTerm:
			least = in.tier
		case serverTerm, libraryTerm:
			least = Shared
		}
		return least >= out.tier
	}
	return out.kind == in.kind && out.value == in.value
}

// same compares a lower-case value with one from plex.tv. An empty field is
// nobody's. Only ASCII letters are folded: full Unicode folding would make
// "ſam" and "sam" one person.
func same(value, field string) bool { return field != "" && value == lower(field) }

func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
