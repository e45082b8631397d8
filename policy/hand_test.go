package policy_test

import (
	"testing"

	"usher/policy"
)

// What an administrator decides by hand: keeping out wins over everything, letting
// in only stands in for a term that lets in.
func TestByHand(t *testing.T) {
	t.Parallel()
	kept := func(p policy.Person) policy.Person { p.KeptOut = true; return p }
	guest := func(p policy.Person) policy.Person { p.LetIn = true; return p }
	unsure := func(p policy.Person) policy.Person { p.LibrariesUnknown = true; return p }
	for name, c := range map[string]struct {
		policy string
		guests bool
		who    policy.Person
		allow  bool
		reason policy.Reason
	}{
		"kept out of their tier":               {"anyone", true, kept(casey), false, policy.KeptOut},
		"kept out though named":                {"user:70010001", true, kept(casey), false, policy.KeptOut},
		"kept out and let in":                  {"shared", true, kept(guest(casey)), false, policy.KeptOut},
		"kept out where it is not known":       {"library:Films", true, kept(unsure(casey)), false, policy.KeptOut},
		"let in where no guests are taken":     {"home", false, guest(mallory), false, policy.NeedsHome},
		"let in, but a term keeps them out":    {"shared,!user:mallory", true, guest(mallory), false, policy.KeptOut},
		"let in, but a term might":             {"home,!library:Films", true, guest(unsure(casey)), false, policy.Undecided},
		"nobody let in":                        {"shared", true, policy.Person{LetIn: true}, false, policy.NeedsShare},
		"not let in where guests are taken":    {"shared", true, mallory, false, policy.NeedsShare},
		"let in":                               {"shared", true, guest(mallory), true, policy.LetIn},
		"let in though a library is not known": {"library:Films", true, guest(unsure(casey)), true, policy.LetIn},
		"let in who may pass anyway":           {"shared", true, guest(casey), true, policy.LetIn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parse(t, c.policy)
			if c.guests {
				p = p.TakeGuests()
			}
			if v := p.Decide(c.who); v.Allowed != c.allow || v.Reason != c.reason {
				t.Errorf("%+v", v)
			}
			if steps := p.Explain(c.who); (c.who.KeptOut || c.who.LetIn) != (steps[0].Kind == "hand") {
				t.Errorf("%+v", steps)
			}
		})
	}
}
