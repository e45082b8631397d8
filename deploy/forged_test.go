package deploy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// forgeries are ways to send an identity of one's own choice.
func forgeries(name, value string) map[string]http.Header {
	underscored := strings.ReplaceAll(name, "-", "_")
	return map[string]http.Header{
		"as we spell it":       {name: {value}},
		"lower case":           {strings.ToLower(name): {value}},
		"capitals":             {strings.ToUpper(name): {value}},
		"twice":                {name: {value, value}},
		"twice, two spellings": {name: {value}, strings.ToLower(name): {value}},
		"empty, then a value":  {name: {"", value}},
		"empty":                {name: {""}},
		"underscore":           {underscored: {value}},
		"underscore, lower":    {strings.ToLower(underscored): {value}},
		"dot":                  {strings.ReplaceAll(name, "-", "."): {value}},
		"a list":               {name: {value + ", " + value}},
	}
}

func forgedIdentityRefused(t *testing.T, h *house, g guests) {
	for spelling, forged := range forgeries("Remote-User", "robin") {
		if got := g.nobody.get(h.url("app", "/forged"), asScript, forged); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("nobody, %s: got %s, want 401", spelling, got.Status)
		}
		if got := g.mallory.get(h.url("app", "/forged"), asScript, forged); got.StatusCode != http.StatusForbidden {
			t.Errorf("mallory, %s: got %s, want 403", spelling, got.Status)
		}
		if got := g.casey.get(h.url("owner", "/forged"), asScript, forged); got.StatusCode != http.StatusForbidden {
			t.Errorf("casey at the owner's app, %s: got %s, want 403", spelling, got.Status)
		}
	}
	notReached(t, h, "/forged")
}

func forgedIdentityReplaced(t *testing.T, h *house, g guests) {
	identityKept(t, g.casey, h.url("app", "/who"))
	identityKept(t, g.robin, h.url("owner", "/who"))

	// A person without an e-mail address keeps none: an empty value of ours wins over a client's.
	h.plex.SetEmail("sam", "")
	sam := h.signedIn(t, "sam")
	for spelling, forged := range forgeries("Remote-Email", "robin@example.org") {
		got := sam.get(h.url("app", "/who"), asPage, forged).arrival(t)
		if values := got.all("Remote-Email"); strings.Join(values, "") != "" {
			t.Errorf("forged e-mail (%s): the app saw %q", spelling, values)
		}
		if user := got.all("Remote-User"); len(user) != 1 || user[0] != "sam" {
			t.Errorf("the app saw Remote-User %q, want sam", user)
		}
	}
}

// identityKept sends every forgery of every identity header and wants the app to see none.
func identityKept(t *testing.T, b *browser, target string) {
	t.Helper()
	ours := b.get(target, asPage).arrival(t)
	for _, name := range identity {
		for spelling, forged := range forgeries(name, "forged") {
			got := b.get(target, asPage, forged).arrival(t)
			for _, name := range identity {
				if want, values := ours.all(name), got.all(name); len(values) > 1 || strings.Join(values, "|") != strings.Join(want, "|") {
					t.Errorf("%s, forged %v (%s): the app saw %s %q, want %q", target, forged, spelling, name, values, want)
				}
			}
		}
	}
}

func forgedForwarding(t *testing.T, h *house, g guests) {
	forged := http.Header{
		"X-Forwarded-Host":   {"evil.example.net"},
		"X-Forwarded-Uri":    {"/elsewhere?x=1"},
		"X-Forwarded-Proto":  {"http"},
		"X-Forwarded-Method": {"OPTIONS"},
		"X-Forwarded-Port":   {"1"},
		"X-Forwarded-For":    {"203.0.113.9"},
		"X-Forwarded-Prefix": {"/evil"},
		"X-Original-Url":     {"https://evil.example.net/elsewhere"},
		"X-Original-URL":     {"https://evil.example.net/elsewhere"},
		"X-Original-Uri":     {"/elsewhere"},
		"X-Original-Method":  {"OPTIONS"},
		"X-Original-Host":    {"evil.example.net"},
		"X-Rewrite-Url":      {"/elsewhere"},
		"Forwarded":          {"for=203.0.113.9;host=evil.example.net;proto=http"},
	}
	toSignIn(t, h, g.nobody.get(h.url("app", "/forwarded?a=1"), asPage, forged)) // leads back to the real address
	for name, value := range map[string]string{
		"X-Forwarded-Host": strings.TrimPrefix(h.url("app", ""), "https://"),
		"X-Original-URL":   h.url("app", "/forwarded"),
	} {
		got := g.casey.get(h.url("owner", "/forwarded"), asScript, http.Header{name: {value}})
		if got.StatusCode != http.StatusForbidden {
			t.Errorf("casey at the owner's app with %s: got %s, want 403", name, got.Status)
		}
	}
	notReached(t, h, "/forwarded")
}

// A request line may name a host of its own, and that one chooses the site: the check must be about the same,
// or there must be none.
func secondHost(t *testing.T, h *house, g guests) {
	ask := func(line, header string) page {
		conn, r := g.casey.dial(line)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nCookie: %s\r\nConnection: close\r\n\r\n",
			h.url(line, "/second-host"), mustParse(h.url(header, "")).Host, g.casey.cookies(h.url("app", "/")))
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		res.Request = &http.Request{URL: mustParse(h.url(line, "/second-host"))}
		return page{res, string(body)}
	}
	passed := 0
	for _, hosts := range [][2]string{{"owner", "app"}, {"app", "owner"}, {"app", "auth"}, {"app", "nowhere"}} {
		got := ask(hosts[0], hosts[1])
		if got.StatusCode >= 400 && got.StatusCode <= 499 {
			continue
		}
		if hosts[0] == "owner" || h.proxy.refusesTwoHosts {
			t.Errorf("line %s, header %s: got %s, want it refused", hosts[0], hosts[1], got.Status)
			continue
		}
		passed++ // the line counts and the header does not, for everybody
		if host := mustParse(h.url("app", "")).Host; got.arrival(t).Host != host {
			t.Errorf("line %s, header %s: the app was asked as %s, want %s", hosts[0], hosts[1], got.arrival(t).Host, host)
		}
	}
	if n := h.app.reached("/second-host"); n != passed {
		t.Errorf("the app was reached %d times, and answered %d", n, passed)
	}
}

// "Connection: NAME" asks a proxy to take NAME away before it passes a request on.
func hopByHop(t *testing.T, h *house, g guests) {
	everything := "close, " + strings.Join(identity, ", ") + ", X-Forwarded-Host, X-Forwarded-Uri, X-Forwarded-Method, X-Forwarded-Proto, X-Original-URL"
	for _, list := range []string{"Remote-User", "remote-user, close", "keep-alive, Remote-Email", everything} {
		got := g.casey.get(h.url("app", "/hops"), asPage, http.Header{"Connection": {list}}).arrival(t)
		for name, want := range map[string]string{"Remote-User": "casey", "Remote-Email": "casey@example.org", "Remote-Id": "70010001"} {
			if values := got.all(name); len(values) != 1 || values[0] != want {
				t.Errorf("Connection: %s: the app saw %s %q, want %q", list, name, values, want)
			}
		}
		got2 := g.casey.get(h.url("owner", "/hops-owner"), asScript, http.Header{"Connection": {list}})
		if got2.StatusCode != http.StatusForbidden {
			t.Errorf("Connection: %s: at the owner's app got %s, want 403", list, got2.Status)
		}
		toSignIn(t, h, g.nobody.get(h.url("app", "/hops-nobody?a=1"), asPage, http.Header{"Connection": {list}}))
	}
	notReached(t, h, "/hops-owner")
	notReached(t, h, "/hops-nobody")
}
