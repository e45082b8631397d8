package auth_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/auth"
	"usher/plex/plextest"
)

// Whatever has happened at plex.tv, usher explain never says that somebody is
// refused whom the check lets in, or the reverse.
func TestExplainAgreesWithTheCheck(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { agree(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func agree(t *testing.T, random *rand.Rand) {
	w := newWorld(t, func(s *setup) {
		s.Rules = rules(t, strings.Replace(tableRules, "- host: films.example.com\n", "- host: either.example.com\n  allow: library:Films, friend, user:mallory\n- host: films.example.com\n", 1))
		if random.IntN(3) == 0 {
			s.directory.Owner = robin
		}
	})
	people := []string{"robin", "sam", "Kiddo", "casey", "frankie", "pat", "otto", "mallory", "ivan"}
	ids := map[string]string{}
	browsers := map[string]*browser{}
	for i, who := range people {
		b := w.browser()
		b.from = fmt.Sprintf("198.51.100.%d", i)
		b.signIn(who, "/")
		browsers[who], ids[who] = b, fmt.Sprint(w.plex.Person(who).ID)
	}
	events := map[string]func(){
		"time":         func() { time.Sleep(time.Duration(random.IntN(600)) * time.Second) },
		"a day":        func() { time.Sleep(time.Duration(random.IntN(30)) * time.Hour) },
		"dead token":   func() { w.plex.RevokeTokens(people[random.IntN(len(people))]) },
		"silence":      func() { w.plex.Fail(plextest.Any, plextest.Maintenance()) },
		"no libraries": func() { w.plex.Fail(plextest.SharedServers, plextest.Maintenance()) },
		"no list":      func() { w.plex.Fail(plextest.Users, plextest.Maintenance()) },
		"healed":       func() { w.plex.Heal() },
		"unshared":     func() { w.plex.Unshare("casey", plextest.Attic) },
		"shared":       func() { w.plex.Share("casey", plextest.Attic, "Films") },
		"restart":      func() { w.restart(func(s *setup) { s.Rules = rules(t, tableRules) }) },
	}
	names := slices.Sorted(maps.Keys(events))
	hosts := []string{"app", "sonarr", "wiki", "a.docs", "films", "nofilms", "either", "two", "lan", "mixed"}
	paths := []string{"/", "/admin", "/api/v3/x", "/public/a", "/%61dmin", "/x/..;/admin", "/%zz", "/system"}
	var past []string
	for range 12 {
		name := names[random.IntN(len(names))]
		past = append(past, name)
		events[name]()
		for range 40 {
			who, method := people[random.IntN(len(people))], []string{"GET", "POST", "get"}[random.IntN(3)]
			address := "https://" + hosts[random.IntN(len(hosts))] + ".example.com" + paths[random.IntN(len(paths))]
			b := browsers[who]
			b.from = []string{"192.168.1.2", "203.0.113.7"}[random.IntN(2)]
			ask := func() (said, explained string) {
				said = judged(b.ask(b.rowRequest("traefik", method, address, "-")))
				e, err := w.usher.Explain(auth.Question{User: ids[who], URL: address, Method: method, Client: netip.MustParseAddr(b.from)})
				if err != nil {
					t.Fatal(err)
				}
				return said, e.Result
			}
			said, explained := ask()
			synctest.Wait()
			want := []string{result(explained, "traefik")}
			if explained == "undecided" {
				want = []string{"503 Service Unavailable", "away"} // away: plex.tv ended their session
			}
			if !slices.Contains(want, said) {
				again, explainedAgain := ask()
				t.Errorf("after %q: %s %s %s: the check says %s, then %s; explained as %s, then %s", past, who, method, address, said, again, explained, explainedAgain)
			}
		}
	}
}
