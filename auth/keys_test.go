package auth_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/session"
)

var (
	shownKey  = regexp.MustCompile(`usher_[A-Z2-7]{52}`)
	shownID   = regexp.MustCompile(`name="id" value="([^"]*)"`)
	crossSite = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.com"}}
)

func keyForm(name, hosts string) url.Values {
	return url.Values{"name": {name}, "ends": {"365"}, "hosts": {hosts}}
}

// makeKey makes a key by the page.
func (b *browser) makeKey(base string, form url.Values) string {
	b.t.Helper()
	res := b.post(base+"/keys", form)
	body := text(res)
	keys := shownKey.FindAllString(body, -1)
	if res.StatusCode != http.StatusOK || len(keys) != 1 {
		b.t.Fatalf("POST /keys: %s with %d keys\n%s", res.Status, len(keys), body)
	}
	return keys[0]
}

func TestAKeyFromThePageToTheApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	if !strings.Contains(text(b.get(site+"/")), `href="https://auth.example.com/keys"`) {
		t.Error("the front page does not lead there")
	}
	key := b.makeKey(site, keyForm(" My reader \n", "APP.example.com., *.media.example.com\r\napp.example.com;"))
	if body := text(b.get(site + "/keys")); strings.Contains(body, key[len(session.KeyPrefix):][:8]) || !strings.Contains(body, "My reader") || !strings.Contains(body, "*.media.example.com") || !strings.Contains(body, "Never used") {
		t.Errorf("the list shows the key once more, or not what it is for:\n%s", body)
	}
	k := w.store.Keys(casey)
	if len(k) != 1 || k[0].Name != "My reader" || !slices.Equal(k[0].Hosts, []string{"app.example.com", "*.media.example.com"}) || k[0].LastAddress.String() != b.from {
		t.Errorf("%+v", k)
	}
	if life := k[0].Ends.Sub(k[0].Made); life < 364*24*time.Hour || life > 367*24*time.Hour {
		t.Errorf("for %v", life)
	}
	told(t, w.browser().check("traefik", page, ways["basic"](key)), "Remote-User", "casey")
	if body := text(b.get(site + "/keys")); !strings.Contains(body, "Last used") || !strings.Contains(body, "203.0.113.7") {
		t.Errorf("the list does not show its use:\n%s", body)
	}
	if body := text(w.signedIn("sam").get(site + "/keys")); strings.Contains(body, "My reader") || !strings.Contains(body, "You have no keys") {
		t.Error("somebody else is shown it")
	}
	b.post(site+"/logout", url.Values{"everywhere": {"1"}})
	told(t, w.browser().check("traefik", page, ways["basic"](key)), "Remote-User", "casey")
	b.signIn("casey", "/")
	res := b.post(site+"/keys/end", url.Values{"id": {k[0].ID}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != site+"/keys" {
		t.Errorf("revoking: %s to %q", res.Status, res.Header.Get("Location"))
	}
	wantWrongKey(t, w, w.browser().check("traefik", page, ways["basic"](key)), "revoked", true)
	for _, said := range []string{"event=key result=made", "event=key result=revoked"} {
		if !strings.Contains(w.log.String(), said) {
			t.Errorf("the log does not say %q", said)
		}
	}
}

// Nobody makes or revokes a key but the person who is signed in, on our page.
func TestKeysThatOthersTouch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b, other := w.signedIn("casey"), w.signedIn("sam")
	key := b.makeKey(site, keyForm("phone", ""))
	id := shownID.FindStringSubmatch(text(b.get(site + "/keys")))[1]
	revoke := url.Values{"id": {id}}
	with := func(base http.Header, key string) http.Header {
		h := base.Clone()
		if h == nil {
			h = http.Header{}
		}
		h.Set("Authorization", "Bearer "+key)
		h.Set("X-Usher-Key", key)
		return h
	}
	for name, a := range map[string]struct {
		who             *browser
		method, address string
		form            url.Values
		header          http.Header
	}{
		"another person revokes":      {other, "POST", "/keys/end", revoke, nil},
		"nobody revokes":              {w.browser(), "POST", "/keys/end", revoke, nil},
		"nobody makes":                {w.browser(), "POST", "/keys", keyForm("x", ""), nil},
		"a key revokes":               {w.browser(), "POST", "/keys/end", revoke, with(nil, key)},
		"a key makes":                 {w.browser(), "POST", "/keys", keyForm("x", ""), with(nil, key)},
		"a key lists":                 {w.browser(), "GET", "/keys", nil, with(nil, key)},
		"a key shows":                 {w.browser(), "GET", "/", nil, with(nil, key)},
		"a key asks who":              {w.browser(), "GET", "/api/session", nil, with(nil, key)},
		"casey's key in sam's hands":  {other, "POST", "/keys/end", revoke, with(nil, key)},
		"a form elsewhere revokes":    {b, "POST", "/keys/end", revoke, crossSite},
		"a form elsewhere makes":      {b, "POST", "/keys", keyForm("x", ""), crossSite},
		"an app's form makes":         {b, "POST", "/keys", keyForm("x", ""), http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.example.com"}}},
		"an older browser's makes":    {b, "POST", "/keys", keyForm("x", ""), http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://app.example.com"}}},
		"a sandboxed frame makes":     {b, "POST", "/keys", keyForm("x", ""), http.Header{"Sec-Fetch-Site": nil, "Origin": {"null"}}},
		"a link revokes":              {b, "GET", "/keys/end?id=" + id, nil, nil},
		"a link makes":                {b, "GET", "/keys?name=x&ends=365", nil, nil},
		"an id in the address":        {b, "POST", "/keys/end?id=" + id, url.Values{}, nil},
		"a name in the address":       {b, "POST", "/keys?name=x&ends=365", url.Values{}, nil},
		"DELETE":                      {b, "DELETE", "/keys/end", revoke, nil},
		"the key itself as its id":    {b, "POST", "/keys/end", url.Values{"id": {key}}, nil},
		"no id":                       {b, "POST", "/keys/end", url.Values{}, nil},
		"a form that cannot be read":  {b, "POST", "/keys", url.Values{"name": {strings.Repeat("x", 20<<10)}}, nil},
		"another's, by a method more": {other, "GET", "/keys/end", nil, http.Header{"X-Http-Method-Override": {"POST"}}},
	} {
		res := a.who.do(a.method, site+a.address, a.form, a.header)
		body := text(res)
		if shownKey.MatchString(body) || strings.Contains(res.Header.Get("Location"), "usher_") || res.StatusCode == http.StatusInternalServerError {
			t.Errorf("%s: %s shows a key", name, res.Status)
		}
		if (strings.HasPrefix(name, "a key") || strings.HasPrefix(name, "nobody")) && res.StatusCode != http.StatusSeeOther && res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, res.Status)
		}
		if strings.Contains(name, "form") && res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, res.Status)
		}
		if a, s := len(w.store.Keys(casey)), len(w.store.Keys(sam)); a != 1 || s != 0 {
			t.Fatalf("%s: casey has %d keys, sam %d", name, a, s)
		}
	}
	if res := b.do("GET", site+"/keys/end", nil, nil); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET /keys/end: %s, Allow %q", res.Status, res.Header.Get("Allow"))
	}
}

// What is wrong in the form is said on the page, and what was entered is kept.
func TestKeysThatCannotBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	b.makeKey(site, keyForm("taken", ""))
	for name, c := range map[string]struct {
		form url.Values
		says string
	}{
		"no name":                     {keyForm("", "app.example.com"), "what the key is for"},
		"a name of spaces":            {keyForm(" \t\u202e", "app.example.com"), "what the key is for"},
		"a long name":                 {keyForm(strings.Repeat("x", 61), "app.example.com"), "what the key is for"},
		"a name twice":                {keyForm("taken", "app.example.com"), "of that name"},
		"no end":                      {url.Values{"name": {"x"}, "hosts": {"app.example.com"}}, "when the key ends"},
		"another end":                 {url.Values{"name": {"x"}, "ends": {"99999"}, "hosts": {"app.example.com"}}, "when the key ends"},
		"an end that is past":         {url.Values{"name": {"x"}, "ends": {"-1"}, "hosts": {"app.example.com"}}, "when the key ends"},
		"another domain":              {keyForm("x", "app.example.com app.example.net"), "app.example.net"},
		"a domain like it":            {keyForm("x", "app.example.com.evil.com"), "app.example.com.evil.com"},
		"a domain ending so":          {keyForm("x", "evilexample.com"), "evilexample.com"},
		"the domain above":            {keyForm("x", "com"), "Not below"},
		"all of the domain above":     {keyForm("x", "*.com"), "Not below"},
		"all":                         {keyForm("x", "*"), "Not a host name"},
		"a star inside":               {keyForm("x", "app.*.example.com"), "Not a host name"},
		"a star of a part":            {keyForm("x", "a*.example.com"), "Not a host name"},
		"two stars":                   {keyForm("x", "*.*.example.com"), "Not a host name"},
		"an address of a page":        {keyForm("x", "https://app.example.com/"), "without https://"},
		"a port":                      {keyForm("x", "app.example.com:8443"), "without https://"},
		"a user":                      {keyForm("x", "casey@app.example.com"), "Not a host name"},
		"a dot in front":              {keyForm("x", ".example.com"), "Not a host name"},
		"an IP address":               {keyForm("x", "192.0.2.1"), "Not below"},
		"letters that look like ours": {keyForm("x", "app.exаmple.com"), "Not a host name"},
		"a script":                    {keyForm("x", "<script>alert(1)</script>"), "Not a host name"},
		"101 hosts":                   {keyForm("x", manyHosts(101)), "100 host names"},
	} {
		res := b.post(site+"/keys", c.form)
		body := html.UnescapeString(text(res))
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(body, c.says) || shownKey.MatchString(body) {
			t.Errorf("%s: %s\n%s", name, res.Status, body)
		}
		first, _, _ := strings.Cut(c.form.Get("hosts"), " ")
		if _, kept, _ := strings.Cut(body, "<textarea"); !strings.Contains(kept, first) {
			t.Errorf("%s: the hosts are lost", name)
		}
		if n := len(w.store.Keys(casey)); n != 1 {
			t.Fatalf("%s: %d keys", name, n)
		}
	}
	b.makeKey(site, keyForm("a hundred", manyHosts(100)))
	for i := range 48 {
		b.makeKey(site, keyForm(fmt.Sprint(i), "example.com *.example.com auth.example.com"))
	}
	if res := b.post(site+"/keys", keyForm("one more", "")); res.StatusCode != http.StatusBadRequest || !strings.Contains(text(res), "as many keys as one may have") {
		t.Errorf("number 51: %s", res.Status)
	}
}

func manyHosts(n int) string {
	var hosts []string
	for i := range n {
		hosts = append(hosts, fmt.Sprintf("app%d.example.com", i))
	}
	return strings.Join(hosts, "\n")
}

// Keys are for people whom the owner knows, or whom the policy lets in.
func TestWhoMayHaveKeys(t *testing.T) {
	t.Parallel()
	for allow, people := range map[string]map[string]bool{
		"shared":                 {"robin": true, "Kiddo": true, "casey": true, "frankie": true, "mallory": false, "ivan": false, "pat": false},
		"anyone":                 {"mallory": true, "ivan": true},
		"shared,user:mallory":    {"mallory": true, "ivan": false},
		"anyone,!user:mallory":   {"mallory": false},
		"shared,!user:70010001":  {"casey": true}, // a key that opens nothing
		"owner,user:not-mallory": {"mallory": false, "casey": true},
	} {
		w := newWorld(t, func(s *setup) { s.allow = allow })
		for person, may := range people {
			b := w.browser()
			b.from = "203.0.113." + fmt.Sprint(len(person), len(allow)%10)
			b.signIn(person, "/")
			page, front, made := b.get(site+"/keys"), text(b.get(site+"/")), b.post(site+"/keys", keyForm("x", ""))
			if got := page.StatusCode == http.StatusOK; got != may || !may && page.StatusCode != http.StatusForbidden {
				t.Errorf("%s under %s: %s", person, allow, page.Status)
			}
			if got := strings.Contains(front, site+"/keys"); got != may {
				t.Errorf("%s under %s: a link %v", person, allow, got)
			}
			if got := shownKey.MatchString(text(made)); got != may {
				t.Errorf("%s under %s: makes one: %v", person, allow, got)
			}
		}
	}
}

// A person whose access is gone makes no key in the time until they notice.
func TestKeysNeedASession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.signedIn("casey")
		if res := w.browser().get(site + "/keys"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != site+"/login?rd=https%3A%2F%2Fauth.example.com%2Fkeys" {
			t.Errorf("nobody: %s to %q", res.Status, res.Header.Get("Location"))
		}
		w.plex.Close()
		w.restart(func(s *setup) { s.owner, s.directory.Owner, s.directory.Recheck, s.directory.Grace = "", robin, 1, 1 })
		wantSilent(t, "the page", b.get(site+"/keys"))
		wantSilent(t, "making one", b.post(site+"/keys", keyForm("x", "")))
		if n := len(w.store.Keys(casey)); n != 0 {
			t.Errorf("%d keys", n)
		}
	})
}

// Where every host has pages of its own, a key made there is for it alone.
func TestKeysInOverlayMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls = nil })
	b := w.browser()
	const app, other = "https://app.example.com/_usher", "https://other.example.com/_usher"
	b.signInAt(app, "casey", "/")
	b.signInAt(other, "casey", "/")
	key := b.makeKey(app, keyForm("My reader", "other.example.com *.example.com"))
	told(t, w.browser().check("traefik", "https://APP.example.com.:8443/x", ways["bearer"](key)), "Remote-User", "casey")
	for _, host := range []string{"other.example.com", "example.com", "x.app.example.com", "evilapp.example.com"} {
		if res := w.browser().check("traefik", "https://"+host+"/x", ways["bearer"](key)); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", host, res.Status)
		}
	}
	if body := text(b.get(app + "/keys")); !strings.Contains(body, "My reader") || !strings.Contains(body, "app.example.com") || strings.Contains(body, "<textarea") {
		t.Errorf("its page:\n%s", body)
	}
	if body := text(b.get(other + "/keys")); strings.Contains(body, "My reader") || strings.Contains(body, "app.example.com") {
		t.Error("another app is told of it")
	}
}
