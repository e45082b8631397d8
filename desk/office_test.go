package desk_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"usher/auth"
	"usher/desk"
	"usher/plex"
	"usher/plex/plextest"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

const (
	robin   = 70010009
	sam     = 70010003
	casey   = 70010001
	frankie = 70010004
	mallory = 70010007
)

// officeWorld is an office over a store and a plex.tv of its own.
type officeWorld struct {
	t      testing.TB
	plex   *plextest.Server
	store  *session.Store
	dir    *plex.Directory
	office *desk.Office
	file   string
	mu     sync.Mutex
	audit  []session.Event
	admin  desk.Admin
	log    desk.PlexLog
	asked  desk.Question
	answer error
}

func newOfficeWorld(t testing.TB) *officeWorld {
	t.Helper()
	w := &officeWorld{t: t, plex: plextest.Start(t, plextest.InMemory()), file: filepath.Join(t.TempDir(), "usher.db")}
	w.admin = desk.Admin{Base: base, Account: robin, Client: netip.MustParseAddr("192.0.2.1")}
	w.start()
	return w
}

// restart is what a restart of Usher is to the office.
func (w *officeWorld) restart() {
	w.t.Helper()
	w.dir.Close()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.start()
}

func (w *officeWorld) start() {
	t := w.t
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	keys, err := session.NewKeys("test-secret-0123456789-abcdefghijklmnop")
	must(err)
	w.store, err = session.Open(w.file, keys, log)
	must(err)
	store := w.store
	t.Cleanup(func() { store.Close() })
	client, err := plex.New(plex.Config{URL: w.plex.URL, ClientID: "test-client-usher", Transport: w.plex.Transport(), Observe: w.log.Observe})
	must(err)
	w.dir, err = plex.NewDirectory(plex.DirectoryConfig{Client: client, Store: auth.PlexStore(w.store), Servers: []string{plextest.Attic}, Recheck: 5 * time.Minute, Grace: 24 * time.Hour,
		OwnerToken: plex.Token(w.plex.Token("robin", "test-client-usher"))})
	must(err)
	w.dir.Start()
	t.Cleanup(w.dir.Close)
	_, err = w.dir.Lookup(t.Context(), robin)
	must(err)
	pages, err := templates.New("")
	must(err)
	allow, err := policy.Parse("shared")
	must(err)
	pagesURL, err := url.Parse("https://auth.example.org")
	must(err)
	setup, err := desk.New(desk.Config{Keys: keys, Pages: pages, Log: log, Port: "4999", Sites: []desk.Site{{URL: pagesURL, Domain: "example.org"}},
		Audit: w.note, InForce: func() desk.Setup { return desk.Setup{Servers: []desk.Server{{ID: plextest.Attic}}} }})
	must(err)
	w.office = desk.NewOffice(desk.OfficeConfig{Setup: setup, Store: w.store, Directory: w.dir, Pages: pages, Log: log, Plex: &w.log, Device: auth.Device,
		Person: func(a *plex.Answer) policy.Person {
			p := policy.Person{ID: a.Account.ID, Username: a.Account.Username, Tier: tierOf(a), Servers: a.Servers}
			if r, ok := store.Ruling(p.ID); ok && !a.Owner {
				p.KeptOut, p.LetIn = !r.In, r.In
			}
			return p
		},
		Allow: allow.TakeGuests,
		Passes: func(a session.Ask) bool {
			who, err := w.dir.Peek(a.Account)
			return err == nil && len(who.Servers) > 0
		},
		Audit: w.note,
		Explain: func(q desk.Question) (desk.Explanation, error) {
			w.asked = q
			return desk.Explanation{User: q.User, Method: q.Method, URL: q.URL, Steps: []string{"one", "two"}, Result: "allowed"}, w.answer
		},
		Health: func() ([]string, []templates.OfficeFact) {
			return w.dir.Problems(), []templates.OfficeFact{{Name: "Version", Text: "test"}}
		},
	})
}

func (w *officeWorld) note(e session.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.audit = append(w.audit, e)
	w.store.AddEvent(e)
}

func tierOf(a *plex.Answer) policy.Tier {
	switch {
	case a.Owner:
		return policy.Owner
	case a.Home:
		return policy.Home
	case len(a.Servers) > 0:
		return policy.Shared
	case a.Friend:
		return policy.Friend
	}
	return policy.Anyone
}

// signedIn is a session of somebody's; plex.tv has said who they are.
func (w *officeWorld) signedIn(name, device string) session.Session {
	w.t.Helper()
	p := w.plex.Person(name)
	if _, err := w.dir.SignedIn(w.t.Context(), plex.Account{ID: p.ID, UUID: p.UUID, Username: p.Username, Email: p.Email, Title: p.Title}, plex.Token(w.plex.Token(name, "test-client-usher"))); err != nil {
		w.t.Fatal(err)
	}
	s, err := w.store.Begin(session.Session{Account: p.ID, Audience: "example.com", Device: device, Address: "203.0.113.7", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *officeWorld) key(account int64, name string) session.Key {
	w.t.Helper()
	_, k, err := w.store.MakeKey(session.Key{Account: account, Name: name, Ends: time.Now().Add(time.Hour)})
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

func (w *officeWorld) do(method, path string, form url.Values) (res *http.Response, found bool) {
	r := httptest.NewRequest(method, base+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	rec := httptest.NewRecorder()
	found = w.office.Serve(rec, r, w.admin)
	return rec.Result(), found
}

// get reads a page that has to be there.
func (w *officeWorld) get(path string) *html.Node {
	w.t.Helper()
	res, found := w.do(http.MethodGet, path, nil)
	if !found || res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s, found %v", path, res.Status, found)
	}
	return parse(w.t, res)
}

func parse(t testing.TB, res *http.Response) *html.Node {
	t.Helper()
	doc, err := html.Parse(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// post sends a form and reads the page that it leads to, with what that says was done.
func (w *officeWorld) post(path string, pairs ...string) (said string) {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	res, found := w.do(http.MethodPost, path, form)
	to := res.Header.Get("Location")
	if !found || res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, base+path+"?done=") {
		w.t.Fatalf("%s %v: %s to %q, found %v", path, pairs, res.Status, to, found)
	}
	for n := range w.get(strings.TrimPrefix(to, base)).Descendants() {
		if n.DataAtom == atom.P && attr(n, "role") == "status" {
			return text(n)
		}
	}
	w.t.Fatalf("%s: it is not said what was done", to)
	return ""
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.DataAtom != atom.Style {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// rows are the cells of every table of a page, by their labels.
func rows(doc *html.Node) (all []map[string]string) {
	for n := range doc.Descendants() {
		if n.DataAtom != atom.Tr || n.Parent.DataAtom != atom.Tbody {
			continue
		}
		row := map[string]string{}
		for d := range n.Descendants() {
			if d.DataAtom == atom.Td {
				row[attr(d, "data-label")] = text(d)
			}
		}
		all = append(all, row)
	}
	return all
}

// find is the row of somebody or something.
func find(doc *html.Node, label, part string) map[string]string {
	for _, row := range rows(doc) {
		if strings.Contains(row[label], part) {
			return row
		}
	}
	return nil
}

func TestPagesThatAreNotThere(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	for _, path := range []string{"/admin/nowhere", "/admin/people/casey", "/admin/people/0", "/admin/people/-1", "/admin/people/070010001", "/admin/people/+70010001",
		"/admin/people/70010001/keys", "/admin/people/99999999999999999999", "/admin/devices/1", "/admin/setup"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if res, found := w.do(method, path, nil); found {
				t.Errorf("%s %s: %s", method, path, res.Status)
			}
		}
	}
	for _, path := range []string{"/admin/events", "/admin/explain", "/admin/health", "/admin/people", "/admin/recipes"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			if res, _ := w.do(method, path, nil); res.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %s", method, path, res.Status)
			}
		}
	}
}

func TestWhoCannotBeRuledAbout(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	w.admin.Account = sam // whom USHER_ADMINS names
	device := w.signedIn("robin", "curl/8")
	for who, path := range map[string]string{"the owner": "/admin/people/70010009", "themselves": "/admin/people/70010003"} {
		for _, do := range []string{"keep-out", "let-in"} {
			if said := w.post(path, "do", do, "reason", "x"); !strings.Contains(said, "cannot keep out or let in") || len(w.store.Rulings()) != 0 {
				t.Errorf("%s, %s: %q, %+v", who, do, said, w.store.Rulings())
			}
		}
		if page := text(w.get(path)); strings.Contains(page, "Keep out") {
			t.Errorf("%s: the page offers it", who)
		}
	}
	if _, ok := w.store.Live(device.ID); !ok || len(w.audit) != 0 {
		t.Errorf("something happened all the same: %+v", w.audit)
	}
}

// Ids that are somebody else's, over, or nobody's end nothing.
func TestIdsOfOthers(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	theirs, key := w.signedIn("sam", "curl/8"), w.key(sam, "phone")
	for name, c := range map[string][]string{
		"a device of sam's on casey's page": {"/admin/people/70010001", "do", "end-device", "id", theirs.ID},
		"a key of sam's on casey's page":    {"/admin/people/70010001", "do", "end-key", "id", key.ID},
		"all keys of who has none":          {"/admin/people/70010001", "do", "end-keys"},
		"a device that never was":           {"/admin/devices", "do", "end-device", "id", "AAAA"},
		"a key that never was":              {"/admin/keys", "do", "end-key", "id", "AAAA"},
		"no id":                             {"/admin/devices", "do", "end-device"},
		"a key as a device":                 {"/admin/devices", "do", "end-device", "id", key.ID},
		"nothing decided to be taken back":  {"/admin/people/70010001", "do", "take-back"},
		"all devices without the tick":      {"/admin/devices", "do", "end-devices"},
		"all keys without the tick":         {"/admin/keys", "do", "end-keys", "sure", "0"},
		"something unheard of":              {"/admin/people/70010003", "do", "forget"},
		"nothing":                           {"/admin/keys"},
	} {
		if said := w.post(c[0], c[1:]...); !strings.Contains(said, "othing was changed") {
			t.Errorf("%s: %q", name, said)
		}
	}
	if _, ok := w.store.Live(theirs.ID); !ok || len(w.store.Keys(sam)) != 1 || len(w.audit) != 0 {
		t.Errorf("something was ended: %+v", w.audit)
	}
}

// What a page says in each table, after each action and across a restart.
func TestEveryTableAfterEachAction(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	phone, laptop := w.signedIn("casey", "Mozilla/5.0 (iPhone) Safari/1"), w.signedIn("casey", "Mozilla/5.0 (X11; Linux) Firefox/130")
	w.signedIn("sam", "curl/8")
	mine := w.signedIn("robin", "Mozilla/5.0 (X11; Linux) Chrome/130")
	w.admin.Session = mine.ID
	script := w.key(casey, "script")
	w.key(casey, "reader")
	w.key(sam, "radio")

	type state struct {
		devices, keys int    // casey's
		ruling        string // on the list of people
		all, allKeys  int    // everybody's
		may           string // on casey's page
	}
	is := func(after string, want state) {
		t.Helper()
		for _, when := range []string{"", ", after a restart"} {
			if when != "" {
				w.restart()
			}
			row := find(w.get("/admin/people?q=casey"), "Person", "casey")
			var got state
			fmt.Sscan(row["Devices"], &got.devices)
			fmt.Sscan(row["Keys"], &got.keys)
			got.ruling = strings.TrimSpace(strings.TrimPrefix(row["Access"], "shared"))
			got.all, got.allKeys = len(rows(w.get("/admin/devices"))), len(rows(w.get("/admin/keys")))
			page := text(w.get("/admin/people/70010001"))
			_, rest, _ := strings.Cut(page, "Where no rule says otherwise")
			got.may, _, _ = strings.Cut(rest, ":")
			if got != want {
				t.Errorf("after %s%s: %+v, want %+v", after, when, got, want)
			}
			front := text(w.get("/admin"))
			if !strings.Contains(front, fmt.Sprintf("%d device", want.all)) || !strings.Contains(front, fmt.Sprintf("%d key", want.allKeys)) || strings.Contains(front, "Nobody is kept out") != (want.ruling == "") {
				t.Errorf("after %s%s the front page says %s", after, when, front)
			}
		}
	}
	said := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	is("nothing", state{2, 2, "", 4, 3, "may pass"})
	said(w.post("/admin/people/70010001", "do", "end-device", "id", phone.ID), "Signed out.")
	is("one device", state{1, 2, "", 3, 3, "may pass"})
	said(w.post("/admin/people/70010001", "do", "end-device", "id", phone.ID), "That was over already: nothing was changed.")
	said(w.post("/admin/keys", "do", "end-key", "id", script.ID, "q", "script"), "Revoked.")
	is("one key", state{1, 1, "", 3, 2, "may pass"})
	said(w.post("/admin/people/70010001", "do", "keep-out", "reason", "for the <b>summer</b>", "tell", "1"), "They are kept out now, and signed out everywhere.")
	is("kept out", state{0, 1, "kept out", 2, 2, "may not pass"})
	if row := find(w.get("/admin"), "Person", "casey"); row["What"] != "kept out" || row["Why"] != "for the <b>summer</b>" || row["By"] != "robin" {
		t.Errorf("%v", row)
	}
	if _, ok := w.store.Live(laptop.ID); ok {
		t.Error("casey is signed in")
	}
	said(w.post("/admin/people/70010001", "do", "take-back"), "What was decided by hand is taken back.")
	is("let in again", state{0, 1, "", 2, 2, "may pass"})
	said(w.post("/admin/people/70010001", "do", "end-keys"), "Revoked.")
	is("all of their keys", state{0, 0, "", 2, 1, "may pass"})
	w.signedIn("casey", "curl/8")
	w.signedIn("casey", "curl/8")
	is("signing in", state{2, 0, "", 4, 1, "may pass"})
	said(w.post("/admin/people/70010001", "do", "sign-out"), "Signed out.")
	is("signing out everywhere", state{0, 0, "", 2, 1, "may pass"})
	w.signedIn("casey", "curl/8")
	said(w.post("/admin/devices", "do", "end-devices", "sure", "1", "q", "curl"), "Signed out.")
	is("all of a search", state{0, 0, "", 1, 1, "may pass"})
	w.signedIn("casey", "curl/8")
	said(w.post("/admin/devices", "do", "end-devices", "sure", "1"), "Signed out.")
	if _, ok := w.store.Live(mine.ID); !ok {
		t.Error("robin has signed themselves out")
	}
	said(w.post("/admin/keys", "do", "end-keys", "sure", "1"), "Revoked.")
	is("all devices and keys", state{0, 0, "", 1, 0, "may pass"})

	said(w.post("/admin/people/70010007", "do", "let-in", "reason", "a cousin"), "They are let in now.")
	w.signedIn("mallory", "curl/8")
	if page := text(w.get("/admin/people/70010007")); !strings.Contains(page, "Let in by robin") || !strings.Contains(page, "may pass: decided by hand") {
		t.Errorf("mallory: %s", page)
	}
	history := w.get("/admin/events?kind=desk")
	if all := rows(history); len(all) != 11 || all[0]["What"] != "Let in by hand, by robin" || !strings.Contains(all[0]["Person"], "mallory") || all[0]["Address"] != "192.0.2.1" {
		t.Errorf("%d events: %v", len(all), all)
	}
}

func TestPeopleAreFound(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	w.signedIn("mallory", "curl/8")
	for q, want := range map[string]string{"CASEY": "casey", "70010003": "sam", "casey@": "casey", "kidd": "Kiddo", "mallory": "mallory", "robin": "robin"} {
		all := rows(w.get("/admin/people?q=" + url.QueryEscape(q)))
		if len(all) == 0 || !strings.Contains(strings.ToLower(all[0]["Person"]), strings.ToLower(want)) {
			t.Errorf("%q: %v", q, all)
		}
	}
	if all := rows(w.get("/admin/people?q=nobody-at-all")); len(all) != 0 {
		t.Errorf("%v", all)
	}
	doc := w.get("/admin/people")
	tiers := map[string]string{"robin": "owner", "sam": "home", "Kiddo": "home", "casey": "shared", "frankie": "friend", "mallory": "anyone"}
	for who, tier := range tiers {
		if row := find(doc, "Person", who); row["Access"] != tier {
			t.Errorf("%s is %q", who, row["Access"])
		}
	}
	if row := find(doc, "Person", "robin"); row["Libraries"] != "all" {
		t.Errorf("%v", row)
	}
	if first := rows(doc)[0]["Person"]; !strings.Contains(first, "mallory") {
		t.Errorf("who was seen last is not in front: %s", first)
	}
	w.restart() // nobody but the owner is in memory
	if row := find(w.get("/admin/people"), "Person", "mallory"); row["Devices"] != "1" {
		t.Errorf("mallory is lost: %v", row)
	}
	w.plex.Rename("mallory", "mallory-the-third")
	w.signedIn("mallory", "curl/8")
	if row := find(w.get("/admin/people"), "Person", "mallory-the-third"); row["Devices"] != "2" {
		t.Errorf("mallory has their old name: %v", rows(w.get("/admin/people")))
	}
}

// Whatever people are called, no page takes it for markup.
func TestMarkupInEveryField(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	w.plex.Edit("casey", func(p *plextest.Person) { p.Username, p.Title, p.FriendlyName = evil, evil, evil })
	w.signedIn("casey", evil)
	w.key(casey, evil[:50])
	w.store.AddEvent(session.Event{Kind: "sign_in", Result: evil, Account: casey, User: evil, App: evil, Reason: evil, RequestID: evil})
	if err := w.store.Rule(session.Ruling{Account: casey, By: robin, Reason: evil, Tell: true}); err != nil {
		t.Fatal(err)
	}
	w.signedIn("casey", evil)
	w.answer = errors.New(evil)
	q := url.QueryEscape(evil)
	for _, path := range []string{"/admin", "/admin/people?q=" + q, "/admin/people", "/admin/people/70010001", "/admin/devices?q=" + q, "/admin/devices", "/admin/keys?q=" + q, "/admin/keys",
		"/admin/events?who=" + q + "&app=" + q + "&kind=" + q, "/admin/events", "/admin/explain?user=" + q + "&url=" + q + "&method=" + q + "&policy=" + q, "/admin/explain?request=" + q, "/admin/health", "/admin?done=" + q} {
		res, found := w.do(http.MethodGet, path, nil)
		body, err := io.ReadAll(res.Body)
		if !found || err != nil || strings.Contains(string(body), "<script>alert") || strings.Contains(string(body), "<img") {
			t.Errorf("%s: found %v, %v\n%s", path, found, err, body)
		}
	}
}

func TestWhatHappenedIsFilteredAndPaged(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	for i := range 40 {
		w.store.AddEvent(session.Event{Kind: session.EventSignIn, Result: "ok", Account: casey, User: "casey", App: "auth.example.com", Address: netip.MustParseAddr("192.0.2.7")})
		w.store.AddEvent(session.Event{Kind: session.EventAccess, Result: "refused", Account: sam, User: "sam", App: "photos.example.com", Reason: "needs_owner", RequestID: fmt.Sprintf("AAAA-%02d", i)})
	}
	w.store.AddEvent(session.Event{Kind: session.EventKey, Result: "wrong", App: "photos.example.com"})
	for query, want := range map[string]int{"": 81, "who=casey": 40, "who=70010003": 40, "app=photos.example.com": 41, "app=PHOTOS.example.com": 41, "kind=access": 40, "kind=key": 1, "who=casey&kind=access": 0, "kind=nothing": 0} {
		at, n, pages := "/admin/events?"+query, 0, 0
		for at != "" {
			doc := w.get(at)
			n += len(rows(doc))
			at = ""
			for d := range doc.Descendants() {
				if d.DataAtom == atom.A && text(d) == "Next" {
					at = strings.TrimPrefix(attr(d, "href"), base)
				}
			}
			if pages++; pages > 10 {
				t.Fatalf("%q never ends", query)
			}
		}
		if n != want || pages != max(1, (want+17)/18) {
			t.Errorf("%q: %d events on %d pages, want %d", query, n, pages, want)
		}
	}
	doc := w.get("/admin/events?kind=access")
	row := rows(doc)[0]
	if row["What"] != "Refused: needs owner" || !strings.Contains(row["Person"], "sam") || row["Request id"] != "AAAA-39" {
		t.Errorf("%v", row)
	}
	linked := false
	for d := range doc.Descendants() {
		linked = linked || d.DataAtom == atom.A && attr(d, "href") == base+"/admin/explain?request=AAAA-39"
	}
	if !linked {
		t.Error("the request id leads nowhere")
	}
	if page := text(w.get("/admin/events?who=nobody-at-all")); !strings.Contains(page, "Nobody known here") {
		t.Error(page)
	}
	days := rows(w.get("/admin"))
	if today := days[len(days)-1]; today["Sign-ins"] != "40" || today["Refusals"] != "40" || len(days) != 30 {
		t.Errorf("%d days, today %v", len(days), today)
	}
}

func TestExplainAsAForm(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	res, _ := w.do(http.MethodGet, "/admin/explain?user=casey&url="+url.QueryEscape("https://app.example.com/x?X-Plex-Token=test-token-robin#y"), nil)
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.Contains(to, url.QueryEscape("https://app.example.com/x")) || strings.Contains(to, "token") {
		t.Errorf("%s to %q", res.Status, to)
	}
	page := text(w.get("/admin/explain?user=casey&url=" + url.QueryEscape("https://app.example.com/x") + "&ip=::ffff:192.0.2.9&policy=owner"))
	want := desk.Question{User: "casey", URL: "https://app.example.com/x", Method: "GET", Policy: "owner", Client: netip.MustParseAddr("192.0.2.9")}
	if w.asked != want || !strings.Contains(page, "one") || !strings.Contains(page, "allowed: two") {
		t.Errorf("asked %+v, said %s", w.asked, page)
	}
	if w.get("/admin/explain?request=7F3K-Q2&url=https://ignored.example.com/"); w.asked != (desk.Question{Request: "7F3K-Q2"}) {
		t.Errorf("asked %+v", w.asked)
	}
	for query, status := range map[string]int{"url=https://app.example.com/&ip=here": 400, "url=nonsense": 422, "": 200} {
		if query == "url=nonsense" {
			w.answer = errors.New("no such address")
		}
		if res, _ := w.do(http.MethodGet, "/admin/explain?"+query, nil); res.StatusCode != status {
			t.Errorf("%q: %s", query, res.Status)
		}
	}
}

func TestHealthTellsHowPlexAnswers(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	page := text(w.get("/admin/health"))
	for _, want := range []string{"No problem is known", "Versiontest", "The owner’s tokenworks", "people, shown by plex.tv", "The store0", "People in memory1"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing: %s", want, page)
		}
	}
	if row := find(w.get("/admin/health"), "Question", "users"); row["Answer"] != "ok" || row["Asked since the start"] != "1" {
		t.Errorf("%v", row)
	}
}

func TestRecipesHaveTheirOwnNames(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	links := 0
	for d := range w.get("/admin/recipes").Descendants() {
		href := strings.TrimPrefix(attr(d, "href"), base)
		if d.DataAtom != atom.A || !strings.HasPrefix(href, "/admin/recipes?proxy=") {
			continue
		}
		links++
		page := text(w.get(href))
		if strings.Contains(page, "example.com") || strings.Contains(page, "4181") || !strings.Contains(page, "4999") {
			t.Errorf("%s has names of others: %s", href, page)
		}
	}
	if links < 8 {
		t.Errorf("%d recipes", links)
	}
	w.get("/admin/recipes?proxy=nothing")
}
