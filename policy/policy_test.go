package policy_test

import (
	"strings"
	"testing"

	"usher/policy"
)

const (
	attic  = "0123456789abcdef0123456789abcdef01234567"
	cellar = "89abcdef0123456789abcdef0123456789abcdef"
)

var (
	robin   = policy.Person{ID: 70010009, UUID: "9f00aa11bb22cc33", Username: "robin", Email: "robin@example.org", Tier: policy.Owner, Servers: []string{attic}}
	sam     = policy.Person{ID: 70010003, UUID: "9f00aa11bb22cc34", Username: "Sam", Email: "sam@example.org", Tier: policy.Home, Servers: []string{attic}}
	kiddo   = policy.Person{ID: 70010002, Tier: policy.Home}
	casey   = policy.Person{ID: 70010001, UUID: "9f00aa11bb22cc35", Username: "casey", Email: "casey@example.org", Tier: policy.Shared, Servers: []string{attic}}
	frankie = policy.Person{ID: 70010004, Username: "frankie", Email: "frankie@example.org", Tier: policy.Friend}
	mallory = policy.Person{ID: 70010007, Username: "mallory", Email: "mallory@example.org"}
)

func TestRefusedPolicies(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":                         "",
		"blank":                         "  ",
		"comma alone":                   ",",
		"empty term":                    "shared,",
		"empty term in the middle":      "owner,,home",
		"unknown word":                  "everybody",
		"another letter case":           "Shared",
		"tier with something behind it": "shared;home",
		"nobody but kept out":           "!user:casey",
		"everybody kept out":            "anyone,!anyone",
		"all who would pass kept out":   "home,shared,!friend",
		"server's people kept out":      "server:" + attic + ",!shared",
		"the only person kept out":      "user:casey,!user:CASEY",
		"bang alone":                    "!",
		"two bangs":                     "!!user:casey",
		"user without a value":          "user:",
		"user of spaces":                "user: ",
		"two at signs":                  "user:a@good.example@evil.example",
		"server by name":                "server:Attic",
		"server without a value":        "server:",
		"server with a path in it":      "server:../../../../../../etc/passwd",
		"library without a title":       "library:",
		"library of blanks":             "library: ",
		"a library's people kept out":   "library:Films,!shared",
		"the only library kept out":     "library:Films,!library:FILMS",
		"term from a query":             "shared?allow=anyone",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p, err := policy.Parse(text); err == nil {
				t.Errorf("Parse(%q) = %v, want an error", text, p)
			}
		})
	}
}

func TestZeroPolicyLetsNobodyIn(t *testing.T) {
	t.Parallel()
	if v := (policy.Policy{}).Decide(robin); v.Allowed {
		t.Errorf("the zero policy lets the owner in: %+v", v)
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	type row struct {
		policy string
		who    policy.Person
		want   policy.Reason
		term   string
	}
	allow := func(text string, who policy.Person, term string) row { return row{text, who, policy.LetIn, term} }
	deny := func(text string, who policy.Person, why policy.Reason) row {
		return row{policy: text, who: who, want: why}
	}
	out := func(text string, who policy.Person, term string) row { return row{text, who, policy.KeptOut, term} }
	undecided := func(text string, who policy.Person, term string) row { return row{text, who, policy.Undecided, term} }
	unknown := func(p *policy.Person) { p.Libraries, p.LibrariesUnknown = nil, true }
	with := func(p policy.Person, change func(*policy.Person)) policy.Person { change(&p); return p }

	for name, r := range map[string]row{
		"stranger, shared":         deny("shared", mallory, policy.NeedsShare),
		"stranger, friend":         deny("friend", mallory, policy.NeedsFriend),
		"stranger, home":           deny("home", mallory, policy.NeedsHome),
		"stranger, owner":          deny("owner", mallory, policy.NeedsOwner),
		"friend, shared":           deny("shared", frankie, policy.NeedsShare),
		"shared, home":             deny("home", casey, policy.NeedsHome),
		"shared, owner":            deny("owner", casey, policy.NeedsOwner),
		"home, owner":              deny("owner", sam, policy.NeedsOwner),
		"managed, owner":           deny("owner", kiddo, policy.NeedsOwner),
		"the easier way is named":  deny("owner,shared", mallory, policy.NeedsShare),
		"stranger, a named person": deny("user:robin", mallory, policy.NoMatch),
		"stranger, a server":       deny("server:"+attic, mallory, policy.NeedsShare),
		"other server":             deny("server:"+cellar, casey, policy.NeedsShare),
		"server in another case":   deny("server:"+strings.ToUpper(attic), casey, policy.NeedsShare),

		"nobody, anyone":              deny("anyone", policy.Person{}, policy.NoMatch),
		"id 0 as the owner":           deny("owner", with(robin, func(p *policy.Person) { p.ID = 0 }), policy.NeedsOwner),
		"negative id":                 deny("anyone", with(robin, func(p *policy.Person) { p.ID = -70010009 }), policy.NoMatch),
		"a username that is an id":    deny("user:70010009", with(mallory, func(p *policy.Person) { p.Username = "70010009" }), policy.NoMatch),
		"a username that is a uuid":   deny("user:9f00aa11bb22cc33", with(mallory, func(p *policy.Person) { p.Username = "9f00aa11bb22cc33" }), policy.NoMatch),
		"a username that is an email": deny("user:robin@example.org", with(mallory, func(p *policy.Person) { p.Username = "robin@example.org" }), policy.NoMatch),
		"a letter that folds to s":    deny("user:sam", with(mallory, func(p *policy.Person) { p.Username = "ſam" }), policy.NoMatch),
		"a letter that folds to k":    deny("user:frankie", with(mallory, func(p *policy.Person) { p.Username = "fran\u212aie" }), policy.NoMatch),
		"part of a name":              deny("user:rob", robin, policy.NoMatch),
		"a managed person's blanks":   deny("user:plex", kiddo, policy.NoMatch),

		"another library":               deny("library:Films", with(casey, func(p *policy.Person) { p.Libraries = []string{"Shows"} }), policy.NeedsLibrary),
		"part of a library's title":     deny("library:Films", with(casey, func(p *policy.Person) { p.Libraries = []string{"Films 4K", "Film"} }), policy.NeedsLibrary),
		"a library, but no share":       deny("library:Films", mallory, policy.NeedsLibrary),
		"a library or the home":         deny("home,library:Films", casey, policy.NeedsLibrary),
		"libraries unknown":             undecided("library:Films", with(casey, unknown), "library:Films"),
		"kept out by what is unknown":   undecided("shared,!library:Films", with(casey, unknown), "!library:Films"),
		"both unknown, the keeping out": undecided("library:Shows,!library:Films", with(casey, unknown), "!library:Films"),
		"kept out whatever is unknown":  out("library:Shows,!user:casey", with(casey, unknown), "!user:casey"),
		"kept out by a library":         out("shared,!library:Films", with(casey, func(p *policy.Person) { p.Libraries = []string{"Films"} }), "!library:Films"),
		"the owner has every library":   out("shared,!library:Films", with(robin, unknown), "!library:Films"),
		"nobody, libraries unknown":     deny("library:Films", policy.Person{LibrariesUnknown: true}, policy.NeedsLibrary),

		"kept out by name":            out("shared,!user:casey", casey, "!user:casey"),
		"kept out, written first":     out("!user:casey,shared", casey, "!user:casey"),
		"kept out by id":              out("shared,!user:70010001", casey, "!user:70010001"),
		"kept out by e-mail":          out("shared,!user:Casey@Example.org", casey, "!user:Casey@Example.org"),
		"kept out by uuid":            out("shared,!user:9F00AA11BB22CC35", casey, "!user:9F00AA11BB22CC35"),
		"kept out though named":       out("user:casey,shared,!home", sam, "!home"),
		"kept out, posing by an id":   out("anyone,!user:12", with(mallory, func(p *policy.Person) { p.Username = "12" }), "!user:12"),
		"kept out by an email field":  out("anyone,!user:a@b.example", with(mallory, func(p *policy.Person) { p.Username = "a@b.example" }), "!user:a@b.example"),
		"kept out with their server":  out("anyone,!server:"+attic, casey, "!server:"+attic),
		"the owner can be kept out":   out("shared,!owner", robin, "!owner"),
		"two who keep out, the first": out("shared,!user:casey,!shared,anyone", casey, "!user:casey"),

		"library":                   allow("library:Films", with(casey, func(p *policy.Person) { p.Libraries = []string{"Shows", "Films"} }), "library:Films"),
		"library, letter case":      allow("library:films", with(casey, func(p *policy.Person) { p.Libraries = []string{"Films"} }), "library:films"),
		"library with a comma":      allow("library:Home_ Videos", with(casey, func(p *policy.Person) { p.Libraries = []string{"Home, Videos"} }), "library:Home_ Videos"),
		"owner without libraries":   allow("library:Films", robin, "library:Films"),
		"libraries unknown, but":    allow("library:Films,shared", with(casey, unknown), "shared"),
		"unknown behind the answer": allow("shared,library:Films", with(casey, unknown), "shared"),

		"owner":                     allow("owner", robin, "owner"),
		"owner is home":             allow("home", robin, "home"),
		"owner is shared":           allow("shared", robin, "shared"),
		"home":                      allow("home", sam, "home"),
		"managed":                   allow("home", kiddo, "home"),
		"home is shared":            allow("shared", kiddo, "shared"),
		"shared":                    allow("shared", casey, "shared"),
		"shared is a friend":        allow("friend", casey, "friend"),
		"friend":                    allow("friend", frankie, "friend"),
		"stranger, anyone":          allow("anyone", mallory, "anyone"),
		"named by username":         allow("owner,user:FRANKIE", frankie, "user:FRANKIE"),
		"named by id":               allow("owner,user:70010004", frankie, "user:70010004"),
		"named by e-mail":           allow("owner,user:Frankie@example.org", frankie, "user:Frankie@example.org"),
		"named by uuid":             allow("user:9F00aa11bb22cc35", casey, "user:9F00aa11bb22cc35"),
		"server":                    allow("server:"+attic, casey, "server:"+attic),
		"others are kept out":       allow("shared,!user:otto", casey, "shared"),
		"spaces between terms":      allow(" owner , user:casey ", casey, "user:casey"),
		"friends but not the share": allow("friend,!server:"+attic, frankie, "friend"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.Parse(r.policy)
			if err != nil {
				t.Fatalf("Parse(%q): %v", r.policy, err)
			}
			v := p.Decide(r.who)
			if want := (policy.Verdict{Allowed: r.want == policy.LetIn, Reason: r.want, Term: r.term}); v != want {
				t.Errorf("%q for %+v: got %+v, want %+v", r.policy, r.who, v, want)
			}
		})
	}
}

func TestCheckRefusesWhatCannotBeKnown(t *testing.T) {
	t.Parallel()
	known := policy.Context{Servers: []string{attic}}
	for text, ok := range map[string]bool{
		"friend":                     false,
		"shared,!friend,user:1":      false,
		"library:Films":              false,
		"shared,!library:Films":      false,
		"server:" + cellar:           false,
		"shared,!server:" + cellar:   false,
		"shared,server:" + attic:     true,
		"anyone,!user:mallory,owner": true,
	} {
		p, err := policy.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(known); (err == nil) != ok {
			t.Errorf("Check of %q: %v, want ok %v", text, err, ok)
		}
	}
	p, err := policy.Parse("friend")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(policy.Context{OwnerToken: true}); err != nil {
		t.Errorf("friend with the owner's token: %v", err)
	}
}

// FuzzParse: whatever is accepted lets nobody in who has no Plex id, and keeps
// out whom it names.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"shared", "owner,user:robin,!user:casey", "!friend,anyone", "server:" + attic, "user:@", ",,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.Parse(text)
		if err != nil {
			return
		}
		if p.Decide(policy.Person{Tier: policy.Owner, Servers: []string{attic}}).Allowed {
			t.Errorf("%q lets nobody in particular in", text)
		}
		if q, err := policy.Parse(text + ",!user:casey"); err == nil && q.Decide(casey).Allowed {
			t.Errorf("%q,!user:casey lets casey in", text)
		}
	})
}
