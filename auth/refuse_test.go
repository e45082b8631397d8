package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"usher/auth"
)

// A refusal says why this person may not pass, and nothing about who may.
func TestRefusalNamesNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	mallory := w.signedIn("mallory")
	for _, family := range families {
		path := family + "/owner,user:casey@example.org,!user:70010008"
		if family == "envoy" {
			path = "envoy:owner,user:casey@example.org,!user:70010008"
		}
		for kind, header := range map[string]http.Header{"page": nil, "script": scripts["fetch"]} {
			res := mallory.check(path, page, header)
			all := text(res) + res.Header.Get("Location")
			if family == "nginx" {
				all += text(mallory.get(res.Header.Get("Location")))
			}
			for _, secret := range []string{"casey", "70010008", "user:", "robin", "70010009", plexTokens(w)} {
				if strings.Contains(all, secret) {
					t.Errorf("%s, %s: the refusal has %q", family, kind, secret)
				}
			}
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: %s", family, kind, res.Status)
			}
		}
	}
}

func plexTokens(w *world) string { return w.plex.Token("robin", clientID) }

// What the page about a refusal says travels sealed, for one person.
func TestRefusalsCannotBeWorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	mallory, casey, frankie := w.signedIn("mallory"), w.signedIn("casey"), w.signedIn("frankie")
	at := mallory.check("nginx/owner", page, nil).Header.Get("Location")
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	why := u.Query().Get("why")
	notice, err := url.Parse(mallory.check("nginx", "https://app.example.org/", nil).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(rd, why string) string {
		return "https://auth.example.com/refused?rd=" + url.QueryEscape(rd) + "&why=" + url.QueryEscape(why)
	}
	own := text(mallory.get(at))
	if !strings.Contains(own, "mallory") {
		t.Error("the page does not say who is refused")
	}
	for name, c := range map[string]struct {
		b   *browser
		why string
	}{
		"another person's":      {casey, why},
		"another's, a friend's": {frankie, why},
		"none":                  {casey, ""},
		"plain":                 {casey, `{"Policy":"anyone","Account":70010001}`},
		"cut":                   {casey, why[:len(why)/2]},
		"of another page":       {casey, notice.Query().Get("why")},
		"a session cookie":      {casey, casey.cookies()[0].Value},
	} {
		res := c.b.get(refused("https://app.example.com/x", c.why))
		if body := text(res); res.StatusCode != http.StatusForbidden || strings.Contains(body, "mallory") || res.Header.Get("Location") != "" {
			t.Errorf("%s: %s to %q", name, res.Status, res.Header.Get("Location"))
		}
	}
	for _, c := range auth.ReturnCases(t) {
		res := mallory.get(refused(c.Payload, why))
		if body := text(res); res.StatusCode != http.StatusForbidden || res.Header.Get("Location") != "" || !c.Allowed && strings.Contains(body, url.QueryEscape(c.Payload)+"\"") {
			t.Errorf("%.80q: %s to %q", c.Payload, res.Status, res.Header.Get("Location"))
		}
	}
	// Signed out, the page is nobody's: it leads to the sign-in, and back to the app.
	if res := w.browser().get(at); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != signInPage {
		t.Errorf("nobody: %s to %q", res.Status, res.Header.Get("Location"))
	}
}
