package auth_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
	"usher/policy"
	"usher/session"
)

const (
	whoURL  = site + "/who"
	teen    = 70010020
	teenPIN = "8642"
)

// withTeen adds a managed member with a PIN to robin's Home.
func (w *world) withTeen() *world {
	w.plex.AddPerson(plextest.Person{Name: "Teen", ID: teen, Kind: plextest.Managed, PIN: teenPIN})
	return w
}

// choose says that somebody else is watching.
func (b *browser) choose(name, pin string) *http.Response {
	b.t.Helper()
	form := url.Values{"member": {b.plex.Person(name).UUID}, "rd": {page}}
	if pin != "" {
		form.Set("pin", pin)
	}
	return b.post(whoURL, form)
}

// is asks Usher who is signed in in this browser.
func (b *browser) is(want int64) {
	b.t.Helper()
	if got := b.check("traefik/anyone", page, nil).Header.Get("Remote-Id"); got != fmt.Sprint(want) {
		b.t.Errorf("signed in as %q, want %d", got, want)
	}
}

func TestNobodyBecomesWhomTheyMayNot(t *testing.T) {
	t.Parallel()
	managed := func(p *plextest.Person) { p.Kind, p.Username, p.Email = plextest.Managed, "", "" }
	for name, tt := range map[string]struct {
		change  func(*setup)
		prepare func(*world)
		who     string // robin where nothing is said
		form    url.Values
		whom    string
		want    int
	}{
		"the owner, by the admin of another Home": {
			prepare: func(w *world) { w.plex.JoinHome("mallory", "robin") }, who: "mallory", whom: "robin", want: 403,
		},
		"the owner, whom plex.tv calls managed": {
			prepare: func(w *world) { w.plex.JoinHome("mallory", "robin"); w.plex.Edit("robin", managed) }, who: "mallory", whom: "robin", want: 403,
		},
		"the owner, of whom only the id is known": {
			change: ownView,
			prepare: func(w *world) {
				w.signedIn("robin")
				w.plex.JoinHome("mallory", "robin")
				w.plex.Edit("robin", managed)
			}, who: "mallory", whom: "robin", want: 403,
		},
		"an administrator by id": {
			change: func(s *setup) { s.Admins, _ = policy.ParseAdmins("user:70010002") }, whom: "Kiddo", want: 403,
		},
		"an administrator by uuid": {
			change: func(s *setup) { s.Admins, _ = policy.ParseAdmins("user:9f000000042c4302") }, whom: "Kiddo", want: 403,
			prepare: func(w *world) {
				w.plex.Edit("Kiddo", func(p *plextest.Person) { p.UUID = "9f0000000042c4302" })
				w.plex.Edit("Kiddo", func(p *plextest.Person) { p.UUID = "9f000000042c4302" })
			},
		},
		"an administrator in another's Home": {
			change:  func(s *setup) { s.Admins, _ = policy.ParseAdmins("user:casey") },
			prepare: func(w *world) { w.plex.JoinHome("mallory", "casey") }, who: "mallory", whom: "casey", want: 403,
		},
		"who has a Plex account of their own":      {whom: "sam", want: 403},
		"the same, of the owner's Home in another": {prepare: func(w *world) { w.plex.JoinHome("mallory", "sam") }, who: "mallory", whom: "sam", want: 403},
		"who is kept out by hand": {
			prepare: func(w *world) {
				if err := w.store.Rule(session.Ruling{Account: kiddo, By: robin}); err != nil {
					w.t.Fatal(err)
				}
			}, whom: "Kiddo", want: 403,
		},
		"oneself":              {whom: "robin", want: 403},
		"who is in no Home":    {whom: "casey", want: 400},
		"who is in another's":  {prepare: func(w *world) { w.plex.JoinHome("mallory", "pat") }, who: "mallory", whom: "Kiddo", want: 400},
		"by a member's hand":   {who: "sam", whom: "Kiddo", want: 403},
		"by a stranger's hand": {who: "casey", whom: "Kiddo", want: 403},
		"by an id":             {form: url.Values{"member": {"70010002"}}, whom: "Kiddo", want: 400},
		"by a title":           {form: url.Values{"member": {"Kiddo"}}, whom: "Kiddo", want: 400},
		"nobody":               {form: url.Values{}, whom: "Kiddo", want: 400},
		"by a path":            {form: url.Values{"member": {"../users"}}, whom: "Kiddo", want: 400},
		"two at once":          {form: url.Values{"member": {"9f000000042c42c2", "9f000000042c42c2"}}, whom: "Kiddo", want: 400},
		"by who is kept out of everything": {
			change: func(s *setup) { s.allow = "shared,!user:robin" }, whom: "Kiddo", want: 403,
		},
		"by who is kept out by hand": {
			prepare: func(w *world) {
				w.plex.AddPerson(plextest.Person{Name: "Junior", ID: 70010030, Kind: plextest.Managed})
				w.plex.JoinHome("mallory", "Junior")
				if err := w.store.Rule(session.Ruling{Account: mallory, By: robin}); err != nil {
					w.t.Fatal(err)
				}
			}, who: "mallory", whom: "Junior", want: 403,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.change)
			if tt.prepare != nil {
				tt.prepare(w)
			}
			who := tt.who
			if who == "" {
				who = "robin"
			}
			b, id := w.signedIn(who), w.plex.Person(who).ID
			whom := w.plex.Person(tt.whom).ID
			before := len(w.store.ByAccount(whom))
			var res *http.Response
			if tt.form != nil {
				res = b.post(whoURL, tt.form)
			} else {
				res = b.choose(tt.whom, "")
			}
			if res.StatusCode != tt.want || setsSession(res) {
				t.Errorf("%s, want %d\n%s", res.Status, tt.want, text(res))
			}
			if n := w.plex.Requests(plextest.HomeSwitch); n != 0 {
				t.Errorf("plex.tv was asked for their token %d times", n)
			}
			if n := len(w.store.ByAccount(whom)); n != before {
				t.Errorf("%d sessions of theirs, %d before", n, before)
			}
			w.wantSessions(id, 1)
		})
	}
}

// What plex.tv gives has to be the token of the very member.
func TestATokenOfSomebodyElseSignsInNobody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func(w *world) plextest.Fault
		want   int
	}{
		"the owner's account":                   {func(w *world) plextest.Fault { return switched(w, "robin", "robin") }, 503},
		"another's account":                     {func(w *world) plextest.Fault { return switched(w, "sam", "sam") }, 503},
		"the owner's token, said to be Kiddo's": {func(w *world) plextest.Fault { return switched(w, "Kiddo", "robin") }, 503}, // the one that asked
		"sam's token, said to be Kiddo's":       {func(w *world) plextest.Fault { return switched(w, "Kiddo", "sam") }, 403},
		"Teen's token, said to be Kiddo's":      {func(w *world) plextest.Fault { return switched(w, "Kiddo", "Teen") }, 403},
		"a token that is none": {func(w *world) plextest.Fault {
			return plextest.Answer(201, "application/json", fmt.Sprintf(`{"id":%d,"uuid":%q,"authToken":"test-token-of-nobody"}`, kiddo, w.plex.Person("Kiddo").UUID))
		}, 403},
		"not allowed":   {func(*world) plextest.Fault { return plextest.Forbidden() }, 403},
		"signed out":    {func(*world) plextest.Fault { return plextest.Unauthorized() }, 403},
		"too many":      {func(*world) plextest.Fault { return plextest.TooMany(0) }, 429},
		"too many, 30s": {func(*world) plextest.Fault { return plextest.TooMany(30 * time.Second) }, 429},
		"500":           {func(*world) plextest.Fault { return plextest.ServerError() }, 503},
		"a page":        {func(*world) plextest.Fault { return plextest.HTML() }, 503},
		"nothing":       {func(*world) plextest.Fault { return plextest.EmptyNotFound() }, 503},
		"cut off":       {func(*world) plextest.Fault { return plextest.CutOff() }, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil).withTeen()
			b := w.signedIn("robin")
			w.plex.Fail(plextest.HomeSwitch, tt.answer(w))
			res := b.choose("Kiddo", "")
			if res.StatusCode != tt.want || setsSession(res) {
				t.Errorf("%s, want %d", res.Status, tt.want)
			}
			if limited := tt.want != 403; limited != (res.Header.Get("Retry-After") != "") {
				t.Errorf("Retry-After: %q", res.Header.Get("Retry-After"))
			}
			for _, id := range []int64{kiddo, teen, sam} {
				w.wantSessions(id, 0)
				if a, _, err := w.store.Account(id); err != nil || a.Token != "" {
					t.Errorf("%d has a token now, %v", id, err)
				}
			}
			b.is(robin)
			w.plex.Heal()
			if res := b.choose("Kiddo", ""); res.StatusCode != http.StatusSeeOther {
				t.Errorf("and then: %s", res.Status)
			}
			b.is(kiddo)
		})
	}
}

// switched answers as a switch to one person does that gives another's token.
func switched(w *world, account, token string) plextest.Fault {
	p := w.plex.Person(account)
	return plextest.Answer(201, "application/json", fmt.Sprintf(`{"id":%d,"uuid":%q,"authToken":%q}`, p.ID, p.UUID, w.plex.Token(token, clientID)))
}

// A session cookie alone, as every app of the domain gets it, chooses nobody.
func TestWhoIsChosenOnlyWhereTheSessionBegan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).withTeen()
	admin := w.signedIn("robin")
	other := w.signedIn("robin")
	stolen := sessionName + "=" + admin.cookie(sessionName)
	form := url.Values{"member": {w.plex.Person("Kiddo").UUID}, "rd": {page}}
	for name, cookies := range map[string]string{
		"nothing":                         "",
		"the session's cookie":            stolen,
		"another session's second cookie": stolen + "; __Host-usher-here=" + other.cookie("__Host-usher-here"),
		"the second cookie alone":         "__Host-usher-here=" + admin.cookie("__Host-usher-here"),
		"a pending sign-in's":             stolen + "; __Host-usher-here=" + admin.cookie(pendingName),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			res := w.browser().do(method, whoURL, form, http.Header{"Cookie": {cookies}})
			if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), site+"/login?") || setsSession(res) {
				t.Errorf("%s, %s: %s to %s", name, method, res.Status, res.Header.Get("Location"))
			}
		}
	}
	for name, header := range map[string]http.Header{
		"another site":   {"Sec-Fetch-Site": {"cross-site"}},
		"another app":    {"Sec-Fetch-Site": {"same-site"}},
		"another origin": {"Sec-Fetch-Site": nil, "Origin": {"https://app.example.com"}},
	} {
		if res := admin.do(http.MethodPost, whoURL, form, header); res.StatusCode != http.StatusForbidden || setsSession(res) {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if n := w.plex.Requests(plextest.HomeUsers); n != 0 {
		t.Errorf("plex.tv was asked for the members %d times", n)
	}
	for _, query := range []string{form.Encode(), "member=" + w.plex.Person("Teen").UUID + "&pin=" + teenPIN} {
		if res := admin.get(whoURL + "?" + query); res.StatusCode != http.StatusOK || setsSession(res) {
			t.Errorf("a GET: %s", res.Status)
		}
	}
	if n := w.plex.Requests(plextest.HomeSwitch); n != 0 {
		t.Errorf("plex.tv was asked for a token %d times", n)
	}
	w.wantSessions(kiddo, 0)
	w.wantSessions(teen, 0)
}

func TestTriesAtAMembersPIN(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).withTeen()
		w.plex.AddPerson(plextest.Person{Name: "Junior", ID: 70010030, Kind: plextest.Managed, PIN: "1234"})
		b := w.signedIn("robin")
		want := func(res *http.Response, status int) {
			t.Helper()
			if res.StatusCode != status || setsSession(res) != (status == http.StatusSeeOther) {
				t.Errorf("%s, want %d", res.Status, status)
			}
			time.Sleep(10 * time.Second) // the address has a budget, too
		}
		for _, none := range []string{"", "1", "86420", "86 4", "٨٦٤٢", "abcd", strings.Repeat("8", 4096)} {
			want(b.choose("Teen", none), 400)
		}
		if n := w.plex.Requests(plextest.HomeSwitch); n != 0 {
			t.Errorf("what is no PIN went to plex.tv, %d times", n)
		}
		for i := range 5 {
			want(b.choose("Teen", fmt.Sprintf("000%d", i)), 403)
		}
		res := b.choose("Teen", teenPIN)
		if res.Header.Get("Retry-After") == "" || strings.Contains(text(res), `name="pin"`) {
			t.Error("nobody is told to wait")
		}
		want(res, 429)
		if n := w.plex.Requests(plextest.HomeSwitch); n != 5 {
			t.Errorf("%d tries went to plex.tv", n)
		}
		again := w.signedIn("robin")
		again.from = "203.0.113.99"
		want(again.choose("Teen", teenPIN), 429)
		want(again.choose("Junior", "0000"), 403)
		want(again.choose("Junior", "1234"), 303)
		b.is(robin)
		time.Sleep(5 * time.Minute)
		want(b.choose("Teen", "0000"), 403)
		want(b.choose("Teen", teenPIN), 429)
		time.Sleep(5 * time.Minute)
		want(b.choose("Teen", teenPIN), 303)
		b.is(teen)
		for range 8 { // who knows the PIN may use it as often as they like
			b = w.signedIn("robin")
			want(b.choose("Teen", teenPIN), 303)
		}
	})
}

// Whoever goes on trying is let try once an hour, until somebody knows the PIN: ten thousand take longer than a year.
func TestGoingOnTryingAMembersPIN(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).withTeen()
		b := w.signedIn("robin")
		tried := func(during, every time.Duration) int {
			t.Helper()
			before := w.plex.Requests(plextest.HomeSwitch)
			for stop := time.Now().Add(during); time.Now().Before(stop); time.Sleep(every) {
				res := b.choose("Teen", fmt.Sprint(1000+time.Now().Minute()))
				after := res.Header.Get("Retry-After")
				if limited := res.StatusCode == 429; setsSession(res) || !limited && res.StatusCode != 403 || limited != (after != "") {
					t.Errorf("%s, again after %s", res.Status, after)
				}
			}
			return w.plex.Requests(plextest.HomeSwitch) - before
		}
		if n := tried(76*time.Minute, time.Minute); n != 20 { // five, and one in five minutes
			t.Errorf("%d tries", n)
		}
		if n := tried(24*time.Hour+time.Minute, 20*time.Minute); n != 24 {
			t.Errorf("%d tries in the day after, want one an hour", n)
		}
		res := b.choose("Teen", teenPIN)
		if after, err := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode != 429 || err != nil || after > 3601 || !strings.Contains(text(res), "minutes") {
			t.Errorf("%s, again after %d", res.Status, after)
		}
		time.Sleep(time.Hour)
		if res := b.choose("Teen", teenPIN); res.StatusCode != http.StatusSeeOther {
			t.Errorf("an hour later: %s", res.Status)
		}
		b = w.signedIn("robin")
		if n := tried(76*time.Minute, time.Minute) + tried(3*time.Hour+time.Minute, 20*time.Minute); n != 20+3 {
			t.Errorf("%d tries after the right PIN, want as many as from the start", n)
		}
	})
}

// However many tries arrive at once, plex.tv sees five.
func TestManyTriesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).withTeen()
		var all sync.WaitGroup
		for i := range 20 {
			b := w.browser()
			b.from = fmt.Sprint("203.0.113.", 10+i)
			b.signIn("robin", "/")
			all.Go(func() {
				if res := b.choose("Teen", fmt.Sprint(1000+i)); setsSession(res) || res.StatusCode != 403 && res.StatusCode != 429 {
					t.Errorf("%s", res.Status)
				}
			})
		}
		all.Wait()
		if n := w.plex.Requests(plextest.HomeSwitch); n != 5 {
			t.Errorf("%d tries", n)
		}
	})
}

// A managed member is signed in as anybody who signs in is.
func TestAMemberIsChosen(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*setup){"the owner's view": nil, "the person's own view": ownView} {
		for member, id := range map[string]int64{"Kiddo": kiddo, "Teen": teen} {
			t.Run(name+"/"+member, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, func(s *setup) {
					withOffice(t, "")(s)
					if change != nil {
						change(s)
					}
				}).withTeen()
				b := w.signedIn("robin")
				was := w.store.ByAccount(robin)[0]
				if res := b.get(site + "/admin"); res.StatusCode != http.StatusOK {
					t.Fatalf("the desk: %s", res.Status)
				}
				pin := map[string]string{"Teen": teenPIN}[member]
				res := b.choose(member, pin)
				if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != page || !setsSession(res) {
					t.Fatalf("%s to %s\n%s", res.Status, res.Header.Get("Location"), text(res))
				}
				check := b.check("traefik", page, nil)
				if got := check.Header; check.StatusCode != 200 || got.Get("Remote-User") != fmt.Sprint("plex-", id) || got.Get("Remote-Name") != member ||
					!strings.HasPrefix(got.Get("Remote-Groups"), "home,") || strings.Contains(got.Get("Remote-Groups"), "owner") {
					t.Errorf("%s, %v", check.Status, got)
				}
				if res := b.check("traefik/owner", page, nil); res.StatusCode != http.StatusForbidden {
					t.Errorf("the owner's app: %s", res.Status)
				}
				w.wantSessions(robin, 0)
				w.wantSessions(id, 1)
				if now := w.store.ByAccount(id)[0]; !now.Expires.Equal(was.Expires) || now.Keep != was.Keep {
					t.Errorf("%+v outlives, or does not keep, %+v", now, was)
				}
				if a, _, err := w.store.Account(id); err != nil || string(a.Token) != w.plex.Token(member, clientID) {
					t.Errorf("their own token is not kept: %v", err)
				}
				if a, _, err := w.store.Account(robin); err != nil || string(a.Token) != w.plex.Token("robin", clientID) {
					t.Errorf("robin's token: %v", err)
				}
				if res := b.get(site + "/admin"); res.StatusCode != http.StatusNotFound {
					t.Errorf("the desk: %s", res.Status)
				}
				if res := b.get(whoURL); res.StatusCode != http.StatusSeeOther {
					t.Errorf("they choose in turn: %s", res.Status)
				}
				if s := text(b.get(site + "/")); strings.Contains(s, "/who") {
					t.Error("their page offers to choose")
				}
			})
		}
	}
}

// Who becomes an administrator one day does so in no session that somebody else
// chose for them.
func TestAChosenSessionNeverOpensTheDesk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withOffice(t, ""))
	b := w.signedIn("robin")
	b.choose("Kiddo", "")
	b.is(kiddo)
	w.restart(withOffice(t, "user:70010002"))
	b.is(kiddo)
	if res := b.get(site + "/admin"); res.StatusCode != http.StatusNotFound {
		t.Errorf("the desk: %s", res.Status)
	}
}

// A television that the admin of a Home signs in from their phone asks who is watching, and
// one of anybody else asks nothing.
func TestATelevisionAsksWhoIsWatching(t *testing.T) {
	t.Parallel()
	const asks = whoURL + "?rd=https%3A%2F%2Fapp.example.com%2F"
	for name, c := range map[string]struct {
		person string
		change func(w *world)
		want   string
	}{
		"the Home's admin":           {"robin", nil, asks},
		"of the Home, not its admin": {"sam", nil, "https://app.example.com/"},
		"in no Home":                 {"casey", nil, "https://app.example.com/"},
		"may not pass":               {"mallory", nil, "https://app.example.com/"},
		"nobody else of the Home":    {"robin", func(w *world) { w.plex.RemovePerson("Kiddo") }, "https://app.example.com/"},
		"nobody else who may": {"robin", func(w *world) {
			if err := w.store.Rule(session.Ruling{Account: kiddo, By: robin}); err != nil {
				w.t.Fatal(err)
			}
		}, "https://app.example.com/"},
		"plex.tv tells of no Home":     {"robin", func(w *world) { w.plex.Fail(plextest.HomeUsers, plextest.ServerError()) }, "https://app.example.com/"},
		"plex.tv has enough of asking": {"robin", func(w *world) { w.plex.Fail(plextest.HomeUsers, plextest.TooMany(0)) }, "https://app.example.com/"},
	} {
		for _, by := range []string{"poll", "page"} {
			t.Run(name+", by the "+by, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				b := w.browser()
				shown := b.beginLink("https://app.example.com/")
				if c.change != nil {
					c.change(w)
				}
				if err := w.plex.Approve(shown, c.person); err != nil {
					t.Fatal(err)
				}
				var led string
				if by == "page" {
					led = b.get(linkPage + "?rd=" + url.QueryEscape("https://app.example.com/")).Header.Get("Location")
				} else {
					var said struct{ Next, Name string }
					if err := json.Unmarshal([]byte(text(b.get(poll+"?rd="+url.QueryEscape("https://app.example.com/")))), &said); err != nil || said.Name != c.person {
						t.Errorf("the name is %q, %v", said.Name, err)
					}
					led = said.Next
				}
				if led != c.want {
					t.Fatalf("led to %q, want %q", led, c.want)
				}
				if led != asks {
					return
				}
				if body := text(b.get(led)); !strings.Contains(body, "Kiddo") || !strings.Contains(body, `href="https://app.example.com/"`) {
					t.Errorf("nobody to choose, or no way on:\n%s", body)
				}
				b.choose("Kiddo", "")
				b.is(kiddo)
			})
		}
	}
}

func TestWhoPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).withTeen()
	link := `href="` + site + `/who?rd=`
	for person, offered := range map[string]bool{"robin": true, "sam": false, "casey": false, "mallory": false} {
		b := w.signedIn(person)
		if got := strings.Contains(text(b.get(site+"/")), link); got != offered {
			t.Errorf("%s: their page offers to choose: %v", person, got)
		}
		if got := strings.Contains(text(b.check("traefik/user:nobody", page, nil)), link); got != offered {
			t.Errorf("%s: a refusal offers to choose: %v", person, got)
		}
	}
	b := w.signedIn("robin")
	body := text(b.get(whoURL + "?rd=" + url.QueryEscape(page)))
	for _, s := range []string{`value="` + w.plex.Person("Kiddo").UUID + `"`, "member=" + w.plex.Person("Teen").UUID, "<b><bdi>sam</bdi></b> has a Plex account", `value="` + html.EscapeString(page) + `"`, `href="` + html.EscapeString(page) + `"`} {
		if !strings.Contains(body, s) {
			t.Errorf("%q is not in %s", s, body)
		}
	}
	if strings.Contains(body, w.plex.Person("sam").UUID) {
		t.Error("sam can be chosen")
	}
	if body := text(b.get(whoURL + "?member=" + w.plex.Person("Teen").UUID)); !strings.Contains(body, `name="pin"`) || !strings.Contains(body, "Teen") {
		t.Errorf("nobody asks for the PIN: %s", body)
	}
	if n := w.plex.Requests(plextest.HomeUsers); n != 1 {
		t.Errorf("plex.tv was asked for the members %d times", n)
	}
	for _, f := range plextest.Outages() {
		w := newWorld(t, nil)
		b := w.signedIn("robin")
		w.plex.Fail(plextest.HomeUsers, f)
		if res := b.get(whoURL); res.StatusCode != 503 && res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s", f.Name, res.Status)
		}
		b.is(robin)
	}
	w = newWorld(t, nil)
	b = w.signedIn("robin")
	w.plex.RevokeTokens("robin")
	if res := b.get(whoURL); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), site+"/login?switch=1") {
		t.Errorf("with a dead token: %s to %s", res.Status, res.Header.Get("Location"))
	}
}

// A page that is loaded again and again, or often at once, costs plex.tv one question, whatever it answers.
func TestMembersAreAskedForOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault  plextest.Fault
		status int
	}{
		"an answer":          {status: 200},
		"refused":            {plextest.Forbidden(), 303},
		"signed out":         {plextest.Unauthorized(), 303},
		"too many":           {plextest.TooMany(0), 429},
		"an error":           {plextest.ServerError(), 503},
		"nothing, September": {plextest.EmptyNotFound(), 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				b := w.signedIn("robin")
				release := make(chan struct{})
				if tt.fault.Name == "" {
					w.plex.Fail(plextest.HomeUsers, plextest.Until(release))
				} else {
					w.plex.Fail(plextest.HomeUsers, tt.fault)
				}
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() {
						if res := b.get(whoURL); res.StatusCode != tt.status {
							t.Errorf("%s, want %d", res.Status, tt.status)
						}
					})
				}
				synctest.Wait()
				close(release)
				all.Wait()
				b.get(whoURL)
				want := func(n int) {
					t.Helper()
					if got := w.plex.Requests(plextest.HomeUsers); got != n {
						t.Errorf("plex.tv was asked %d times, want %d", got, n)
					}
				}
				want(1)
				time.Sleep(11 * time.Second)
				b.get(whoURL)
				want(2)
				// Who signs in again has a new token, and waits for nothing.
				w.plex.Heal()
				w.plex.RotateTokens(true)
				b.signIn("robin", "/")
				if res := b.get(whoURL); res.StatusCode != http.StatusOK {
					t.Errorf("with a newer token: %s", res.Status)
				}
				want(3)
			})
		})
	}
}

// The PIN of a member is in no log and no address of ours, and no page shows it
// again.
func TestThePINOfAMemberIsNowhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).withTeen()
		b := w.signedIn("robin")
		var said strings.Builder
		try := func(pin string) {
			res := b.choose("Teen", pin)
			fmt.Fprint(&said, res.Header, text(res))
			time.Sleep(10 * time.Minute)
		}
		try("9753")
		for _, f := range plextest.Outages() {
			w.plex.Fail(plextest.HomeSwitch, f)
			try(teenPIN)
			w.plex.Heal()
		}
		try(teenPIN)
		b.is(teen)
		for _, pin := range []string{"9753", teenPIN} {
			if strings.Contains(w.log.String(), pin) || strings.Contains(said.String(), pin) {
				t.Errorf("%s is in the log or in an answer", pin)
			}
		}
	})
}
