package policy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown bounds what a step quotes of a request, a rule or a person, in bytes:
// refusals are kept, and whoever is refused chose the path.
const maxShown = 160

// shown is a text as a person may read it: cut, and with nothing in it that a
// terminal would obey.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text)
	if len(text) <= maxShown {
		return text
	}
	cut := maxShown
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// Step is one step of a decision, in words for a person.
type Step struct {
	Kind    string `json:"kind"`              // rule, reading, term, or hand: decided by hand
	Line    int    `json:"line,omitempty"`    // of the rules file
	Term    string `json:"term,omitempty"`    // of the policy
	Matches string `json:"matches,omitempty"` // yes, no or unknown
	Text    string `json:"text"`
}

var matchWords = [...]string{no: "no", yes: "yes", unsaid: "unknown"}

// Explain tells how [Rules.Choose] comes to what it chooses: each rule up to
// the one that matches, and where the request can be read in other ways what
// matches then.
func (rs Rules) Explain(q Request) (steps []Step) {
	told := -1
	rs.look(q, func(s sight, at int) {
		switch {
		case told < 0:
			steps = rs.explainSight(q, s, at)
		case at != told:
			steps = append(steps, Step{Kind: "reading", Line: rs.line(at), Matches: "yes",
				Text: fmt.Sprintf("an app may also read it as %s %s; then %s decides, and it must let them in as well", s.method, s.seen(), rs.name(at))})
		default:
			return
		}
		told = at
	})
	if told < 0 {
		steps = []Step{{Kind: "reading", Matches: "unknown", Text: "the path can be read in too many ways, so nobody passes"}}
	}
	return steps
}

func (s sight) seen() string {
	if s.careless {
		return shown(s.read.folded)
	}
	return shown(s.read.text)
}

func (rs Rules) line(at int) int {
	if at == len(rs.list) {
		return 0
	}
	return rs.list[at].Line
}

func (rs Rules) name(at int) string {
	if at == len(rs.list) {
		return "the policy for what no rule names"
	}
	return fmt.Sprintf("the rule on line %d", rs.list[at].Line)
}

func (rs Rules) explainSight(q Request, s sight, at int) (steps []Step) {
	for i := range rs.list[:min(at+1, len(rs.list))] {
		r := &rs.list[i]
		step := Step{Kind: "rule", Line: r.Line, Matches: "yes", Text: fmt.Sprintf("line %d (%s) matches", r.Line, shown(r.String()))}
		if i < at {
			step.Matches, step.Text = "no", fmt.Sprintf("line %d (%s) does not match: %s", r.Line, shown(r.String()), r.why(q, s))
		}
		steps = append(steps, step)
	}
	if at == len(rs.list) {
		steps = append(steps, Step{Kind: "rule", Text: "no rule matches, so the policy for everything else counts"})
	}
	return steps
}

// why says in words what differs.
func (r *Rule) why(q Request, s sight) string {
	switch r.differs(&q, s) {
	case "host":
		return "the host is " + q.Host
	case "path":
		if r.Bypass && !s.plain {
			return "the path can be read in more than one way, and a bypass takes plain ones alone"
		}
		return "the path is " + shown(s.read.text)
	case "method":
		return "the method is " + s.method
	}
	if !q.Client.IsValid() {
		return "the client's address is unknown"
	}
	return "the client's address is " + q.Client.String()
}

// Explain tells how [Policy.Decide] comes to its verdict: every term, and
// whether it describes the person.
func (p Policy) Explain(who Person) []Step {
	steps := make([]Step, 0, len(p.terms)+1)
	switch {
	case who.KeptOut:
		steps = append(steps, Step{Kind: "hand", Matches: "yes", Text: "kept out by hand, which wins over every term"})
	case who.LetIn && p.guests:
		steps = append(steps, Step{Kind: "hand", Matches: "yes", Text: "let in by hand, so no term has to, but none may keep them out"})
	case who.LetIn:
		steps = append(steps, Step{Kind: "hand", Matches: "no", Text: "let in by hand, which counts only where no rule and no check's address names others"})
	}
	for _, t := range p.terms {
		effect, m := "lets in", t.matches(who)
		if t.out {
			effect = "keeps out"
		}
		steps = append(steps, Step{Kind: "term", Term: t.text, Matches: matchWords[m],
			Text: fmt.Sprintf("%q %s %s: %s%s", t.text, effect, t.whom(), matchWords[m], t.because(who, m))})
	}
	return steps
}

// whom says whom a term describes.
func (t term) whom() string {
	switch t.kind {
	case tierTerm:
		return tierPeople[t.tier]
	case userTerm:
		return "one person"
	case serverTerm:
		return "whoever has a share of one server"
	}
	return "whoever has a share of one library"
}

var tierPeople = [...]string{
	Anyone: "everybody with a Plex account", Friend: "the owner's friends and those closer",
	Shared: "those who have accepted a share and those closer", Home: "members of the owner's Plex Home", Owner: "the owner of the server",
}

// because says what is known of a person where the answer alone would not do.
func (t term) because(p Person, m match) string {
	switch {
	case p.ID <= 0:
		return ", nobody is signed in"
	case t.kind == tierTerm:
		return ", their tier is " + p.Tier.String()
	case t.kind == libraryTerm && m == unsaid:
		return ", plex.tv has not said which libraries are theirs"
	case t.kind == libraryTerm && p.Tier < Owner && len(p.Libraries) > 0:
		return ", theirs are " + shown(strings.Join(p.Libraries, ", "))
	}
	return ""
}
