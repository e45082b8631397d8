// Package policy decides who passes. It is pure: [Rules] choose the [Policy] for
// a request, a Policy and a [Person] give a [Verdict], both can say why, and
// nothing else is asked.
//
// A policy is a comma list of terms. Any term lets in whom it describes; a
// term behind "!" keeps people out and wins over all that let in.
//
// Refused: a list that is empty or lets nobody in, an unknown term, a term
// without a value. None of them is ever read as "let in". A person without a
// positive Plex id matches nothing. What plex.tv has not said is neither yes
// nor no: where it would matter the verdict is [Undecided], and nobody passes.
// A path that cannot be read is an error; one that can be read in several ways
// bypasses nothing, and takes a person whom the rule of every reading lets in.
//
// Trusted: that the caller filled in a Person from plex.tv's word alone, and a
// [Request] from a proxy's, in normal form. Names are not trusted to be what
// they look like: a term that lets in is matched by its form (digits are an id,
// "@" makes an e-mail address, sixteen hex digits are a uuid), so that nobody is
// let in by calling themselves another person's id or address. A term that
// keeps out matches every field.
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

	// Titles of the libraries shared with them, as plex.tv has them. An owner has all, whatever stands here.
	Libraries        []string
	LibrariesUnknown bool // plex.tv has not said which: a term about libraries is then undecided, not unmatched

	// What an administrator has decided by hand; KeptOut wins.
	KeptOut bool // nothing lets them in
	LetIn   bool // a policy that takes guests lets them in, unless a term keeps them out
}

// Policy says who passes. The zero value lets nobody in.
type Policy struct {
	terms  []term
	text   string
	guests bool
}

// TakeGuests is the same policy, which besides lets in whom an administrator has
// let in by hand.
func (p Policy) TakeGuests() Policy {
	p.guests = true
	return p
}

// TakesGuests reports whether TakeGuests made the policy.
func (p Policy) TakesGuests() bool { return p.guests }

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

// Unknown lists the terms about libraries that are none of those with these
// titles: mistyped, renamed or removed, they describe nobody.
func (p Policy) Unknown(titles []string) (terms []string) {
	for _, t := range p.terms {
		if t.kind == libraryTerm && !slices.ContainsFunc(titles, func(title string) bool { return same(t.value, LibraryName(title)) }) {
			terms = append(terms, t.text)
		}
	}
	return terms
}

// Context is what is known where a policy is to be used.
type Context struct {
	Servers    []string // allowed machine identifiers
	OwnerToken bool     // the owner's view of plex.tv is there to ask
	ToCome     bool     // neither is known before set-up: any policy will do so far
}

// Check refuses a policy that asks for what can never be known: it would
// silently let nobody in, or keep nobody out.
func (p Policy) Check(known Context) error {
	var errs []error
	for _, t := range p.terms {
		switch {
		case known.ToCome:
		case t.kind == libraryTerm && !known.OwnerToken:
			errs = append(errs, fmt.Errorf("term %q needs the owner's token (USHER_PLEX_TOKEN): only the owner's account tells which libraries are shared", t.text))
		case t.kind == tierTerm && t.tier == Friend && !known.OwnerToken:
			errs = append(errs, fmt.Errorf("term %q needs the owner's token (USHER_PLEX_TOKEN): only the owner's account tells who is a friend", t.text))
		case t.kind == serverTerm && !slices.Contains(known.Servers, t.value):
			errs = append(errs, fmt.Errorf("term %q names a server that is not among the allowed ones (USHER_SERVERS)", t.text))
		}
	}
	return errors.Join(errs...)
}
