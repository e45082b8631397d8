package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
	"usher/plex/plextest"
)

// TestEveryState goes to every state of a sign-in in a browser, with scripts and without: what the page says, and where it
// leads. Nothing is written to the browser's console on the way, such as a breach of the page's own policy.
func TestEveryState(t *testing.T) {
	t.Parallel()
	window := chromium.Start(t, chromedp.Flag("ignore-certificate-errors", true)) // of the test's own TLS
	noCookies := chromium.Start(t, blockingCookies(t))
	for name, s := range map[string]struct {
		walk   func(*walker)
		change func(*walker, *environment)
		window context.Context
	}{
		"waiting":                              {walk: (*walker).waits},
		"expired":                              {walk: (*walker).expires},
		"refused at Plex":                      {walk: (*walker).refusesAtPlex},
		"Plex cannot be reached":               {walk: (*walker).findsPlexSilent},
		"Plex is slow to begin":                {walk: (*walker).findsPlexSlow},
		"Plex is slow to confirm":              {walk: (*walker).findsPlexSlowLater},
		"too many tries":                       {walk: (*walker).triesTooOften},
		"no access to this server":             {walk: (*walker).hasNoServer},
		"no access to this app":                {walk: (*walker).hasNoApp},
		"not set up":                           {walk: (*walker).comesTooEarly, change: setUpForNobody},
		"an address that is dropped":           {walk: (*walker).comesWithAnAddress},
		"no cookies":                           {walk: (*walker).keepsNoCookies, window: noCookies},
		"the session's cookie is not kept":     {walk: (*walker).keepsNoSession},
		"the cookie does not come to the app":  {walk: (*walker).isForgotten},
		"an app on another domain":             {walk: (*walker).isOutOfReach},
		"an http app, https pages":             {walk: (*walker).asksWithoutTLS, change: pagesAt("https", "false")},
		"an https app, http pages":             {walk: (*walker).signsInWithoutTLS, change: pagesAt("http", "false")},
		"an https app, http pages and cookies": {walk: (*walker).goesOnToTLS, change: pagesAt("http", "true")},
		"signed in already":                    {walk: (*walker).isSignedIn},
		"signed out":                           {walk: (*walker).signsOut},
		"within a frame":                       {walk: (*walker).standsInAFrame},
		"nothing works, within a frame":        {walk: (*walker).comesTooEarlyInAFrame, change: setUpForNobody},
		"another account":                      {walk: (*walker).switches},
		"another language":                     {walk: (*walker).readsGerman},
		"another device":                       {walk: (*walker).usesAnotherDevice},
		"somebody else is watching":            {walk: (*walker).isWatchedBySomebodyElse},
	} {
		if s.window == nil {
			s.window = window
		}
		for how, scripts := range map[string]bool{"with JavaScript": true, "without JavaScript": false} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				s.walk(newWalker(t, s.window, scripts, s.change))
			})
		}
	}
}

func setUpForNobody(_ *walker, env *environment) { nobodysServers(env) }

// pagesAt has the pages at a host that browsers do not take for their own machine.
func pagesAt(scheme, insecure string) func(*walker, *environment) {
	return func(v *walker, env *environment) {
		env.URL, env.InsecureCookies = strings.Replace(env.URL, ".localhost:", ".test:", 1), insecure
		if scheme == "https" {
			env.URL = v.safe("auth", "")
		}
	}
}

// blockingCookies has a browser refuse all cookies, as a person sets it.
func blockingCookies(t *testing.T) chromedp.ExecAllocatorOption {
	t.Helper()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "Default"), 0o700); err != nil {
		t.Fatal(err)
	}
	const settings = `{"profile": {"default_content_setting_values": {"cookies": 2}}}`
	if err := os.WriteFile(filepath.Join(folder, "Default", "Preferences"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	return chromedp.UserDataDir(folder)
}

// walker is somebody at an Usher of their own.
type walker struct {
	tourist
	scripts bool
	secure  string // port of the apps over TLS
	failing bool   // plex.tv answers no browser, which the console tells
	mu      sync.Mutex
	console []string
}

func newWalker(t *testing.T, window context.Context, scripts bool, change func(*walker, *environment)) *walker {
	t.Helper()
	v := &walker{scripts: scripts}
	front := httptest.NewUnstartedServer(nil)
	t.Cleanup(front.Close)
	_, v.secure, _ = net.SplitHostPort(front.Listener.Addr().String())
	v.tour = newTour(t, window, func(env *environment) {
		if change != nil {
			change(v, env)
		}
	})
	front.Config.Handler = v.route()
	front.StartTLS()

	tab, cancel := chromedp.NewContext(window, chromedp.WithNewBrowserContext(), chromedp.WithListener(v.listen))
	t.Cleanup(cancel)
	v.tab = tab
	v.do(chromium.Scripts(scripts))
	t.Cleanup(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, line := range v.console {
			t.Errorf("console: %s", line)
		}
	})
	return v
}

// safe is an address over TLS.
func (v *walker) safe(app, path string) string {
	return "https://" + app + ".usher.test:" + v.secure + path
}

// expected is what Chromium writes of a page whose status says that something is wrong, and of one over http.
var expected = regexp.MustCompile(`^(Failed to load resource: the server responded with a status of |The Cross-Origin-Opener-Policy header has been ignored, because the URL's origin was untrustworthy)`)

// listen keeps what a browser writes to its console.
func (v *walker) listen(event any) {
	line := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !expected.MatchString(e.Entry.Text) {
			line = e.Entry.Text
		}
	case *runtime.EventExceptionThrown:
		line = e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		line = "a script wrote to it"
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if line != "" && !(v.failing && strings.Contains(line, v.stand.URL)) {
		v.console = append(v.console, line)
	}
}

// fail has plex.tv answer badly.
func (v *walker) fail(ep plextest.Endpoint, f plextest.Fault) {
	v.mu.Lock()
	v.failing = true
	v.mu.Unlock()
	v.stand.Fail(ep, f)
}

// says waits for a page with this heading, however the browser comes to it, and wants its words. Lines and no-break spaces
// count as spaces.
func (v *walker) says(heading string, words ...string) {
	v.t.Helper()
	const look = `document.readyState === "loading" ? "" : ((document.querySelector("main h1") || {}).innerText || "") + "\n" + location.href + "\n" + document.body.innerText`
	text, tick := "", time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	err := within(v.tab, 20*time.Second, func(ctx context.Context) (err error) {
		for ; !strings.HasPrefix(text, heading); text, err = chromedp.Run(ctx, chromedp.Evaluate[string](look)) {
			select { // a page that is being left cannot be looked at
			case <-ctx.Done():
				return errors.Join(ctx.Err(), err)
			case <-tick.C:
			}
		}
		return nil
	})
	if err != nil {
		at, _ := chromedp.Run(v.tab, chromedp.Evaluate[string](look))
		v.t.Fatalf("no page says %q, but (%v):\n%s", heading, err, at)
	}
	text = strings.Join(strings.Fields(text), " ")
	for _, w := range words {
		if !regexp.MustCompile(w).MatchString(text) {
			v.t.Errorf("nothing says %q:\n%s", w, text)
		}
	}
}

// press follows a link or a button of the page.
func (v *walker) press(css string) {
	v.t.Helper()
	v.do(chromedp.Click(chromedp.CSS(css), chromedp.NodeVisible))
}

// leads wants a link to an address.
func (v *walker) leads(css, address string) {
	v.t.Helper()
	if at, err := chromedp.Run(v.tab, chromedp.AttributeValue(chromedp.CSS(css), "href")); err != nil || at.Value != address {
		v.t.Errorf("%s leads to %q, want %q: %v", css, at.Value, address, err)
	}
}

// leave presses the button of a sign-in, and is at Plex then. Plex's own page needs scripts.
func (v *walker) leave() (atPlex string) {
	v.t.Helper()
	v.press("button.go")
	v.do(chromedp.WaitReady(chromedp.CSS("#choice")))
	atPlex, err := chromedp.Run(v.tab, chromedp.Location())
	if err != nil {
		v.t.Fatal(err)
	}
	return atPlex
}

// approve does at Plex what a person does, and comes back.
func (v *walker) approve(atPlex, person string) {
	v.t.Helper()
	if v.scripts {
		v.press("button[data-person='" + person + "']")
		return
	}
	back, err := v.stand.SignIn(atPlex, person)
	if err != nil {
		v.t.Fatal(err)
	}
	v.open(back)
}

// comeBack comes back from Plex without having done anything there.
func (v *walker) comeBack(atPlex string) {
	v.t.Helper()
	_, fragment, _ := strings.Cut(atPlex, "#?")
	asked, err := url.ParseQuery(fragment)
	if err != nil {
		v.t.Fatal(err)
	}
	v.open(asked.Get("forwardUrl"))
}

const asksToSignIn = "Sign in to go on"

// enter signs in from the sign-in page.
func (v *walker) enter(person string) {
	v.t.Helper()
	v.says(asksToSignIn)
	v.approve(v.leave(), person)
}

// entered is signed in at the app.
func (v *walker) entered(person string) {
	v.t.Helper()
	v.open(v.whoami("/"))
	v.enter(person)
	v.says("Hello, " + person)
}

func (v *walker) waits() {
	v.open(v.whoami("/"))
	v.says(asksToSignIn, "whoami.usher.localhost is for people who have access", "Keep me signed in for 30 days", "Plex asks for your password, not this page")
	atPlex := v.leave()
	v.comeBack(atPlex)
	left := "You have (30|29) minutes left to approve it at Plex"
	if v.scripts {
		left = "Time left: (30:00|29:[0-9]{2})"
	}
	v.says("Finish signing in at Plex", "you go on to whoami.usher.localhost", "Waiting for Plex", left)
	if _, err := v.stand.SignIn(atPlex, "casey"); err != nil {
		v.t.Fatal(err)
	}
	v.says("Hello, casey") // by itself
}

func (v *walker) expires() {
	v.open(v.whoami("/"))
	v.comeBack(v.leave())
	v.says("Finish signing in at Plex")
	v.stand.Advance(time.Hour)
	v.says("Please start again", "took too long") // by itself
	v.approve(v.leave(), "casey")
	v.says("Hello, casey")
}

func (v *walker) refusesAtPlex() {
	v.open(v.whoami("/"))
	atPlex := v.leave()
	if v.scripts {
		v.press("#refuse")
	}
	v.comeBack(atPlex)
	v.says("Finish signing in at Plex", "If you refused it at Plex, it was not approved, and nothing has happened")
	v.press("a.alt")
	v.says(asksToSignIn, "Plex has not confirmed it")
	v.enter("casey")
	v.says("Hello, casey")
}

func (v *walker) findsPlexSilent() {
	v.open(v.whoami("/"))
	v.fail(plextest.Any, plextest.Maintenance())
	v.press("button.go")
	v.says("Plex is not answering", "Nothing is wrong with your account", "Please try again in 30 seconds", "This page does so by itself")
	v.stand.Heal()
	v.press("a.go")
	v.enter("casey")
	v.says("Hello, casey")
}

func (v *walker) findsPlexSlow() {
	v.open(v.whoami("/"))
	release := make(chan struct{})
	v.fail(plextest.CreatePIN, plextest.Until(release))
	v.press("button.go")
	if err := v.stand.Wait(v.tab, plextest.CreatePIN, 1); err != nil {
		v.t.Fatal(err)
	}
	close(release)
	v.do(chromedp.WaitReady(chromedp.CSS("#choice")))
}

func (v *walker) findsPlexSlowLater() {
	v.open(v.whoami("/"))
	atPlex := v.leave()
	v.comeBack(atPlex)
	v.fail(plextest.CheckPIN, plextest.ServerError())
	if v.scripts {
		v.says("Finish signing in at Plex")
		v.do(chromedp.WaitVisible("//*[@id='status'][contains(., 'Plex is slow to answer. Still trying.')]"))
	} else {
		v.says("Plex is not answering", "This page does so by itself")
	}
	v.stand.Heal()
	if _, err := v.stand.SignIn(atPlex, "casey"); err != nil {
		v.t.Fatal(err)
	}
	if !v.scripts {
		v.press("a.go")
	}
	v.says("Hello, casey")
}

func (v *walker) triesTooOften() {
	v.open(v.whoami("/"))
	v.useUp()
	v.press("button.go")
	v.says("One moment, please", "too many sign-ins from your network", "Please try again in (a second|[2-6] seconds)")
	v.press("a.go")
	v.says(asksToSignIn)
}

func (v *walker) hasNoServer() {
	v.open(v.whoami("/"))
	v.enter("mallory")
	v.says("No access to this server", "You asked for whoami.usher.localhost, and are signed in with Plex as: .*mallory", "not shared with this account", "Plex itself may stay signed in", "Request id")
	v.leads(`a[rel="noopener"]`, strings.TrimSuffix(v.stand.AuthURL, "/auth"))
}

func (v *walker) hasNoApp() {
	v.entered("casey")
	v.open(v.at("attic.usher.localhost", "/"))
	v.says("No access to this app", "attic.usher.localhost", "casey", "members of the owner’s Plex Home")
}

func (v *walker) comesTooEarly() {
	for _, address := range []string{v.whoami("/"), v.auth("/login")} {
		v.open(address)
		v.says("Almost ready", "please come back later")
	}
}

func (v *walker) comesWithAnAddress() {
	v.open(v.auth("/login?rd=https://evil.example/"))
	v.says(asksToSignIn, "does not belong here, so it was left out. You go to auth.usher.localhost instead")
	v.enter("casey")
	v.says("You are signed in", "casey")
	v.open(v.auth("/login?rd=https://evil.example/"))
	v.says("You are signed in", "does not belong here.* You are on your own page instead")
}

func (v *walker) keepsNoCookies() {
	pins := v.stand.Requests(plextest.CreatePIN)
	v.open(v.whoami("/"))
	v.says(asksToSignIn)
	for _, button := range []string{"button.go", "button[formaction]", "button.go"} { // each time somebody presses one
		before := v.asked.Load()
		v.press(button)
		v.says("Your browser did not keep our cookie", "Allow cookies for auth.usher.localhost, then try again")
		if n := v.asked.Load() - before; n > 2 { // the form's, and what a browser asks for besides
			v.t.Errorf("%d requests to a page that says so", n)
		}
		before = v.asked.Load()
		v.press("a.go")
		v.says(asksToSignIn, regexp.QuoteMeta("whoami.usher.localhost is for people who have access"))
		if n := v.asked.Load() - before; n > 2 {
			v.t.Errorf("%d requests to begin anew", n)
		}
	}
	if n := v.stand.Requests(plextest.CreatePIN) - pins; n != 0 {
		v.t.Errorf("%d PINs for nothing", n)
	}
}

func (v *walker) keepsNoSession() {
	v.entered("casey")
	v.do(func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, tab, network.DeleteCookies, network.DeleteCookiesParams{Name: "usher", Domain: ".usher.localhost"})
		return chromedp.Void{}, err
	})
	v.open(v.whoami("/"))
	v.says("Your browser did not keep our cookie", "You have signed in just now", "Allow cookies for usher.localhost")
	v.press("a.go")
	v.enter("casey")
	v.says("Hello, casey")
}

func (v *walker) isForgotten() {
	v.entered("casey")
	before := v.asked.Load()
	v.open(v.at("forgetful.usher.localhost", "/"))
	v.says("The app does not see your sign-in", "forgetful.usher.localhost asks for it again each time")
	if n := v.asked.Load() - before; n > 15 { // five rounds, and what a browser asks for besides
		v.t.Errorf("%d requests", n)
	}
}

func (v *walker) isOutOfReach() {
	v.open(v.at("photos.usher.test", "/"))
	v.says("No sign-in for this address", "photos.usher.test:"+v.port+" is not covered by the sign-in", "You have done nothing wrong")
}

func (v *walker) asksWithoutTLS() {
	v.open(v.at("photos.usher.test", "/x"))
	v.says("Only over https", "photos.usher.test:"+v.port+" was asked for over plain http")
	v.leads("a.go", "https://photos.usher.test:"+v.port+"/x")
	if n := v.stand.Requests(plextest.CreatePIN); n != 0 {
		v.t.Errorf("%d PINs for nothing", n)
	}
	v.open(v.safe("photos", "/x")) // where the proxy has it
	v.enter("casey")
	v.says("Hello, casey", regexp.QuoteMeta(v.safe("photos", "/x")))
}

func (v *walker) signsInWithoutTLS() {
	v.open(v.safe("photos", "/"))
	v.says("Only over https", "auth.usher.test:"+v.port+" was asked for over plain http")
	v.leads("a.go", "https://auth.usher.test:"+v.port+"/login?rd="+url.QueryEscape(v.safe("photos", "/")))
	if n := v.stand.Requests(plextest.CreatePIN); n != 0 {
		v.t.Errorf("%d PINs for nothing", n)
	}
}

func (v *walker) goesOnToTLS() {
	v.open(v.safe("photos", "/"))
	v.enter("casey")
	v.says("Hello, casey", regexp.QuoteMeta(v.safe("photos", "/")))
}

func (v *walker) isSignedIn() {
	v.entered("casey")
	before := v.stand.Requests(plextest.CreatePIN)
	v.open(v.auth("/login?rd=" + url.QueryEscape(v.whoami("/again"))))
	v.says("Hello, casey", regexp.QuoteMeta(v.whoami("/again")))
	if n := v.stand.Requests(plextest.CreatePIN) - before; n != 0 {
		v.t.Errorf("%d more PINs", n)
	}
}

func (v *walker) signsOut() {
	v.entered("casey")
	v.open(v.auth("/logout"))
	v.says("Sign out?", "casey", "Plex itself stays signed in")
	v.press("button.go")
	v.says("You are signed out", "Plex may still be signed in", "Sign out at Plex")
	v.press("a.alt")
	v.says(asksToSignIn)
	v.open(v.whoami("/"))
	v.says(asksToSignIn)
}

// onTop presses the one link of the page within the frame.
func (v *walker) onTop() {
	v.t.Helper()
	frames, err := chromedp.Run(v.tab, chromedp.Nodes(chromedp.CSS("iframe")))
	if err != nil || len(frames) != 1 {
		v.t.Fatalf("%d frames, %v", len(frames), err)
	}
	v.do(chromedp.Click(chromedp.CSS(`a.go[target="_top"]`), chromedp.NodeVisible, chromedp.FromNode(frames[0])))
}

func (v *walker) standsInAFrame() {
	v.open(v.at("dashboard.usher.localhost", "/"))
	v.says("A dashboard")
	v.onTop()
	v.enter("casey")
	v.says("Hello, casey")
}

func (v *walker) comesTooEarlyInAFrame() {
	v.open(v.at("dashboard.usher.localhost", "/"))
	v.says("A dashboard")
	v.onTop()
	v.says("Almost ready", regexp.QuoteMeta(v.whoami("/")))
}

func (v *walker) switches() {
	v.open(v.whoami("/"))
	v.enter("mallory")
	v.says("No access to this server", "mallory")
	v.press(`a[href*="switch=1"]`)
	v.says(asksToSignIn, "You are signed in as mallory. Plex may remember that", "sign out of Plex in this browser first. Sign out at Plex")
	v.enter("casey")
	v.says("Hello, casey")
	v.open(v.auth("/"))
	v.says("You are signed in", "casey", "Shared with you")
}

func (v *walker) readsGerman() {
	words := map[string]any{}
	file, err := os.ReadFile("templates/words/de.json")
	if err := errors.Join(err, json.Unmarshal(file, &words)); err != nil {
		v.t.Fatal(err)
	}
	v.open(v.whoami("/"))
	v.says(asksToSignIn)
	v.press("a.language")
	v.says("Language", "Deutsch")
	v.press(`button[value="de"]`)
	german, _ := words["sign-in.heading"].(string)
	v.says(german)
	if tag, err := chromedp.Run(v.tab, chromedp.AttributeValue(chromedp.CSS("html"), "lang")); err != nil || tag.Value != "de" {
		v.t.Errorf("the page is %q, %v", tag.Value, err)
	}
	v.approve(v.leave(), "casey")
	v.says("Hello, casey")
}

func (v *walker) usesAnotherDevice() {
	v.open(v.whoami("/"))
	v.press("button[formaction]")
	left := "1[45] minutes left"
	if v.scripts {
		left = "Time left: 1[45]:[0-9]{2}"
	}
	v.says("Enter this code at", left, "Only enter a code that you asked for yourself", "Asked for from 127.0.0.1 with: Chrome")
	code, err := chromedp.Run(v.tab, chromedp.TextContent(chromedp.CSS("p.code")))
	if err != nil || len(code) != 4 {
		v.t.Fatalf("the code is %q, %v", code, err)
	}
	if err := v.stand.Approve(code, "casey"); err != nil {
		v.t.Fatal(err)
	}
	v.says("Hello, casey") // by itself
}

func (v *walker) isWatchedBySomebodyElse() {
	v.entered("robin")
	v.open(v.auth("/"))
	v.says("You are signed in", "robin", "You own the Plex server")
	v.press(`a[href*="/who?"]`)
	v.says("Who is watching?", "Kiddo", "sam has a Plex account, and signs in with that")
	v.press("button.tile")
	v.says("You are signed in", "Kiddo", "Member of the Plex Home")
}
