package auth_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/notify"
	"usher/session"
)

const askPage = "https://auth.example.com/ask"

// desked is an Usher with a desk, which tells the owner of things.
func desked(t *testing.T, told *mailbox) func(*setup) {
	return func(s *setup) {
		withOffice(t, "")(s)
		s.Rules = rules(t, handRules)
		if told != nil {
			s.Notify = told.put
		}
	}
}

type mailbox struct {
	mu  sync.Mutex
	all []notify.Message
}

func (m *mailbox) put(one notify.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, one)
}

// take gives what came since.
func (m *mailbox) take() []notify.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.all
	m.all = nil
	return all
}

// refusal is the address of the page about a refusal, and the form on it.
func (b *browser) refusal(path, address string) (at string, form url.Values) {
	b.t.Helper()
	at = b.check(path, address, nil).Header.Get("Location")
	u, err := url.Parse(at)
	if err != nil || u.Path != "/refused" {
		b.t.Fatalf("%s leads to %q", path, at)
	}
	return at, url.Values{"why": {u.Query().Get("why")}, "rd": {u.Query().Get("rd")}}
}

func with(form url.Values, pairs ...string) url.Values {
	changed := url.Values{}
	for name, values := range form {
		changed[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		changed.Set(pairs[i], pairs[i+1])
	}
	return changed
}

func offers(page string) bool {
	return strings.Contains(page, `action="https://auth.example.com/ask"`)
}

// Asks that are not taken: nothing is stored, written down, or told to the owner.
func TestAsksThatAreNotTaken(t *testing.T) {
	t.Parallel()
	var told mailbox
	w := newWorld(t, desked(t, &told))
	mallory, frankie, casey, robin := w.signedIn("mallory"), w.signedIn("frankie"), w.signedIn("casey"), w.signedIn("robin")
	_, form := mallory.refusal("nginx", page)
	_, theirs := frankie.refusal("nginx", page)
	_, caseys := casey.refusal("nginx/home", page)
	_, out := mallory.refusal("nginx/anyone,!user:mallory", page)
	_, owners := robin.refusal("nginx/user:casey", page)
	key := w.keyOf(70010001)
	notice, err := url.Parse(mallory.check("nginx", "https://app.example.org/", nil).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	told.take()
	for name, c := range map[string]struct {
		b      *browser
		form   url.Values
		header http.Header
		status int
	}{
		"nobody":                   {w.browser(), form, nil, 303},
		"a key":                    {w.browser(), with(caseys, "message", "hi"), http.Header{"Authorization": {"Bearer " + key}, "X-Usher-Key": {key}}, 303},
		"no reason":                {mallory, with(form, "why", ""), nil, 400},
		"a reason of their own":    {mallory, with(form, "why", `{"Policy":"owner","Account":70010007,"Request":"AAAA-AA","Host":"evil.example.net"}`), nil, 400},
		"half a reason":            {mallory, with(form, "why", form.Get("why")[:50]), nil, 400},
		"another's reason":         {mallory, theirs, nil, 400},
		"the reason of a notice":   {mallory, with(form, "why", notice.Query().Get("why")), nil, 400},
		"a cookie as reason":       {mallory, with(form, "why", mallory.cookies()[0].Value), nil, 400},
		"the reason in the query":  {mallory, with(form, "why", ""), nil, 400},
		"from another site":        {mallory, form, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"from an app":              {mallory, form, http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.example.com"}}, 403},
		"10 kB":                    {mallory, with(form, "message", strings.Repeat("please ", 1500)), nil, 403},
		"301 letters":              {mallory, with(form, "message", strings.Repeat("x", 301)), nil, 403},
		"20 kB":                    {mallory, with(form, "message", strings.Repeat("please ", 3000)), nil, 400},
		"kept out by the policy":   {mallory, out, nil, 403},
		"the owner":                {robin, owners, nil, 403},
		"an address for an answer": {mallory, with(form, "rd", "https://evil.example.net/", "why", ""), nil, 400},
	} {
		address := askPage
		if name == "the reason in the query" {
			address += "?why=" + url.QueryEscape(form.Get("why"))
		}
		res := c.b.do(http.MethodPost, address, c.form, c.header)
		if body := text(res); res.StatusCode != c.status || strings.Contains(body+res.Header.Get("Location"), "evil.example.net") {
			t.Errorf("%s: %s to %q", name, res.Status, res.Header.Get("Location"))
		}
	}
	if res := mallory.get(askPage); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", res.Status)
	}
	// Who is kept out by hand is not offered it, and cannot do it all the same.
	if err := w.store.Rule(session.Ruling{Account: 70010007, By: 70010009}); err != nil {
		t.Fatal(err)
	}
	again := w.signedIn("mallory")
	at, _ := again.refusal("nginx", page)
	if res := again.post(askPage, form); res.StatusCode != http.StatusForbidden || offers(text(again.get(at))) {
		t.Errorf("kept out: %s", res.Status)
	}
	if asks, lines := w.store.Asks(), w.log.String(); len(asks) != 0 || len(told.take()) != 0 || strings.Contains(lines, "event=ask") {
		t.Errorf("%+v", asks)
	}
}

// One ask is open at a time; the page says so, also on the app's own host, and asks of
// their own do not change by what else is posted.
func TestAsk(t *testing.T) {
	t.Parallel()
	var told mailbox
	w := newWorld(t, desked(t, &told))
	mallory := w.signedIn("mallory")
	told.take()
	onApp := text(mallory.check("traefik", page, nil))
	if strings.Contains(onApp, "<form") || !strings.Contains(onApp, "#ask\">Ask to be let in") {
		t.Error("on the app's host there is no link to the form alone")
	}
	at, form := mallory.refusal("nginx", "https://sonarr.example.com/private?token=test-token")
	first := text(mallory.get(at))
	if !offers(first) {
		t.Fatal("it is not offered")
	}
	request := strings.SplitN(strings.SplitN(first, "Request id <b><bdi>", 2)[1], "<", 2)[0]
	res := mallory.post(askPage, with(form, "message", " Hello <b>robin</b>\r\n\r\nit is me\nagain \x1b[31m", "host", "evil.example.net", "request", "AAAA-AA"))
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != at {
		t.Fatalf("%s to %q, want %q", res.Status, res.Header.Get("Location"), at)
	}
	for range 2 {
		asks := w.store.Asks()
		if len(asks) != 1 || asks[0].Message != "Hello <b>robin</b>\nit is me again [31m" || asks[0].Host != "sonarr.example.com" || asks[0].Request != request || asks[0].Account != 70010007 || !asks[0].Guests {
			t.Fatalf("%+v, want request %s", asks, request)
		}
		for where, body := range map[string]string{"the page": text(mallory.get(at)), "the app": text(mallory.check("traefik", page, nil))} {
			if offers(body) || strings.Contains(body, "<b>robin") || !strings.Contains(body, "You asked on <time") || !strings.Contains(body, "Hello &lt;b&gt;robin") {
				t.Errorf("%s: %s", where, body)
			}
		}
		mallory.post(askPage, with(form, "message", "and another")) // changes nothing
		w.restart(desked(t, &told))
	}
	all := told.take()
	if len(all) != 1 || all[0].Event != notify.Ask || all[0].Words != "Hello <b>robin</b>\nit is me again [31m" || all[0].App != "sonarr.example.com" || all[0].RequestID != request || all[0].Account != 70010007 || all[0].At.IsZero() {
		t.Errorf("told %+v", all)
	}
	want := "event=ask result=sent user_id=70010007 user=mallory app=sonarr.example.com ip=203.0.113.7 reason=\"\" request_id=" + request
	if lines := w.log.String(); strings.Count(lines, "event=ask") != 1 || !strings.Contains(lines, want) || strings.Contains(lines, "robin</b>") || strings.Contains(lines, "test-token") {
		t.Errorf("%s", lines)
	}
}

func TestElevenAsksInADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, desked(t, nil))
	for i := range int64(10) {
		if err := w.store.Ask(session.Ask{Account: 100 + i}); err != nil {
			t.Fatal(err)
		}
	}
	mallory := w.signedIn("mallory")
	at, form := mallory.refusal("nginx", page)
	if body := text(mallory.get(at)); offers(body) || !strings.Contains(body, "ask again tomorrow") {
		t.Error(body)
	}
	if res := mallory.post(askPage, form); res.StatusCode != http.StatusForbidden || !strings.Contains(text(res), "ask again tomorrow") || len(w.store.Asks()) != 10 {
		t.Errorf("the eleventh: %s", res.Status)
	}
}

func TestAskAfterANo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, desked(t, nil))
	mallory := w.signedIn("mallory")
	at, form := mallory.refusal("nginx", page)
	mallory.post(askPage, form)
	if closed, err := w.store.CloseAsk(70010007, session.AskNo); !closed || err != nil {
		t.Fatal(err)
	}
	if body := text(mallory.get(at)); offers(body) || !strings.Contains(body, "You may ask again from <time") {
		t.Error(body)
	}
	if res := mallory.post(askPage, form); res.StatusCode != http.StatusForbidden || len(w.store.Asks()) != 0 {
		t.Errorf("right after a no: %s", res.Status)
	}
}

// Who passes by now goes on to the app, and what they had asked is closed.
func TestAskOfWhoPasses(t *testing.T) {
	t.Parallel()
	var told mailbox
	w := newWorld(t, desked(t, &told))
	mallory := w.signedIn("mallory")
	told.take()
	at, form := mallory.refusal("nginx", page)
	_, named := mallory.refusal("nginx", "https://named.example.com/")
	if err := w.store.Rule(session.Ruling{Account: 70010007, By: 70010009, In: true}); err != nil {
		t.Fatal(err)
	}
	if res := mallory.post(askPage, form); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != page || len(w.store.Asks()) != 0 || len(told.take()) != 0 {
		t.Errorf("let in before: %s to %q", res.Status, res.Header.Get("Location"))
	}
	// Where a rule names who may, being let in by hand does not help: there they may ask.
	if res := mallory.post(askPage, named); res.StatusCode != http.StatusSeeOther || len(w.store.Asks()) != 1 || w.store.Asks()[0].Guests {
		t.Errorf("%s, %+v", res.Status, w.store.Asks())
	}
	if w.usher.AskPasses(w.store.Asks()[0]) {
		t.Error("it is taken for answered")
	}
	if res := mallory.get(at); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != page {
		t.Errorf("try again: %s to %q", res.Status, res.Header.Get("Location"))
	}
	if len(w.store.Asks()) != 1 {
		t.Error("to pass elsewhere closed what they asked")
	}
}

// Without a desk nobody would see what is asked.
func TestNoAsksWithoutADesk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	mallory := w.signedIn("mallory")
	at, form := mallory.refusal("nginx", page)
	if res := mallory.post(askPage, form); res.StatusCode != http.StatusBadRequest || offers(text(mallory.get(at))) || len(w.store.Asks()) != 0 {
		t.Errorf("%s", res.Status)
	}
}

func TestAsksAreAnsweredAtADeskThatThereIs(t *testing.T) {
	t.Parallel()
	for where, c := range map[string]struct {
		urls  []string
		pages string // where they sign in and ask
		desk  bool
	}{
		"a host of their own": {[]string{"https://auth.example.com"}, "https://auth.example.com", true},
		"below a path":        {[]string{"https://app.example.com/door"}, "https://app.example.com/door", false},
		"both":                {[]string{"https://app.example.com/door", "https://auth.example.org"}, "https://app.example.com/door", true},
		"on every host":       {nil, "https://app.example.com/_usher", false},
	} {
		var told mailbox
		w := newWorld(t, func(s *setup) { desked(t, &told)(s); s.urls = c.urls })
		mallory := w.browser()
		mallory.get(mallory.approve(mallory.post(c.pages+"/login", nil).Header.Get("Location"), "mallory"))
		at, err := url.Parse(mallory.check("nginx", page, nil).Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if shown := text(mallory.get(at.String())); !strings.Contains(shown, `action="`+c.pages+`/ask"`) {
			t.Errorf("%s: it is not offered at %s", where, at)
		}
		mallory.post(c.pages+"/ask", url.Values{"why": {at.Query().Get("why")}, "rd": {at.Query().Get("rd")}})
		if all := told.take(); len(all) != 1 || all[0].Event != notify.Ask || all[0].Desk != c.desk {
			t.Errorf("%s: told %+v", where, all)
		}
	}
}

func TestNewDevicesAreTold(t *testing.T) {
	t.Parallel()
	var told mailbox
	w := newWorld(t, desked(t, &told))
	const linux, iphone = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Mozilla/5.0 (iPhone) AppleWebKit Safari/605"
	enter := func(person, agent, want string) *browser {
		t.Helper()
		b := w.browser()
		header := http.Header{"User-Agent": {agent}}
		res := b.do(http.MethodGet, b.approve(b.begin("/"), person), nil, header)
		if res.StatusCode != http.StatusSeeOther {
			t.Fatal(res.Status)
		}
		got := ""
		for _, m := range told.take() {
			got += m.Device
			if m.Event != notify.NewDevice || m.App != "auth.example.com" || m.Address != "203.0.113.7" || m.Words != "" || m.RequestID != "" {
				t.Errorf("%+v", m)
			}
		}
		if got != want {
			t.Errorf("%s by %.30s: told %q, want %q", person, agent, got, want)
		}
		return b
	}
	enter("mallory", linux, "") // a stranger does not ring the owner's telephone
	first := enter("casey", linux, "Firefox on Linux")
	enter("casey", strings.Replace(linux, "140.0", "141.0", 2), "")
	first.post("https://auth.example.com/logout", url.Values{"everywhere": {"1"}})
	enter("casey", linux, "")
	enter("casey", iphone, "Safari on iPhone")
	enter("sam", iphone, "Safari on iPhone")
	w.restart(desked(t, &told))
	enter("casey", iphone, "")
	enter("casey", "", "An unknown device")
}

// A receiver that hangs delays neither a sign-in nor an ask.
func TestAReceiverThatHangsDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to, err := notify.ParseReceiver("https://receiver.example.net/test-secret")
		if err != nil {
			t.Fatal(err)
		}
		var n *notify.Notifier
		w := newWorld(t, func(s *setup) {
			desked(t, nil)(s)
			s.logTo = nil
			s.Notify = func(m notify.Message) { n.Send(m) }
		})
		n = notify.New(notify.Config{To: to, Log: slog.New(slog.DiscardHandler), Transport: hanging{}})
		began := time.Now()
		w.signedIn("casey")
		mallory := w.signedIn("mallory")
		_, form := mallory.refusal("nginx", page)
		mallory.post(askPage, form)
		if took := time.Since(began); took != 0 || len(w.store.Asks()) != 1 {
			t.Errorf("it took %v", took)
		}
		n.Close()
	})
}

type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
