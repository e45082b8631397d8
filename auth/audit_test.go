package auth_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/plex/plextest"
	"usher/session"
)

// formats are the two in which the program writes its log.
var formats = map[string]func(io.Writer) slog.Handler{
	"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
	"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
}

// masked is a line without what differs from run to run.
func masked(line string) string {
	for _, m := range []struct{ what, with string }{
		{`^time=\S+`, "time=2026-10-10T20:15:00.123Z"}, {`^\{"time":"[^"]*"`, `{"time":"2026-10-10T20:15:00.123Z"`},
		{`request_id=[A-Z2-7]{4}-[A-Z2-7]{2}`, "request_id=7F3K-Q2"}, {`"request_id":"[A-Z2-7]{4}-[A-Z2-7]{2}"`, `"request_id":"7F3K-Q2"`},
	} {
		line = regexp.MustCompile(m.what).ReplaceAllString(line, m.with)
	}
	return line
}

// audits are the audit lines of a log.
func audits(log string) (lines []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, " msg=audit ") || strings.Contains(line, `"msg":"audit"`) {
			lines = append(lines, masked(strings.TrimSuffix(line, "\n")))
		}
	}
	return lines
}

// One whole story, word for word: others parse these lines.
func TestTheAuditLinesOfAStory(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"text": `time=2026-10-10T20:15:00.123Z level=INFO msg=audit event=sign_in result=ok user_id=70010001 user=casey app=auth.example.com ip=203.0.113.7 reason="" request_id=""
time=2026-10-10T20:15:00.123Z level=WARN msg=audit event=access result=refused user_id=70010001 user=casey app=app.example.com ip=203.0.113.7 reason=needs_owner request_id=7F3K-Q2
time=2026-10-10T20:15:00.123Z level=INFO msg=audit event=key result=made user_id=70010001 user=casey app=auth.example.com ip=203.0.113.7 reason="" request_id=""
time=2026-10-10T20:15:00.123Z level=WARN msg=audit event=key result=wrong user_id="" user="" app=app.example.com ip=2001:db8::7 reason=unknown request_id=""
time=2026-10-10T20:15:00.123Z level=INFO msg=audit event=sign_out result=ok user_id=70010001 user=casey app=auth.example.com ip=203.0.113.7 reason=here request_id=""
`,
		"json": `{"time":"2026-10-10T20:15:00.123Z","level":"INFO","msg":"audit","event":"sign_in","result":"ok","user_id":"70010001","user":"casey","app":"auth.example.com","ip":"203.0.113.7","reason":"","request_id":""}
{"time":"2026-10-10T20:15:00.123Z","level":"WARN","msg":"audit","event":"access","result":"refused","user_id":"70010001","user":"casey","app":"app.example.com","ip":"203.0.113.7","reason":"needs_owner","request_id":"7F3K-Q2"}
{"time":"2026-10-10T20:15:00.123Z","level":"INFO","msg":"audit","event":"key","result":"made","user_id":"70010001","user":"casey","app":"auth.example.com","ip":"203.0.113.7","reason":"","request_id":""}
{"time":"2026-10-10T20:15:00.123Z","level":"WARN","msg":"audit","event":"key","result":"wrong","user_id":"","user":"","app":"app.example.com","ip":"2001:db8::7","reason":"unknown","request_id":""}
{"time":"2026-10-10T20:15:00.123Z","level":"INFO","msg":"audit","event":"sign_out","result":"ok","user_id":"70010001","user":"casey","app":"auth.example.com","ip":"203.0.113.7","reason":"here","request_id":""}
`,
	}
	for format, handler := range formats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			log := &logBuffer{}
			w := newWorld(t, func(s *setup) { s.logTo = handler(log) })
			b := w.signedIn("casey")
			b.check("traefik/owner", page, nil)
			b.makeKey(site, keyForm("phone", ""))
			stranger := w.browser()
			stranger.from = "2001:db8::7"
			stranger.check("traefik", page, ways["bearer"](unknownKey))
			b.post(site+"/logout", nil)
			var got strings.Builder
			for _, line := range audits(log.String()) {
				got.WriteString(line + "\n")
			}
			if diff := cmp.Diff(want[format], got.String()); diff != "" {
				t.Error(diff)
			}
			// The history has what the lines say.
			all, err := w.store.Events(session.EventFilter{})
			if err != nil || len(all) != 5 {
				t.Fatalf("%d events, %v", len(all), err)
			}
			if e := all[3]; e.Kind != "access" || e.Result != "refused" || e.Account != casey || e.User != "casey" || e.App != "app.example.com" || e.Address.String() != "203.0.113.7" ||
				e.Reason != "needs_owner" || !strings.Contains(log.String(), e.RequestID) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// everything makes each event, with each result and reason that there is.
func (w *world) everything() {
	fail := func(ep plextest.Endpoint, f plextest.Fault, do func()) {
		w.plex.Fail(ep, f)
		do()
		w.plex.Heal()
		time.Sleep(time.Minute)
	}
	begun := func(person string) *browser {
		b := w.browser()
		b.approve(b.begin("/"), person)
		return b
	}
	casey, frankie := w.signedIn("casey"), w.signedIn("frankie")
	mallory, kiddo := w.signedIn("mallory"), w.signedIn("Kiddo")
	time.Sleep(time.Minute)
	casey.check("traefik/owner", page, nil)
	casey.check("traefik/home", page, nil)
	casey.check("traefik/library:Films", page, nil)
	casey.check("traefik/library:Nowhere", page, nil)
	casey.check("traefik/shared,!user:casey", page, nil)
	kiddo.check("traefik/owner", page, nil)
	frankie.check("traefik", page, nil)
	mallory.check("traefik/friend", page, nil)
	mallory.check("traefik/user:robin", page, nil)
	mallory.get(site + "/refused?rd=" + url.QueryEscape(page))

	key := casey.makeKey(site, keyForm("reader", "other.example.com"))
	w.browser().check("traefik", page, ways["bearer"](key))
	casey.post(site+"/keys/end", url.Values{"id": {shownID.FindStringSubmatch(text(casey.get(site + "/keys")))[1]}})
	for range 2 {
		w.browser().check("traefik", page, ways["bearer"](unknownKey))
	}
	w.browser().check("traefik", page, program("Authorization", basic("app", "password")))
	time.Sleep(time.Hour)
	nowhere := w.browser()
	for _, b := range []*browser{w.browser(), nowhere} {
		b.from = map[bool]string{true: "", false: "203.0.113.8"}[b == nowhere]
		for i := range 24 {
			b.check("traefik", page, ways["bearer"](fmt.Sprint("usher_", i)))
			if i > 18 {
				time.Sleep(time.Second)
			}
		}
		time.Sleep(time.Minute)
	}
	w.signedIn("casey")
	casey.post(site+"/devices/end", url.Values{"id": readPage(w.t, casey.get(site+"/")).ends})
	casey.post(site+"/logout", nil)
	frankie.post(site+"/logout", url.Values{"everywhere": {"1"}})
	w.asksAndPasses()
	w.switches()

	fail(plextest.CreatePIN, plextest.ServerError(), func() { w.browser().post(site+"/login", nil) })
	b := begun("sam")
	fail(plextest.CheckPIN, plextest.ServerError(), func() { b.get(poll); time.Sleep(time.Minute); b.get(poll) })
	b = begun("sam")
	fail(plextest.User, plextest.Unauthorized(), func() { b.get(poll) })
	b = w.browser()
	b.begin("/")
	w.plex.Advance(time.Hour)
	b.get(poll)

	w.browser().redeem(redeemURL, bodyOf(w.token("casey")), nil)
	w.browser().redeem(redeemURL, bodyOf(w.token("mallory")), nil)
	w.browser().redeem(redeemURL, bodyOf("test-token-of-nobody"), nil)
	time.Sleep(time.Minute)
	for i := range 80 {
		b := w.browser()
		if i > 12 {
			b.from = fmt.Sprint("198.51.100.", i)
		}
		b.tryToEnter(i%2 == 0)
		if i == 12 || i == 78 {
			time.Sleep(2 * time.Second)
		}
	}
	w.usher.AuditRules(true)
	w.usher.AuditRules(false)
}

// asksAndPasses is somebody who asks, is let in, and tries again.
func (w *world) asksAndPasses() {
	mallory := w.signedIn("mallory")
	at, form := mallory.refusal("nginx", page)
	mallory.post(site+"/ask", form)
	if err := w.store.Rule(session.Ruling{Account: 70010007, By: 70010009, In: true}); err != nil {
		w.t.Fatal(err)
	}
	mallory.get(at)
	if _, err := w.store.Unrule(70010007); err != nil {
		w.t.Fatal(err)
	}
}

// switches is the admin of a Plex Home who says that a member is watching.
func (w *world) switches() {
	w.withTeen()
	robin := w.signedIn("robin")
	robin.choose("sam", "")
	for range 6 {
		robin.choose("Teen", "0000")
		time.Sleep(10 * time.Second)
	}
	robin.choose("Kiddo", "")
	time.Sleep(time.Minute)
}

// tryToEnter begins a sign-in, or redeems a token that is none.
func (b *browser) tryToEnter(signIn bool) {
	if signIn {
		b.post(site+"/login", nil)
	} else {
		b.redeem(redeemURL, bodyOf("test-token-of-nobody"), nil)
	}
}

// wholeLog is the log of everything, in one format.
func wholeLog(t *testing.T, handler func(io.Writer) slog.Handler) string {
	t.Helper()
	log := &logBuffer{}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *setup) { redeeming(s); withOffice(t, "")(s); s.logTo = handler(log) })
		w.everything()
		time.Sleep(10 * time.Minute) // the budgets for sign-ins are used up
		for _, did := range []string{session.ResultKeptOut, session.ResultLetIn, session.ResultTakenBack, session.ResultSignedOut, session.ResultKeyRevoked} {
			w.usher.Audit(session.Event{Kind: session.EventDesk, Result: did, Account: 70010001, User: "casey", Address: netip.MustParseAddr("203.0.113.7"), Reason: "by_70010009"})
		}
		for _, e := range []session.Event{{Result: session.ResultLetIn, Reason: "by_70010009"}, {Result: session.ResultClosed, Reason: "by_70010009"}, {Result: session.ResultClosed, Reason: "kept_out"}} {
			e.Kind, e.Account, e.User, e.App = session.EventAsk, 70010001, "casey", "app.example.com"
			w.usher.Audit(e)
		}
		for _, e := range []session.Event{{Result: session.ResultBegun, Reason: "code"}, {Result: session.ResultBegun, Reason: "desk", Account: 70010009, User: "robin"}, {Result: session.ResultWrongCode},
			{Result: session.ResultDone, Account: 70010009, User: "robin"}, {Result: session.ResultDone, Reason: "command", Account: 70010009, User: "robin"}} {
			e.Kind, e.App, e.Address = session.EventSetUp, "auth.example.com", netip.MustParseAddr("203.0.113.7")
			w.usher.Audit(e)
		}
		w.restart(func(s *setup) { ownView(s); s.logTo = handler(log) })
		b, key := w.signedIn("casey"), ""
		key = b.makeKey(site, keyForm("phone", ""))
		w.plex.Fail(plextest.Resources, plextest.ServerError())
		time.Sleep(25 * time.Hour)
		b.check("traefik", page, nil)
		time.Sleep(time.Minute)
		b.check("traefik/library:Films", page, nil)
		w.plex.Heal()
		w.plex.RevokeTokens("casey")
		for range 5 {
			time.Sleep(10 * time.Minute)
			b.check("traefik", page, nil)
		}
		w.browser().check("traefik", page, ways["bearer"](key))
		b = w.browser()
		b.approve(b.begin("/"), "casey")
		if err := w.store.Close(); err != nil {
			t.Fatal(err)
		}
		b.get(poll)
	})
	return log.String()
}

// While plex.tv is silent a waiting page asks again and again; that is one failure.
func TestASilentPlexIsOneFailedSignIn(t *testing.T) {
	t.Parallel()
	for _, ep := range []plextest.Endpoint{plextest.CheckPIN, plextest.User} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			synctest.Wait() // for the owner's view, without which nobody could be signed in
			b := w.browser()
			forward := b.begin("/")
			if ep == plextest.User {
				b.approve(forward, "casey")
			}
			w.plex.Fail(ep, plextest.ServerError())
			for range 20 {
				b.get(poll)
				time.Sleep(10 * time.Second)
			}
			w.plex.Heal()
			if ep == plextest.CheckPIN {
				b.approve(forward, "casey")
			}
			b.get(poll)
			lines := audits(w.log.String())
			if len(lines) != 2 || !strings.Contains(lines[0], "result=failed") || !strings.Contains(lines[0], "reason=plex_silent") || !strings.Contains(lines[1], "result=ok") {
				t.Errorf("%s: %q", ep, lines)
			}
		})
	}
}

// What the desk, asks and set-up write names a person as apps get them: nobody is
// taken for another because they call themselves that person's fallback.
func TestNobodyPosesInWhatTheDeskWrites(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{
		"plex-70010001": "plex-70010007", "PLEX-70010001": "plex-70010007", "plex-": "plex-70010007", "casey\u200b": "plex-70010007", " casey": "plex-70010007",
		"mallory": "mallory",
	} {
		w := newWorld(t, nil)
		for _, kind := range []string{session.EventDesk, session.EventAsk, session.EventSetUp} {
			w.usher.Audit(session.Event{Kind: kind, Result: session.ResultDone, Account: 70010007, User: user})
		}
		lines, said := audits(w.log.String()), " user="+want+" "
		all, err := w.store.Events(session.EventFilter{})
		if err != nil || len(all) != 3 || len(lines) != 3 {
			t.Fatalf("%q: %d rows, %d lines, %v", user, len(all), len(lines), err)
		}
		for i, e := range all {
			if e.User != want || !strings.Contains(lines[i], said) {
				t.Errorf("%q of %s: %q, %s", user, e.Kind, e.User, lines[i])
			}
		}
	}
}

// docs/audit.md has every event with every result and reason, shows lines that the
// program writes, and nothing that it does not.
func TestTheAuditPageIsTrue(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	happened := map[string]bool{}
	for format, handler := range formats {
		for _, line := range audits(wholeLog(t, handler)) {
			written[line] = true
			if format == "json" {
				var e struct{ Event, Result, Reason string }
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(e.Reason, "by_") {
					e.Reason = ""
				}
				if e.Result == "refused" && e.Event != "access" { // for the same reasons
					e.Reason = ""
				}
				happened[e.Event+" "+e.Result+" "+e.Reason] = true
			}
		}
	}
	documented := map[string]bool{}
	word := regexp.MustCompile("`([a-z_]+)`")
	event := ""
	for _, row := range regexp.MustCompile("(?m)^\\| (?:`([a-z_]+)`)? ?\\| `([a-z_]+)` \\| [A-Z]+ \\| (.*?) \\|").FindAllStringSubmatch(string(doc), -1) {
		if row[1] != "" {
			event = row[1]
		}
		reasons := word.FindAllStringSubmatch(row[3], -1)
		if len(reasons) == 0 {
			documented[event+" "+row[2]+" "] = true
		}
		for _, reason := range reasons {
			documented[event+" "+row[2]+" "+reason[1]] = true
		}
	}
	if diff := cmp.Diff(happened, documented); diff != "" {
		t.Errorf("what happens, and what the page says:\n%s", diff)
	}
	shown := 0
	for _, line := range regexp.MustCompile(`(?m)^(time=|\{"time").*$`).FindAllString(string(doc), -1) {
		shown++
		if !written[line] {
			t.Errorf("the page shows a line that nobody wrote:\n%s", line)
		}
	}
	if shown < len(documented)/2 {
		t.Errorf("%d lines are shown of %d events", shown, len(documented))
	}
}

// What anybody can cause does not fill the log, nor the store.
func TestStrangersDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, redeeming)
		for i := range 2000 {
			b := w.browser()
			b.from = fmt.Sprintf("198.51.%d.%d", i/250, i%250)
			b.check("traefik", page, ways["bearer"](fmt.Sprint("usher_", i)))
			b.tryToEnter(true)
			b.tryToEnter(false)
		}
		if n := len(audits(w.log.String())); n == 0 || n > 40 {
			t.Errorf("%d lines", n)
		}
		all, err := w.store.Events(session.EventFilter{})
		if err != nil || len(all) == 0 || len(all) > 40 {
			t.Errorf("%d rows, %v", len(all), err)
		}
	})
}

func TestNoAuditOfWhatSucceedsByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	before := len(audits(w.log.String()))
	for range 3 {
		b.check("traefik", page, nil)
		w.browser().check("traefik", page, nil)
		w.browser().get(poll)
		w.browser().post(site+"/logout", nil)
		b.do(http.MethodPost, site+"/logout", url.Values{}, http.Header{"Sec-Fetch-Site": {"cross-site"}})
	}
	if n := len(audits(w.log.String())) - before; n != 0 {
		t.Errorf("%d lines:\n%s", n, w.log.String())
	}
}

// A page that asks in the background is refused many times, and its person asks about the one refusal that they see.
func TestTheRefusalThatSomebodySeesIsInTheHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	mallory := w.signedIn("mallory")
	key := w.keyOf(70010007, "other.example.com")
	for range 100 {
		mallory.check("traefik", page, http.Header{"Accept": {"application/json"}})
		w.browser().check("traefik", page, program("X-Usher-Key", key))
	}
	shown := text(mallory.check("traefik", page, nil))
	all, err := w.store.Events(session.EventFilter{Kind: session.EventAccess})
	if err != nil || len(all) != 11 || !strings.Contains(shown, all[0].RequestID) {
		t.Errorf("%d refusals are kept, %v; the last is not that of the page:\n%s", len(all), err, shown)
	}
}
