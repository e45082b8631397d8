package auth_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/auth"
	"usher/policy"
	"usher/session"
)

const office = "https://auth.example.com/admin"

// withOffice has a desk that says who came.
func withOffice(t *testing.T, admins string) func(*setup) {
	return func(s *setup) {
		if admins != "" {
			var err error
			if s.Admins, err = policy.ParseAdmins(admins); err != nil {
				t.Fatal(err)
			}
		}
		s.Office = func(w http.ResponseWriter, r *http.Request, a auth.Admin) bool {
			if strings.HasSuffix(r.URL.Path, "/nowhere") {
				return false
			}
			fmt.Fprintf(w, "account %d at %s from %s", a.Account, a.Base, a.Client)
			return true
		}
	}
}

// nothing asks for pages of the office and wants each answer to be, in every byte, the one to a page that there is not.
func nothing(t *testing.T, who string, b *browser, header http.Header) {
	t.Helper()
	same := func(method, path string, form url.Values) {
		t.Helper()
		got := b.do(method, "https://auth.example.com"+path, form, header)
		want := b.do(method, "https://auth.example.com/no-such-page", form, header)
		gotText, wantText := text(got), text(want)
		if got.StatusCode != want.StatusCode || gotText != wantText || !cmp.Equal(got.Header, want.Header) {
			t.Errorf("%s, %s %s: %s, an unknown page: %s\n%s", who, method, path, got.Status, want.Status, cmp.Diff(want.Header, got.Header)+cmp.Diff(wantText, gotText))
		}
		if got.StatusCode == http.StatusOK {
			t.Errorf("%s, %s %s: %s", who, method, path, gotText)
		}
	}
	for _, path := range []string{"/admin", "/admin/", "/admin/people", "/admin/people/70010001", "/admin/nowhere"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			same(method, path, nil)
		}
		same(http.MethodPost, path, url.Values{"do": {"keep-out"}})
	}
}

func welcome(t *testing.T, who string, b *browser) {
	t.Helper()
	for _, path := range []string{"", "/", "/people"} {
		if res := b.get(office + path); res.StatusCode != http.StatusOK {
			t.Errorf("%s, %s: %s", who, path, res.Status)
		}
	}
}

func TestTheOfficeIsNowhereForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withOffice(t, "user:70010003")) // sam
	nothing(t, "nobody", w.browser(), nil)
	for _, name := range []string{"casey", "Kiddo", "frankie", "mallory", "ivan"} {
		nothing(t, name, w.signedIn(name), nil)
	}
	robin := w.signedIn("robin")
	welcome(t, "robin", robin)
	if res := robin.get(office); text(res) != "account 70010009 at https://auth.example.com from 203.0.113.7" {
		t.Error("robin is taken for another")
	}
	sam := w.signedIn("sam")
	welcome(t, "sam", sam)
	if res := robin.get(office + "/nowhere"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a page of the office that is not there: %s", res.Status)
	}

	// Keys are no cookies.
	secret, _, err := w.store.MakeKey(session.Key{Account: 70010009, Name: "phone", Ends: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []http.Header{{"X-Usher-Key": {string(secret)}}, {"Authorization": {"Bearer " + string(secret)}}} {
		nothing(t, "a key", w.browser(), header)
	}
	// What an app gets of an administrator's cookies, those of the domain, opens nothing.
	appURL, err := url.Parse("https://app.example.com/")
	if err != nil {
		t.Fatal(err)
	}
	app := w.browser()
	for _, c := range robin.jar.Cookies(appURL) {
		app.jar.SetCookies(appURL, []*http.Cookie{{Name: c.Name, Value: c.Value, Domain: "example.com", Path: "/", Secure: true}})
	}
	if res := app.check("traefik", page, nil); res.StatusCode != http.StatusOK {
		t.Fatalf("the app has not robin's cookie: %s", res.Status)
	}
	nothing(t, "an app with robin's cookie", app, nil)
	otherAdmin := w.signedIn("sam")
	for _, c := range otherAdmin.jar.Cookies(&url.URL{Scheme: "https", Host: "auth.example.com", Path: "/"}) {
		if c.Name == "__Host-usher-here" {
			nothing(t, "an app with robin's cookie and another's", app, http.Header{"Cookie": {c.Name + "=" + c.Value + "; " + app.cookies()[0].Name + "=" + app.cookies()[0].Value}})
		}
	}
	// Nor is a cookie that was sealed for another name or place.
	for _, c := range robin.cookies() {
		for _, name := range []string{"usher", "__Host-usher"} {
			nothing(t, "robin's cookie as "+name, w.browser(), http.Header{"Cookie": {name + "=" + c.Value}})
		}
	}

	// An administrator who is kept out is none, and the owner cannot be.
	if err := w.store.Rule(session.Ruling{Account: 70010003, By: 70010009}); err != nil {
		t.Fatal(err)
	}
	nothing(t, "sam, kept out and signed out", sam, nil)
	nothing(t, "sam, kept out", w.signedIn("sam"), nil)
	if err := w.store.Rule(session.Ruling{Account: 70010009, By: 70010003}); err != nil {
		t.Fatal(err)
	}
	welcome(t, "robin, kept out by nobody", w.signedIn("robin"))
}

// With two sites a cookie of one is none at the other.
func TestTheOfficeKnowsItsOwnCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		withOffice(t, "")(s)
		s.urls = []string{"https://auth.example.com", "https://auth.example.org"}
	})
	robin := w.signedIn("robin")
	welcome(t, "robin", robin)
	for _, c := range robin.cookies() {
		res := w.browser().do(http.MethodGet, "https://auth.example.org/admin", nil, http.Header{"Cookie": {c.Name + "=" + c.Value}})
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("a cookie of example.com at example.org: %s", res.Status)
		}
	}
}

func TestFormsFromElsewhereChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withOffice(t, ""))
	robin := w.signedIn("robin")
	for name, header := range map[string]http.Header{
		"another site":       {"Sec-Fetch-Site": {"cross-site"}},
		"another host":       {"Sec-Fetch-Site": {"same-site"}},
		"an old browser":     {"Sec-Fetch-Site": nil, "Origin": {"https://app.example.com"}},
		"no origin to speak": {"Sec-Fetch-Site": nil, "Origin": {"null"}},
	} {
		if res := robin.do(http.MethodPost, office+"/people", url.Values{"do": {"keep-out"}}, header); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if res := robin.post(office+"/people", nil); res.StatusCode != http.StatusOK {
		t.Errorf("the page's own: %s", res.Status)
	}
}

// Where pages live below a path apps share their origin. Its host may be of the same
// site, so that a browser sends every cookie along.
func TestFormsFromAnotherSiteOfOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		withOffice(t, "")(s)
		s.urls = []string{"https://auth.example.com", "https://app.media.example.com/_usher"}
	})
	robin := w.signedIn("robin")
	for name, header := range map[string]http.Header{
		"a browser":      {"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.media.example.com"}},
		"an old browser": {"Sec-Fetch-Site": nil, "Origin": {"https://app.media.example.com"}},
	} {
		if res := robin.do(http.MethodPost, office+"/people", url.Values{"do": {"let-in"}}, header); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if res := robin.do(http.MethodPost, office+"/people", nil, http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://auth.example.com"}}); res.StatusCode != http.StatusOK {
		t.Errorf("the page's own, in an old browser: %s", res.Status)
	}
}

// Who loses what they are while at the desk is refused at the next click.
func TestTheOfficeClosesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withOffice(t, "user:sam,user:casey@example.org"))
	sam, casey := w.signedIn("sam"), w.signedIn("casey")
	welcome(t, "sam", sam)
	welcome(t, "casey", casey)
	w.restart(withOffice(t, "user:casey@example.org"))
	nothing(t, "sam, no longer named", sam, nil)
	welcome(t, "casey", casey)

	if err := w.store.EndAll(70010001); err != nil {
		t.Fatal(err)
	}
	nothing(t, "casey, signed out elsewhere", casey, nil)

	robin := w.signedIn("robin")
	welcome(t, "robin", robin)
	w.restart(func(s *setup) {
		withOffice(t, "")(s)
		s.owner, s.directory.Owner = "", 70010003 // the server has another owner now
	})
	nothing(t, "robin, who was the owner", robin, nil)
}

// A name that passes to another account takes no office with it, also across a restart.
func TestNamesOfAdministratorsThatChangeHands(t *testing.T) {
	t.Parallel()
	const admins = "user:casey"
	w := newWorld(t, withOffice(t, admins))
	welcome(t, "casey", w.signedIn("casey"))
	w.plex.Rename("casey", "cassandra")
	w.plex.Rename("mallory", "casey")
	for range 2 {
		nothing(t, "mallory, who is called casey now", w.signedIn("mallory"), nil)
		nothing(t, "casey, who is called cassandra now", w.signedIn("casey"), nil)
		w.restart(withOffice(t, admins))
	}
	if !strings.Contains(w.log.String(), "changed hands") {
		t.Error("the log does not say so")
	}
	w.plex.Rename("mallory", "mallory")
	w.plex.Rename("casey", "casey")
	welcome(t, "casey once more", w.signedIn("casey"))
	w.restart(withOffice(t, "user:mallory"))
	welcome(t, "mallory, whom another list names", w.signedIn("mallory"))
	w.restart(withOffice(t, "user:casey, user:70010001"))
	welcome(t, "casey by id", w.signedIn("casey"))
}

// A short code is soon talked out of somebody, and a token is by now in other hands as well:
// nobody whom either has signed in opens the desk. A sign-in in that browser does it.
func TestWhoSignsInOtherwiseNeverAdministers(t *testing.T) {
	t.Parallel()
	for _, at := range []string{site, "https://nas"} { // with a cookie for the domain, and for the host alone
		for name, signIn := range map[string]func(*browser){
			"by a code": func(b *browser) {
				res := b.post(at+"/login/device", url.Values{"rd": {"/"}})
				if err := b.plex.Approve(b.wantCode(res.Header.Get("Location")), "robin"); err != nil {
					b.t.Fatal(err)
				}
				if said := text(b.get(at + "/login/poll?rd=/")); !strings.Contains(said, `"state":"ok"`) {
					b.t.Fatal(said)
				}
			},
			"by a token": func(b *browser) {
				if res, said := b.redeem(at+"/api/redeem", bodyOf(b.token("robin")), nil); res.StatusCode != http.StatusOK {
					b.t.Fatal(res.Status, said)
				}
			},
		} {
			t.Run(name+" at "+at, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, func(s *setup) {
					withOffice(t, "")(s)
					s.urls, s.Redeem = []string{at}, true
				})
				b := w.browser()
				signIn(b)
				w.wantSessions(robin, 1)
				for range 2 {
					for _, path := range []string{"/admin", "/admin/people"} {
						got, want := b.get(at+path), b.get(at+"/no-such-page")
						if got.StatusCode != http.StatusNotFound || text(got) != text(want) {
							t.Errorf("%s: %s", path, got.Status)
						}
					}
					w.restart(func(s *setup) {
						withOffice(t, "")(s)
						s.urls = []string{at}
					})
				}
				login := at + "/login?rd=" + url.QueryEscape(at+"/admin") + "&amp;switch=1"
				if home := text(b.get(at + "/")); !strings.Contains(home, login) {
					t.Errorf("their page does not lead to a sign-in:\n%s", home)
				}
				b.signInAt(at, "robin", at+"/admin")
				if res := b.get(at + "/admin"); res.StatusCode != http.StatusOK {
					t.Errorf("signed in with Plex: %s", res.Status)
				}
			})
		}
	}
}
