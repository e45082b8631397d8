package desk_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/desk"
	"usher/plex/plextest"
)

// Who has the owner's session, and no account of theirs at Plex, makes nobody the owner.
func TestSetUpFromTheDeskIsForOneAccount(t *testing.T) {
	t.Parallel()
	for _, person := range []string{"ivan", "casey", "mallory"} {
		w := newWorld(t, nil)
		b := w.again(robinID)
		b.wantTo("back from Plex", b.approve(person), "/setup")
		b.want(person, b.open("/setup"), http.StatusOK, "Not with this account")
		b.post("/setup/servers", "server", plextest.Attic)
		b.post("/setup/people")
		b.post("/setup/finish", "allow", "anyone")
		w.wantUntouched()
		if got := w.events(); got != "set_up begun desk owner" {
			t.Errorf("%s: %q", person, got)
		}
	}
}

func TestSetUpFromTheDeskIsForOneBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	first := w.again(robinID)
	second := w.again(robinID)
	if res := first.post("/setup/plex"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != base+"/setup" {
		t.Errorf("the browser before goes on: %s to %q", res.Status, res.Header.Get("Location"))
	}
	other := w.browser()
	other.wantTo("another browser", other.post("/setup/plex"), "/setup")
	second.wantTo("back from Plex", second.approve("robin"), "/setup")
}

func TestSetUpFromTheDesk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.again(robinID)
	b.wantTo("back from Plex", b.approve("robin"), "/setup")
	b.wantTo("ticked", b.post("/setup/servers", "server", plextest.Attic), "/setup/people")
	b.want("who may pass", b.open("/setup"), http.StatusOK, "Who may pass?")
	b.wantTo("finished", b.post("/setup/finish", "allow", "home"), "/setup/done")
	if s := w.setup(); s.Owner != robinID || s.Allow != "home" || len(s.Servers) != 1 {
		t.Errorf("%+v", s)
	}
	if got := w.events(); got != "set_up begun desk owner; set_up done robin" {
		t.Errorf("%q", got)
	}
}

func TestSetUpByCodeIsAudited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser()
		w.desk.NewCode()
		for range 20 { // five are tries; the others find no code, and fill no log
			b.post("/setup/code", "code", "0000-0000-0000")
		}
		want := strings.Repeat("set_up wrong_code; ", 5)
		b = w.ticked()
		b.wantTo("finished", b.post("/setup/finish", "allow", "shared"), "/setup/done")
		if got := w.events(); got != want+"set_up begun code; set_up done robin" {
			t.Errorf("%q", got)
		}
		time.Sleep(time.Minute)
	})
}

// Only the owner is offered it, and only they can.
func TestWhoRunsSetUpAgain(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	w.signedIn("sam", "")
	w.admin.Account = sam // named in USHER_ADMINS
	if page := text(w.get("/admin")); strings.Contains(page, "Run set-up again") {
		t.Error("it is offered to an administrator who is not the owner")
	}
	for _, account := range []int64{sam, frankie, 0} {
		w.admin.Account = account
		if said := w.post("/admin", "do", "set-up"); said != "Nothing was changed." {
			t.Errorf("%d: %q", account, said)
		}
	}
	w.admin.Account = robin
	if page := text(w.get("/admin")); !strings.Contains(page, "Run set-up again") {
		t.Error("it is not offered to the owner")
	}
	if said := w.post("/admin", "do", "something else"); said != "Nothing was changed." {
		t.Error(said)
	}
	res, _ := w.do(http.MethodPost, "/admin", url.Values{"do": {"set-up"}})
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || to != base+"/setup" || len(res.Cookies()) != 1 {
		t.Errorf("%s to %q with %v", res.Status, to, res.Cookies())
	}
	if len(w.audit) != 1 || w.audit[0].Kind != "set_up" || w.audit[0].Result != "begun" || w.audit[0].User != "robin" {
		t.Errorf("%+v", w.audit)
	}
}

// usher setup ends the code that was printed, and every set-up under way.
func TestACommandEndsWhatWasBegun(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*world) (*browser, string){
		"a code":      func(w *world) (*browser, string) { return w.browser(), w.desk.NewCode() },
		"by the code": func(w *world) (*browser, string) { return w.ticked(), "" },
		"at the desk": func(w *world) (*browser, string) { return w.again(robinID), "" },
	} {
		w := newWorld(t, nil)
		b, code := begin(w)
		if _, err := w.desk.Command(t.Context(), []byte(`{"Token":"`+w.plex.Token("robin", clientID)+`","Servers":["`+plextest.Attic+`"],"Allow":"home"}`)); err != nil {
			t.Fatal(err)
		}
		b.post("/setup/code", "code", code)
		b.post("/setup/finish", "allow", "anyone")
		if res := b.get("/setup"); res.StatusCode != http.StatusNotFound || w.setup().Allow != "home" || w.applied != 1 {
			t.Errorf("%s: %s, %+v", name, res.Status, w.setup())
		}
	}
}

// Set-up from the desk ends with the session that began it.
func TestSetUpFromTheDeskEndsWithTheSession(t *testing.T) {
	t.Parallel()
	live := true
	w := newWorld(t, func(c *desk.Config) { c.Live = func(id string) bool { return live && id == "test-session" } })
	b := w.againBy(robinID, "test-session")
	b.wantTo("back from Plex", b.approve("robin"), "/setup")
	b.wantTo("ticked", b.post("/setup/servers", "server", plextest.Attic), "/setup/people")
	b.want("who may pass", b.open("/setup"), http.StatusOK, "Who may pass?")
	live = false
	b.post("/setup/finish", "allow", "anyone")
	w.wantUntouched()
}
