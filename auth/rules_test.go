package auth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"usher/auth"
	"usher/policy"
)

// tableRules are what the table below is about; USHER_ALLOW is "shared".
const tableRules = `
- host: sonarr.example.com
  preset: arr-api
  network: [192.168.0.0/16, 2001:db8::/32]
  bypass: true
- host: sonarr.example.com
  path: /system
  allow: owner
- host: [wiki.example.com, "*.docs.example.com"]
  method: [GET, HEAD]
  allow: friend
- host: [wiki.example.com, "*.docs.example.com"]
  allow: home, user:casey
- host: films.example.com
  allow: library:Films
- host: nofilms.example.com
  allow: "shared, !library:Films"
- host: two.example.com
  path: /Public
  allow: owner
- host: two.example.com
  path: /public
  bypass: true
- host: lan.example.com
  network: 192.168.0.0/16
  allow: anyone
- host: lan.example.com
  allow: owner
- path: /admin
  allow: [owner, "user:sam@example.org"]
- host: mixed.example.com
  allow: "anyone, !user:mallory, !home"
`

// The columns: who, the method, the address, the client's address, the policy
// in the check's own address, what comes of it.
const table = `
nobody   GET     https://app.example.com/                       203.0.113.7    -       sign_in
nobody   GET     https://app.example.com/api/v3/series          192.168.1.2    -       sign_in
nobody   POST    https://app.example.com/admin                  203.0.113.7    -       sign_in
mallory  GET     https://app.example.com/                       203.0.113.7    -       refused
ivan     GET     https://app.example.com/                       203.0.113.7    -       refused
otto     GET     https://app.example.com/                       203.0.113.7    -       refused
pat      GET     https://app.example.com/                       203.0.113.7    -       refused
frankie  GET     https://app.example.com/                       203.0.113.7    -       refused
casey    GET     https://app.example.com/                       203.0.113.7    -       allowed
sam      POST    https://app.example.com/x                      203.0.113.7    -       allowed
robin    DELETE  https://app.example.com/x                      203.0.113.7    -       allowed
casey    GET     https://APP.Example.COM./                      203.0.113.7    -       allowed
casey    GET     https://app.example.com:443/                   203.0.113.7    -       allowed
casey    GET     https://app.example.com/admin                  203.0.113.7    -       refused
casey    GET     https://APP.example.com./admin                 203.0.113.7    -       refused
casey    GET     https://app.example.com:8443/admin             203.0.113.7    -       refused
casey    GET     https://app.example.com/admin/users            203.0.113.7    -       refused
casey    GET     https://app.example.com/ADMIN                  203.0.113.7    -       refused
casey    GET     https://app.example.com/%61dmin                203.0.113.7    -       refused
casey    GET     https://app.example.com/x/../admin             203.0.113.7    -       refused
casey    GET     https://app.example.com/x/..%2fadmin           203.0.113.7    -       refused
casey    GET     https://app.example.com/x/..;/admin            203.0.113.7    -       refused
casey    GET     https://app.example.com/admin;x                203.0.113.7    -       refused
casey    GET     https://app.example.com//admin                 203.0.113.7    -       refused
casey    GET     https://app.example.com/%252e%252e/admin       203.0.113.7    -       refused
casey    GET     https://app.example.com/admin%20               203.0.113.7    -       refused
casey    GET     https://app.example.com/x?/admin               203.0.113.7    -       allowed
casey    GET     https://app.example.com/administrator          203.0.113.7    -       allowed
casey    GET     https://app.example.com/x/admin                203.0.113.7    -       allowed
casey    GET     https://app.example.com/%zz                    203.0.113.7    -       bad_path
robin    GET     https://app.example.com/a%00b                  203.0.113.7    -       bad_path
robin    GET     https://app.example.com/%2525252525252e        203.0.113.7    -       bad_path
sam      GET     https://app.example.com/admin                  203.0.113.7    -       allowed
robin    GET     https://app.example.com/admin;x                203.0.113.7    -       allowed
frankie  GET     https://app.example.com/admin                  203.0.113.7    -       refused
mallory  GET     https://app.example.com/admin                  203.0.113.7    -       refused

nobody   GET     https://sonarr.example.com/api/v3/series       192.168.1.2    -       bypassed
nobody   POST    https://sonarr.example.com/api/v3/command      192.168.1.2    -       bypassed
nobody   DELETE  https://Sonarr.Example.com./api/v3/x           192.168.1.2    -       bypassed
nobody   GET     https://sonarr.example.com/api/v3?apikey=x     2001:db8::7    -       bypassed
mallory  GET     https://sonarr.example.com/api/v3/series       192.168.1.2    -       bypassed
nobody   GET     https://sonarr.example.com/api/v3/a%20b        192.168.1.2    -       bypassed
nobody   GET     https://sonarr.example.com/api/v3/series       203.0.113.7    -       sign_in
nobody   GET     https://sonarr.example.com/api/v3/series       192.169.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/api/v3/series       2001:db9::7    -       sign_in
nobody   GET     https://sonarr.example.com/api/v3/series       unknown        -       sign_in
nobody   GET     https://sonarr.example.com/api/v3../system     192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/api/v3/../system    192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/api/v3/..%2fsystem  192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/api/v3/..%5csystem  192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/api/v3/%2e%2e/x     192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/api/v3/x;y          192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/api//v3             192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com//api/v3             192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/API/v3              192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/apiv3               192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/api/v33             192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/initialize.json     192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/                    192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/%00/api/v3          192.168.1.2    -       sign_in
nobody   GET     https://evilsonarr.example.com/api/v3          192.168.1.2    -       sign_in
nobody   GET     https://x.sonarr.example.com/api/v3            192.168.1.2    -       sign_in
nobody   GET     https://sonarr.example.com/api/v3              192.168.1.2    owner   sign_in
casey    GET     https://sonarr.example.com/api/v3              192.168.1.2    owner   refused
casey    GET     https://sonarr.example.com/system              192.168.1.2    -       refused
sam      GET     https://sonarr.example.com/system/tasks        192.168.1.2    -       refused
robin    GET     https://sonarr.example.com/system              203.0.113.7    -       allowed
casey    GET     https://sonarr.example.com/series              203.0.113.7    -       allowed
casey    GET     https://sonarr.example.com/a/..%2fsystem       192.168.1.2    -       refused
casey    GET     https://sonarr.example.com/a/..%2f..%2fSYSTEM  192.168.1.2    -       refused
casey    GET     https://sonarr.example.com/System              192.168.1.2    -       refused
frankie  GET     https://sonarr.example.com/series              192.168.1.2    -       refused

frankie  GET     https://wiki.example.com/page                  203.0.113.7    -       allowed
frankie  HEAD    https://wiki.example.com/page                  203.0.113.7    -       allowed
frankie  POST    https://wiki.example.com/page                  203.0.113.7    -       refused
frankie  get     https://wiki.example.com/page                  203.0.113.7    -       refused
frankie  GET     https://a.docs.example.com/                    203.0.113.7    -       allowed
frankie  GET     https://a.b.docs.example.com/                  203.0.113.7    -       allowed
frankie  GET     https://docs.example.com/                      203.0.113.7    -       refused
frankie  GET     https://evildocs.example.com/                  203.0.113.7    -       refused
frankie  PUT     https://a.docs.example.com/                    203.0.113.7    -       refused
frankie  GET     https://wiki.example.com/admin                 203.0.113.7    -       allowed
casey    POST    https://wiki.example.com/page                  203.0.113.7    -       allowed
sam      DELETE  https://wiki.example.com/page                  203.0.113.7    -       allowed
pat      GET     https://wiki.example.com/page                  203.0.113.7    -       refused
otto     GET     https://wiki.example.com/page                  203.0.113.7    -       allowed
mallory  GET     https://wiki.example.com/page                  203.0.113.7    -       refused
ivan     GET     https://wiki.example.com/page                  203.0.113.7    -       refused
nobody   POST    https://wiki.example.com/page                  203.0.113.7    -       sign_in
frankie  POST    https://wiki.example.com/page                  203.0.113.7    friend  allowed
frankie  GET     https://wiki.example.com/page                  203.0.113.7    home    refused

casey    GET     https://films.example.com/                     203.0.113.7    -       allowed
sam      GET     https://films.example.com/                     203.0.113.7    -       allowed
robin    GET     https://films.example.com/                     203.0.113.7    -       allowed
frankie  GET     https://films.example.com/                     203.0.113.7    -       refused
pat      GET     https://films.example.com/                     203.0.113.7    -       refused
otto     GET     https://films.example.com/                     203.0.113.7    -       refused
ivan     GET     https://films.example.com/                     203.0.113.7    -       refused
mallory  GET     https://films.example.com/                     203.0.113.7    -       refused
nobody   GET     https://films.example.com/                     203.0.113.7    -       sign_in
casey    GET     https://nofilms.example.com/                   203.0.113.7    -       refused
robin    GET     https://nofilms.example.com/                   203.0.113.7    -       refused
frankie  GET     https://nofilms.example.com/                   203.0.113.7    -       refused
mallory  GET     https://nofilms.example.com/                   203.0.113.7    -       refused

nobody   GET     https://two.example.com/public/a               203.0.113.7    -       sign_in
casey    GET     https://two.example.com/public/a               203.0.113.7    -       refused
casey    GET     https://two.example.com/Public/a               203.0.113.7    -       refused
casey    GET     https://two.example.com/PUBLIC/a               203.0.113.7    -       refused
robin    GET     https://two.example.com/public/a               203.0.113.7    -       allowed
casey    GET     https://two.example.com/publicity              203.0.113.7    -       allowed
mallory  GET     https://two.example.com/publicity              203.0.113.7    -       refused

mallory  GET     https://lan.example.com/                       192.168.7.7    -       allowed
frankie  POST    https://lan.example.com/                       192.168.7.7    -       allowed
mallory  GET     https://lan.example.com/                       203.0.113.7    -       refused
casey    GET     https://lan.example.com/                       203.0.113.7    -       refused
sam      GET     https://lan.example.com/                       unknown        -       refused
mallory  GET     https://lan.example.com/                       unknown        -       refused
robin    GET     https://lan.example.com/                       203.0.113.7    -       allowed
nobody   GET     https://lan.example.com/                       192.168.7.7    -       sign_in
casey    GET     https://lan.example.com/                       192.168.7.7    owner   refused

mallory  GET     https://mixed.example.com/                     203.0.113.7    -       refused
sam      GET     https://mixed.example.com/                     203.0.113.7    -       refused
robin    GET     https://mixed.example.com/                     203.0.113.7    -       refused
pat      GET     https://mixed.example.com/                     203.0.113.7    -       allowed
ivan     GET     https://mixed.example.com/                     203.0.113.7    -       allowed
casey    GET     https://mixed.example.com/                     203.0.113.7    -       allowed
casey    GET     https://mixed.example.com/admin                203.0.113.7    -       refused
nobody   GET     https://mixed.example.com/                     203.0.113.7    -       sign_in

casey    GET     https://app.example.com/                       203.0.113.7    owner   refused
sam      GET     https://app.example.com/                       203.0.113.7    owner   refused
casey    GET     https://app.example.com/                       203.0.113.7    home    refused
frankie  GET     https://app.example.com/                       203.0.113.7    shared  refused
casey    GET     https://app.example.com/                       203.0.113.7    shared,!user:casey  refused
casey    GET     https://app.example.com/admin                  203.0.113.7    shared  allowed
nobody   GET     https://two.example.com/public/a               203.0.113.7    anyone  sign_in
mallory  GET     https://app.example.com/                       203.0.113.7    anyone  allowed
nobody   GET     https://app.example.net/                       203.0.113.7    -       unreachable
casey    GET     https://app.example.net/                       203.0.113.7    -       unreachable
robin    GET     https://example.com.evil.net/                  203.0.113.7    -       unreachable
`

// TestWhoPassesWhere asks every kind of proxy about each row, and usher
// explain, which must come to the same.
func TestWhoPassesWhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.Rules = rules(t, tableRules) })
	browsers := map[string]*browser{"nobody": w.browser()}
	for _, who := range []string{"robin", "sam", "casey", "frankie", "pat", "otto", "mallory", "ivan"} {
		browsers[who] = w.signedIn(who)
	}
	rows, passed := 0, 0
	for line := range strings.Lines(table) {
		row := strings.Fields(line)
		if len(row) == 0 {
			continue
		}
		if len(row) != 6 {
			t.Fatalf("%q has %d columns", line, len(row))
		}
		rows++
		who, method, address, client, pol, want := row[0], row[1], row[2], row[3], row[4], row[5]
		if want == "allowed" || want == "bypassed" {
			passed++
		}
		for _, family := range families {
			b := browsers[who]
			b.from = client
			if got := judged(b.ask(b.rowRequest(family, method, address, pol))); got != result(want, family) {
				t.Errorf("%s: %s, want %s", strings.Join(row, " "), family+" says "+got, want)
			}
		}
		q := auth.Question{URL: address, Method: method}
		if who != "nobody" {
			q.User = who
		}
		if client != "unknown" {
			q.Client = netip.MustParseAddr(client)
		}
		if pol != "-" {
			q.Policy = pol
		}
		if e, err := w.usher.Explain(q); err != nil || e.Result != want {
			t.Errorf("%s: explained as %s, %v", strings.Join(row, " "), e.Result, err)
		}
	}
	if rows < 120 || passed*2 >= rows {
		t.Errorf("%d rows, %d of which let somebody in", rows, passed)
	}
}

// rowRequest is the check of one kind of proxy about an address as it is
// written in the table.
func (b *browser) rowRequest(family, method, address, pol string) *http.Request {
	b.t.Helper()
	_, rest, _ := strings.Cut(address, "://")
	host, uri := rest, "/"
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, uri = rest[:i], rest[i:]
	}
	path := family
	if pol != "-" && family == "envoy" {
		path += ":" + pol
	} else if pol != "-" {
		path += "/" + pol
	}
	r := b.checkRequest(path, "https://app.example.com/", nil)
	switch family {
	case "nginx":
		r.Header.Set("X-Original-URL", address)
		r.Header.Set("X-Original-Method", method)
	case "envoy":
		r.Method, r.Host, r.RequestURI = method, host, "/auth/"+path+uri
	default:
		r.Header.Set("X-Forwarded-Method", method)
		r.Header.Set("X-Forwarded-Host", host)
		r.Header.Set("X-Forwarded-Uri", uri)
	}
	return r
}

// judged is what an answer to a proxy means.
func judged(res *http.Response) string {
	switch res.StatusCode {
	case http.StatusOK:
		if res.Header.Get("Remote-Id") == "" {
			return "200 without anybody"
		}
		return "200 with somebody"
	case http.StatusFound, http.StatusSeeOther:
		return "away"
	case http.StatusUnauthorized:
		if strings.Contains(res.Header.Get("Location"), "/unreachable?") {
			return "400"
		}
		return "away"
	case http.StatusForbidden:
		return "403"
	case http.StatusBadRequest:
		return "400"
	}
	return res.Status
}

func result(want, family string) string {
	if want == "bad_path" && family == "nginx" {
		return "403" // it would make 500 of a 400
	}
	return map[string]string{"allowed": "200 with somebody", "bypassed": "200 without anybody", "sign_in": "away", "refused": "403", "bad_path": "400", "unreachable": "400"}[want]
}

func rules(t testing.TB, text string) policy.Rules {
	t.Helper()
	known := policy.Context{OwnerToken: true}
	r, warnings, err := policy.ParseRules([]byte(text), known, auth.HostName)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return r
}

// TestPathsOfRules: nothing but a plain path under /public is let through
// unseen, and nobody but the owner gets to what any app could take for /admin.
func TestPathsOfRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.Rules = rules(t, "- path: /public\n  bypass: true\n- path: /admin\n  allow: owner\n")
	})
	nobody, casey, robin := w.browser(), w.signedIn("casey"), w.signedIn("robin")
	file, err := os.ReadFile("../policy/testdata/paths.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		var c struct{ URI, Want string }
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			got := func(b *browser) string {
				r := b.checkRequest(family, "https://app.example.com/", nil)
				switch family {
				case "nginx":
					r.Header.Set("X-Original-URL", "https://app.example.com"+c.URI)
				case "envoy":
					r.RequestURI = "/auth/envoy" + c.URI
				default:
					r.Header.Set("X-Forwarded-Uri", c.URI)
				}
				return judged(b.ask(r))
			}
			if family == "nginx" && !strings.HasPrefix(c.URI, "/") || family == "envoy" && !strings.HasPrefix(c.URI, "/") {
				continue // another host, or none
			}
			want := map[string][]string{
				"bypass":  {"200 without anybody", "200 without anybody", "200 without anybody"},
				"shared":  {"away", "200 with somebody", "200 with somebody"},
				"owner":   {"away", "403", "200 with somebody"},
				"refused": {"away", result("bad_path", family), result("bad_path", family)},
			}[c.Want]
			if !strings.HasPrefix(c.URI, "/") {
				want = []string{"400", "400", "400"}
			}
			if answers := []string{got(nobody), got(casey), got(robin)}; !slices.Equal(answers, want) {
				t.Errorf("%s, %.80q: %q, want %q", family, c.URI, answers, want)
			}
		}
	}
}

// A client may tell an app another method than the one it uses.
func TestOverriddenMethodsInChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.Rules = rules(t, "- method: [GET, HEAD]\n  path: /open\n  bypass: true\n- method: DELETE\n  allow: owner\n")
	})
	nobody, casey := w.browser(), w.signedIn("casey")
	for name, c := range map[string]struct {
		header http.Header
		want   []string // nobody, casey
	}{
		"none":                 {nil, []string{"200 without anybody", "200 without anybody"}},
		"the same":             {http.Header{"X-Http-Method-Override": {"GET"}}, []string{"200 without anybody", "200 without anybody"}},
		"POST":                 {http.Header{"X-Http-Method-Override": {"POST"}}, []string{"away", "200 with somebody"}},
		"DELETE":               {http.Header{"X-Http-Method-Override": {"DELETE"}}, []string{"away", "403"}},
		"delete":               {http.Header{"X-Http-Method": {"delete"}}, []string{"away", "403"}},
		"twice":                {http.Header{"X-Method-Override": {"GET", "DELETE"}}, []string{"away", "403"}},
		"behind many":          {http.Header{"X-Method-Override": {"A", "B", "C", "D", "E", "F", "G", "H", "DELETE"}}, []string{"away", "400"}},
		"in a list":            {http.Header{"X-Method-Override": {"GET, DELETE"}}, []string{"away", "403"}},
		"with underscores":     {http.Header{"X_http_method_override": {"DELETE"}}, []string{"away", "403"}},
		"with dots":            {http.Header{"X.method.override": {"DELETE"}}, []string{"away", "403"}},
		"through another name": {http.Header{"X-Forwarded-Method-Override": {"DELETE"}}, []string{"200 without anybody", "200 without anybody"}},
	} {
		for _, family := range families {
			got := []string{judged(nobody.check(family, "https://app.example.com/open", c.header)), judged(casey.check(family, "https://app.example.com/open", c.header))}
			want := slices.Clone(c.want)
			if want[1] == "400" {
				want[1] = result("bad_path", family)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: %q, want %q", family, name, got, want)
			}
		}
	}
}

// Whoever is refused fills the memory of refusals with little, however long
// the path is and however many rules there are, and puts nothing into it that
// a terminal would obey.
func TestRefusalsAreSmall(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 900 {
		fmt.Fprintf(&many, "- path: /a%d\n  host: [app.example.com, %sexample.com]\n  allow: owner\n", i, strings.Repeat("long.", 40))
	}
	w := newWorld(t, func(s *setup) { s.Rules = rules(t, many.String()+"- path: /secret\n  allow: owner\n") })
	casey := w.signedIn("casey")
	for name, path := range map[string]string{
		"long":                    "/secret/" + strings.Repeat("a", 8000),
		"long and odd":            "/secret/" + strings.Repeat("a;b%2f..//", 190),
		"escapes for a terminal":  "/secret/%c2%9b31m;x",
		"text that runs backward": "/secret/%e2%80%ae;x",
	} {
		res := casey.check("traefik", "https://app.example.com"+path, http.Header{"Accept": nil})
		var said struct {
			ID string `json:"request_id"`
		}
		if err := json.NewDecoder(res.Body).Decode(&said); err != nil || res.StatusCode != http.StatusForbidden {
			t.Fatalf("%s: %s, %v", name, res.Status, err)
		}
		e, err := w.usher.Explain(auth.Question{Request: said.ID})
		if err != nil {
			t.Fatal(err)
		}
		kept, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if len(kept) > 32<<10 {
			t.Errorf("%s: %d bytes are kept", name, len(kept))
		}
		for _, step := range e.Steps {
			if strings.ContainsFunc(step.Text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%s: %q", name, step.Text)
			}
		}
		if last := e.Steps[len(e.Steps)-1]; e.Result != "refused" || last.Kind != "verdict" || !slices.ContainsFunc(e.Steps, func(s policy.Step) bool { return s.Line == 2701 && s.Matches == "yes" }) {
			t.Errorf("%s: what decided is not kept: %q", name, last.Text)
		}
	}
}

// What a refusal's page id finds is that refusal, though the rules are replaced
// in the same moment.
func TestRefusalsAreExplainedByTheirRules(t *testing.T) {
	t.Parallel()
	shut, open := rules(t, "- path: /\n  allow: owner\n"), rules(t, "- path: /\n  allow: anyone\n")
	w := newWorld(t, func(s *setup) { s.Rules = shut })
	casey := w.signedIn("casey")
	done := make(chan struct{})
	var swaps sync.WaitGroup
	swaps.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				w.usher.SetRules(open)
				w.usher.SetRules(shut)
			}
		}
	})
	refused := 0
	for range 300 {
		res := casey.check("traefik", page, http.Header{"Accept": nil})
		var said struct {
			ID string `json:"request_id"`
		}
		if res.StatusCode != http.StatusForbidden || json.NewDecoder(res.Body).Decode(&said) != nil {
			continue
		}
		refused++
		if e, err := w.usher.Explain(auth.Question{Request: said.ID}); err != nil || e.Result != "refused" {
			t.Errorf("a refusal is explained as %s, %v", e.Result, err)
			break
		}
	}
	close(done)
	swaps.Wait()
	if refused == 0 {
		t.Error("nobody was refused: this test looks at nothing")
	}
}

// A proxy that does not say who asks has not said that it was the proxy
// itself: its own address is at home in every home's network.
func TestNetworkOfSomebodyUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.Rules = rules(t, "- path: /open\n  network: 10.0.0.0/8\n  bypass: true\n- network: 10.0.0.0/8\n  allow: anyone\n")
	})
	nobody, mallory := w.browser(), w.signedIn("mallory")
	for name, c := range map[string]struct {
		lines []string // of X-Forwarded-For; nil: none
		want  []string // nobody, mallory
	}{
		"at home":                      {[]string{"10.0.0.9"}, []string{"200 without anybody", "200 with somebody"}},
		"none":                         {nil, []string{"away", "403"}},
		"empty":                        {[]string{""}, []string{"away", "403"}},
		"no address":                   {[]string{"unknown"}, []string{"away", "403"}},
		"away, and says it is at home": {[]string{"10.0.0.9, 203.0.113.7"}, []string{"away", "403"}},
		"away, in two lines":           {[]string{"10.0.0.9", "203.0.113.7"}, []string{"away", "403"}},
	} {
		for _, family := range families {
			header := http.Header{"X-Forwarded-For": c.lines}
			got := []string{judged(nobody.check(family, "https://app.example.com/open", header)), judged(mallory.check(family, "https://app.example.com/shut", header))}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s, %s: %q, want %q", family, name, got, c.want)
			}
		}
	}
}

// A bypass tells the app of nobody, also where somebody is signed in, and a
// client's own headers are emptied by ours.
func TestBypassCarriesEveryHeaderEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.headers = "Remote-User={username},X-Plex-Id={id}"
		s.Rules = rules(t, "- path: /open\n  bypass: true\n")
	})
	res := w.signedIn("robin").check("traefik", "https://app.example.com/open", http.Header{"Remote-User": {"admin"}, "X-Plex-Id": {"1"}})
	for _, name := range []string{"Remote-User", "X-Plex-Id"} {
		if v, ok := res.Header[name]; !ok || len(v) != 1 || v[0] != "" {
			t.Errorf("%s: %q, want it once and empty", name, v)
		}
	}
	if len(res.Cookies()) > 0 {
		t.Error("a bypass sets a cookie")
	}
}

// Rules can be replaced while checks are answered.
func TestRulesAreReplacedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.Rules = rules(t, "- path: /\n  allow: owner\n") })
	casey := w.signedIn("casey")
	if got := judged(casey.check("traefik", "https://app.example.com/", nil)); got != "403" {
		t.Fatalf("%s by the first rules", got)
	}
	w.usher.SetRules(rules(t, "- path: /x\n  allow: owner\n"))
	if got := judged(casey.check("traefik", "https://app.example.com/", nil)); got != "200 with somebody" {
		t.Errorf("%s by the second", got)
	}
}
