package desk_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"usher/session"
)

const (
	asks = "/admin/asks"
	otto = 70010006 // refused by a rule: nobody is let in there by hand
)

func (w *officeWorld) ask(account int64, message string) {
	w.t.Helper()
	if err := w.store.Ask(session.Ask{Account: account, Message: message, Host: "sonarr.example.com", Policy: "shared", Guests: account != otto, Request: "7F3K-Q2"}); err != nil {
		w.t.Fatal(err)
	}
}

// events are the audited results of asks and of the desk.
func (w *officeWorld) events() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, e := range w.audit {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Kind, e.Result, e.Reason, e.RequestID)))
	}
	w.audit = nil
	return strings.Join(all, "; ")
}

func TestAnswersToNoAsk(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	w.ask(frankie, "please")
	w.ask(mallory, "please")
	if _, err := w.store.CloseAsk(mallory, session.AskNo); err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string][]string{
		"nobody":               {"do", "let-in"},
		"no number":            {"do", "let-in", "id", "frankie"},
		"a negative id":        {"do", "let-in", "id", "-70010004"},
		"who has not asked":    {"do", "let-in", "id", "70010003"},
		"who was told no":      {"do", "let-in", "id", "70010007"},
		"something unheard of": {"do", "forget", "id", "70010004"},
		"nothing":              {"id", "70010004"},
	} {
		if said := w.post(asks, form...); !strings.Contains(said, "othing was changed") {
			t.Errorf("%s: %q", name, said)
		}
	}
	w.admin.Account = frankie // an administrator who asks does not answer themselves
	if said := w.post(asks, "do", "let-in", "id", "70010004"); !strings.Contains(said, "cannot keep out or let in") {
		t.Error(said)
	}
	if len(w.store.Rulings()) != 0 || len(w.store.Asks()) != 1 || w.events() != "" {
		t.Error("something happened all the same")
	}
	if res, _ := w.do(http.MethodPost, asks, url.Values{"do": {strings.Repeat("x", 20_000)}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("20 kB: %s", res.Status)
	}
}

func TestAsksAreAnswered(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	w.signedIn("frankie", "curl/8")
	w.signedIn("mallory", "curl/8")
	if page := text(w.get(asks)); !strings.Contains(page, "Nobody asks to be let in.") {
		t.Error(page)
	}
	w.ask(mallory, "<b>hi</b>\nit is me")
	w.ask(frankie, "")
	w.restart()
	if front := text(w.get("/admin")); !strings.Contains(front, "2 ask to be let in") {
		t.Error(front)
	}
	page := w.get(asks)
	for _, want := range []string{"frankie@example.org", "Plex id 70010004", "friend", "mallory@example.org", "anyone", "<b>hi</b> it is me", "sonarr.example.com", "7F3K-Q2", "They wrote nothing."} {
		if !strings.Contains(text(page), want) {
			t.Errorf("the page does not say %q: %s", want, text(page))
		}
	}
	if said := w.post(asks, "do", "let-in", "id", "70010004"); said != "They are let in now." {
		t.Error(said)
	}
	if said := w.post(asks, "do", "no", "id", "70010007"); !strings.Contains(said, "again in seven days") {
		t.Error(said)
	}
	if got := w.events(); got != "desk let_in by_70010009; ask let_in by_70010009 7F3K-Q2; ask closed by_70010009 7F3K-Q2" {
		t.Error(got)
	}
	w.restart()
	if ruling, ok := w.store.Ruling(frankie); !ok || !ruling.In || ruling.By != robin {
		t.Errorf("%+v", ruling)
	}
	if _, ok := w.store.Ruling(mallory); ok || len(w.store.Asks()) != 0 || w.store.MayAsk(mallory) != session.ErrAskedLately {
		t.Error("a no is more than a no")
	}
	for _, row := range rows(w.get("/admin/events?kind=ask")) {
		if row["Person"] == "" || !strings.HasSuffix(row["What"], ", by robin") {
			t.Errorf("%v", row)
		}
	}
}

// By a share, and by being kept out, an ask answers itself.
func TestAsksThatAnswerThemselves(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	w.signedIn("casey", "curl/8") // with whom Attic is shared since
	for _, account := range []int64{casey, frankie, otto, mallory} {
		w.ask(account, "please")
	}
	if err := w.store.Rule(session.Ruling{Account: frankie, By: robin}); err != nil {
		t.Fatal(err)
	}
	page := w.get(asks)
	if !strings.Contains(text(page), "2 more are closed now") || len(w.store.Asks()) != 2 {
		t.Errorf("%s", text(page))
	}
	if got := w.events(); got != "ask closed kept_out 7F3K-Q2; ask closed passes 7F3K-Q2" {
		t.Error(got)
	}
	// Where letting in does not help it is not offered.
	if n := buttons(page, "Let in"); n != 1 || buttons(page, "No") != 2 {
		t.Errorf("%d to let in: %s", n, text(page))
	}
	if err := w.store.Rule(session.Ruling{Account: mallory, By: robin}); err != nil {
		t.Fatal(err)
	}
	if said := w.post(asks, "do", "let-in", "id", "70010007"); !strings.Contains(said, "Nothing") && !strings.Contains(said, "nothing") {
		t.Errorf("let in who is kept out: %q", said)
	}
	if ruling, _ := w.store.Ruling(mallory); ruling.In || len(w.store.Asks()) != 1 {
		t.Errorf("%+v", ruling)
	}
}

func buttons(doc *html.Node, says string) (n int) {
	for d := range doc.Descendants() {
		if d.Data == "button" && text(d) == says {
			n++
		}
	}
	return n
}
