// Package policy decides who passes. It is pure: a [Policy] and a [Person]
// give a [Verdict] with its reason, and nothing else is asked.
//
// A policy is a comma list of terms. Any term lets in whom it describes; a
// term behind "!" keeps people out and wins over all that let in.
//
// Refused: a list that is empty or lets nobody in, an unknown term, a term
// without a value. None of them is ever read as "let in". A person without a
// positive Plex id matches nothing.
//
// Trusted: that the caller filled in a Person from plex.tv's word alone. Names
// are not trusted to be what they look like: a term that lets in is matched by
// its form (digits are an id, "@" makes an e-mail address, sixteen hex digits
// are a uuid), so that nobody is let in by calling themselves another person's
// id or address. A term that keeps out matches every field.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Person is what a policy may ask about somebody.
type Person struct {
	ID       int64    // numeric Plex id; the zero value is nobody
	UUID     string   // Plex uuid; may be empty
	Username string   // may be empty (managed people)
	Email    string   // may be empty; only one that plex.tv confirmed
	Tier     Tier     // the strongest tier that applies
	Servers  []string // allowed machine identifiers that are theirs or shared with them
}

// Policy says who passes. The zero value lets nobody in.
type Policy struct {
	terms []term
	text  string
}

// Parse reads a comma list of terms. An error names the term and what would
// be right.
func Parse(text string) (Policy, error) {
	if strings.TrimSpace(text) == "" {
		return Policy{}, errors.New("the list is empty and would let nobody in; name a tier such as shared")
	}
	p := Policy{text: text}
	var errs []error
	for _, word := range strings.Split(text, ",") {
		t, err := parseTerm(strings.TrimSpace(word))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.terms = append(p.terms, t)
	}
	if len(errs) > 0 {
		return Policy{}, errors.Join(errs...)
	}
	if !p.letsSomebodyIn() {
		return Policy{}, fmt.Errorf("%q lets nobody in", text)
	}
	return p, nil
}

// String is the policy as it was written.
func (p Policy) String() string { return p.text }

// letsSomebodyIn reports whether at least one term that lets in is not undone
// by one that keeps out.
func (p Policy) letsSomebodyIn() bool {
	return slices.ContainsFunc(p.terms, func(in term) bool {
		return !in.out && !slices.ContainsFunc(p.terms, func(out term) bool { return out.out && out.undoes(in) })
	})
}

// Context is what is known where a policy is to be used.
type Context struct {
	Servers    []string // allowed machine identifiers
	OwnerToken bool     // the owner's view of plex.tv is there to ask
}

// Check refuses a policy that asks for what can never be known: it would
// silently let nobody in, or keep nobody out.
func (p Policy) Check(known Context) error {
	var errs []error
	for _, t := range p.terms {
		switch {
		case t.kind == tierTerm && t.tier == Friend && !known.OwnerToken:
			errs = append(errs, fmt.Errorf("term %q needs the owner's token (USHER_PLEX_TOKEN): only the owner's account tells who is a friend", t.text))
		case t.kind == serverTerm && !slices.Contains(known.Servers, t.value):
			errs = append(errs, fmt.Errorf("term %q names a server that is not among the allowed ones (USHER_SERVERS)", t.text))
		}
	}
	return errors.Join(errs...)
}
