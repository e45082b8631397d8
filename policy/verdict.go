package policy

// Reason says in one word why a person may or may not pass.
type Reason uint8

const (
	NoMatch     Reason = iota // nothing lets them in, and no tier would explain it better
	LetIn                     // a term lets them in
	KeptOut                   // a "!" term names them
	NeedsFriend               // they would have to be a friend of the owner
	NeedsShare                // they would have to have accepted a share
	NeedsHome                 // they would have to be in the owner's Plex Home
	NeedsOwner                // they would have to be the owner
)

// Verdict is a policy's decision about one person. The zero value refuses.
type Verdict struct {
	Allowed bool
	Reason  Reason
	Term    string // the term that decided, "" if none matched
}

// Decide says whether a person passes. A term that keeps out wins wherever it
// stands.
func (p Policy) Decide(who Person) Verdict {
	var in *term
	for i := range p.terms {
		t := &p.terms[i]
		if in != nil && !t.out || !t.matches(who) {
			continue
		}
		if t.out {
			return Verdict{Reason: KeptOut, Term: t.text}
		}
		in = t
	}
	if in == nil {
		return Verdict{Reason: p.needs()}
	}
	return Verdict{Allowed: true, Reason: LetIn, Term: in.text}
}

// needs is the easiest way in for somebody whom no term describes.
func (p Policy) needs() Reason {
	least := NoMatch
	for _, t := range p.terms {
		if t.out || t.kind == userTerm {
			continue
		}
		need := NeedsShare
		if t.kind == tierTerm {
			need = [...]Reason{NoMatch, NeedsFriend, NeedsShare, NeedsHome, NeedsOwner}[t.tier]
		}
		if least == NoMatch || need < least {
			least = need
		}
	}
	return least
}
