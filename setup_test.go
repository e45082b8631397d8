package main

import (
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usher/desk"
	"usher/plex/plextest"
	"usher/session"
)

// fresh is an Usher in this process that nobody has set up.
type fresh struct {
	t     *testing.T
	stand *plextest.Server
	dir   string
	env   environment
	app   *app
	log   *output
	jar   http.CookieJar
}

func newFresh(t *testing.T, change func(*environment)) *fresh {
	t.Helper()
	f := &fresh{t: t, stand: plextest.Start(t), dir: t.TempDir(), log: &output{}}
	for _, v := range variables() {
		f.env.set(v.Name, v.Default)
	}
	f.env.URL, f.env.DataDir, f.env.ClientID = "https://auth.example.com", f.dir, "test-client"
	f.env.PlexURL, f.env.PlexAuthURL = f.stand.URL, f.stand.AuthURL
	if change != nil {
		change(&f.env)
	}
	f.open()
	t.Cleanup(f.close)
	return f
}

func (f *fresh) close() {
	if f.app != nil {
		f.app.close()
		f.app = nil
	}
}

func (f *fresh) open() {
	f.t.Helper()
	set, err := newSettings(f.env)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.app, err = newApp(set, slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
		f.t.Fatal(err)
	}
	if f.jar, err = cookiejar.New(nil); err != nil {
		f.t.Fatal(err)
	}
}

// restart stops Usher and starts it again over the same folder.
func (f *fresh) restart() {
	f.t.Helper()
	f.close()
	f.open()
}

// do asks as a browser does.
func (f *fresh) do(method, path string, form url.Values, header ...string) (*http.Response, string) {
	f.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Host, r.RemoteAddr = "auth.example.com", "127.0.0.1:40000"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	page := &url.URL{Scheme: "https", Host: r.Host}
	for _, c := range f.jar.Cookies(page) {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	f.app.ServeHTTP(rec, r)
	f.jar.SetCookies(page, rec.Result().Cookies())
	return rec.Result(), rec.Body.String()
}

// setUp goes the whole way in a browser.
func (f *fresh) setUp(person, server, allow string) {
	f.t.Helper()
	step := func(path string, form url.Values) string {
		f.t.Helper()
		res, body := f.do(http.MethodPost, path, form)
		if res.StatusCode != http.StatusSeeOther {
			f.t.Fatalf("%s: %s\n%s", path, res.Status, body)
		}
		return res.Header.Get("Location")
	}
	step("/setup/code", url.Values{"code": {f.app.desk.NewCode()}})
	if _, err := f.stand.SignIn(step("/setup/plex", nil), person); err != nil {
		f.t.Fatal(err)
	}
	f.do(http.MethodGet, "/setup/callback", nil)
	step("/setup/servers", url.Values{"server": {server}})
	f.do(http.MethodGet, "/setup/people", nil)
	if to := step("/setup/finish", url.Values{"allow": {allow}}); !strings.HasSuffix(to, "/setup/done") {
		f.t.Fatalf("finished at %s", to)
	}
}

// signIn is a session of a person, as a cookie.
func (f *fresh) signIn(person string) string {
	f.t.Helper()
	before := f.jar
	defer func() { f.jar = before }()
	f.jar, _ = cookiejar.New(nil)
	res, body := f.do(http.MethodPost, "/login?rd=/", nil)
	forward, err := f.stand.SignIn(res.Header.Get("Location"), person)
	if err != nil {
		f.t.Fatalf("%v: %s %s", err, res.Status, body)
	}
	back, err := url.Parse(forward)
	if err != nil {
		f.t.Fatal(err)
	}
	res, _ = f.do(http.MethodGet, back.RequestURI(), nil)
	for _, c := range res.Cookies() {
		if strings.HasPrefix(c.Name, "__Secure-usher") {
			return c.Name + "=" + c.Value
		}
	}
	f.t.Fatalf("%s is not signed in: %s", person, res.Status)
	return ""
}

func (f *fresh) check(cookie, policy string) int {
	r := httptest.NewRequest(http.MethodGet, "/auth/traefik"+policy, nil)
	r.RemoteAddr = "127.0.0.1:40000"
	for name, value := range map[string]string{"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.example.com",
		"X-Forwarded-Uri": "/", "X-Forwarded-For": "203.0.113.7", "Cookie": cookie} {
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	f.app.ServeHTTP(rec, r)
	return rec.Code
}

func (f *fresh) want(what string, got, want int) {
	f.t.Helper()
	if got != want {
		f.t.Errorf("%s: %d, want %d", what, got, want)
	}
}

// TestSetUpFromAnotherSite: its forms change nothing, whatever the browser has.
func TestSetUpFromAnotherSite(t *testing.T) {
	f := newFresh(t, nil)
	code := f.app.desk.NewCode()
	for name, header := range map[string][]string{"by Sec-Fetch-Site": {"Sec-Fetch-Site", "cross-site"}, "by a sibling": {"Sec-Fetch-Site", "same-site"}, "by Origin": {"Sec-Fetch-Site", "", "Origin", "https://mallory.example"}} {
		for _, path := range []string{"/setup/code", "/setup/plex", "/setup/servers", "/setup/finish", "/setup/again"} {
			res, _ := f.do(http.MethodPost, path, url.Values{"code": {code}}, header...)
			f.want(name+" to "+path, res.StatusCode, http.StatusForbidden)
			if len(res.Cookies()) > 0 {
				t.Errorf("%s: a cookie", name)
			}
		}
	}
	res, _ := f.do(http.MethodPost, "/setup/code", url.Values{"code": {code}})
	f.want("the code itself, from here", res.StatusCode, http.StatusSeeOther)
}

// TestSetUpIsNoPage: who has no code learns nothing from an Usher that is set
// up, not even by the headers.
func TestSetUpIsNoPage(t *testing.T) {
	f := newFresh(t, func(e *environment) {
		e.Servers, e.Owner = plextest.Attic, "70010009"
	})
	missing, text := f.do(http.MethodGet, "/no-such-page", nil)
	for _, path := range []string{"/setup", "/setup/", "/setup/code", "/setup/done"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			res, body := f.do(method, path, nil)
			if res.StatusCode != http.StatusNotFound || body != text || len(res.Header) != len(missing.Header) {
				t.Errorf("%s %s: %s", method, path, res.Status)
			}
		}
	}
	res, _ := f.do(http.MethodGet, "/setup", nil)
	f.want("without a code", res.StatusCode, http.StatusNotFound)
	f.app.printCode()
	res, _ = f.do(http.MethodGet, "/setup", nil)
	f.want("with a new one", res.StatusCode, http.StatusOK)
}

// TestRulesThatContradictSetUp: what could not start again is not put in
// force.
func TestRulesThatContradictSetUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, file, "- host: app.example.com\n  allow: server:"+plextest.Cellar+"\n")
	f := newFresh(t, func(e *environment) { e.RulesFile = file })
	err := f.app.apply(desk.Setup{Servers: []desk.Server{{ID: plextest.Attic}}, Owner: 70010009, Token: "test-token", Allow: "shared"})
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
	f.want("nobody passes still", f.check("", ""), http.StatusServiceUnavailable)
	f.restart()
	f.want("after a restart", f.check("", ""), http.StatusServiceUnavailable)
	f.setUp("robin", plextest.Cellar, "owner")
	f.want("set up to fit", f.check("", ""), http.StatusUnauthorized)
}

// TestSetUpWithoutARestart: the next check goes by it, what came before goes
// on, and a restart keeps it.
func TestSetUpWithoutARestart(t *testing.T) {
	f := newFresh(t, nil)
	f.want("before", f.check("", ""), http.StatusServiceUnavailable)
	res, body := f.do(http.MethodGet, "/login", nil)
	if res.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "/setup") {
		t.Errorf("a visitor is told: %s\n%s", res.Status, body)
	}
	f.setUp("robin", plextest.Attic, "shared")
	casey, mallory, sam := f.signIn("casey"), f.signIn("mallory"), f.signIn("sam")
	f.want("nobody", f.check("", ""), http.StatusUnauthorized)
	f.want("casey", f.check(casey, ""), http.StatusOK)
	f.want("mallory", f.check(mallory, ""), http.StatusForbidden)
	f.want("a policy about friends", f.check(casey, "/friend"), http.StatusOK)

	f.restart()
	f.want("casey, after a restart", f.check(casey, ""), http.StatusOK)
	f.want("mallory, after a restart", f.check(mallory, ""), http.StatusForbidden)

	f.setUp("robin", plextest.Attic, "home")
	f.want("casey, once more set up", f.check(casey, ""), http.StatusForbidden)
	f.want("sam, once more set up", f.check(sam, ""), http.StatusOK)
	if file := fileOf(t, f.dir, "usher.db"); strings.Contains(file, "test-token-") {
		t.Error("a token lies open in the store")
	}
	if strings.Contains(f.log.String(), "test-token-") {
		t.Error("a token is in the log")
	}
}

func TestEnvironmentWinsOverSetUp(t *testing.T) {
	f := newFresh(t, nil)
	f.setUp("robin", plextest.Cellar, "anyone")
	mallory, casey, otto := f.signIn("mallory"), f.signIn("casey"), f.signIn("otto")
	f.want("mallory, by set-up", f.check(mallory, ""), http.StatusOK)
	f.env.Allow = "shared"
	f.restart()
	f.want("mallory, USHER_ALLOW", f.check(mallory, ""), http.StatusForbidden)
	f.want("otto, of Cellar", f.check(otto, ""), http.StatusOK)
	f.want("casey, of Attic", f.check(casey, ""), http.StatusForbidden)
	f.env.Servers = plextest.Attic
	f.restart()
	f.want("otto, USHER_SERVERS", f.check(otto, ""), http.StatusForbidden)
	f.want("casey, USHER_SERVERS", f.check(casey, ""), http.StatusOK)

	for name, change := range map[string]func(*environment){
		"another account's token": func(e *environment) { e.PlexToken = f.stand.Token("ivan", "test-client") },
		"another owner":           func(e *environment) { e.Owner = "70010008" },
	} {
		before := f.env
		change(&f.env)
		f.restart()
		res, body := f.do(http.MethodGet, "/readyz", nil)
		for late := time.Now().Add(10 * time.Second); res.StatusCode == http.StatusOK && time.Now().Before(late); { // plex.tv is asked in the background
			res, body = f.do(http.MethodGet, "/readyz", nil)
		}
		if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "one of the two is wrong") {
			t.Errorf("%s: %s\n%s", name, res.Status, body)
		}
		f.want(name, f.check(casey, ""), http.StatusServiceUnavailable)
		f.env = before
	}
}

// TestOwnersNewToken: plex.tv may end the token of set-up when the owner signs
// in again; the new one takes its place.
func TestOwnersNewToken(t *testing.T) {
	f := newFresh(t, nil)
	f.stand.RotateTokens(true)
	f.setUp("robin", plextest.Attic, "friend")
	first := f.app.known().Token
	frankie := f.signIn("frankie")
	f.want("a friend", f.check(frankie, ""), http.StatusOK)
	f.signIn("robin")
	if now := f.app.known().Token; now == first || now == "" {
		t.Error("the token from before is kept")
	}
	f.restart()
	f.app.current().directory.Refresh(t.Context(), 70010004, 0)
	if v := f.app.view(); !v.TokenOK || v.At.IsZero() {
		t.Errorf("the owner's view: %+v", v)
	}
	f.want("a friend, after it", f.check(frankie, ""), http.StatusOK)
	f.signIn("casey")
	if token := f.app.known().Token; string(token) == f.stand.Token("casey", "test-client") {
		t.Error("somebody else's token was kept as the owner's")
	}
}

// TestSwapUnderLoad: while set-up changes what counts, every check is answered
// by one or the other, and nobody is turned away by the change.
func TestSwapUnderLoad(t *testing.T) {
	f := newFresh(t, nil)
	f.setUp("robin", plextest.Attic, "shared")
	casey := f.signIn("casey")
	f.want("casey", f.check(casey, ""), http.StatusOK)
	var stop atomic.Bool
	var asking sync.WaitGroup
	var answers [3]atomic.Int64
	for range 4 {
		asking.Go(func() {
			for !stop.Load() {
				switch f.check(casey, "") {
				case http.StatusOK:
					answers[0].Add(1)
				case http.StatusForbidden:
					answers[1].Add(1)
				default:
					answers[2].Add(1)
				}
			}
		})
	}
	set := f.app.known()
	for i := range 30 {
		if set.Allow = "shared"; i%2 == 0 {
			set.Allow = "owner"
		}
		if err := f.app.apply(set); err != nil {
			t.Error(err)
		}
		f.app.reloadRules(slog.New(slog.DiscardHandler))
	}
	stop.Store(true)
	asking.Wait()
	if answers[2].Load() > 0 || answers[0].Load() == 0 || answers[1].Load() == 0 {
		t.Errorf("%d let in, %d refused, %d neither", answers[0].Load(), answers[1].Load(), answers[2].Load())
	}
	f.want("in the end", f.check(casey, ""), http.StatusOK)
}

// TestRefusalsOutliveASwap: the id on a page is found afterwards.
func TestRefusalsOutliveASwap(t *testing.T) {
	f := newFresh(t, nil)
	f.setUp("robin", plextest.Attic, "shared")
	f.check(f.signIn("mallory"), "")
	id := regexp.MustCompile(`request_id=([A-Z2-7]{4}-[A-Z2-7]{2})`).FindStringSubmatch(f.log.String())
	if id == nil {
		t.Fatal("no refusal in the log")
	}
	if err := f.app.apply(f.app.known()); err != nil {
		t.Fatal(err)
	}
	env := []string{"USHER_DATA_DIR=" + f.dir, "USHER_LISTEN=" + freeAddress(t), "USHER_CLIENT_ID=test-client", "USHER_URL=https://auth.example.com"}
	f.close()
	code, out, errOut := run1(t, env, "explain", "--request", id[1])
	if code != 0 || !strings.Contains(out, "REFUSED") {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
}

// TestSignInsOutliveASwap: whose sign-in is under way, or whose answer got lost,
// does not begin again because set-up has changed something meanwhile.
func TestSignInsOutliveASwap(t *testing.T) {
	f := newFresh(t, nil)
	f.setUp("robin", plextest.Attic, "shared")
	f.jar, _ = cookiejar.New(nil)
	res, _ := f.do(http.MethodPost, "/login?rd=/", nil)
	if _, err := f.stand.SignIn(res.Header.Get("Location"), "casey"); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"before", "after"} {
		f.jar, _ = cookiejar.New(nil)
		f.jar.SetCookies(&url.URL{Scheme: "https", Host: "auth.example.com", Path: "/"}, res.Cookies())
		if _, body := f.do(http.MethodGet, "/login/poll", nil); !strings.Contains(body, `"ok"`) {
			t.Errorf("%s: %s", when, body)
		}
		if err := f.app.apply(f.app.known()); err != nil {
			t.Fatal(err)
		}
		f.stand.Advance(time.Minute) // a PIN that was read is gone by now
	}
}

// TestAnotherSecret: what cannot be opened counts as never set up, and nobody
// passes.
func TestAnotherSecret(t *testing.T) {
	f := newFresh(t, func(e *environment) { e.Secret = testSecret })
	f.setUp("robin", plextest.Attic, "anyone")
	const other = "another-secret-0123456789-abcdefghijklmn"
	f.env.Secret = other
	f.restart()
	f.want("with another secret", f.check("", ""), http.StatusServiceUnavailable)
	if !strings.Contains(f.log.String(), "sealed with another secret") {
		t.Error("nobody is told why")
	}
	f.env.Secret = other + "," + testSecret
	f.restart()
	f.want("with both", f.check("", ""), http.StatusUnauthorized)
	f.env.Secret = other
	f.restart()
	f.want("the old one retired", f.check("", ""), http.StatusUnauthorized)
}

var codeInLog = regexp.MustCompile(`code=([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})`)

// TestCodeIsPrinted: at the start, and on SIGUSR1, whatever the log's level,
// and not where Usher is set up.
func TestCodeIsPrinted(t *testing.T) {
	listen := freeAddress(t)
	env := []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + listen, "USHER_URL=https://auth.example.com", "USHER_LOG_LEVEL=error"}
	p := start(t, env)
	p.awaitLog("address=https://auth.example.com/setup code=")
	p.await("http://"+listen+"/healthz", http.StatusOK)
	p.cmd.Process.Signal(syscall.SIGUSR1)
	for late := time.Now().Add(20 * time.Second); len(codeInLog.FindAllString(p.errOut.String(), -1)) < 2; {
		if time.Now().After(late) {
			t.Fatal("no second code is printed")
		}
		p.await("http://"+listen+"/healthz", http.StatusOK)
	}
	codes := codeInLog.FindAllString(p.errOut.String(), -1)
	if codes[0] == codes[1] {
		t.Error("the same code again")
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.exit()

	p = start(t, []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + listen, "USHER_LOG_FORMAT=json"})
	p.awaitLog(`"address":"/_usher/setup on any host that your proxy sends to Usher","code":"`)
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.exit()

	p = start(t, []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + listen, "USHER_SERVERS=" + plextest.Attic, "USHER_OWNER=70010009"})
	p.await("http://"+listen+"/healthz", http.StatusOK)
	if codeInLog.MatchString(p.errOut.String()) {
		t.Error("a code for an Usher that is set up")
	}
}

// TestConfigTellsOfSetUp: with and without an Usher that has the store open,
// which it does not disturb.
func TestConfigTellsOfSetUp(t *testing.T) {
	f := newFresh(t, nil)
	f.setUp("robin", plextest.Attic, "home")
	f.close()
	listen := freeAddress(t)
	env := []string{"USHER_DATA_DIR=" + f.dir, "USHER_LISTEN=" + listen, "USHER_CLIENT_ID=test-client", "USHER_URL=https://auth.example.com", "USHER_PLEX_URL=" + f.stand.URL, "USHER_PLEX_AUTH_URL=" + f.stand.AuthURL}
	told := func(when string, more ...string) {
		t.Helper()
		code, out, errOut := run1(t, append(env, more...), "config")
		if code != 0 || errOut != "" {
			t.Errorf("%s: exit %d, %s", when, code, errOut)
		}
		for _, want := range []string{`USHER_SERVERS +` + plextest.Attic + ` +set-up\n`, `USHER_PLEX_TOKEN +\(hidden\) +set-up\n`, `USHER_OWNER +70010009 +set-up\n`} {
			if !regexp.MustCompile(want).MatchString(out) {
				t.Errorf("%s: no %s in\n%s", when, want, out)
			}
		}
		if want := `USHER_ALLOW +home +set-up\n`; len(more) == 0 && !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s: no %s", when, want)
		}
		if strings.Contains(out+errOut, "test-token-") {
			t.Errorf("%s: a token is shown", when)
		}
	}
	told("while none serves")
	told("with a policy that needs the token", "USHER_ALLOW=friend")
	p := start(t, env)
	p.await("http://"+listen+"/healthz", http.StatusOK)
	told("while one serves")
	if code, _, errOut := run1(t, append(env, "USHER_SECRET="+testSecret), "config"); code != 0 || !strings.Contains(errOut, "cannot be seen") || !strings.Contains(errOut, "no Usher with this secret") {
		t.Errorf("with another secret: exit %d, %s", code, errOut)
	}
}

// TestSetUpWhileNoneServesIsInTheHistory: whoever is made the owner by a command on
// this machine is found there by the next Usher that serves.
func TestSetUpWhileNoneServesIsInTheHistory(t *testing.T) {
	f := newFresh(t, func(e *environment) { e.Listen = freeAddress(t) })
	f.close()
	set, err := newSettings(f.env)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.generate(slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	store, _, err := set.storer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := store(t.Context(), "test-token", desk.Setup{Servers: []desk.Server{{ID: plextest.Attic}}, Owner: 70010009, Token: "test-token", Allow: "shared"}); err != nil {
		t.Fatal(err)
	}
	f.open()
	all, err := f.app.store.Events(session.EventFilter{Kind: session.EventSetUp})
	if err != nil || len(all) != 1 || all[0].Result != session.ResultDone || all[0].Reason != "command" || all[0].Account != 70010009 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestSetUpNeedsATerminal: it says what to do, draws nothing and makes nothing.
func TestSetUpNeedsATerminal(t *testing.T) {
	for _, args := range [][]string{{"setup"}, {"setup", "--print"}} {
		dir := t.TempDir()
		code, out, errOut := run1(t, []string{"USHER_DATA_DIR=" + dir}, args...)
		if code != 2 || out != "" || !strings.Contains(errOut, "docker exec -it") || strings.ContainsAny(errOut, "█▀▄\r") {
			t.Errorf("%s: exit %d\n%s%s", args, code, out, errOut)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
			t.Errorf("%s: %v, %v", args, files, err)
		}
	}
	for _, args := range [][]string{{"setup", "now"}, {"setup", "--token", "x"}} {
		if code, _, errOut := run1(t, nil, args...); code != 2 || !strings.Contains(errOut, "usher setup [--print]") {
			t.Errorf("%s: exit %d, %s", args, code, errOut)
		}
	}
}
