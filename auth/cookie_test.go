package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wantNobody expects a check with these cookies to be nobody's, or refused as
// mallory: never let in, never an error, and never with an identity header.
func (w *world) wantNobody(what, cookies string) {
	w.t.Helper()
	for proxy, want := range map[string]int{"traefik": http.StatusFound, "nginx": http.StatusUnauthorized} {
		res := w.browser().check(proxy, page, merge(nil, cookies))
		if res.StatusCode != want || res.Header.Get("Remote-User") != "" || len(res.Cookies()) > 0 {
			w.t.Errorf("%s, %s: %s as %q", what, proxy, res.Status, res.Header.Get("Remote-User"))
		}
	}
}

func (w *world) wantUser(what, cookies, user string) {
	w.t.Helper()
	res := w.browser().check("traefik", page, merge(nil, cookies))
	if res.StatusCode != http.StatusOK || res.Header.Get("Remote-User") != user {
		w.t.Errorf("%s: %s as %q, want %s", what, res.Status, res.Header.Get("Remote-User"), user)
	}
}

func TestCookiesThatAreNobodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	casey, mallory := w.signedIn("casey"), w.signedIn("mallory")
	good, strangers := casey.cookie(sessionName), mallory.cookie(sessionName)
	waiting := w.browser()
	waiting.begin("/")
	token := w.plex.Token("casey", clientID)

	w.wantUser("the cookie itself", sessionName+"="+good, "casey")
	for i := range good {
		w.wantNobody("byte "+good[:i]+"*", sessionName+"="+flip(good, i))
		if c := good[i] ^ 1; c != '"' && c != ';' && c != ',' && c != '\\' && c > ' ' {
			w.wantNobody("bit "+good[:i]+"*", sessionName+"="+good[:i]+string(c)+good[i+1:])
		}
	}
	for i := range good {
		w.wantNobody("cut", sessionName+"="+good[:i])
	}
	half := min(len(good), len(strangers)) / 2
	for name, cookies := range map[string]string{
		"none":                            "",
		"empty":                           sessionName + "=",
		"no value":                        sessionName,
		"one byte more":                   sessionName + "=" + good + "A",
		"padding more":                    sessionName + "=" + good + "=",
		"twice":                           sessionName + "=" + good + good,
		"two people's halves":             sessionName + "=" + strangers[:half] + good[half:],
		"encoded once more":               sessionName + "=" + url.QueryEscape(good+"="),
		"under the insecure name":         "usher=" + good,
		"under the host's name":           "__Host-usher=" + good,
		"under the name in capitals":      strings.ToUpper(sessionName) + "=" + good,
		"under the sign-in's name":        pendingName + "=" + good,
		"the sign-in's under ours":        sessionName + "=" + waiting.cookie(pendingName),
		"8 kB":                            sessionName + "=" + strings.Repeat("A", 8<<10),
		"1 MB":                            sessionName + "=" + strings.Repeat("A", 1<<20),
		"1 MB of ours":                    sessionName + "=" + strings.Repeat(good, 1<<20/len(good)),
		"1 MB of semicolons":              strings.Repeat(";", 1<<20),
		"1 MB of small ones of the name":  strings.Repeat(sessionName+"=MQ==; ", 1<<20/len(sessionName+"=MQ==; ")),
		"1 MB of names that begin alike":  strings.Repeat(sessionName+"x=1; ", 1<<20/len(sessionName+"x=1; ")),
		"a Plex token":                    "X-Plex-Token=" + token + "; plex_token=" + token + "; token=" + token + "; " + sessionName + "=" + token,
		"JSON":                            sessionName + `={"p":70010009,"s":"x"}`,
		"control bytes":                   sessionName + "=\x01\x02\x7f",
		"the id alone":                    sessionName + "=70010001",
		"a JWT without a signature":       sessionName + "=eyJhbGciOiJub25lIn0.eyJzdWIiOiI3MDAxMDAwOSJ9.",
		"a name and value in a quotation": sessionName + `="` + good[:10] + `"`,
	} {
		w.wantNobody(name, cookies)
	}
	for name, header := range map[string]http.Header{
		"a Plex token in a header": {"X-Plex-Token": {token}, "Authorization": {"Bearer " + token}},
		"an identity in headers":   {"Remote-User": {"casey"}, "X-Forwarded-User": {"casey"}, "Remote-Id": {"70010009"}},
		"the session in a header":  {"Authorization": {"Bearer " + good}, "X-Usher-Session": {good}, "Cookie2": {sessionName + "=" + good}},
	} {
		if res := w.browser().check("traefik", page, header); res.StatusCode != http.StatusFound {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if res := w.browser().check("traefik?X-Plex-Token="+token+"&"+sessionName+"="+good, page, nil); res.StatusCode != http.StatusFound {
		t.Errorf("in the query: %s", res.Status)
	}
}

func TestPlantedCookiesDoNotHideOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	good, strangers := w.signedIn("casey").cookie(sessionName), w.signedIn("mallory").cookie(sessionName)
	ours := sessionName + "=" + good
	for name, cookies := range map[string]string{
		"fifty in front":           strings.Repeat(sessionName+"=planted; ", 50) + ours,
		"fifty that look like it":  strings.Repeat(sessionName+"="+flip(good, 9)+"; ", 50) + ours,
		"fifty behind":             ours + strings.Repeat("; "+sessionName+"=planted", 50),
		"8 kB in front":            sessionName + "=" + strings.Repeat("A", 8<<10) + "; " + ours,
		"1 MB in front":            sessionName + "=" + strings.Repeat("A", 1<<20) + "; " + ours,
		"an empty one in front":    sessionName + "=; " + ours,
		"a sign-in in front":       pendingName + "=" + good + "; " + ours,
		"no space between":         sessionName + "=planted;" + ours,
		"many of other apps":       strings.Repeat("app=1; ", 5000) + ours,
		"a broken pair in front":   "=; ===;;; \x01=\x02; " + ours,
		"ours without a seal last": ours + "; " + sessionName + "=" + flip(good, 0),
	} {
		w.wantUser(name, cookies, "casey")
	}
	// Two that open: the browser sends the longer path, or the older, first. A
	// sibling host can plant its own person's: then the app sees that person,
	// and never a mixture.
	res := w.browser().check("traefik", page, merge(nil, sessionName+"="+strangers+"; "+ours))
	if res.StatusCode != http.StatusForbidden || res.Header.Get("Remote-User") != "" {
		t.Errorf("a stranger's session in front: %s as %q", res.Status, res.Header.Get("Remote-User"))
	}
}

func TestReplaysOfASession(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b, other *browser){
		"signed out":                         func(b, _ *browser) { b.post(site+"/logout", nil) },
		"signed out everywhere":              func(b, _ *browser) { b.post(site+"/logout", url.Values{"everywhere": {"1"}}) },
		"signed out everywhere from another": func(_, o *browser) { o.post(site+"/logout", url.Values{"everywhere": {"1"}}) },
		"somebody else signed in after it":   func(b, _ *browser) { b.signIn("sam", "/") },
		"the same person signed in after it": func(b, _ *browser) { b.signIn("casey", "/") },
		"the owner's secret was changed": func(b, _ *browser) {
			b.restart(func(s *setup) { s.secrets = []string{"test-secret-another-0123456789-abcdefghijk"} })
		},
		"the cookie domain was changed": func(b, _ *browser) {
			b.restart(func(s *setup) { s.urls = []string{"https://auth.home.example.com"} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			b, other := w.signedIn("casey"), w.signedIn("casey")
			cookie := sessionName + "=" + b.cookie(sessionName)
			w.wantUser("before", cookie, "casey")
			end(b, other)
			if res := w.browser().check("traefik", "https://app.home.example.com/", merge(nil, cookie)); res.StatusCode != http.StatusFound {
				t.Errorf("a copy of the cookie: %s", res.Status)
			}
		})
	}
}

func TestASessionEndsOnTheSecond(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]url.Values{"kept": {"keep": {"0", "1"}}, "until the browser closes": {"keep": {"0"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(s *setup) { s.Lifetime = 2 * time.Hour })
				b := w.browser()
				b.get(b.approve(b.post(site+"/login", form).Header.Get("Location"), "casey"))
				cookie := sessionName + "=" + b.cookie(sessionName)
				time.Sleep(2*time.Hour - time.Second)
				w.wantUser("a second before", cookie, "casey")
				time.Sleep(2 * time.Second)
				w.wantNobody("a second after", cookie)
				if res := w.raw(http.MethodGet, site+"/api/session", cookie); res.StatusCode != http.StatusUnauthorized {
					t.Errorf("a second after: %s", res.Status)
				}
			})
		})
	}
}

func TestAShorterLifetimeCountsForOldSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		cookie := sessionName + "=" + w.signedIn("casey").cookie(sessionName)
		time.Sleep(2 * time.Hour)
		w.restart(func(s *setup) { s.Lifetime = 3 * time.Hour })
		w.wantUser("within", cookie, "casey")
		w.restart(func(s *setup) { s.Lifetime = time.Hour })
		w.wantNobody("past it", cookie)
	})
}

func TestASecretThatIsRetiredOpensWhileItIsListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	next := "test-secret-next-0123456789-abcdefghijklm"
	b := w.signedIn("casey")
	old := sessionName + "=" + b.cookie(sessionName)
	waiting := w.browser()
	forward := waiting.begin("/")
	w.restart(func(s *setup) { s.secrets = []string{next, testSecret} })
	w.wantUser("both are listed", old, "casey")
	waiting.get(waiting.approve(forward, "sam"))
	sealedNext := sessionName + "=" + waiting.cookie(sessionName)
	w.wantUser("a sign-in over the change", sealedNext, "sam")
	w.restart(func(s *setup) { s.secrets = []string{next} })
	w.wantNobody("the old one is gone", old)
	w.wantUser("the new one stays", sealedNext, "sam")
}

func TestSetCookie(t *testing.T) {
	t.Parallel()
	type attributes struct {
		Name, Domain, Path string
		MaxAge             int
		Secure, HTTPOnly   bool
		SameSite           http.SameSite
	}
	month := int(720 * time.Hour / time.Second)
	for name, c := range map[string]struct {
		change        func(*setup)
		base, keep    string
		want, pending attributes
	}{
		"a domain": {nil, site, "1",
			attributes{"__Secure-usher", "example.com", "/", month, true, true, http.SameSiteLaxMode},
			attributes{"__Host-usher-sign-in", "", "/", 1800, true, true, http.SameSiteLaxMode}},
		"until the browser closes": {nil, site, "0",
			attributes{"__Secure-usher", "example.com", "/", 0, true, true, http.SameSiteLaxMode},
			attributes{"__Host-usher-sign-in", "", "/", 1800, true, true, http.SameSiteLaxMode}},
		"one host": {func(s *setup) { s.urls = nil }, "https://app.example.com/_usher", "1",
			attributes{"__Host-usher", "", "/", month, true, true, http.SameSiteLaxMode},
			attributes{"__Host-usher-sign-in", "", "/", 1800, true, true, http.SameSiteLaxMode}},
		"without TLS": {func(s *setup) { s.urls, s.Insecure = []string{"http://auth.home.lan"}, true }, "http://auth.home.lan", "1",
			attributes{"usher", "home.lan", "/", month, false, true, http.SameSiteLaxMode},
			attributes{"usher-sign-in", "", "/", 1800, false, true, http.SameSiteLaxMode}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.change)
				b := w.browser()
				only := func(res *http.Response) (set attributes) {
					for _, got := range res.Cookies() {
						if got.Value == "" {
							continue
						}
						if strings.HasSuffix(got.Name, "usher-here") { // of the pages' host alone, beside a session cookie that goes further
							here := attributes{strings.Replace(got.Name, "usher-here", "usher", 1), got.Domain, got.Path, got.MaxAge, got.Secure, got.HttpOnly, got.SameSite}
							want := c.want
							want.Name, want.Domain = strings.Replace(want.Name, "__Secure-", "__Host-", 1), ""
							if here != want || c.want.Domain == "" {
								t.Errorf("%+v beside %+v", here, c.want)
							}
							continue
						}
						if strings.HasSuffix(got.Name, "usher-way") { // of the pages' host alone, and of this browser run
							if want := (attributes{strings.Replace(c.pending.Name, "usher-sign-in", "usher-way", 1), "", "/", 0, c.pending.Secure, true, http.SameSiteLaxMode}); want != (attributes{got.Name, got.Domain, got.Path, got.MaxAge, got.Secure, got.HttpOnly, got.SameSite}) || !got.Expires.IsZero() {
								t.Errorf("%+v, want %+v", got, want)
							}
							continue
						}
						if set.Name != "" {
							t.Errorf("two cookies: %s and %s", set.Name, got.Name)
						}
						if c.keep == "0" && got.MaxAge == 0 && !got.Expires.IsZero() {
							t.Errorf("%s expires, though it ends with the browser", got.Name)
						}
						set = attributes{got.Name, got.Domain, got.Path, got.MaxAge, got.Secure, got.HttpOnly, got.SameSite}
					}
					return set
				}
				res := b.post(c.base+"/login", url.Values{"keep": {"0", c.keep}})
				if diff := cmp.Diff(c.pending, only(res)); diff != "" {
					t.Error(diff)
				}
				res = b.get(b.approve(res.Header.Get("Location"), "casey"))
				if diff := cmp.Diff(c.want, only(res)); diff != "" {
					t.Error(diff)
				}
				res = b.post(c.base+"/logout", nil)
				cleared := false
				for _, got := range res.Cookies() {
					if got.Name == c.want.Name && got.MaxAge < 0 && got.Domain == c.want.Domain && got.Path == "/" {
						cleared = true
					}
				}
				if !cleared {
					t.Errorf("signing out leaves the cookie: %v", res.Header["Set-Cookie"])
				}
			})
		})
	}
}

func TestARestartSignsNobodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	over := sessionName + "=" + b.cookie(sessionName)
	b.post(site+"/logout", nil)
	live := sessionName + "=" + w.signedIn("casey").cookie(sessionName)
	w.restart(nil)
	w.wantUser("a live session", live, "casey")
	w.wantNobody("one that was signed out", over)
	w.restart(func(s *setup) { s.notSetUp = true })
	for _, address := range []string{site + "/", site + "/api/session", site + "/logout", site + "/refused", site + "/login", poll, callback} {
		if res := w.raw(http.MethodGet, address, live); res.StatusCode == http.StatusInternalServerError || setsSession(res) {
			t.Errorf("without allowed servers, %s: %s", address, res.Status)
		}
	}
}
