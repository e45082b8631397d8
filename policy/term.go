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
)

// term is one item of a policy.
type term struct {
	text  string
	out   bool // behind "!"
	kind  kind
	tier  Tier
	value string // of user: (lower case) and server:
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
	default:
		return t, fmt.Errorf("unknown term %q: use owner, home, shared, friend, anyone, user:… or server:…", text)
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

// matches reports whether the term describes the person.
func (t term) matches(p Person) bool {
	if p.ID <= 0 {
		return false
	}
	switch t.kind {
	case tierTerm:
		return p.Tier >= t.tier
	case serverTerm:
		return slices.Contains(p.Servers, t.value)
	default:
		return t.matchesUser(p)
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
		case serverTerm:
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
