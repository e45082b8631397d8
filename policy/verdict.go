package policy

// Reason says in one word why a person may or may not pass.
type Reason uint8

const (
	NoMatch      Reason = iota // nothing lets them in, and no tier would explain it better
	LetIn                      // a term lets them in
	KeptOut                    // a "!" term names them, or an administrator keeps them out
	NeedsFriend                // they would have to be a friend of the owner
	NeedsShare                 // they would have to have accepted a share
	NeedsLibrary               // a certain library would have to be shared with them
	NeedsHome                  // they would have to be in the owner's Plex Home
	NeedsOwner                 // they would have to be the owner
	Undecided                  // plex.tv has not said what decides it
)

// Verdict is a policy's decision about one person. The zero value refuses.
type Verdict struct {
	Allowed bool
	Reason  Reason
	Term    string // the term that decided, "" if none matched, or it was decided by hand
}

// Decide says whether a person passes. A term that keeps out wins wherever it
// stands, and one of which it is not known whether it does lets nobody by.
func (p Policy) Decide(who Person) Verdict {
	if who.KeptOut {
		return Verdict{Reason: KeptOut}
	}
	var in, open *term // the first that lets in, the first that cannot be decided
	for i := range p.terms {
		t := &p.terms[i]
		if in != nil && !t.out {
			continue
		}
		switch m := t.matches(who); {
		case m == yes && t.out:
			return Verdict{Reason: KeptOut, Term: t.text}
		case m == yes:
			in = t
		case m == unsaid && (open == nil || t.out):
			open = t
		}
	}
	guest := p.guests && who.LetIn && who.ID > 0
	switch {
	case open != nil && (open.out || in == nil && !guest):
		return Verdict{Reason: Undecided, Term: open.text}
	case in == nil && guest:
		return Verdict{Allowed: true, Reason: LetIn}
	case in != nil:
		return Verdict{Allowed: true, Reason: LetIn, Term: in.text}
	}
	return Verdict{Reason: p.needs()}
}

// needs is the easiest way in for somebody whom no term describes.
func (p Policy) needs() Reason {
	least := NoMatch
	for _, t := range p.terms {
		if t.out {
			continue
		}
		need := NoMatch
		switch t.kind {
		case tierTerm:
			need = [...]Reason{NoMatch, NeedsFriend, NeedsShare, NeedsHome, NeedsOwner}[t.tier]
		case serverTerm:
			need = NeedsShare
		case libraryTerm:
			need = NeedsLibrary
		}
		if need != NoMatch && (least == NoMatch || need < least) {
			least = need
		}
	}
	return least
}
