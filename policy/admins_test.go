package policy_test

import (
	"strings"
	"testing"

	"usher/policy"
)

func TestRefusedAdmins(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":                      "",
		"blank":                      " ",
		"comma at the end":           "user:casey,",
		"a tier":                     "home",
		"a tier beside a person":     "user:casey,owner",
		"everybody":                  "anyone",
		"a server":                   "server:" + attic,
		"a library":                  "library:Films",
		"kept out":                   "user:casey,!user:sam",
		"a name alone":               "casey",
		"an address alone":           "casey@example.org",
		"an id alone":                "70010001",
		"user: in capitals":          "USER:casey",
		"user: without a person":     "user:",
		"user: with a space":         "user: casey",
		"two addresses in one":       "user:casey@example.org@example.com",
		"another list's separator":   "user:casey;user:sam,home",
		"a newline before a tier":    "user:casey,\nhome",
		"a user term inside another": "owner,user:casey",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.ParseAdmins(text)
			if err == nil {
				t.Fatalf("%q is read", text)
			}
			for _, who := range []policy.Person{robin, sam, casey} {
				if p.Decide(who).Allowed {
					t.Errorf("%q makes %s an administrator", text, who.Username)
				}
			}
		})
	}
	if _, err := policy.ParseAdmins("home,user:casey,casey"); err == nil || strings.Count(err.Error(), "user:") != 2 {
		t.Errorf("not every bad term is told with its fix: %v", err)
	}
}

func TestAdmins(t *testing.T) {
	t.Parallel()
	for text, is := range map[string]policy.Person{
		"user:70010001":                         casey,
		"user:CASEY":                            casey,
		"user:Casey@Example.org":                casey,
		"user:9F00aa11bb22cc35":                 casey,
		" user:mallory , user:sam@example.org ": sam,
	} {
		p, err := policy.ParseAdmins(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		for _, who := range []policy.Person{robin, sam, kiddo, casey, frankie, {}} {
			if got, want := p.Decide(who).Allowed, who.ID == is.ID; got != want {
				t.Errorf("%q: %q is one: %v, want %v", text, who.Username, got, want)
			}
		}
	}
	if (policy.Policy{}).Decide(robin).Allowed {
		t.Error("no list lets somebody in")
	}
}
