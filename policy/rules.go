package policy

import (
	"slices"
	"strings"
)

// Rules are the lines of a rules file in their order; for each request the
// first that matches counts. The zero Rules match nothing.
type Rules struct{ list []Rule }

// All lists the rules in their order.
func (rs Rules) All() []Rule { return slices.Clone(rs.list) }

// Choice is a policy that decides about a request, and where it is from.
type Choice struct {
	Rule   *Rule // nil: no rule matched
	Policy Policy
}

// Choose finds what decides about a request: nothing where a rule lets it
// through unseen, which is then bypass, else policies that must all let the
// person in. There is more than one only where the request can be read in more
// than one way; otherwise stands for "no rule matched".
//
// A bypass counts only if the request has one reading, and that is the rule's
// in every letter.
func (rs Rules) Choose(q Request, otherwise Policy) (bypass *Rule, choices []Choice) {
	var buf [8]int
	picks := buf[:0]
	rs.look(q, func(s sight, at int) {
		if !slices.Contains(picks, at) {
			picks = append(picks, at)
		}
	})
	for _, at := range picks {
		switch {
		case at == len(rs.list):
			choices = append(choices, Choice{nil, otherwise})
		case rs.list[at].Bypass:
			bypass = &rs.list[at]
		default:
			choices = append(choices, Choice{&rs.list[at], rs.list[at].Policy})
		}
	}
	switch {
	case len(choices) > 0:
		return nil, choices
	case bypass == nil: // a request that nobody looked at
		return nil, []Choice{{}}
	}
	return bypass, nil
}

// methods appends every method that an app may take the request's for: some
// obey a header that overrides it, and some do not know letter case.
func (q *Request) methods(to []string) []string {
	for i := -1; i < len(q.Overrides); i++ {
		method := q.Method
		if i >= 0 {
			method = q.Overrides[i]
		}
		for _, m := range [...]string{method, strings.ToUpper(method)} {
			if !slices.Contains(to, m) {
				to = append(to, m)
			}
		}
	}
	return to
}

// look tells, for each way to see the request, which rule is the first that
// matches; len(rs.list) is none. It tells nothing of a request that can be seen
// in too many.
func (rs Rules) look(q Request, tell func(s sight, at int)) {
	if q.Method == "" {
		return
	}
	reads := []reading{{q.Path.raw, q.Path.raw}}
	if slices.ContainsFunc(rs.list, func(r Rule) bool { return len(r.Paths) > 0 }) {
		reads = q.Path.readings()
	}
	var buf [8]string
	methods := q.methods(buf[:0])
	for _, read := range reads {
		for _, method := range methods {
			for _, careless := range [...]bool{false, true} {
				s := sight{read, method, q.Path.plain, careless}
				at := 0
				for at < len(rs.list) && !rs.list[at].matches(&q, s) {
					at++
				}
				tell(s, at)
			}
		}
	}
}
