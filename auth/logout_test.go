package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestNobodyIsSignedOutByOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	everywhere := url.Values{"everywhere": {"1"}}
	for name, a := range map[string]struct {
		method, address string
		body            url.Values
		header          http.Header
	}{
		"an image":                {"GET", site + "/logout", nil, http.Header{"Sec-Fetch-Dest": {"image"}, "Sec-Fetch-Site": {"cross-site"}, "Accept": {"image/*"}}},
		"a link":                  {"GET", site + "/logout?everywhere=1&rd=/", nil, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}},
		"a prefetch":              {"GET", site + "/logout", nil, http.Header{"Sec-Purpose": {"prefetch"}}},
		"a HEAD":                  {"HEAD", site + "/logout", nil, nil},
		"a method in a header":    {"GET", site + "/logout", nil, http.Header{"X-Http-Method-Override": {"POST"}}},
		"DELETE":                  {"DELETE", site + "/logout", nil, http.Header{"Sec-Fetch-Site": {"same-origin"}}},
		"a form elsewhere":        {"POST", site + "/logout", everywhere, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.com"}}},
		"a form on an app":        {"POST", site + "/logout", everywhere, http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.example.com"}}},
		"an older browser":        {"POST", site + "/logout", everywhere, http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://app.example.com"}}},
		"a sandboxed frame":       {"POST", site + "/logout", everywhere, http.Header{"Sec-Fetch-Site": nil, "Origin": {"null"}}},
		"our name in its own":     {"POST", site + "/logout", everywhere, http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://evil.com/?https://auth.example.com"}}},
		"a forged host of theirs": {"POST", site + "/logout", everywhere, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Referer": {site + "/"}}},
	} {
		res := b.do(a.method, a.address, a.body, a.header)
		for _, c := range res.Cookies() {
			t.Errorf("%s: sets %s", name, c.Name)
		}
		if a.method == http.MethodPost && res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", name, res.Status)
		}
		if n := len(w.store.ByAccount(casey)); n != 1 {
			t.Fatalf("%s: %d sessions are left", name, n)
		}
	}
	if res := b.check("traefik", page, nil); res.StatusCode != http.StatusOK {
		t.Errorf("after all of it: %s", res.Status)
	}
}

func TestSigningOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	phone, desk, sams := w.signedIn("casey"), w.signedIn("casey"), w.signedIn("sam")
	if body := text(desk.get(site + "/logout")); !strings.Contains(body, `method="post"`) || !strings.Contains(body, "casey") {
		t.Errorf("the page that asks:\n%s", body)
	}
	copied := sessionName + "=" + desk.cookie(sessionName)
	desk.begin("/") // and thinks better of it
	res := desk.post(site+"/logout", url.Values{"rd": {"https://app.example.com/bye?x=1"}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "https://app.example.com/bye?x=1" {
		t.Errorf("here: %s to %q", res.Status, res.Header.Get("Location"))
	}
	w.wantSessions(casey, 1)
	w.wantNobody("a copy", copied)
	if desk.cookie(sessionName) != "" || desk.cookie(pendingName) != "" {
		t.Error("the browser keeps its cookie")
	}
	if body := text(desk.get(site + "/logout")); !strings.Contains(body, "You are signed out") {
		t.Errorf("the page afterwards:\n%s", body)
	}
	if res := phone.check("traefik", page, nil); res.StatusCode != http.StatusOK {
		t.Errorf("another device: %s", res.Status)
	}
	res = phone.post(site+"/logout", url.Values{"everywhere": {"1"}})
	if res.Header.Get("Location") != site+"/logout" {
		t.Errorf("everywhere: to %q", res.Header.Get("Location"))
	}
	w.wantSessions(casey, 0)
	w.wantSessions(sam, 1)
	if res := sams.check("traefik", page, nil); res.StatusCode != http.StatusOK {
		t.Errorf("somebody else: %s", res.Status)
	}
	phone.signIn("casey", "/")
	w.wantSessions(casey, 1)
	if res := phone.check("traefik", page, nil); res.StatusCode != http.StatusOK {
		t.Errorf("signed in again: %s", res.Status)
	}
}

func TestSigningOutLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, rd := range []string{"https://evil.com/", "//evil.com", `/\evil.com`, "https://example.com.evil.com/", "javascript:alert(1)", "https://app.example.com@evil.com/", "/%2f/evil.com", "https://auth.example.org/"} {
		for where, res := range map[string]*http.Response{
			"form":  w.browser().post(site+"/logout", url.Values{"rd": {rd}}),
			"query": w.browser().post(site+"/logout?rd="+url.QueryEscape(rd), nil),
			"both":  w.browser().post(site+"/logout?rd=/", url.Values{"rd": {rd}}),
			"twice": w.browser().post(site+"/logout", url.Values{"rd": {"/", rd}}),
		} {
			if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != site+"/logout" {
				t.Errorf("%q in %s: %s to %q", rd, where, res.Status, res.Header.Get("Location"))
			}
		}
	}
}

func TestSigningOutWorksWhilePlexIsSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	b.plex.Close()
	b.restart(nil)
	if res := b.get(site + "/logout"); res.StatusCode != http.StatusOK {
		t.Errorf("the page: %s", res.Status)
	}
	if res := b.post(site+"/logout", nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("signing out: %s", res.Status)
	}
	w.wantSessions(casey, 0)
}
