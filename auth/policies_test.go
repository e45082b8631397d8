package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A policy stands in the path, and what is no policy lets nobody pass, the
// owner neither.
func TestPoliciesThatAreRefused(t *testing.T) {
	t.Parallel()
	withToken := newWorld(t, nil)
	without := newWorld(t, func(s *setup) { s.owner, s.directory.Owner = "", 70010009 })
	bad := []string{"", "/", "everybody", "Owner", "OWNER", "owner,", ",owner", "owner,,home", "owner;anyone", "owner%20home", "owner/anyone", "owner/../anyone", "../anyone", "anyone/", "/anyone", "./anyone",
		"%2e%2e%2fanyone", "!", "!owner", "!user:casey", "%21user:casey", "user:", "user%3A", "user:a@b@c", "server:", "server:Attic", "server:89abcdef0123456789abcdef0123456789abcdef",
		"server%3A89abcdef0123456789abcdef0123456789abcdef,anyone", "library:", "library%3A", "shared%00", "%61nyone%2", "owner%252Canyone", "anyone?x=1#y", "rules", "bypass", "true", "*", "anyone,everybody", "anyone,!anyone"}
	for _, w := range []*world{withToken, without} {
		robin, nobody := w.signedIn("robin"), w.browser()
		more := []string{}
		if w == without {
			more = []string{"library:Films", "library%3AFilms", "friend", "friend,owner", "owner,!friend", "%66riend"}
		}
		for _, family := range families {
			for _, policy := range append(more, bad...) {
				target := "/auth/" + family + "/" + policy
				if family == "envoy" {
					target = "/auth/envoy:" + policy
					if strings.Contains(policy, "/") || strings.Contains(policy, "..") || strings.Contains(policy, "anyone?x") {
						continue // the client's path begins there
					}
					target += "/x"
				}
				if _, err := url.ParseRequestURI(target); err != nil || policy == "anyone?x=1#y" {
					continue
				}
				for who, b := range map[string]*browser{"robin": robin, "nobody": nobody} {
					t.Run(target+", "+who, func(t *testing.T) {
						logged := strings.Count(w.log.String(), "level=ERROR")
						res := b.raw(target)
						if res.StatusCode != http.StatusInternalServerError {
							t.Errorf("%s as %q, want 500", res.Status, res.Header.Get("Remote-User"))
						}
						if n := strings.Count(w.log.String(), "level=ERROR") - logged; n != 1 {
							t.Errorf("%d errors logged, want one with the address to mend", n)
						}
						holds(t, w, res)
					})
				}
			}
		}
	}
}

func TestPoliciesInThePath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.allow = "anyone" })
	robin, sam, casey, mallory := w.signedIn("robin"), w.signedIn("sam"), w.signedIn("casey"), w.signedIn("mallory")
	type row struct {
		path string
		b    *browser
		want int
	}
	allow := func(path string, b *browser) row { return row{path, b, http.StatusOK} }
	deny := func(path string, b *browser) row { return row{path, b, http.StatusForbidden} }
	rows := []row{
		deny("owner", sam), deny("owner", casey), deny("owner", mallory), deny("home", casey), deny("home", mallory), deny("shared", mallory), deny("friend", mallory),
		deny("home,user:casey", mallory), deny("home%2Cuser%3Acasey", mallory), deny("user:70010001", mallory), deny("user:casey@example.org", sam),
		deny("shared,!user:casey", casey), deny("!user:casey,shared", casey), deny("%21user:casey,shared", casey), deny("shared,!user:CASEY@EXAMPLE.ORG", casey), deny("anyone,!friend", casey),
		deny("anyone,!home", robin), deny("server:"+"0123456789abcdef0123456789abcdef01234567", mallory),
		allow("owner", robin), allow("home", sam), allow("home,user:casey", casey), allow("home%2Cuser%3Acasey", casey), allow("home%2cuser%3acasey", casey), allow("home, user:casey", casey),
		allow("server:0123456789abcdef0123456789abcdef01234567", casey), allow("anyone", mallory), allow("%61nyone", mallory), allow("shared,!user:casey", sam),
	}
	for _, family := range families {
		for _, c := range rows {
			target := "/auth/" + family + "/" + strings.ReplaceAll(c.path, " ", "%20")
			if family == "envoy" {
				target = "/auth/envoy:" + strings.ReplaceAll(c.path, " ", "%20") + "/x"
			}
			res := c.b.raw(target)
			if res.StatusCode != c.want {
				t.Errorf("%s: %s, want %d", target, res.Status, c.want)
			}
			holds(t, w, res)
		}
	}
}

// Behind /auth/envoy stands what the client asked for.
func TestEnvoyPathIsNoPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	nobody, mallory, casey := w.browser(), w.signedIn("mallory"), w.signedIn("casey")
	for _, path := range []string{"/anyone", "/anyone/", "/../traefik/anyone", "/..%2ftraefik/anyone", "//traefik/anyone", "/:anyone", "/envoy:anyone/x", "/../envoy:anyone/x", "/%2e%2e/envoy:anyone/", "/user:mallory", "/healthz", "/login", "/?policy=anyone", "/auth/traefik/anyone"} {
		if got := nobody.raw("/auth/envoy" + path).StatusCode; got != http.StatusFound {
			t.Errorf("nobody at %s: %d", path, got)
		}
		if got := mallory.raw("/auth/envoy" + path).StatusCode; got != http.StatusForbidden {
			t.Errorf("mallory at %s: %d", path, got)
		}
		if got := casey.raw("/auth/envoy:owner" + path).StatusCode; got != http.StatusForbidden {
			t.Errorf("casey at %s with the owner's policy: %d", path, got)
		}
		if got := casey.raw("/auth/envoy:shared" + path).StatusCode; got != http.StatusOK {
			t.Errorf("casey at %s: %d", path, got)
		}
	}
}

// However a path is written, it lets nobody pass without a session.
func TestPathTricks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	nobody, mallory := w.browser(), w.signedIn("mallory")
	for _, target := range []string{"/auth", "/auth/", "/auth//", "/auth//traefik", "/auth/traefik/", "/auth/traefik//", "/auth/traefik/../nginx", "/auth/traefik/../../healthz", "/auth/../healthz", "/auth/..%2fhealthz",
		"/AUTH/traefik", "/Auth/Traefik", "/auth/Traefik", "/auth/traefik;x", "/auth/traefik%00", "/auth/traefik%2f", "/auth/traefik%2fanyone", "/auth%2ftraefik", "/%61uth/traefik", "/./auth/traefik", "//auth/traefik", "/auth/./traefik",
		"/auth/traefik.", "/auth/traefik%20", "/auth/traefik:anyone", "/auth/nginx:anyone", "/auth/:anyone", "/auth/envoy", "/auth/envoy:", "/auth/envoy%3aanyone/x", "/auth/default", "/auth/apache", "/auth/traefik?", "/auth/traefik/anyone"} {
		if res := nobody.raw(target); res.StatusCode < 300 || res.Header.Get("Remote-User") != "" {
			t.Errorf("nobody at %s: %s", target, res.Status)
		} else if res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be kept", target)
		}
		if res := mallory.raw(target); res.StatusCode == http.StatusOK && !strings.Contains(target, "anyone") {
			t.Errorf("mallory at %s: %s", target, res.Status)
		}
	}
}
