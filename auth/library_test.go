package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"usher/auth"
	"usher/plex"
	"usher/plex/plextest"
	"usher/policy"
)

// A library may have any title: none becomes a tier, a second header or a
// second group, and none is told by half.
func TestLibrariesAsGroups(t *testing.T) {
	t.Parallel()
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprintf("Library %03d", i)
	}
	var first []string // of many, that fit behind the tiers
	for n := len("shared,friend"); n+len(",library:Library 000") <= 2048; n += len(",library:Library 000") {
		first = append(first, many[len(first)])
	}
	for name, c := range map[string]struct {
		titles []string
		want   string // behind "shared,friend"
	}{
		"none":                       {nil, ""},
		"plain":                      {[]string{"Shows", "Films"}, ",library:Films,library:Shows"},
		"a comma":                    {[]string{"Home, Videos"}, ",library:Home_ Videos"},
		"a tier":                     {[]string{"owner", ",owner,", "x,home"}, ",library:_owner_,library:owner,library:x_home"},
		"a library's group":          {[]string{"x,library:Films"}, ",library:x_library:Films"},
		"another header":             {[]string{"x\r\nRemote-User: robin"}, ",library:xRemote-User: robin"},
		"NUL and escapes":            {[]string{"a\tb", "c\nd"}, ",library:ab,library:cd"},
		"invisible":                  {[]string{"Fi\u200blms", "\u202esmliF"}, ",library:Films,library:smliF"},
		"nothing that can be seen":   {[]string{"\u200b", " ", "\u00ad\u2028"}, ""},
		"other letters":              {[]string{"Séries", "映画"}, ",library:Séries,library:映画"},
		"spaces around":              {[]string{"  Films "}, ",library:Films"},
		"longer than a header":       {[]string{strings.Repeat("a", 257), "Films", strings.Repeat("é", 1000)}, ",library:Films"},
		"as long as a header may be": {[]string{strings.Repeat("a", 256)}, ",library:" + strings.Repeat("a", 256)},
		"too many":                   {many, ",library:" + strings.Join(first, ",library:")},
		"markup":                     {[]string{`<script>"&'`}, `,library:<script>"&'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *setup) { s.notSetUp = true })
			w.plex.EditMachine("robin", plextest.Attic, func(m *plextest.Machine) {
				m.Libraries = []plextest.Library{{Title: "Other", Type: "movie"}}
				for _, title := range c.titles {
					m.Libraries = append(m.Libraries, plextest.Library{Title: title, Type: "movie"})
				}
			})
			w.plex.Share("casey", plextest.Attic, append([]string{"not there"}, c.titles...)...)
			w.restart(nil)
			casey := w.signedIn("casey")
			for _, family := range families {
				res := casey.check(family, page, nil)
				told(t, res, "Remote-Groups", "shared,friend"+c.want)
				told(t, res, "Remote-User", "casey")
				if len(res.Header.Get("Remote-Groups")) > 2048 {
					t.Errorf("%d bytes", len(res.Header.Get("Remote-Groups")))
				}
				res.Header.Del("Remote-Groups")
				fit(t, res)
			}
		})
	}
}

// Libraries are told when they are known, and only of servers that are allowed.
func TestWhoseLibrariesAreGroups(t *testing.T) {
	t.Parallel()
	const all = ",library:Films,library:Home_ Videos,library:Music,library:Shows"
	for view, change := range map[string]func(*setup){"owner's": nil, "own": ownView} {
		w := newWorld(t, change)
		for name, want := range map[string]string{"robin": "owner,home,shared,friend" + all, "sam": "home,shared,friend" + all, "Kiddo": "home,shared,friend" + all,
			"casey": "shared,friend,library:Films,library:Shows", "frankie": "friend", "otto": "friend", "pat": "", "ivan": "", "mallory": ""} {
			if view == "own" { // which tells of no friends and no libraries
				want, _, _ = strings.Cut(want, ",library:")
				if want == "friend" {
					want = ""
				}
			}
			b := w.browser()
			b.from = "192.0.2." + fmt.Sprint(len(name))
			b.signIn(name, "/")
			told(t, b.check("traefik/anyone", page, nil), "Remote-Groups", want)
		}
	}
}

// A dead owner's token is told in the log, by /readyz and in the metrics, and
// loses nobody their access.
func TestADeadOwnersTokenIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		w := newWorld(t, func(s *setup) { s.Metrics = auth.NewMetrics(registry) })
		people := []string{"robin", "sam", "Kiddo", "casey"}
		browsers := map[string]*browser{}
		for _, name := range people {
			browsers[name] = w.signedIn(name)
		}
		groups := func() (all string) {
			for _, name := range people {
				res := browsers[name].check("traefik", page, nil)
				all += fmt.Sprintln(name, res.StatusCode, res.Header.Get("Remote-Groups"))
			}
			return all
		}
		before := groups()
		state := func(ready string, gauges ...string) {
			t.Helper()
			synctest.Wait()
			if res := w.browser().get(site + "/readyz"); res.StatusCode != http.StatusOK || text(res) != ready {
				t.Errorf("readyz: %s, want 200 and %q", res.Status, ready)
			}
			rec := httptest.NewRecorder()
			promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			for _, g := range gauges {
				if !strings.Contains(rec.Body.String(), "\n"+g+"\n") {
					t.Errorf("the metrics have no %q:\n%s", g, rec.Body)
				}
			}
		}
		state("ready\n", "usher_owner_token_ok 1", "usher_owner_view_age_seconds 0", "usher_people 6")
		w.plex.RevokeTokens("robin")
		for range 60 {
			time.Sleep(5 * time.Minute)
			if after := groups(); after != before {
				t.Fatalf("before:\n%safter:\n%s", before, after)
			}
		}
		state("ready\nplex.tv rejects the owner's token: give Usher a new one\n", "usher_owner_token_ok 0", "usher_owner_view_age_seconds 18000", "usher_people 6")
		if n := strings.Count(w.log.String(), "rejects the owner's token"); n != 1 {
			t.Errorf("told %d times in the log", n)
		}
	})
}

// Without an owner's view its age is not nothing.
func TestNoOwnersView(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	auth.NewMetrics(registry).WatchView(func() plex.ViewState { return plex.ViewState{TokenOK: true} })
	rec := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(rec.Body.String(), "\nusher_owner_view_age_seconds +Inf\n") {
		t.Errorf("%s", rec.Body)
	}
}

// A title that is mistyped, or that the owner has changed, lets nobody in: that
// is told, and to the public not which.
func TestLibrariesThatNoServerHas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		allow, rule string
		told        bool
	}{
		"a policy's title":      {"library:Flims", "", true},
		"a rule's title":        {"shared", "- path: /x\n  allow: owner, library:Flims\n", true},
		"one that is there":     {"library:films", "- path: /x\n  allow: library:Home_ Videos\n", false},
		"a library of Cellar's": {"library:Books", "", true},
	} {
		w := newWorld(t, func(s *setup) {
			if s.allow = c.allow; c.rule != "" {
				s.Rules = rules(t, c.rule)
			}
		})
		w.signedIn("casey") // waits for the owner's view
		body := text(w.browser().get("https://auth.example.com/readyz"))
		if told := strings.Contains(body, "a policy names a library"); told != c.told || strings.Contains(body, "Flims") || strings.Contains(body, "Music") {
			t.Errorf("%s: readyz says %q", name, body)
		}
		e, err := w.usher.Explain(auth.Question{User: "casey", URL: "https://app.example.com/x", Method: http.MethodGet})
		if err != nil {
			t.Fatal(err)
		}
		if told := slices.ContainsFunc(e.Steps, func(s policy.Step) bool { return strings.Contains(s.Text, "no allowed server has the library") }); told != c.told {
			t.Errorf("%s: explained as %+v", name, e.Steps)
		}
	}
}
