package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/policy"
)

func texts(steps []policy.Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.Matches + "| " + s.Text + "\n")
	}
	return b.String()
}

func TestPolicyInWords(t *testing.T) {
	t.Parallel()
	someLibraries, unknown := casey, casey
	someLibraries.Libraries = []string{"Music", "Shows"}
	unknown.LibrariesUnknown = true
	for name, c := range map[string]struct {
		policy string
		who    policy.Person
		want   string
	}{
		"nobody": {"anyone", policy.Person{}, `no| "anyone" lets in everybody with a Plex account: no, nobody is signed in` + "\n"},
		"several terms": {"home,user:casey,!library:Films,server:" + attic, someLibraries, `no| "home" lets in members of the owner's Plex Home: no, their tier is shared` + "\n" +
			`yes| "user:casey" lets in one person: yes` + "\n" +
			`no| "!library:Films" keeps out whoever has a share of one library: no, theirs are Music, Shows` + "\n" +
			`yes| "server:` + attic + `" lets in whoever has a share of one server: yes` + "\n"},
		"unknown":   {"library:Films", unknown, `unknown| "library:Films" lets in whoever has a share of one library: unknown, plex.tv has not said which libraries are theirs` + "\n"},
		"the owner": {"library:Films", robin, `yes| "library:Films" lets in whoever has a share of one library: yes` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, texts(parse(t, c.policy).Explain(c.who))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRulesExplained(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, `- host: a.example.com
  path: /api
  network: 10.0.0.0/8
  bypass: true
- host: a.example.com
  method: POST
  allow: home
- path: /admin
  allow: owner
`)
	line1 := "line 1 (host a.example.com, path /api, network 10.0.0.0/8: let through unseen) "
	for name, c := range map[string]struct{ host, method, uri, client, want string }{
		"the host": {"b.example.com", "GET", "/", "", "no| " + line1 + "does not match: the host is b.example.com\n" +
			"no| line 5 (host a.example.com, method POST: home) does not match: the host is b.example.com\n" +
			"no| line 8 (path /admin: owner) does not match: the path is /\n| no rule matches, so the policy for everything else counts\n"},
		"no address":      {"a.example.com", "POST", "/api", "", "no| " + line1 + "does not match: the client's address is unknown\nyes| line 5 (host a.example.com, method POST: home) matches\n"},
		"another network": {"a.example.com", "POST", "/api", "8.8.8.8", "no| " + line1 + "does not match: the client's address is 8.8.8.8\nyes| line 5 (host a.example.com, method POST: home) matches\n"},
		"the bypass":      {"a.example.com", "GET", "/api/x", "10.0.0.1", "yes| " + line1 + "matches\n"},
		"an odd path": {"a.example.com", "GET", "/api/..%2fadmin", "10.0.0.1", "no| " + line1 + "does not match: the path can be read in more than one way, and a bypass takes plain ones alone\n" +
			"no| line 5 (host a.example.com, method POST: home) does not match: the method is GET\n" +
			"no| line 8 (path /admin: owner) does not match: the path is /api/..%2fadmin\n| no rule matches, so the policy for everything else counts\n" +
			"yes| an app may also read it as GET /admin; then the rule on line 8 decides, and it must let them in as well\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.ParsePath(c.uri)
			if err != nil {
				t.Fatal(err)
			}
			q := policy.Request{Host: c.host, Path: p, Method: c.method}
			if c.client != "" {
				q.Client = netip.MustParseAddr(c.client)
			}
			if diff := cmp.Diff(c.want, texts(rules.Explain(q))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
