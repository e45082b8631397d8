package policy_test

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/policy"
)

// hostName stands for the caller's normal form of host names.
func hostName(s string) (string, bool) {
	s = strings.TrimSuffix(strings.ToLower(s), ".")
	return s, s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

var known = policy.Context{Servers: []string{attic}, OwnerToken: true}

func mustRules(t testing.TB, text string) policy.Rules {
	t.Helper()
	rules, _, err := policy.ParseRules([]byte(text), known, hostName)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// Every problem is told at once, each with its line; a file with one is no
// file.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		want []string // beginnings of the lines, in order
	}{
		"empty, as after an interrupted write": {"", []string{"line 1: the file has no rules"}},
		"comments alone":                       {"# nothing\n", []string{"line 1: the file has no rules"}},
		"an empty list":                        {"[]\n", []string{"line 1: the file has no rules"}},
		"null":                                 {"null\n", []string{"line 1: the file must be a list"}},
		"one rule without its dash":            {"host: a.example.com\nallow: owner\n", []string{"line 1: the file must be a list"}},
		"no YAML":                              {"- host: [\n", []string{"line 1: "}},
		"a star without quotes":                {"- host: *.example.com\n  allow: owner\n", []string{"line 1: "}},
		"a tab":                                {"- host: a.example.com\n\tallow: owner\n", []string{"line 2: "}},
		"two documents":                        {"- host: a.example.com\n  allow: owner\n---\n- host: b.example.com\n  allow: owner\n", []string{"line 3: a second document"}},
		"a rule that is a word":                {"- owner\n", []string{"line 1: a rule is a set of keys"}},
		"an unknown key":                       {"- host: a.example.com\n  alow: owner\n", []string{"line 2: unknown key \"alow\""}},
		"a key twice":                          {"- host: a.example.com\n  allow: owner\n  allow: shared\n", []string{"line 3: \"allow\" is there twice"}},
		"a merge key":                          {"- &a\n  host: a.example.com\n  allow: owner\n- <<: *a\n  path: /x\n", []string{"line 4: unknown key \"<<\""}},
		"an alias for a key":                   {"- &allow bypass: true\n  path: /x\n- *allow : owner\n", []string{"line 3: unknown key"}},
		"an alias":                             {"- host: &h a.example.com\n  allow: owner\n- host: *h\n  path: /x\n  allow: owner\n", []string{"line 3: host takes a text"}},
		"neither allow nor bypass":             {"- host: a.example.com\n", []string{"line 1: a rule needs either"}},
		"both":                                 {"- host: a.example.com\n  allow: owner\n  bypass: true\n", []string{"line 1: a rule needs either"}},
		"bypass: false":                        {"- host: a.example.com\n  bypass: false\n", []string{"line 2: bypass takes true"}},
		"bypass: yes":                          {"- host: a.example.com\n  bypass: yes\n", []string{"line 2: bypass takes true"}},
		"an unknown term":                      {"- allow: everybody\n", []string{"line 1: unknown term \"everybody\""}},
		"an empty policy":                      {"- allow: \"\"\n", []string{"line 1: allow takes a text"}},
		"a policy for nobody":                  {"- allow: shared,!friend\n", []string{"line 1: \"shared,!friend\" lets nobody in"}},
		"a ! without quotes":                   {"- allow: !user:casey\n", []string{"line 1: allow takes a text"}},
		"another server":                       {"- allow: server:" + cellar + "\n", []string{"line 1: term"}},
		"a host with a port":                   {"- host: a.example.com:8080\n  allow: owner\n", []string{"line 1: \"a.example.com:8080\" is no host"}},
		"a host with a path":                   {"- host: a.example.com/x\n  allow: owner\n", []string{"line 1: \"a.example.com/x\" is no host"}},
		"a star inside":                        {"- host: a.*.com\n  allow: owner\n", []string{"line 1: \"a.*.com\" is no host"}},
		"a star alone":                         {"- host: \"*\"\n  allow: owner\n", []string{"line 1: \"*\" is no host"}},
		"no host in the list":                  {"- host: []\n  bypass: true\n", []string{"line 1: host is an empty list"}},
		"null for a host":                      {"- host:\n  bypass: true\n", []string{"line 1: host takes a text"}},
		"a path without a slash":               {"- path: api\n  allow: owner\n", []string{"line 1: \"api\" is no plain path"}},
		"a path with a star":                   {"- path: /api/*\n  allow: owner\n", []string{"line 1: \"/api/*\" is no plain path"}},
		"a path with dots":                     {"- path: /a/../b\n  allow: owner\n", []string{"line 1: \"/a/../b\" is no plain path"}},
		"a path with an escape":                {"- path: /a%20b\n  allow: owner\n", []string{"line 1: \"/a%20b\" is no plain path"}},
		"a path with a query":                  {"- path: /a?b=c\n  allow: owner\n", []string{"line 1: \"/a?b=c\" is no plain path"}},
		"an empty segment":                     {"- path: /a//b\n  allow: owner\n", []string{"line 1: \"/a//b\" is no plain path"}},
		"a method in small letters":            {"- method: get\n  allow: owner\n", []string{"line 1: \"get\" is no method"}},
		"a network that is none":               {"- network: home\n  allow: owner\n", []string{"line 1: \"home\" is no network"}},
		"a network too long":                   {"- network: 10.0.0.0/33\n  allow: owner\n", []string{"line 1: \"10.0.0.0/33\" is no network"}},
		"half of all IPv4 in IPv6":             {"- network: ::ffff:0.0.0.0/95\n  allow: owner\n", []string{"line 1: \"::ffff:0.0.0.0/95\" is no network"}},
		"an unknown preset":                    {"- host: a.example.com\n  preset: plex-api\n  bypass: true\n", []string{"line 2: unknown preset \"plex-api\""}},
		"a preset with a path":                 {"- host: a.example.com\n  preset: arr-api\n  path: /x\n  bypass: true\n", []string{"line 2: a preset brings its own"}},
		"a preset without a host":              {"- preset: arr-api\n  bypass: true\n", []string{"line 1: a preset needs the host"}},
		"everything let through":               {"- bypass: true\n", []string{"line 1: this would let everybody"}},
		"every path let through":               {"- path: /\n  bypass: true\n", []string{"line 1: this would let everybody"}},
		"every network let through":            {"- network: [10.0.0.0/8, 0.0.0.0/0]\n  bypass: true\n", []string{"line 1: this would let everybody"}},
		"every method let through":             {"- method: GET\n  bypass: true\n", []string{"line 1: this would let everybody"}},
		"all problems of several rules, at once": {"- host: a b\n  pth: /x\n  allow: nobody,never\n- network: x\n  bypass: no\n", []string{
			"line 1: \"a b\" is no host", "line 2: unknown key \"pth\"", "line 3: unknown term \"nobody\"", "line 3: unknown term \"never\"", "line 4: \"x\" is no network", "line 5: bypass takes true"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, _, err := policy.ParseRules([]byte(c.file), known, hostName)
			if err == nil || len(rules.All()) > 0 {
				t.Fatalf("%q is taken: %v", c.file, rules.All())
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("problems:\n%v\nwant %d", err, len(c.want))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("%q, want it to begin with %q", lines[i], want)
				}
			}
		})
	}
}

func TestRulesNeedTheOwnersTokenWhereTheirTermsDo(t *testing.T) {
	t.Parallel()
	for _, allow := range []string{"friend", "library:Films", "shared,!library:Films"} {
		if _, _, err := policy.ParseRules([]byte("- allow: "+allow+"\n"), policy.Context{Servers: []string{attic}}, hostName); err == nil {
			t.Errorf("%s is taken without the owner's token", allow)
		}
	}
}

func TestRulesThatNeverMatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, second string
		never         bool
	}{
		"the same host":           {"host: a.example.com", "host: a.example.com\n  path: /x", true},
		"below a star":            {"host: \"*.example.com\"", "host: a.b.example.com", true},
		"a star below a star":     {"host: \"*.example.com\"", "host: \"*.b.example.com\"", true},
		"everything":              {"path: /", "host: a.example.com", true},
		"a path below":            {"path: /a", "path: [/a, /a/b]", true},
		"a part of the network":   {"network: 10.0.0.0/8", "network: 10.1.0.0/16\n  host: a.example.com", true},
		"one of the methods":      {"method: [GET, POST]", "method: POST", true},
		"a star's own domain":     {"host: \"*.example.com\"", "host: example.com", false},
		"another segment":         {"path: /a", "path: /ab", false},
		"a wider network":         {"network: 10.1.0.0/16", "network: 10.0.0.0/8", false},
		"any network":             {"network: 10.0.0.0/8", "host: a.example.com", false},
		"any method":              {"method: GET", "path: /x", false},
		"one of two hosts":        {"host: a.example.com", "host: [a.example.com, b.example.com]", false},
		"the narrower rule first": {"path: /a/b", "path: /a", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, warnings, err := policy.ParseRules([]byte("- "+c.first+"\n  allow: owner\n- "+c.second+"\n  allow: shared\n"), known, hostName)
			if err != nil {
				t.Fatal(err)
			}
			if never := len(warnings) == 1 && strings.Contains(warnings[0], "never matches") && strings.HasPrefix(warnings[0], "line 3"); never != c.never || len(warnings) > 1 {
				t.Errorf("warnings %q, want one: %v", warnings, c.never)
			}
		})
	}
}

const sampleRules = `
- host: sonarr.example.com
  path: [/api, /feed]
  method: [GET, POST]
  network: [192.168.0.0/16, 2001:db8::/32]
  bypass: true
- host: ["*.Admin.example.com.", other.example.com]
  allow: [owner, user:sam]
- method: DELETE
  allow: owner
- host: sonarr.example.com
  preset: web-manifest
  bypass: true
- host: sonarr.example.com
  allow: home, "!user:kiddo"
`

func TestChoose(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, strings.ReplaceAll(sampleRules, `"!user:kiddo"`, "!user:kiddo"))
	for name, c := range map[string]struct {
		host, method, uri, client string
		want                      string // "bypass LINE", or lines of the rules that decide, 0 for none
	}{
		"another network":                   {"sonarr.example.com", "GET", "/api/v3", "10.0.0.1", "14"},
		"no client address":                 {"sonarr.example.com", "GET", "/api/v3", "", "14"},
		"another method":                    {"sonarr.example.com", "PUT", "/api/v3", "192.168.1.2", "14"},
		"a method in small letters":         {"sonarr.example.com", "get", "/api/v3", "192.168.1.2", "14"},
		"a restricted one in small letters": {"sonarr.example.com", "delete", "/x", "192.168.1.2", "14 9"},
		"another path":                      {"sonarr.example.com", "GET", "/apis", "192.168.1.2", "14"},
		"another host":                      {"radarr.example.com", "GET", "/api", "192.168.1.2", "0"},
		"a host below":                      {"x.sonarr.example.com", "GET", "/api", "192.168.1.2", "0"},
		"a host that ends alike":            {"evilsonarr.example.com", "GET", "/api", "192.168.1.2", "0"},
		"the star's own domain":             {"admin.example.com", "GET", "/", "192.168.1.2", "0"},
		"a host that ends like the star":    {"xadmin.example.com", "GET", "/", "192.168.1.2", "0"},
		"no path of the bypass, odd":        {"sonarr.example.com", "GET", "/api//v3", "192.168.1.2", "14"},
		"the manifest, posted":              {"sonarr.example.com", "POST", "/manifest.json", "10.0.0.1", "14"},
		"below the manifest":                {"sonarr.example.com", "GET", "/manifest.json/x", "10.0.0.1", "14"},
		"DELETE within the bypass":          {"sonarr.example.com", "DELETE", "/api", "192.168.1.2", "9"},
		"IPv4 in IPv6":                      {"sonarr.example.com", "GET", "/api", "::ffff:192.168.1.2", "14"},

		"bypass":             {"sonarr.example.com", "GET", "/api/v3", "192.168.1.2", "bypass 2"},
		"bypass, IPv6":       {"sonarr.example.com", "POST", "/feed", "2001:db8::1", "bypass 2"},
		"a star":             {"a.admin.example.com", "GET", "/", "10.0.0.1", "7"},
		"a star, far below":  {"a.b.admin.example.com", "GET", "/", "10.0.0.1", "7"},
		"the second host":    {"other.example.com", "DELETE", "/", "10.0.0.1", "7"},
		"any host, a method": {"radarr.example.com", "DELETE", "/", "10.0.0.1", "9"},
		"a preset":           {"sonarr.example.com", "GET", "/manifest.json", "10.0.0.1", "bypass 11"},
		"the last rule":      {"sonarr.example.com", "GET", "/", "10.0.0.1", "14"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := choose(t, rules, c.host, []string{c.method}, c.uri, c.client); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func choose(t *testing.T, rules policy.Rules, host string, methods []string, uri, client string) string {
	t.Helper()
	p, err := policy.ParsePath(uri)
	if err != nil {
		t.Fatal(err)
	}
	q := policy.Request{Host: host, Path: p, Method: methods[0], Overrides: methods[1:]}
	if client != "" {
		q.Client = netip.MustParseAddr(client)
	}
	bypass, choices := rules.Choose(q, parse(t, "shared"))
	if bypass != nil {
		return "bypass " + strconv.Itoa(bypass.Line)
	}
	var lines []string
	for _, c := range choices {
		line := 0
		if c.Rule != nil {
			line = c.Rule.Line
		}
		lines = append(lines, strconv.Itoa(line))
	}
	return strings.Join(lines, " ")
}

// Some apps take a method from a header; whoever sends one must pass by both.
func TestOverriddenMethods(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, "- host: a.example.com\n  method: [GET, HEAD]\n  bypass: true\n- host: a.example.com\n  method: DELETE\n  allow: owner\n")
	for want, methods := range map[string][]string{
		"bypass 1": {"GET", "HEAD"},
		"4":        {"GET", "DELETE"},
		"0":        {"GET", "POST"},
		"0 4":      {"POST", "delete"},
	} {
		if got := choose(t, rules, "a.example.com", methods, "/", ""); got != want {
			t.Errorf("%v: %s, want %s", methods, got, want)
		}
	}
}

// A request that nobody described is nobody's.
func TestARequestWithoutAMethodIsRefused(t *testing.T) {
	t.Parallel()
	for _, rules := range []policy.Rules{{}, mustRules(t, "- path: /\n  allow: anyone\n")} {
		bypass, choices := rules.Choose(policy.Request{Host: "a.example.com"}, parse(t, "anyone"))
		if bypass != nil || len(choices) == 0 || choices[0].Policy.Decide(robin).Allowed {
			t.Errorf("%v, %v: somebody passes", bypass, choices)
		}
	}
}

func TestRulesInWords(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, strings.ReplaceAll(sampleRules, `"!user:kiddo"`, "!user:kiddo"))
	var got []string
	for _, r := range rules.All() {
		got = append(got, r.String())
	}
	want := []string{
		"host sonarr.example.com, path /api or /feed, method GET or POST, network 192.168.0.0/16 or 2001:db8::/32: let through unseen",
		"host *.admin.example.com or other.example.com: owner,user:sam",
		"method DELETE: owner",
		"host sonarr.example.com, preset web-manifest: let through unseen",
		"host sonarr.example.com: home, !user:kiddo",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Whatever a file says, nobody without a Plex id is let in by a rule that does
// not bypass, and it is taken whole or not at all.
func FuzzRules(f *testing.F) {
	for _, seed := range []string{pathRules, sampleRules, "- allow: anyone\n", "- {path: /, allow: [owner]}", "&a [*a]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, _, err := policy.ParseRules([]byte(text), known, hostName)
		if err != nil && len(rules.All()) > 0 {
			t.Fatal("rules beside an error")
		}
		if slices.ContainsFunc(rules.All(), func(r policy.Rule) bool { return !r.Bypass && r.Policy.Decide(policy.Person{}).Allowed }) {
			t.Fatal("a rule lets nobody in particular in")
		}
	})
}

// Some apps know no letter case in paths and some none in methods: a rule must
// be found by those that do one of the two.
func TestMethodsAndPathsAreCarelessApart(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, "- path: /a\n  method: GET\n  allow: anyone\n- path: /a\n  allow: owner\n- method: DELETE\n  allow: owner\n")
	for _, c := range []struct {
		method, uri string
		overrides   []string
		want        bool // the owner alone
	}{
		{"GET", "/a", nil, false},
		{"get", "/a", nil, true},
		{"get", "/A", nil, true},
		{"delete", "/", nil, true},
		{"POST", "/", []string{"delete"}, true},
		{"GET", "/a", []string{"post"}, true},
	} {
		p, err := policy.ParsePath(c.uri)
		if err != nil {
			t.Fatal(err)
		}
		_, choices := rules.Choose(policy.Request{Host: "app.example.com", Path: p, Method: c.method, Overrides: c.overrides}, parse(t, "shared"))
		if got := slices.ContainsFunc(choices, func(c policy.Choice) bool { return !c.Policy.Decide(casey).Allowed }); got != c.want {
			t.Errorf("%s %s %v: refuses casey: %v, want %v", c.method, c.uri, c.overrides, got, c.want)
		}
	}
}

// A set of paths that are exact still holds what most apps take for the same.
func TestExactPathsThatRestrict(t *testing.T) {
	t.Parallel()
	restrict := mustRules(t, "- host: app.example.com\n  preset: tautulli-api\n  allow: owner\n")
	bypass := mustRules(t, "- host: app.example.com\n  preset: tautulli-api\n  bypass: true\n")
	for uri, want := range map[string]string{"/api/v2": "owner", "/api/v2/": "owner", "/API/v2//": "owner", "/api/v2/x": "shared"} {
		if got := decide(t, restrict, uri); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
		if got := decide(t, bypass, uri); got == "bypass" && uri != "/api/v2" {
			t.Errorf("%s is let through", uri)
		}
	}
}
