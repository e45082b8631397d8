package desk_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/desk"
	"usher/plex/plextest"
)

const wrong = "0000-0000-0000"

func TestCodeIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.browser()
	b.want("no code was ever made", b.get("/setup"), http.StatusForbidden, "That code is over", "USR1")
	b.want("entered all the same", b.post("/setup/code", "code", ""), http.StatusForbidden, "That code is over")
	first := w.desk.NewCode()
	second := w.desk.NewCode()
	for name, code := range map[string]string{"empty": "", "wrong": wrong, "the one before": first, "a part": second[:9], "one letter more": second + "A"} {
		w.desk.NewCode() // five tries each
		res := w.browser().post("/setup/code", "code", code)
		b.want(name, res, http.StatusForbidden, "Tries left: 4")
		if len(res.Cookies()) > 0 {
			t.Errorf("%s: a cookie", name)
		}
	}
	code := w.desk.NewCode()
	if w.browser().post("/setup/code", "x", code).StatusCode != http.StatusForbidden || w.browser().get("/setup/code?code="+code).StatusCode == http.StatusOK {
		t.Error("a code in another place was taken")
	}
	b.want("twice, the second right", b.post("/setup/code", "code", wrong, "code", code), http.StatusForbidden)
	w.wantUntouched()
}

// TestFiveWrongCodes: the right one comes too late, and a new one heals it.
func TestFiveWrongCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	code := w.desk.NewCode()
	for i := range 5 {
		b := w.browser()
		res := b.post("/setup/code", "code", wrong)
		if left := 4 - i; left > 0 {
			b.want("wrong", res, http.StatusForbidden, fmt.Sprintf("Tries left: %d", left))
		} else {
			b.want("the fifth", res, http.StatusForbidden, "That code is over", "docker kill -s USR1 usher")
		}
	}
	b := w.browser()
	b.want("the right one, too late", b.post("/setup/code", "code", code), http.StatusForbidden, "That code is over")
	b.wantTo("a new one", b.post("/setup/code", "code", w.desk.NewCode()), "/setup")
	if strings.Contains(w.log.String(), code) || strings.Contains(w.log.String(), wrong) {
		t.Error("a code is in the desk's log")
	}
}

func TestCodeIsUsedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	code := w.desk.NewCode()
	first, second := w.browser(), w.browser()
	first.wantTo("the code", first.post("/setup/code", "code", code), "/setup")
	second.want("the same code elsewhere", second.post("/setup/code", "code", code), http.StatusForbidden, "That code is over")
	for _, path := range []string{"/setup/servers", "/setup/people", "/setup/done", "/setup/callback", "/setup/poll"} {
		second.wantTo("another browser at "+path, second.get(path), "/setup")
	}
	for _, path := range []string{"/setup/plex", "/setup/servers", "/setup/finish", "/setup/again"} {
		second.wantTo("another browser posts to "+path, second.post(path, "server", plextest.Attic, "allow", "anyone"), "/setup")
	}
	if n := w.plex.Requests(plextest.CreatePIN); n != 0 {
		t.Errorf("%d PINs were made", n)
	}
	first.want("the first goes on", first.open("/setup"), http.StatusOK, "Sign in as the owner")
}

// TestCookiesOfOthers: a cookie that is bent, another set-up's, or of another
// purpose carries nothing on.
func TestCookiesOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	old := w.begun()
	cookie := func(b *browser) *http.Cookie {
		for _, c := range b.jar.Cookies(mustURL(t, base)) {
			return c
		}
		t.Fatal("no cookie")
		return nil
	}
	before := cookie(old).Value
	now := w.begun() // a new code was entered: it takes over
	old.want("the set-up before", old.get("/setup"), http.StatusForbidden, "That code is over")
	good := cookie(now).Value
	other, err := w.keys.Sealer("sign-in", time.Hour).Seal(map[string]string{"Run": "x"})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"old": before, "cut": good[:len(good)-4], "bent": good[:20] + "AAAA" + good[24:], "another purpose": other, "plain": "Run", "empty": ""} {
		b := w.browser()
		b.jar.SetCookies(mustURL(t, base), []*http.Cookie{{Name: "__Host-usher-set-up", Value: value, Secure: true, Path: "/"}})
		b.want(name, b.get("/setup"), http.StatusForbidden)
	}
	now.want("the one itself", now.get("/setup"), http.StatusOK, "Sign in as the owner")
}

func TestSetUpEndsAfterAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.ticked()
		time.Sleep(time.Hour - time.Second)
		b.want("a second before", b.open("/setup"), http.StatusOK, "Who may pass?")
		time.Sleep(time.Second)
		b.want("an hour", b.get("/setup"), http.StatusForbidden, "That code is over")
		b.wantTo("finished too late", b.post("/setup/finish", "allow", "anyone"), "/setup")
		w.wantUntouched()
		w.plex.Close()
	})
}

// TestSetUpAndNoCode: to whoever has no code, an Usher that is set up has no
// such page.
func TestSetUpAndNoCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.ticked()
	b.wantTo("finished", b.post("/setup/finish", "allow", "shared"), "/setup/done")
	stranger := w.browser()
	missing := stranger.get("/setup/no-such-page")
	for _, path := range []string{"", "/", "/code", "/plex", "/callback", "/poll", "/servers", "/people", "/finish", "/done", "/again"} {
		for _, res := range []answer{stranger.get("/setup" + path), stranger.post("/setup"+path, "code", wrong, "allow", "anyone")} {
			if res.StatusCode != http.StatusNotFound || res.body != missing.body {
				t.Errorf("%s: %s, want the answer for a page that is not there", path, res.Status)
			}
		}
	}
	// A new code opens it again, and takes over from whoever was done.
	again := w.begun()
	b.want("who was done before", b.get("/setup/done"), http.StatusNotFound)
	again.want("once more", again.open("/setup"), http.StatusOK, "Sign in as the owner")
	if w.applied != 1 {
		t.Errorf("applied %d times", w.applied)
	}
}

func TestReplaysAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.ticked()
	b.wantTo("finished", b.post("/setup/finish", "allow", "home"), "/setup/done")
	for _, path := range []string{"/setup/finish", "/setup/servers", "/setup/plex", "/setup/again"} {
		res := b.post(path, "allow", "anyone", "server", plextest.Cellar)
		if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, base+"/setup") {
			t.Errorf("%s: %s to %s", path, res.Status, to)
		}
	}
	for _, path := range []string{"/setup", "/setup/callback", "/setup/servers", "/setup/people"} {
		b.want(path, b.open(path), http.StatusOK, "Usher is set up")
	}
	if s := w.setup(); w.applied != 1 || s.Allow != "home" || len(s.Servers) != 1 {
		t.Errorf("applied %d times: %+v", w.applied, s)
	}
}

func TestWhoCannotSetUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.plex.AddMachine(plextest.Machine{ID: "fedcba9876543210fedcba9876543210fedcba98", Name: "A player", Owner: "casey", Provides: "client,player"})
	for _, person := range []string{"casey", "mallory", "sam", "frankie"} {
		b := w.signedIn(person)
		b.want(person, b.open("/setup"), http.StatusOK, "Not with this account", "this account owns no server", "Use another account")
		b.wantTo(person+" ticks", b.post("/setup/servers", "server", plextest.Attic), "/setup")
		b.wantTo(person+" finishes", b.post("/setup/finish", "allow", "anyone"), "/setup")
	}
	w.wantUntouched()
	// They switch to one that does.
	b := w.signedIn("casey")
	b.wantTo("switches", b.post("/setup/again"), "/setup")
	b.wantTo("as robin", b.approve("robin"), "/setup")
	b.want("robin", b.open("/setup"), http.StatusOK, "Which servers count?", "Attic", "Cellar")
}

func TestServersThatCannotBeTicked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const player = "fedcba9876543210fedcba9876543210fedcba98"
	w.plex.AddMachine(plextest.Machine{ID: player, Name: "A player", Owner: "robin", Provides: "client,player"})
	w.plex.AddMachine(plextest.Machine{ID: "short", Name: "Odd", Owner: "robin"})
	const shared = "1111111111111111111111111111111111111111"
	w.plex.AddMachine(plextest.Machine{ID: shared, Name: "Mallory's", Owner: "mallory"})
	w.plex.ShareBy("mallory", "robin", shared)
	b := w.signedIn("robin")
	page := b.open("/setup")
	for _, name := range []string{player, "A player", "Odd", shared, "Mallory"} {
		if strings.Contains(page.body, name) {
			t.Errorf("%s is offered", name)
		}
	}
	for name, ids := range map[string][]string{
		"none": {}, "a player": {player}, "somebody else's": {shared}, "one too many": {plextest.Attic, shared}, "by name": {"Attic"}, "twice": {plextest.Attic, plextest.Attic},
		"empty": {""}, "no identifier": {"short"}, "in capitals": {strings.ToUpper(plextest.Attic)},
	} {
		var pairs []string
		for _, id := range ids {
			pairs = append(pairs, "server", id)
		}
		b.want(name, b.post("/setup/servers", pairs...), http.StatusBadRequest, "Which servers count?")
		b.wantTo(name+", then on", b.get("/setup/people"), "/setup")
	}
	w.wantUntouched()
}

func TestPoliciesThatAreNoChoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.ticked()
	for _, allow := range []string{"", "everybody", "shared,user:mallory", "user:mallory", "Shared", "anyone ", "!owner", "server:" + plextest.Attic, strings.Repeat("shared,", 100)} {
		b.want(allow, b.post("/setup/finish", "allow", allow), http.StatusBadRequest, "Choose one of these")
	}
	b.want("two", b.post("/setup/finish", "allow", "owner", "allow", "anyone"), http.StatusBadRequest)
	b.want("none", b.post("/setup/finish"), http.StatusBadRequest)
	w.wantUntouched()
}

// TestFinishedTwiceAtOnce: one of the two does it.
func TestFinishedTwiceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.ticked()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { b.post("/setup/finish", "allow", "home") })
	}
	both.Wait()
	b.want("in the end", b.open("/setup"), http.StatusOK, "Usher is set up")
	if w.applied != 1 {
		t.Errorf("applied %d times", w.applied)
	}
}

// TestNothingIsHalfSetUp: what cannot be stored or used changes nothing, is
// said, and can be tried again.
func TestNothingIsHalfSetUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.ticked()
	w.refuse = errTest
	b.want("a full disk", b.post("/setup/finish", "allow", "home"), http.StatusConflict, "Nothing has been changed: The disk is full.", "Who may pass?")
	w.wantUntouched()
	w.refuse = nil
	b.wantTo("again", b.post("/setup/finish", "allow", "home"), "/setup/done")
}

// TestFaultsHalfWay: whatever plex.tv does, at whichever step, nothing is set
// up, the page says what, and it goes on from there.
func TestFaultsHalfWay(t *testing.T) {
	t.Parallel()
	faults := append(plextest.Outages(), plextest.Forbidden())
	for _, fault := range faults {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			b := w.begun()
			bad := func(what string, ep plextest.Endpoint, do func() answer) {
				t.Helper()
				w.plex.Fail(ep, fault)
				res := do()
				if res.StatusCode != http.StatusServiceUnavailable && res.StatusCode != http.StatusBadGateway {
					t.Errorf("%s: %s\n%s", what, res.Status, res.text())
				}
				if !strings.Contains(res.body, "Nothing has been changed") {
					t.Errorf("%s: the page does not say so\n%s", what, res.text())
				}
				w.wantUntouched()
				w.plex.Heal()
			}
			bad("no PIN is made", plextest.CreatePIN, func() answer { return b.post("/setup/plex") })
			address := b.post("/setup/plex").Header.Get("Location")
			if _, err := w.plex.SignIn(address, "robin"); err != nil {
				t.Fatal(err)
			}
			bad("whose token it is", plextest.User, func() answer { return b.get("/setup/callback") })
			if n := w.plex.Requests(plextest.CheckPIN); n != 1 {
				t.Errorf("the PIN was read %d times", n)
			}
			bad("which servers", plextest.Resources, func() answer { return b.get("/setup/callback") })
			b.want("on from there", b.open("/setup/callback"), http.StatusOK, "Which servers count?")
			b.wantTo("ticked", b.post("/setup/servers", "server", plextest.Attic), "/setup/people")
			if !strings.Contains(fault.Name, "[]") {
				bad("who is on the list", plextest.Users, func() answer { return b.get("/setup/people") })
			}
			b.want("on from there", b.open("/setup"), http.StatusOK, "Who may pass?")
			b.wantTo("finished", b.post("/setup/finish", "allow", "shared"), "/setup/done")
			if w.applied != 1 {
				t.Error("not set up in the end")
			}
		})
	}
}

// TestTokenDiesHalfWay: plex.tv says no, so the owner signs in again.
func TestTokenDiesHalfWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("robin")
	b.wantTo("ticked", b.post("/setup/servers", "server", plextest.Attic), "/setup/people")
	w.plex.RevokeTokens("robin")
	b.want("the list", b.get("/setup/people"), http.StatusGone)
	w.wantUntouched()
	b.want("begins again", b.open("/setup"), http.StatusOK, "Sign in as the owner")

	b.post("/setup/plex")
	w.plex.Advance(time.Hour)
	b.want("a PIN that is over", b.get("/setup/callback"), http.StatusGone)
	b.want("never signed in", b.get("/setup/callback"), http.StatusGone)
}

// TestSomebodyElsesPIN: a sign-in that another browser began, or that the
// ordinary sign-in has made, is not looked at whatever the address says.
func TestSomebodyElsesPIN(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	other := w.begun()
	address := other.post("/setup/plex").Header.Get("Location")
	if _, err := w.plex.SignIn(address, "mallory"); err != nil {
		t.Fatal(err)
	}
	b := w.begun()
	for _, query := range []string{"?pin=601223345", "?id=601223345&code=x", "?pinID=601223345", ""} {
		b.want(query, b.get("/setup/callback"+query), http.StatusGone)
	}
	if n := w.plex.Requests(plextest.CheckPIN); n != 0 {
		t.Errorf("plex.tv was asked %d times", n)
	}
	w.wantUntouched()
}

func TestPINsHaveABudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.begun()
	for range 3 {
		b.post("/setup/plex")
	}
	if n := w.plex.Requests(plextest.CreatePIN); n != 1 {
		t.Errorf("%d PINs for one sign-in", n)
	}
	many := 0
	for range 30 {
		b.post("/setup/again")
		if res := b.post("/setup/plex"); res.StatusCode == http.StatusTooManyRequests {
			many++
			if res.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if n := w.plex.Requests(plextest.CreatePIN); n > 12 || many < 18 {
		t.Errorf("%d PINs, %d refused", n, many)
	}
}

// TestWithoutTLS: a browser would drop the cookie, so nothing begins.
func TestWithoutTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	code := w.desk.NewCode()
	b := w.browser()
	b.visit.HTTPS, b.visit.Loses, b.visit.Base = false, true, "http://192.0.2.1:4181"
	for _, res := range []answer{b.get("/setup"), b.post("/setup/code", "code", code)} {
		b.want("http", res, http.StatusBadRequest, "https://192.0.2.1:4181/setup")
	}
	b = w.browser() // and the code is still good
	b.wantTo("https", b.post("/setup/code", "code", code), "/setup")
}

// TestCommands: they are checked as strictly as the forms.
func TestCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tell := func(c desk.Command) (desk.Reply, error) {
		t.Helper()
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := w.desk.Command(t.Context(), text)
		reply, _ := answer.(desk.Reply)
		return reply, err
	}
	if _, err := w.desk.Command(t.Context(), []byte("{")); err == nil {
		t.Error("half a command was carried out")
	}
	robin, mallory := w.plex.Token("robin", clientID), w.plex.Token("mallory", clientID)
	for name, c := range map[string]desk.Command{
		"a token that is none":  {Token: "test-made-up", Servers: []string{plextest.Attic}, Allow: "anyone"},
		"a stranger's token":    {Token: mallory, Servers: []string{plextest.Attic}, Allow: "anyone"},
		"no server":             {Token: robin, Allow: "shared"},
		"a server of nobody's":  {Token: robin, Servers: []string{strings.Repeat("1", 40)}, Allow: "shared"},
		"a policy of their own": {Token: robin, Servers: []string{plextest.Attic}, Allow: "user:mallory"},
		"no policy":             {Token: robin, Servers: []string{plextest.Attic}},
	} {
		if _, err := tell(c); err == nil {
			t.Errorf("%s: carried out", name)
		}
	}
	w.wantUntouched()
	if reply, err := tell(desk.Command{}); err != nil || reply.Token || len(reply.Stored.Servers) > 0 {
		t.Errorf("asked: %+v, %v", reply, err)
	}
	reply, err := tell(desk.Command{Token: robin, Servers: []string{plextest.Attic}, Allow: "home"})
	if err != nil || !reply.Token || len(reply.Stored.Servers) != 1 {
		t.Errorf("%+v, %v", reply, err)
	}
	text, err := json.Marshal(reply)
	if err != nil || strings.Contains(string(text), robin) {
		t.Errorf("the token is in the answer, or %v", err)
	}
	var read desk.Reply
	if err := json.Unmarshal(text, &read); err != nil || read.Port != "4181" || len(read.Sites) != 1 || read.Sites[0].URL.String() != base || read.Sites[0].Domain != "example.com" {
		t.Errorf("where this Usher is: %s, %v", text, err)
	}
	if s := w.setup(); s.Owner != robinID || s.Allow != "home" || string(s.Token) != robin {
		t.Errorf("%+v", s)
	}
}

func TestCodesAreHardToGuess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	seen, letters := map[string]bool{}, map[rune]bool{}
	for range 500 {
		code := w.desk.NewCode()
		if seen[code] || !regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$`).MatchString(code) {
			t.Fatalf("%q", code)
		}
		seen[code] = true
		for _, r := range code {
			letters[r] = true
		}
	}
	if len(letters) != 33 { // 32 and the hyphen: 5 bits each, 60 in all
		t.Errorf("%d letters", len(letters))
	}
}
