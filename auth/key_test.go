package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"usher/auth"
	"usher/plex/plextest"
	"usher/session"
)

// unknownKey has the form of a key and is none.
const unknownKey = "usher_ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ"

// keyOf makes a key of a person who was signed in once.
func (w *world) keyOf(account int64, hosts ...string) string {
	w.t.Helper()
	return w.keyUntil(account, time.Now().AddDate(1, 0, 0), hosts...)
}

func (w *world) keyUntil(account int64, ends time.Time, hosts ...string) string {
	w.t.Helper()
	secret, _, err := w.store.MakeKey(session.Key{Account: account, Name: fmt.Sprint("key ", len(w.store.Keys(account))), Hosts: hosts, Ends: ends})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(secret)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// ways are how a program gives a key.
var ways = map[string]func(key string) http.Header{
	"bearer":      func(key string) http.Header { return program("Authorization", "Bearer "+key) },
	"basic":       func(key string) http.Header { return program("Authorization", basic("anybody", key)) },
	"x-usher-key": func(key string) http.Header { return program("X-Usher-Key", key) },
}

// program is the headers of a request by no browser.
func program(name string, values ...string) http.Header {
	return http.Header{"Accept": {"*/*"}, http.CanonicalHeaderKey(name): values}
}

// wantWrongKey wants what a wrong key gets: no sign-in page, and no word on who
// or what it may have been.
func wantWrongKey(t *testing.T, w *world, res *http.Response, what string, basic bool) {
	t.Helper()
	var told map[string]string
	err := json.NewDecoder(res.Body).Decode(&told)
	if res.StatusCode != http.StatusUnauthorized || err != nil || len(told) != 1 || told["error"] != "wrong_key" || res.Header.Get("Location") != "" {
		t.Errorf("%s: %s, %v, %v, to %q; want 401 wrong_key", what, res.Status, told, err, res.Header.Get("Location"))
	}
	if got := res.Header.Get("Www-Authenticate"); (got == `Basic realm="Usher", charset="UTF-8"`) != basic || (got != "") != basic {
		t.Errorf("%s: WWW-Authenticate %q", what, got)
	}
	if _, there := res.Header["Authorization"]; there {
		t.Errorf("%s: the answer has credentials", what)
	}
	holds(t, w, res)
}

func TestWrongKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.signedIn("casey")
		good := w.keyOf(casey)
		revoked := w.keyOf(casey)
		if _, err := w.store.EndKey(casey, w.store.Keys(casey)[slices.IndexFunc(w.store.Keys(casey), func(k session.Key) bool { return k.Name == "key 1" })].ID); err != nil {
			t.Fatal(err)
		}
		bad := map[string]string{
			"unknown": unknownKey, "revoked a moment ago": revoked, "truncated": good[:len(good)-1], "longer": good + "A", "capitals": strings.ToUpper(good), "small letters": strings.ToLower(good),
			"the prefix": "usher_", "in quotes": `"` + good + `"`, "a Plex token behind the prefix": "usher_" + w.plex.Token("casey", clientID), "its id": "usher_" + w.store.Keys(casey)[0].ID,
		}
		check := func(name, key string) {
			t.Helper()
			for _, family := range families {
				for way, give := range ways {
					for kind, header := range map[string]http.Header{"program": give(key), "page load": give(key)} {
						if kind == "page load" {
							header.Set("Accept", "text/html")
						}
						what := name + ", " + family + ", " + way + ", " + kind
						wantWrongKey(t, w, w.browser().check(family, page, header), what, way == "basic")
						wantWrongKey(t, w, b.check(family, page, header), what+", beside casey's cookie", way == "basic")
						time.Sleep(time.Minute) // for new guesses
					}
				}
			}
		}
		for name, key := range bad {
			check(name, key)
		}
		ended := w.keyUntil(casey, time.Now().Add(time.Hour))
		time.Sleep(time.Hour - time.Second)
		told(t, w.browser().check("traefik", page, ways["bearer"](ended)), "Remote-User", "casey")
		time.Sleep(time.Second)
		wantWrongKey(t, w, w.browser().check("traefik", page, ways["bearer"](ended)), "at its end", false)
		time.Sleep(time.Second)
		check("ended by a second", ended)
		told(t, w.browser().check("traefik", page, ways["bearer"](good)), "Remote-User", "casey")
		if n := w.plex.Requests(plextest.CreatePIN); n != 1 {
			t.Errorf("%d PINs", n)
		}
	})
}

// A key counts where a program puts it, and nowhere that an app, a log or
// another site could have it from.
func TestKeysThatAreNotLookedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.signedIn("casey")
	key := w.keyOf(casey)
	for _, family := range families {
		for what, c := range map[string]struct {
			address string
			header  http.Header
		}{
			"the query":           {"https://app.example.com/x?key=" + key + "&X-Usher-Key=" + key + "&access_token=" + key + "&Authorization=Bearer%20" + key, nil},
			"the path":            {"https://app.example.com/" + key + "/x", nil},
			"a user name":         {"https://app.example.com/", program("X-Forwarded-User", key)},
			"a cookie":            {page, program("Cookie", "X-Usher-Key="+key+"; usher="+key+"; __Secure-usher="+key+"; Authorization=Bearer "+key)},
			"another header":      {page, program("X-Api-Key", key)},
			"a proxy's header":    {page, program("Proxy-Authorization", "Bearer "+key)},
			"a header like it":    {page, http.Header{"X_usher_key": {key}, "Accept": {"*/*"}}},
			"a method":            {page, program("X-Http-Method-Override", key)},
			"a referer":           {page, program("Referer", "https://app.example.com/?"+key)},
			"another credential":  {page, program("Authorization", `Digest username="x", realm="`+key+`"`)},
			"a raw token of Plex": {page, program("X-Plex-Token", w.plex.Token("casey", clientID))},
			"a token of Plex":     {page, program("Authorization", "Bearer "+w.plex.Token("casey", clientID))},
		} {
			if res := w.browser().check(family, c.address, c.header); res.StatusCode != http.StatusFound && res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s, %s: %s", what, family, res.Status)
			}
		}
		r := w.browser().checkRequest(family, page, program("Content-Type", "application/x-www-form-urlencoded"))
		r.URL.RawQuery = "X-Usher-Key=" + key
		if res := w.browser().ask(r); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("the check's own query, %s: %s", family, res.Status)
		}
	}
}

// Who passes by a key is its person, in the eyes of plex.tv and of every policy.
func TestAKeyIsItsPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	browsers := map[string]*browser{"casey": w.signedIn("casey"), "robin": w.signedIn("robin"), "mallory": w.signedIn("mallory")}
	keys := map[string]string{"casey": w.keyOf(casey), "robin": w.keyOf(robin), "mallory": w.keyOf(mallory)}
	for _, family := range families {
		for way, give := range ways {
			for _, c := range []struct {
				key, cookie, policy string
				want                int
			}{
				{"casey", "", "", 200}, {"robin", "", "", 200}, {"mallory", "", "", 403},
				{"casey", "robin", "", 200}, {"robin", "casey", "", 200}, {"mallory", "robin", "", 403}, {"robin", "mallory", "", 200},
				{"casey", "", "owner", 403}, {"casey", "robin", "owner", 403}, {"robin", "casey", "owner", 200},
				{"casey", "", "shared,!user:casey", 403}, {"casey", "robin", "anyone,!user:70010001", 403}, {"mallory", "", "anyone", 200}, {"robin", "casey", "user:robin", 200},
			} {
				b := w.browser()
				if c.cookie != "" {
					b.jar = browsers[c.cookie].jar
				}
				path := family
				if c.policy != "" {
					path += map[bool]string{true: ":", false: "/"}[family == "envoy"] + c.policy
				}
				res := b.check(path, page, give(keys[c.key]))
				if res.StatusCode != c.want || res.Header.Get("Remote-User") != map[bool]string{true: c.key}[c.want == 200] {
					t.Errorf("%s by %s, key of %s, cookie of %q: %s as %q, want %d", path, way, c.key, c.cookie, res.Status, res.Header.Get("Remote-User"), c.want)
				}
				holds(t, w, res)
			}
		}
	}
	for _, header := range identityHeaders {
		told(t, w.browser().check("traefik", page, ways["bearer"](keys["casey"])), header, browsers["casey"].check("traefik", page, nil).Header.Get(header))
	}
}

// A key dies with its person's access.
func TestAKeyDiesWithItsPersonsAccess(t *testing.T) {
	t.Parallel()
	for view, change := range map[string]func(*setup){"owner's": nil, "person's": ownView} {
		t.Run(view, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, change)
				w.signedIn("casey")
				w.signedIn("sam")
				caseys, sams := w.keyOf(casey), w.keyOf(sam)
				check := func(key string) *http.Response {
					w.browser().check("traefik", page, ways["bearer"](key))
					synctest.Wait()
					return w.browser().check("traefik", page, ways["bearer"](key))
				}
				w.plex.Unshare("casey", plextest.Attic)
				time.Sleep(6 * time.Minute)
				if res := check(caseys); res.StatusCode != http.StatusForbidden {
					t.Errorf("the share was taken away: %s", res.Status)
				}
				if res := check(sams); res.StatusCode != http.StatusOK {
					t.Errorf("somebody else: %s", res.Status)
				}
				if change == nil {
					return // whose tokens may die
				}
				w.plex.RevokeTokens("sam")
				time.Sleep(6 * time.Minute)
				wantWrongKey(t, w, check(sams), "gone", false)
				for _, family := range families {
					wantWrongKey(t, w, w.browser().check(family, page, ways["basic"](sams)), "gone, "+family, true)
				}
				b := w.browser()
				b.from = "203.0.113.99"
				b.signIn("sam", "/")
				if res := check(sams); res.StatusCode != http.StatusOK {
					t.Errorf("back again: %s", res.Status)
				}
			})
		})
	}
}

func TestAKeyWhilePlexIsSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.signedIn("casey")
	key := w.keyOf(casey)
	w.plex.Fail(plextest.Any, plextest.Maintenance())
	for _, family := range families {
		if res := w.browser().check(family, page, ways["bearer"](key)); res.StatusCode != http.StatusOK {
			t.Errorf("within the grace, %s: %s", family, res.Status)
		}
	}
	w.restart(func(s *setup) { s.owner, s.directory.Owner, s.directory.Recheck, s.directory.Grace = "", robin, 1, 1 })
	for _, family := range families {
		res := w.browser().check(family, page, ways["basic"](key))
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || res.Header.Get("Www-Authenticate") != "" {
			t.Errorf("past the grace, %s: %s", family, res.Status)
		}
	}
}

// A key for some hosts opens no other, however that is written.
func TestHostsOfAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls = append(s.urls, "https://auth.example.org") })
	b := w.signedIn("casey") // whose cookie would do
	for name, c := range map[string]struct {
		hosts, yes, no []string
	}{
		"one": {[]string{"app.example.com"}, []string{"app.example.com", "APP.Example.COM", "app.example.com.", "app.example.com:8443", "App.Example.Com.:443"},
			[]string{"example.com", "evilapp.example.com", "app.example.com.example.com", "x.app.example.com", "app2.example.com", "app.example.org", "auth.example.com", "EVILAPP.example.com:443", "xn--app.example.com"}},
		"two": {[]string{"app.example.com", "films.example.org"}, []string{"app.example.com", "films.example.org"}, []string{"films.example.com", "app.example.org"}},
		"below one": {[]string{"*.media.example.com"}, []string{"a.media.example.com", "b.a.MEDIA.example.com.:8443"},
			[]string{"media.example.com", "xmedia.example.com", "media.example.com.example.com", "a.xmedia.example.com", "example.com", "a.media.example.org", "media.example.org"}},
		"all": {nil, []string{"app.example.com", "example.com", "x.y.example.com", "films.example.org"}, nil},
	} {
		key := w.keyOf(casey, c.hosts...)
		for _, family := range families {
			for _, host := range c.yes {
				told(t, w.browser().check(family, "https://"+host+"/x", ways["bearer"](key)), "Remote-User", "casey")
			}
			for _, host := range c.no {
				header := ways["x-usher-key"](key)
				if family == "nginx" { // a page load, too
					header.Set("Accept", "text/html")
				}
				res := b.check(family, "https://"+host+"/x", header)
				var said struct {
					Error, Reason string
					RequestID     string `json:"request_id"`
				}
				err := json.NewDecoder(res.Body).Decode(&said)
				if res.StatusCode != http.StatusForbidden || err != nil || said.Error != "forbidden" || said.Reason != "key_host" || res.Header.Get("Location") != "" {
					t.Errorf("%s, %s, %s: %s %+v %v", name, family, host, res.Status, said, err)
				}
				if e, err := w.usher.Explain(auth.Question{Request: said.RequestID}); err != nil || e.Reason != "key_host" || e.User != "casey" || !strings.Contains(fmt.Sprint(e.Steps), c.hosts[0]) {
					t.Errorf("%s is explained as %+v, %v", said.RequestID, e, err)
				}
				holds(t, w, res)
			}
			// A host that no cookie reaches is that for keys as well.
			if res := w.browser().check(family, "https://app.example.net/x", ways["bearer"](key)); res.StatusCode != map[bool]int{true: 401, false: 400}[family == "nginx"] {
				t.Errorf("%s, %s, a host that no cookie reaches: %s", name, family, res.Status)
			}
		}
	}
}

// Guesses are slowed where they come from, and for nobody else.
func TestGuessingKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ guesser, neighbour, elsewhere string }{
		"IPv4":                {"198.51.100.7", "198.51.100.7", "198.51.100.8"},
		"IPv6, within a home": {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"},
		"no address":          {"unknown", "unknown", "198.51.100.8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, family := range families {
				t.Run(family, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { guessing(t, family, c.guesser, c.neighbour, c.elsewhere) })
				})
			}
		})
	}
}

func guessing(t *testing.T, family, guesser, neighbour, elsewhere string) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, func(s *setup) { s.Metrics = auth.NewMetrics(registry) })
	cookie := w.signedIn("casey")
	known, fresh, dead := w.keyOf(casey), w.keyOf(casey), unknownKey
	ask := func(from, key string) *http.Response {
		b := w.browser()
		b.from = from
		return b.check(family, page, ways["bearer"](key))
	}
	slowed := func(res *http.Response) bool {
		var said struct{ Error string }
		err := json.NewDecoder(res.Body).Decode(&said)
		wait, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		holds(t, w, res)
		if family == "nginx" { // which would make 500 of a 429
			return err == nil && res.StatusCode == http.StatusUnauthorized && res.Header.Get("Location") == ""
		}
		return err == nil && res.StatusCode == http.StatusTooManyRequests && said.Error != "" && wait >= 1 && wait <= 4
	}
	told(t, ask(neighbour, known), "Remote-User", "casey")
	for range 50 { // a client that was left with an old key guesses nothing
		wantWrongKey(t, w, ask(neighbour, dead), "the same dead key", false)
	}
	for i := range 25 {
		guess := fmt.Sprintf("usher_%052d", i)
		if res := ask(guesser, guess); i < 19 {
			wantWrongKey(t, w, res, "guess "+strconv.Itoa(i), false)
		} else if !slowed(res) {
			t.Errorf("guess %d: %s", i, res.Status)
		}
	}
	for _, from := range []string{guesser, neighbour} {
		if !slowed(ask(from, fresh)) {
			t.Errorf("a right key among the guesses of %s is told from a wrong one", from)
		}
	}
	if res := ask(neighbour, known); res.Header.Get("Remote-User") != "casey" && guesser != "unknown" {
		t.Errorf("a key that is at home there: %s", res.Status)
	}
	told(t, ask(elsewhere, fresh), "Remote-User", "casey")
	if !slowed(ask(guesser, fresh)) {
		t.Error("a right key from elsewhere now passes among the guesses")
	}
	cookie.from = guesser
	told(t, cookie.check(family, page, nil), "Remote-User", "casey")
	if res := cookie.post(site+"/login", nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a sign-in there: %s", res.Status)
	}
	if got := metric(t, registry, "usher_checks_total", family, "key_wrong"); got != 50+19 {
		t.Errorf("%v wrong keys are counted", got)
	}
	if got := metric(t, registry, "usher_checks_total", family, "key_slowed"); got != 6+2+1 && guesser != "unknown" {
		t.Errorf("%v slowed ones are counted", got)
	}
	if n := strings.Count(w.log.String(), "event=key"); n == 0 || n > 20 {
		t.Errorf("%d lines in the log", n)
	}
	time.Sleep(3 * time.Second)
	told(t, ask(guesser, fresh), "Remote-User", "casey")
	wantWrongKey(t, w, ask(guesser, "usher_another"), "one more", false)
	if !slowed(ask(guesser, "usher_and_another")) {
		t.Error("two guesses in three seconds")
	}
}

// What an app may have of the client's credentials: its own, and never a key.
func TestCredentialsForTheApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	key := w.keyOf(casey)
	another := w.keyOf(casey)
	own, dead := basic("app", "secret"), basic("x", unknownKey)
	for _, family := range families {
		for name, c := range map[string]struct {
			header   http.Header
			cookie   bool
			want     int
			own      string
			removing string // for Envoy
		}{
			"a cookie alone":                   {nil, true, 200, "", "x-usher-key"},
			"the app's Basic":                  {program("Authorization", own), true, 200, own, "x-usher-key"},
			"the app's Basic, page load":       {http.Header{"Authorization": {own}}, true, 200, own, "x-usher-key"},
			"the app's Bearer":                 {program("Authorization", "Bearer app"), true, 200, "Bearer app", "x-usher-key"},
			"the app's own kind":               {program("Authorization", `MediaBrowser Client="x", Token="y"`), true, 200, `MediaBrowser Client="x", Token="y"`, "x-usher-key"},
			"the app's, doubled":               {program("Authorization", own, "Bearer app"), true, 200, "", "x-usher-key,authorization"},
			"a key":                            {program("Authorization", "Bearer "+key), true, 200, "", "x-usher-key,authorization"},
			"a key as a password":              {program("Authorization", basic("app", key)), false, 200, "", "x-usher-key,authorization"},
			"a key by its header":              {program("X-Usher-Key", key), false, 200, "", "x-usher-key"},
			"a key, and the app's Basic":       {http.Header{"X-Usher-Key": {key}, "Authorization": {own}}, false, 200, own, "x-usher-key"},
			"a key, and a wrong one":           {http.Header{"X-Usher-Key": {key}, "Authorization": {dead}}, true, 401, "", ""},
			"a wrong key, and the app's Basic": {http.Header{"X-Usher-Key": {unknownKey}, "Authorization": {own}}, true, 401, "", ""},
			"two keys":                         {http.Header{"X-Usher-Key": {key}, "Authorization": {"Bearer " + another}}, true, 401, "", ""},
			"a key twice":                      {program("Authorization", "Bearer "+key, "Bearer "+key), true, 401, "", ""},
			"a key's header twice":             {program("X-Usher-Key", key, key), true, 401, "", ""},
			"a key behind the app's":           {program("Authorization", own, "Bearer "+key), true, 401, "", ""},
			"a key behind the app's, joined":   {program("Authorization", own+",Bearer "+key), true, 401, "", ""},
			"a key by another scheme":          {program("Authorization", "Token "+key), true, 401, "", ""},
			"9 kB":                             {program("Authorization", "Bearer "+strings.Repeat("x", 9<<10)), true, 200, "", "x-usher-key,authorization"},
			"letters that are no ASCII":        {program("Authorization", "Bearer \xe9"), true, 200, "", "x-usher-key,authorization"},
		} {
			from := w.browser()
			if c.cookie {
				from = b
			}
			res := from.check(family, page, c.header)
			var want []string
			if c.own != "" {
				want = []string{c.own}
			}
			if res.StatusCode != c.want || !slices.Equal(res.Header["Authorization"], want) {
				t.Errorf("%s, %s: %s with %q, want %d with %q", name, family, res.Status, res.Header["Authorization"], c.want, want)
			}
			if removing := res.Header.Get("X-Envoy-Auth-Headers-To-Remove"); removing != map[bool]string{true: c.removing}[family == "envoy"] {
				t.Errorf("%s, %s: removing %q", name, family, removing)
			}
			if res.Header["X-Usher-Key"] != nil {
				t.Errorf("%s, %s: the answer has the key's header", name, family)
			}
			holds(t, w, res)
		}
	}
}

// What is let through unseen is that with a key of any kind, which the app
// still does not see; a rule decides about a key's person as about anybody.
func TestKeysAndRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.Rules = rules(t, "- path: /public\n  bypass: true\n- path: /admin\n  allow: owner\n")
	})
	w.signedIn("casey")
	for name, key := range map[string]string{"a key": w.keyOf(casey, "elsewhere.example.com"), "a wrong key": unknownKey} {
		for _, family := range families {
			res := w.browser().check(family, "https://app.example.com/public/x", ways["bearer"](key))
			told(t, res, "Remote-User", "")
			if want := map[bool]string{true: "x-usher-key,authorization"}[family == "envoy"]; res.Header["Authorization"] != nil || res.Header.Get("X-Envoy-Auth-Headers-To-Remove") != want {
				t.Errorf("%s, %s: the app is given it, %v", name, family, res.Header)
			}
			if res := w.browser().check(family, "https://app.example.com/public/x", program("Authorization", "Bearer app")); res.Header.Get("Authorization") != "Bearer app" {
				t.Errorf("%s: the app is not given its own", family)
			}
		}
	}
	key := w.keyOf(casey)
	for _, family := range families {
		for address, want := range map[string]int{"https://app.example.com/admin/x": 403, "https://app.example.com/x": 200, "https://app.example.com/public/../admin/x": 403} {
			if res := w.browser().check(family, address, ways["basic"](key)); res.StatusCode != want {
				t.Errorf("%s, %s: %s, want %d", address, family, res.Status, want)
			}
		}
	}
}

// The app's own credentials of Basic, where nobody is signed in: a program is
// asked for a key, a browser is sent to sign in.
func TestOtherCredentialsOpenNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	nobody := w.browser()
	for _, family := range families {
		for range 30 { // which is no guess
			wantWrongKey(t, w, nobody.check(family, page, program("Authorization", basic("app", "secret"))), family, true)
		}
		res := nobody.check(family, page, http.Header{"Authorization": {basic("app", "secret")}})
		if res.Header.Get("Location") != signInPage || res.Header.Get("Www-Authenticate") != "" {
			t.Errorf("%s, a page load: %s to %q", family, res.Status, res.Header.Get("Location"))
		}
		for _, other := range []string{"Bearer app", `Digest username="x"`, "Negotiate YII=", "Basic", "Bearer"} {
			res := nobody.check(family, page, program("Authorization", other))
			if other == "Basic" {
				wantWrongKey(t, w, res, other, true)
				continue
			}
			toldToSignIn(t, w, family, res, signInPage)
		}
	}
}

func TestWhenAKeyWasUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.signedIn("casey")
		key := w.keyOf(casey)
		used := func(from string, after time.Duration) {
			t.Helper()
			b := w.browser()
			b.from = from
			told(t, b.check("traefik", page, ways["bearer"](key)), "Remote-User", "casey")
			if k := w.store.Keys(casey)[0]; k.LastAddress != netip.MustParseAddr(from) || k.LastUsed.Sub(k.Made) != after {
				t.Errorf("last used after %v from %v, want %v from %s", k.LastUsed.Sub(k.Made), k.LastAddress, after, from)
			}
		}
		used("203.0.113.7", 0)
		time.Sleep(10 * time.Second)
		used("2001:db8::9", 10*time.Second)
		time.Sleep(10 * time.Second)
		used("2001:db8::9", 10*time.Second) // once a minute is enough
		time.Sleep(time.Minute)
		used("2001:db8::9", 80*time.Second)
		w.restart(nil)
		if k := w.store.Keys(casey)[0]; k.LastUsed.Sub(k.Made) != 80*time.Second {
			t.Error("lost by a restart")
		}
		if !strings.Contains(w.log.String(), "key used") || !strings.Contains(w.log.String(), w.store.Keys(casey)[0].ID) {
			t.Error("the log does not say which key was used")
		}
	})
}

// A check by key asks memory alone.
func TestAKeyNeedsNoDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.signedIn("casey")
	key := w.keyOf(casey)
	told(t, w.browser().check("traefik", page, ways["bearer"](key)), "Remote-User", "casey")
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	told(t, w.browser().check("traefik", page, ways["bearer"](key)), "Remote-User", "casey")
}

// Keys of two people at once, beside keys that come and go: nobody is told to
// be the other.
func TestKeysAreNeverCrossed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	w.signedIn("sam")
	var all sync.WaitGroup
	for name, key := range map[string]string{"casey": w.keyOf(casey), "sam": w.keyOf(sam), "": unknownKey} {
		for _, family := range families {
			for way, give := range ways {
				all.Go(func() {
					for range 30 {
						if res := w.browser().check(family, page, give(key)); res.Header.Get("Remote-User") != name || (res.StatusCode == http.StatusOK) != (name != "") {
							t.Errorf("%q by %s is told to be %q: %s", name, way, res.Header.Get("Remote-User"), res.Status)
						}
					}
				})
			}
		}
	}
	all.Go(func() {
		for i := range 15 { // each a wrong one afterwards
			key := b.makeKey(site, keyForm(fmt.Sprint(i), ""))
			told(t, w.browser().check("traefik", page, ways["bearer"](key)), "Remote-User", "casey")
			b.post(site+"/keys/end", url.Values{"id": {w.store.Keys(casey)[0].ID}})
			wantWrongKey(t, w, w.browser().check("traefik", page, ways["bearer"](key)), "revoked", false)
		}
	})
	all.Wait()
}
