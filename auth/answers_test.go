package auth_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"usher/plex/plextest"
)

// page is what most checks ask about: an address whose query must survive.
const page = "https://app.example.com/x?a=1&b=%2F"

// signInPage is where nobody is sent from page.
const signInPage = "https://auth.example.com/login?rd=https%3A%2F%2Fapp.example.com%2Fx%3Fa%3D1%26b%3D%252F"

// scripts are requests that can do nothing with a page.
var scripts = map[string]http.Header{
	"fetch":                      {"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}},
	"an image":                   {"Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}},
	"half of the fetch headers":  {"Sec-Fetch-Site": {"same-origin"}},
	"XMLHttpRequest":             {"X-Requested-With": {"XMLHttpRequest"}},
	"navigation by a script":     {"Sec-Fetch-Mode": {"navigate"}, "X-Requested-With": {"XMLHttpRequest"}},
	"a program":                  {"Accept": {"*/*"}},
	"a program that says little": {"Accept": nil},
	"JSON":                       {"Accept": {"application/json"}},
	"a socket":                   {"Upgrade": {"websocket"}},
	"a socket by a navigation":   {"Upgrade": {"websocket"}, "Sec-Fetch-Mode": {"navigate"}},
}

// A page load is sent to sign in; nginx is always told 401.
func TestNobodysPageLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.noPIN(t)
	nobody := w.browser()
	for _, family := range families {
		for name, c := range map[string]struct {
			method string
			header http.Header
			want   int
		}{
			"GET":             {"GET", nil, http.StatusFound},
			"HEAD":            {"HEAD", nil, http.StatusFound},
			"POST":            {"POST", nil, http.StatusSeeOther},
			"PUT":             {"PUT", nil, http.StatusSeeOther},
			"DELETE":          {"DELETE", nil, http.StatusSeeOther},
			"PROPFIND":        {"PROPFIND", nil, http.StatusSeeOther},
			"get, no GET":     {"get", nil, http.StatusSeeOther},
			"a navigation":    {"GET", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Accept": {"*/*"}}, http.StatusFound},
			"HTML in capital": {"GET", http.Header{"Accept": {"TEXT/HTML"}}, http.StatusFound},
		} {
			t.Run(family+", "+name, func(t *testing.T) {
				res := nobody.checkAs(c.method, family, page, c.header)
				want := c.want
				if family == "nginx" {
					want = http.StatusUnauthorized
				}
				if at := res.Header.Get("Location"); res.StatusCode != want || at != signInPage {
					t.Errorf("%s to %q, want %d to %q", res.Status, at, want, signInPage)
				}
				holds(t, w, res)
			})
		}
	}
}

// A script is told, and never redirected: it would follow to another origin.
func TestNobodysScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.noPIN(t)
	nobody := w.browser()
	for _, family := range families {
		for name, header := range scripts {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				t.Run(family+", "+name+", "+method, func(t *testing.T) {
					toldToSignIn(t, w, family, nobody.checkAs(method, family, page, header), signInPage)
				})
			}
		}
		for scheme, back := range map[string]string{"ws": "http", "wss": "https"} {
			t.Run(family+", "+scheme, func(t *testing.T) {
				res := nobody.check(family, scheme+"://app.example.com/socket", nil)
				toldToSignIn(t, w, family, res, "https://auth.example.com/login?rd="+back+"%3A%2F%2Fapp.example.com%2Fsocket")
			})
		}
	}
}

func toldToSignIn(t *testing.T, w *world, family string, res *http.Response, login string) {
	t.Helper()
	if res.StatusCode != http.StatusUnauthorized {
		t.Fatalf("%s, want 401", res.Status)
	}
	at := res.Header.Get("Location")
	if family == "nginx" {
		if at != login {
			t.Errorf("Location %q, want %q", at, login)
		}
		holds(t, w, res)
		return
	}
	var told struct{ Error, Login string }
	if err := json.NewDecoder(res.Body).Decode(&told); err != nil || told.Error == "" || told.Login != login || at != "" {
		t.Errorf("told %+v, %v, with Location %q, want to sign in at %q", told, err, at, login)
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	holds(t, w, res)
}

// Who is signed in and may not pass gets 403: a page that says who they are and
// lets them switch, JSON for a script, that page's address for nginx.
func TestRefusedAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	mallory := w.signedIn("mallory")
	w.noPIN(t)
	isPage := func(t *testing.T, body string) {
		t.Helper()
		for _, want := range []string{"mallory", "app.example.com", "https://auth.example.com/login?switch=1&amp;rd="} {
			if !strings.Contains(body, want) {
				t.Errorf("the page does not have %q", want)
			}
		}
	}
	for _, family := range families {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			t.Run(family+", page, "+method, func(t *testing.T) {
				res := mallory.checkAs(method, family, page, nil)
				if res.StatusCode != http.StatusForbidden {
					t.Fatalf("%s, want 403", res.Status)
				}
				at := res.Header.Get("Location")
				if family != "nginx" {
					body := text(res)
					if isPage(t, body); at != "" {
						t.Errorf("Location %q", at)
					}
					holds(t, w, res)
					return
				}
				if holds(t, w, res); !strings.HasPrefix(at, "https://auth.example.com/refused?") {
					t.Fatalf("Location %q", at)
				}
				res = mallory.get(at)
				if isPage(t, text(res)); res.StatusCode != http.StatusForbidden {
					t.Errorf("that page: %s", res.Status)
				}
			})
		}
		for name, header := range scripts {
			t.Run(family+", "+name, func(t *testing.T) {
				res := mallory.check(family, page, header)
				if res.StatusCode != http.StatusForbidden {
					t.Fatalf("%s, want 403", res.Status)
				}
				if family != "nginx" {
					var told struct{ Error, Reason string }
					if err := json.NewDecoder(res.Body).Decode(&told); err != nil || told.Error != "forbidden" || told.Reason != "needs_share" || res.Header.Get("Location") != "" {
						t.Errorf("told %+v, %v, Location %q", told, err, res.Header.Get("Location"))
					}
				}
				holds(t, w, res)
			})
		}
	}
}

// A host that no cookie reaches: a sign-in for it would go round for ever.
func TestUnreachableHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	casey, nobody := w.signedIn("casey"), w.browser()
	w.noPIN(t)
	const address = "https://app.example.org/x"
	for _, family := range families {
		for who, b := range map[string]*browser{"nobody": nobody, "casey": casey} {
			t.Run(family+", "+who, func(t *testing.T) {
				res := b.check(family, address, nil)
				want := http.StatusBadRequest
				if family == "nginx" {
					want = http.StatusUnauthorized
				}
				if res.StatusCode != want {
					t.Fatalf("%s, want %d", res.Status, want)
				}
				body := text(res)
				holds(t, w, res)
				if family == "nginx" {
					res = b.get(res.Header.Get("Location"))
					if body = text(res); res.StatusCode != http.StatusBadRequest {
						t.Errorf("its page: %s", res.Status)
					}
				} else if at := res.Header.Get("Location"); at != "" {
					t.Errorf("Location %q", at)
				}
				if !strings.Contains(body, "app.example.org") || !strings.Contains(body, "USHER_URL") {
					t.Errorf("the page names not both the host and USHER_URL")
				}
			})
		}
		for name, header := range scripts {
			t.Run(family+", "+name, func(t *testing.T) {
				res := nobody.check(family, address, header)
				if family == "nginx" {
					if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Location") == "" {
						t.Errorf("%s to %q", res.Status, res.Header.Get("Location"))
					}
				} else if body := text(res); res.StatusCode != http.StatusBadRequest || !json.Valid([]byte(body)) {
					t.Errorf("%s and no JSON", res.Status)
				}
				holds(t, w, res)
			})
		}
		t.Run(family+", a socket by its scheme", func(t *testing.T) {
			res := nobody.check(family, "wss://app.example.org/x", nil)
			if body := text(res); family != "nginx" && (res.StatusCode != http.StatusBadRequest || !json.Valid([]byte(body))) {
				t.Errorf("%s and no JSON", res.Status)
			}
			holds(t, w, res)
		})
	}
}

// The page about an unreachable host says nothing that a stranger has worded.
func TestUnreachablePageIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.browser()
	at, err := url.Parse(b.check("nginx", "https://app.example.org/", nil).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	sealed := at.Query().Get("why")
	for name, why := range map[string]string{
		"plain text":       "evil.example",
		"JSON":             `"evil.example"`,
		"none":             "",
		"cut":              sealed[:len(sealed)-1],
		"a letter changed": strings.ToLower(sealed),
		"doubled":          sealed + sealed,
	} {
		if res := b.get("https://auth.example.com/unreachable?why=" + url.QueryEscape(why)); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
}

// Nobody passes while it cannot be decided.
func TestUndecidable(t *testing.T) {
	t.Parallel()
	notSetUp := newWorld(t, func(s *setup) { s.notSetUp = true })
	silent := newWorld(t, nil).signedIn("casey")
	silent.plex.Fail(plextest.Any, plextest.Maintenance())
	silent.restart(func(s *setup) {
		s.owner, s.directory.Owner, s.directory.Recheck, s.directory.Grace = "", 70010009, 1, 1
	}) // nanoseconds: past the grace
	contradicted := newWorld(t, nil).signedIn("casey")
	contradicted.restart(func(s *setup) { s.directory.Owner = 70010001 }) // robin's token, casey's id
	for name, c := range map[string]struct {
		b    *browser
		says string
	}{
		"plex.tv never said what they may see": {silent, "plex.tv"},
		"no server is allowed yet":             {notSetUp.browser(), "USHER_SERVERS"},
		"the owner's token is somebody else's": {contradicted, ""},
	} {
		for _, family := range families {
			t.Run(name+", "+family, func(t *testing.T) {
				for kind, header := range map[string]http.Header{"page": nil, "script": scripts["fetch"]} {
					res := c.b.check(family, page, header)
					body := text(res)
					if res.StatusCode != http.StatusServiceUnavailable {
						t.Fatalf("%s: %s, want 503", kind, res.Status)
					}
					if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || s <= 0 {
						t.Errorf("%s: Retry-After %q", kind, res.Header.Get("Retry-After"))
					}
					if kind == "page" && family != "nginx" && !strings.Contains(body, c.says) {
						t.Errorf("the page does not name %q", c.says)
					}
					holds(t, c.b.world, res)
				}
			})
		}
	}
}

// plex.tv hanging is nothing that a check of a known person waits for.
func TestKnownPeopleDoNotWaitForPlex(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.directory.Recheck = 1 }) // a nanosecond: always due
	casey := w.signedIn("casey")
	w.plex.Fail(plextest.Any, plextest.Hung())
	for _, family := range families {
		for range 3 {
			if res := casey.check(family, page, nil); res.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", family, res.Status)
			}
		}
	}
}

func TestAllowedAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	casey := w.signedIn("casey")
	w.noPIN(t)
	for _, family := range families {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND", "get"} {
			res := casey.checkAs(method, family, page, nil)
			if res.StatusCode != http.StatusOK || !slices.Equal(res.Header["Remote-User"], []string{"casey"}) || !slices.Equal(res.Header["Remote-Id"], []string{"70010001"}) {
				t.Errorf("%s, %s: %s as %q", family, method, res.Status, res.Header["Remote-User"])
			}
			holds(t, w, res)
		}
		for name, header := range scripts {
			if res := casey.check(family, page, header); res.StatusCode != http.StatusOK {
				t.Errorf("%s, %s: %s", family, name, res.Status)
			}
		}
		for _, scheme := range []string{"ws", "wss", "http"} {
			told(t, w.browser().replay(family, scheme+"://app.example.com/x", casey.cookies()), "Remote-User", "casey")
		}
	}
}

// No GET makes a PIN, and whatever is answered is not kept.
func TestEveryAnswerIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	casey, nobody := w.signedIn("casey"), w.browser()
	w.noPIN(t)
	for _, b := range []*browser{nobody, casey} {
		for _, path := range []string{"/", "/login", "/login?rd=/x", "/login/callback", "/login/poll", "/logout", "/refused", "/unreachable", "/api/session",
			"/healthz", "/readyz", "/nothing", "/auth/", "/auth/nothing", "//login", "/x/../login", "/favicon.ico", "/metrics", "/debug/pprof/"} {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "QUERY"} {
				res := b.do(method, "https://auth.example.com"+path, nil, nil)
				if got := res.Header["Cache-Control"]; !slices.Equal(got, []string{"no-store"}) {
					t.Errorf("%s %s: %s with Cache-Control %q", method, path, res.Status, got)
				}
				if at := res.Header.Get("Location"); at != "" && !strings.HasPrefix(at, "https://auth.example.com/") {
					t.Errorf("%s %s: Location %q", method, path, at)
				}
				if method != "GET" && method != "HEAD" && res.StatusCode < 400 {
					t.Errorf("%s %s: %s", method, path, res.Status)
				}
				if (path == "/metrics" || strings.HasPrefix(path, "/debug")) && res.StatusCode != http.StatusNotFound {
					t.Errorf("%s %s: %s", method, path, res.Status)
				}
			}
		}
	}
}

// Two people at once through every kind of proxy: nobody is told to be the other.
func TestChecksAreNeverCrossed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	people := map[string]*browser{"casey": w.signedIn("casey"), "sam": w.signedIn("sam"), "": w.browser()}
	var all sync.WaitGroup
	for name, b := range people {
		for _, family := range families {
			all.Go(func() {
				for range 100 {
					if res := b.check(family, page, nil); res.Header.Get("Remote-User") != name || (res.StatusCode == http.StatusOK) != (name != "") {
						t.Errorf("%q is told to be %q: %s", name, res.Header.Get("Remote-User"), res.Status)
					}
				}
			})
		}
	}
	all.Wait()
}
