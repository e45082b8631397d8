package auth_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"usher/auth"
	"usher/plex/plextest"
	"usher/policy"
	"usher/session"
)

// shown is what a person's page says, read as a browser reads it.
type shown struct {
	told   [][2]string // header and value, "Empty" where it is none
	places []string    // host, answer, address
	ends   []string    // ids of the devices that can be signed out
	text   string
}

func readPage(t testing.TB, res *http.Response) (s shown) {
	t.Helper()
	doc, err := html.Parse(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", res.Status, err)
	}
	attr := func(n *html.Node, key string) string {
		for _, a := range n.Attr {
			if a.Key == key {
				return a.Val
			}
		}
		return ""
	}
	var words func(n *html.Node) string
	words = func(n *html.Node) string {
		if n.Type == html.TextNode {
			return n.Data
		}
		all := ""
		for c := range n.ChildNodes() {
			if c.DataAtom != atom.Style && c.DataAtom != atom.Script {
				all += words(c)
			}
		}
		return all
	}
	for n := range doc.Descendants() {
		switch {
		case n.DataAtom == atom.Dt && attr(n.Parent, "class") == "told":
			s.told = append(s.told, [2]string{words(n), words(n.NextSibling)})
		case n.DataAtom == atom.Tr && n.Parent.DataAtom == atom.Tbody:
			place := words(n.FirstChild) + " " + words(n.LastChild)
			if link := n.FirstChild.FirstChild; link.DataAtom == atom.A {
				place += " " + attr(link, "href")
			}
			s.places = append(s.places, place)
		case n.DataAtom == atom.Input && attr(n, "name") == "id":
			s.ends = append(s.ends, attr(n, "value"))
		}
	}
	s.text = strings.Join(strings.Fields(words(doc)), " ")
	return s
}

// Nobody signs a device out but the person whose it is, on our page.
func TestDevicesThatOthersEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b, phone, other := w.signedIn("casey"), w.signedIn("casey"), w.signedIn("sam")
	key := b.makeKey(site, keyForm("script", ""))
	id := readPage(t, b.get(site+"/")).ends
	if len(id) != 1 {
		t.Fatalf("%d devices can be signed out, want the phone", len(id))
	}
	end := url.Values{"id": id}
	gone := w.signedIn("casey")
	late := gone.cookie(sessionName)
	gone.post(site+"/logout", nil)
	keyed := http.Header{"Authorization": {"Bearer " + key}, "X-Usher-Key": {key}}
	for name, a := range map[string]struct {
		who             *browser
		method, address string
		form            url.Values
		header          http.Header
	}{
		"another person":             {other, "POST", "", end, nil},
		"nobody":                     {w.browser(), "POST", "", end, nil},
		"who has signed out":         {gone, "POST", "", end, http.Header{"Cookie": {sessionName + "=" + late}}},
		"a key":                      {w.browser(), "POST", "", end, keyed},
		"a key shows":                {w.browser(), "GET", "/..", nil, keyed},
		"a key in another's hands":   {other, "POST", "", end, keyed},
		"an id that there is not":    {b, "POST", "", url.Values{"id": {"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}}, nil},
		"no id":                      {b, "POST", "", url.Values{}, nil},
		"an empty id":                {b, "POST", "", url.Values{"id": {""}}, nil},
		"an id in small letters":     {b, "POST", "", url.Values{"id": {strings.ToLower(id[0])}}, nil},
		"sam's, by casey":            {b, "POST", "", url.Values{"id": {w.store.ByAccount(sam)[0].ID}}, nil},
		"a key's id":                 {b, "POST", "", url.Values{"id": {w.store.Keys(casey)[0].ID}}, nil},
		"another's first, then ours": {other, "POST", "", url.Values{"id": {"x", id[0]}}, nil},
		"a form elsewhere":           {b, "POST", "", end, crossSite},
		"a form on an app":           {b, "POST", "", end, http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.example.com"}}},
		"an older browser":           {b, "POST", "", end, http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://app.example.com"}}},
		"a sandboxed frame":          {b, "POST", "", end, http.Header{"Sec-Fetch-Site": nil, "Origin": {"null"}}},
		"a link":                     {b, "GET", "?id=" + id[0], nil, nil},
		"an id in the address":       {b, "POST", "?id=" + id[0], url.Values{}, nil},
		"a method in a header":       {b, "GET", "", nil, http.Header{"X-Http-Method-Override": {"POST"}}},
		"DELETE":                     {b, "DELETE", "", end, nil},
		"a form that cannot be read": {b, "POST", "", url.Values{"x": {strings.Repeat("x", 20<<10)}, "id": id}, nil},
	} {
		address := site + "/devices/end" + a.address
		if a.address == "/.." {
			address = site + "/"
		}
		res := a.who.do(a.method, address, a.form, a.header)
		if res.StatusCode == http.StatusOK || res.StatusCode >= 500 {
			t.Errorf("%s: %s", name, res.Status)
		}
		w.wantSessions(casey, 2)
		w.wantSessions(sam, 1)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	for _, who := range []*browser{b, phone} {
		if res := who.check("traefik", page, nil); res.StatusCode != http.StatusOK {
			t.Errorf("after all of it: %s", res.Status)
		}
	}
}

func TestADeviceIsSignedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	desk, phone := w.signedIn("casey"), w.signedIn("casey")
	ends := readPage(t, desk.get(site+"/")).ends
	if len(ends) != 1 {
		t.Fatalf("%d can be signed out", len(ends))
	}
	copied := sessionName + "=" + phone.cookie(sessionName)
	res := desk.post(site+"/devices/end", url.Values{"id": ends})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != site+"/" || len(res.Cookies()) > 0 {
		t.Errorf("%s to %q", res.Status, res.Header.Get("Location"))
	}
	w.wantSessions(casey, 1)
	w.wantNobody("the phone", copied)
	if ends := readPage(t, desk.get(site+"/")).ends; len(ends) != 0 {
		t.Errorf("the page still has %q", ends)
	}
	again := desk.post(site+"/devices/end", url.Values{"id": ends})
	if again.StatusCode != res.StatusCode || again.Header.Get("Location") != res.Header.Get("Location") {
		t.Errorf("a second time: %s", again.Status)
	}
	desk.post(site+"/devices/end", url.Values{"id": {w.store.ByAccount(casey)[0].ID}}) // this one, by hand
	if res := desk.get(site + "/"); res.Header.Get("Location") != site+"/login" {
		t.Errorf("this one: %s to %q", res.Status, res.Header.Get("Location"))
	}
	if !strings.Contains(w.log.String(), "event=sign_out result=ok") {
		t.Error("the log does not say so")
	}
}

// A lost phone can be signed out while plex.tv is silent, and nobody is told
// what is not known.
func TestAPersonsPageWhilePlexIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		desk, phone := w.signedIn("casey"), w.signedIn("casey")
		ends := readPage(t, desk.get(site+"/")).ends
		w.plex.Close()
		w.restart(func(s *setup) { s.owner, s.directory.Owner, s.directory.Recheck, s.directory.Grace = "", robin, 1, 1 })
		wantSilent(t, "the page", desk.get(site+"/"))
		if res := desk.post(site+"/devices/end", url.Values{"id": ends}); res.StatusCode != http.StatusSeeOther {
			t.Errorf("signing the phone out: %s", res.Status)
		}
		w.wantSessions(casey, 1)
		if res := phone.get(site + "/"); res.Header.Get("Location") != site+"/login" {
			t.Errorf("the phone: %s", res.Status)
		}
	})
}

// The list is what a check really sends, header by header.
func TestWhatTheAppsAreTold(t *testing.T) {
	t.Parallel()
	const all = "X-Id={id},X-Uuid={uuid},X-User={username},X-Email={email},X-Name={name},X-Thumb={thumb},X-Groups={groups},X-Tier={tier}"
	for _, headers := range []string{auth.DefaultHeaders, all, "X-WEBAUTH-USER={email},remote-id={id}", "X-Forwarded-Groups={groups}"} {
		w := newWorld(t, func(s *setup) { s.headers = headers })
		w.plex.Edit("casey", func(p *plextest.Person) {
			p.Username, p.FriendlyName, p.Email = script, "  <b>Cas&amp;ey</b>  \"x\",,\u202e\x00 "+strings.Repeat("é", 300), `"'<i>`
		})
		for _, person := range []string{"robin", "sam", "Kiddo", "casey", "frankie", "pat", "otto", "mallory", "ivan"} {
			b := w.browser()
			b.from = "192.0.2." + fmt.Sprint(person[0])
			b.signIn(person, "/")
			told := readPage(t, b.get(site+"/")).told
			for _, family := range families {
				at := family + "/anyone"
				if family == "envoy" {
					at = "envoy:anyone"
				}
				var want [][2]string
				res := b.check(at, page, nil)
				if res.StatusCode != http.StatusOK {
					t.Fatalf("%s at %s: %s", person, at, res.Status)
				}
				for name, values := range res.Header {
					if name == "Cache-Control" || name == "X-Envoy-Auth-Headers-To-Remove" {
						continue
					}
					if values[0] == "" {
						values = []string{"Empty"}
					}
					want = append(want, [2]string{name, strings.Join(values, "|")})
				}
				byName := func(a, b [2]string) int { return strings.Compare(a[0], b[0]) }
				slices.SortFunc(want, byName)
				slices.SortFunc(told, byName)
				if diff := cmp.Diff(want, told); diff != "" {
					t.Errorf("%s, %s, %s (-sent +shown):\n%s", person, headers, family, diff)
				}
			}
		}
	}
}

func TestWhenPlexSaidSo(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*setup){
		"Plex said so 3\u00a0minutes ago, to the owner’s account.": nil,
		"Plex said so 3\u00a0minutes ago, to your own account.":    ownView,
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, change)
				b := w.signedIn("casey")
				time.Sleep(3*time.Minute + time.Second)
				if got := readPage(t, b.get(site+"/")).text; !strings.Contains(got, strings.ReplaceAll(want, "\u00a0", " ")) {
					t.Errorf("no %q in: %s", want, got)
				}
			})
		})
	}
}

const reachRules = `
- host: [open.example.com, "*.docs.example.com"]
  path: /own
  allow: owner, user:otto@example.org
- host: open.example.com
  network: 192.168.0.0/16
  allow: anyone
- host: secret.example.com
  preset: arr-api
  bypass: true
- host: [secret.example.com, "*.secret.example.com"]
  allow: owner
- host: films.example.com
  allow: library:Films
- host: public.example.com
  bypass: true
- host: lan.example.com
  network: 192.168.0.0/16
  bypass: true
- host: [lan.example.com, banned.example.com]
  allow: "shared, !user:casey"
- host: read.example.com
  method: [GET, HEAD]
  allow: friend
- host: read.example.com
  path: /secretpath
  allow: "shared, !user:casey"
- host: [elsewhere.example.net, "*.example.net", "192.0.2.1"]
  allow: anyone
`

func withRules(text string) func(*setup) {
	return func(s *setup) {
		var err error
		s.Rules, _, err = policy.ParseRules([]byte(text), policy.Context{Servers: s.directory.Servers, OwnerToken: true}, auth.HostName)
		if err != nil {
			panic(err)
		}
	}
}

// Where a person may go is what checks say, and nobody learns what the rules are
// made of, or of a host that is closed to them.
func TestWhereAPersonMayGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		withRules(reachRules)(s)
		s.Admins, _ = policy.ParseAdmins("user:sam")
	})
	hosts := []string{"open", "*.docs", "secret", "*.secret", "films", "public", "lan", "banned", "read"}
	for name, c := range map[string]struct {
		person, from string
		says         string
		answers      string // in the order of hosts; "-" is not listed
	}{
		"the owner":             {"robin", "", "Every app here that has no rule of its own is open to you.", "Yes,Yes,Yes,Yes,Yes,Yes,Yes,Yes,Yes"},
		"who administers":       {"sam", "", "Every app here", "In part,In part,No,No,Yes,Yes,Yes,Yes,Yes"},
		"a member of the home":  {"Kiddo", "", "Every app here", "In part,In part,-,-,Yes,Yes,Yes,Yes,Yes"},
		"who is kept out":       {"casey", "", "Every app here", "In part,In part,-,-,Yes,Yes,-,-,In part"},
		"the same, at home":     {"casey", "192.168.1.2", "Every app here", "In part,In part,-,-,Yes,Yes,Yes,-,In part"},
		"a friend":              {"frankie", "", "have no rule of their own are not open to you. Plex says that the server here is not shared", "-,-,-,-,-,Yes,-,-,In part"},
		"a stranger":            {"mallory", "", "have no rule of their own are not open to you. Plex says that the server here is not shared", "-,-,-,-,-,Yes,-,-,-"},
		"a stranger at home":    {"mallory", "192.168.1.2", "have no rule of their own are not open", "In part,-,-,-,-,Yes,Yes,-,-"},
		"an impostor's servers": {"ivan", "", "have no rule of their own are not open", "-,-,-,-,-,Yes,-,-,-"},
	} {
		b := w.browser()
		b.from = "198.51.100." + fmt.Sprint(len(name))
		b.signIn(c.person, "/")
		if c.from != "" {
			b.from = c.from
		}
		res := b.get(site + "/")
		got := readPage(t, res)
		var want []string
		answers := strings.Split(c.answers, ",")
		for i, host := range hosts {
			if answers[i] != "-" {
				place := host + ".example.com " + answers[i]
				if !strings.HasPrefix(host, "*") {
					place += " https://" + host + ".example.com/"
				}
				want = append(want, place)
			} else if strings.Contains(got.text, " "+host+".") {
				t.Errorf("%s learns of %s", name, host)
			}
			b.wantReach(name, strings.Replace(host, "*", "any", 1)+".example.com", answers[i])
		}
		if diff := cmp.Diff(want, got.places); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !strings.Contains(got.text, c.says) {
			t.Errorf("%s: no %q in %s", name, c.says, got.text)
		}
		for _, secret := range []string{"otto", "/own", "secretpath", "192.168", "user:", "example.net", "192.0.2.1", "arr-api", "bypass", "GET"} {
			if strings.Contains(got.text, secret) {
				t.Errorf("%s is told %q", name, secret)
			}
		}
	}
}

// wantReach asks for several things at a host, and expects what the page says.
func (b *browser) wantReach(name, host, answer string) {
	b.t.Helper()
	open, closed := 0, 0
	for _, path := range []string{"/", "/x", "/own", "/own/x", "/secretpath"} {
		for _, method := range []string{"GET", "POST"} {
			switch res := b.check("traefik", "https://"+host+path, http.Header{"X-Forwarded-Method": {method}}); res.StatusCode {
			case http.StatusOK:
				open++
			case http.StatusForbidden:
				closed++
			default:
				b.t.Errorf("%s at %s%s: %s", name, host, path, res.Status)
			}
		}
	}
	if got := map[string]bool{"Yes": closed == 0, "In part": open > 0 && closed > 0, "No": open == 0, "-": open == 0}; !got[answer] {
		b.t.Errorf("%s at %s: %d open and %d closed, the page says %q", name, host, open, closed, answer)
	}
}

// A rule for all hosts comes before USHER_ALLOW here too.
func TestRulesForEveryHost(t *testing.T) {
	t.Parallel()
	for rules, want := range map[string]string{
		"- path: /admin\n  allow: owner\n":                            "The apps here that have no rule of their own are open to you in part.",
		"- allow: home\n":                                             "have no rule of their own are not open to you. This is for members of the owner’s Plex Home",
		"- allow: owner\n- host: a.example.com\n  allow: anyone\n":    "are not open to you. Only the owner of the Plex server may open this.",
		"- path: /\n  allow: 'user:robin'\n":                          "have no rule of their own are not open to you. Only people whom the owner has named",
		"- allow: 'anyone, !user:casey'\n":                            "have no rule of their own are not open to you. The owner has chosen to keep this account out.",
		"- path: /api\n  bypass: true\n":                              "Every app here that has no rule of its own is open to you.",
		"- network: 10.99.0.0/16\n  allow: owner\n":                   "Every app here that has no rule of its own is open to you.",
		"- host: a.example.com\n  path: /x\n  allow: owner\n":         "Every app here that has no rule of its own is open to you.",
		"- host: '*.a.example.com'\n  allow: 'anyone, !user:casey'\n": "Every app here that has no rule of its own is open to you.",
	} {
		w := newWorld(t, withRules(rules))
		got := readPage(t, w.signedIn("casey").get(site+"/"))
		if !strings.Contains(got.text, want) {
			t.Errorf("%s: no %q in %s", rules, want, got.text)
		}
	}
}

// What plex.tv has not said is neither yes nor no; and who has no share at all
// does not learn that there is such a place.
func TestWhereNobodyKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		withRules("- host: films.example.com\n  allow: library:Films\n- host: both.example.com\n  allow: library:Films, shared\n" +
			"- host: never.example.com\n  allow: 'shared, !library:Films'\n- host: banned.example.com\n  allow: 'library:Films, !user:casey'\n" +
			"- host: mixed.example.com\n  path: /x\n  allow: library:Films\n- host: mixed.example.com\n  allow: shared\n")(s)
		ownView(s) // which tells of no libraries
	})
	for person, want := range map[string][]string{
		"casey":   {"films.example.com Not known https://films.example.com/", "both.example.com Yes https://both.example.com/", "never.example.com Not known https://never.example.com/", "mixed.example.com In part https://mixed.example.com/"},
		"mallory": nil,
		"frankie": nil,
	} {
		b := w.browser()
		b.from = "198.51.100." + fmt.Sprint(person[0])
		b.signIn(person, "/")
		if diff := cmp.Diff(want, readPage(t, b.get(site+"/")).places); diff != "" {
			t.Errorf("%s: %s", person, diff)
		}
	}
}

// An app is taken to be where the pages are: behind the same proxy.
func TestWhereAppsAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		withRules("- host: [a.example.com, b.example.org, auth.example.org, example.org, '*.org', '*.example.org', '*.x.example.org', '*.notexample.org', localhost, '*.localhost']\n  allow: shared\n")(s)
		s.urls = []string{"https://auth.example.com", "http://auth.example.org:8080", "http://localhost"}
	})
	want := []string{"a.example.com Yes https://a.example.com/", "b.example.org Yes http://b.example.org:8080/", "auth.example.org Yes http://auth.example.org:8080/", "example.org Yes http://example.org:8080/",
		"*.org Yes", "*.example.org Yes", "*.x.example.org Yes", "localhost Yes http://localhost/"}
	if diff := cmp.Diff(want, readPage(t, w.signedIn("casey").get(site+"/")).places); diff != "" {
		t.Error(diff)
	}
}

func TestPlacesAreBounded(t *testing.T) {
	t.Parallel()
	rules := ""
	for i := range 300 {
		rules += fmt.Sprintf("- host: [h%d.example.com, closed%d.example.com]\n  path: /x\n  allow: owner\n- host: [closed%d.example.com, H%d.example.com.]\n  allow: user:%d\n", i, i, i, i, 1+i%2*(casey-1))
	}
	w := newWorld(t, withRules(rules))
	got := readPage(t, w.signedIn("casey").get(site+"/"))
	if len(got.places) != 100 || got.places[99] != "closed99.example.com In part https://closed99.example.com/" || !strings.Contains(got.text, "There are more.") {
		t.Errorf("%d places, %q", len(got.places), got.places)
	}
}

// Where every host has pages of its own, the scripts of its app can read them:
// they learn of no other host, and end nothing there.
func TestAPersonsPageInOverlayMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { withRules(reachRules)(s); s.urls = nil })
	const app, other = "https://films.example.com/_usher", "https://other.example.com/_usher"
	b, phone := w.browser(), w.browser()
	phone.from = "203.0.113.99"
	b.signInAt(app, "casey", "/")
	phone.signInAt(other, "casey", "/")
	phone.makeKey(other, keyForm("Other's key", ""))
	b.makeKey(app, keyForm("Own key", ""))
	if _, _, err := w.store.MakeKey(session.Key{Account: casey, Name: "Older", Hosts: []string{"films.example.com", "other.example.com"}, Ends: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	got := readPage(t, b.get(app+"/"))
	if len(got.ends)+len(got.places) > 0 || !strings.Contains(got.text, "films.example.com is open to you.") || !strings.Contains(got.text, "Own key") || !strings.Contains(got.text, "Older") {
		t.Errorf("%+v", got)
	}
	for _, secret := range []string{"other.example.com", "Other's key", "203.0.113.99", "open.example.com", "secret", "public"} {
		if strings.Contains(got.text, secret) {
			t.Errorf("an app is told %q", secret)
		}
	}
	for _, d := range w.store.ByAccount(casey) {
		if d.Audience == "other.example.com" {
			b.post(app+"/devices/end", url.Values{"id": {d.ID}})
		}
	}
	w.wantSessions(casey, 2)
	phone.signInAt(app, "casey", "/")
	ends := readPage(t, b.get(app+"/")).ends
	if len(ends) != 1 {
		t.Fatalf("%q can be signed out, want the phone's session of this host", ends)
	}
	if res := b.post(app+"/devices/end", url.Values{"id": ends}); res.Header.Get("Location") != app+"/" {
		t.Errorf("to %q", res.Header.Get("Location"))
	}
	w.wantSessions(casey, 2)
}

// A share that is taken back shows on the page as soon as plex.tv has said so.
func TestAPersonsPageAfterTheShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, withRules("- host: films.example.com\n  allow: shared\n"))
		b := w.signedIn("casey")
		if got := readPage(t, b.get(site+"/")); len(got.places) != 1 || got.told[3][1] != "shared,friend,library:Films,library:Shows" {
			t.Errorf("before: %+v", got)
		}
		w.plex.Unshare("casey", plextest.Attic)
		time.Sleep(6 * time.Minute)
		b.get(site + "/") // notices that the answer is old
		synctest.Wait()
		got := readPage(t, b.get(site+"/"))
		if len(got.places) != 0 || strings.Contains(got.text, "films.example.com") || !strings.Contains(got.text, "no access to the apps here at the moment. Plex says that the server here is not shared") || got.told[3][1] != "friend" {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

// Twelve devices and fifty keys are a page that can still be used.
func TestAPersonsPageWithALot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	this := w.store.ByAccount(casey)[0].ID
	for i := range 50 {
		if i < 11 {
			if _, err := w.store.Begin(session.Session{Account: casey, Audience: "example.com", Device: script, Address: script, Expires: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		secret, _, err := w.store.MakeKey(session.Key{Account: casey, Name: fmt.Sprint(script, i), Ends: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 { // the oldest, and the one in use
			b.check("traefik", page, http.Header{"X-Usher-Key": {string(secret)}})
		}
	}
	wantSafe(t, "the page", b.get(site+"/"))
	got := readPage(t, b.get(site+"/"))
	if len(got.ends) != 11 || slices.Contains(got.ends, this) || !strings.Contains(got.text, "8 more devices") || strings.Count(got.text, "Never used") != 4 || !strings.Contains(got.text, "Last used") || !strings.Contains(got.text, "And 45 more.") {
		t.Errorf("%d devices: %s", len(got.ends), got.text)
	}
}
