package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
	"usher/plex/plextest"
)

// TestScreenshots goes through the demo as people do until it has seen every kind of page, and where USHER_TEST_SHOTS names
// a folder keeps pictures of them there: make screenshots.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	browser := chromium.Start(t)
	d := newTour(t, browser, func(*environment) {})
	d.family()
	d.owner()
	d.trouble()
	newcomer := newTour(t, browser, nobodysServers)
	newcomer.setUp()

	for _, kind := range pageKinds(t) {
		if !d.seen[kind] && !newcomer.seen[kind] {
			t.Errorf("no picture of %s", kind)
		}
	}
}

// nobodysServers is an Usher that is not set up.
func nobodysServers(env *environment) { env.Servers, env.PlexToken = "", "" }

// tour is the demo with its stand-in for plex.tv at hand, and a browser.
type tour struct {
	t       *testing.T
	stand   *plextest.Server
	app     *app
	port    string
	proxy   *demoProxy
	asked   atomic.Int64 // requests of browsers
	browser context.Context
	folder  string          // where pictures are kept; may be empty
	seen    map[string]bool // kinds of pages
}

func newTour(t *testing.T, browser context.Context, change func(*environment)) *tour {
	t.Helper()
	d := &tour{t: t, stand: plextest.Start(t), browser: browser, folder: os.Getenv("USHER_TEST_SHOTS"), seen: make(map[string]bool)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, d.port, _ = net.SplitHostPort(ln.Addr().String())
	env := demoEnvironment(d.stand, d.port, t.TempDir())
	change(&env)
	set, err := newSettings(env)
	if err != nil {
		t.Fatal(err)
	}
	if d.app, err = newApp(set, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.app.close)
	usher := httptest.NewServer(d.app)
	t.Cleanup(usher.Close)
	proxy, err := newDemoProxy(usher.URL, d.port)
	if err != nil {
		t.Fatal(err)
	}
	d.proxy = proxy
	front := &httptest.Server{Listener: ln, Config: &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: d.route()}}
	front.Start()
	t.Cleanup(front.Close)
	return d
}

// route is the demo's proxy with a few more apps.
func (d *tour) route() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.asked.Add(1)
		switch name, _, _ := strings.Cut(r.Host, ":"); name {
		case "auth.usher.test":
			d.proxy.pages.ServeHTTP(w, r)
		case "photos.usher.test": // out of the cookie's reach in the demo
			d.proxy.protect(w, r, d.proxy.check, sampleApp("photos", d.port))
		case "forgetful.usher.localhost": // whose check gets no cookies
			r.Header.Del("Cookie")
			d.proxy.protect(w, r, d.proxy.check, sampleApp("forgetful", d.port))
		case "dashboard.usher.localhost":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, `<!doctype html><html lang="en"><title>A dashboard</title><meta name="viewport" content="width=device-width"><style>body{margin:1rem;font:1rem system-ui}iframe{width:100%%;height:34rem;border:1px solid}</style>
<main><h1>A dashboard</h1><iframe title="An app" src="%s"></iframe></main>`, d.whoami("/"))
		default:
			d.proxy.ServeHTTP(w, r)
		}
	})
}

func (d *tour) at(host, path string) string {
	return "http://" + host + ":" + d.port + path
}

func (d *tour) auth(path string) string   { return d.at("auth.usher.localhost", path) }
func (d *tour) whoami(path string) string { return d.at("whoami.usher.localhost", path) }

// tourist has a browser window with cookies of its own.
type tourist struct {
	*tour
	tab context.Context
}

func (d *tour) tourist() tourist {
	tab, cancel := chromedp.NewContext(d.browser, chromedp.WithNewBrowserContext())
	d.t.Cleanup(cancel)
	return tourist{d, tab}
}

func (v tourist) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if v.tab.Err() == nil && chromedp.FromContext(v.tab).Target == nil { // the target lives as long as the context that opens it
		if err := chromedp.Do(v.tab); err != nil {
			v.t.Fatal(err)
		}
	}
	for _, step := range steps {
		if err := within(v.tab, 30*time.Second, func(ctx context.Context) error { return chromedp.Do(ctx, step) }); err != nil {
			text, _ := chromedp.Run(v.tab, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
			v.t.Fatalf("%v at %s", err, text)
		}
	}
}

func (v tourist) open(address string) { v.t.Helper(); v.do(chromedp.Navigate(address)) }

// click leads to a page with this heading.
func (v tourist) click(css, heading string) {
	v.t.Helper()
	v.do(chromedp.Click(chromedp.CSS(css)))
	v.heading(heading)
}

func (v tourist) fill(css, text string) {
	v.t.Helper()
	v.do(chromedp.SendKeys(chromedp.CSS(css), text))
}

// heading waits for it, through the pages on the way.
func (v tourist) heading(want string) {
	v.t.Helper()
	v.do(func(ctx context.Context, tab *chromedp.Target) (done chromedp.Void, err error) {
		poll := chromedp.PollFunction[bool](`want => new RegExp("^(" + want.replace("?", "\\?") + ")").test((document.querySelector("main h1") || {}).innerText)`, chromedp.WithPollingArgs(want))
		for range 10 { // each page that is left ends one
			if _, err = poll(ctx, tab); err == nil || ctx.Err() != nil {
				break
			}
		}
		return done, err
	})
}

// toPlex leads from the sign-in page that is open to Plex's, and returns where that is and where it leads back to.
func (v tourist) toPlex() (atPlex, back string) {
	v.t.Helper()
	v.do(chromedp.Click(chromedp.CSS("button.go")), chromedp.WaitVisible(chromedp.CSS("button[data-person='casey']")))
	atPlex, err := chromedp.Run(v.tab, chromedp.Location())
	if err != nil {
		v.t.Fatal(err)
	}
	_, fragment, _ := strings.Cut(atPlex, "#?")
	asked, err := url.ParseQuery(fragment)
	if err != nil {
		v.t.Fatal(err)
	}
	return atPlex, asked.Get("forwardUrl")
}

// signIn goes by Plex's page from the sign-in page that is open.
func (v tourist) signIn(person, heading string) {
	v.t.Helper()
	v.do(chromedp.Click(chromedp.CSS("button.go")))
	v.click("button[data-person='"+person+"']", heading)
}

// shot wants a page of this kind, by its heading, and keeps its pictures: those of a main page in the dark too. state tells apart
// pages of one kind.
func (v tourist) shot(kind, state, heading string, main bool) {
	v.t.Helper()
	v.heading(heading)
	v.seen[kind] = true
	if v.folder == "" {
		return
	}
	if state != "" {
		kind += "-" + state
	}
	for _, s := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"phone", 390, 844, "light"}, {"desktop", 1280, 800, "light"}, {"phone-dark", 390, 844, "dark"}, {"desktop-dark", 1280, 800, "dark"}} {
		if s.scheme == "light" || main {
			v.do(func(ctx context.Context, tab *chromedp.Target) (done chromedp.Void, err error) {
				return done, keep(ctx, tab, filepath.Join(v.folder, kind+"-"+s.name+".webp"), s.width, s.height, s.scheme)
			})
		}
	}
}

// tallest is how far down a picture goes, in pixels.
const tallest = 1400

// keep writes a picture of a page, of its whole height, without motion.
func keep(ctx context.Context, tab *chromedp.Target, file string, width, height int64, scheme string) error {
	if _, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
		return err
	}
	size := emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 800}
	if _, err := cdp.Call(ctx, tab, emulation.SetDeviceMetricsOverride, size); err != nil {
		return err
	}
	tall, err := chromedp.Evaluate[float64](`document.activeElement && document.activeElement.blur(), document.documentElement.scrollHeight`)(ctx, tab)
	if err != nil {
		return err
	}
	size.Height = min(max(height, int64(tall)), tallest)
	if _, err := cdp.Call(ctx, tab, emulation.SetDeviceMetricsOverride, size); err != nil {
		return err
	}
	quality := int64(40)
	picture, err := cdp.Call(ctx, tab, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
	if err != nil {
		return err
	}
	return os.WriteFile(file, picture.Data, 0o644)
}

// noAccess begins the headings of a refusal.
const noAccess = "No access"

// family is what guests see.
func (d *tour) family() {
	v := d.tourist()
	v.open(d.whoami("/"))
	v.shot("sign-in", "", "Sign in to go on", true)
	v.open(d.auth("/language?rd=" + url.QueryEscape(d.whoami("/"))))
	v.shot("language", "", "Language", false)
	v.open(d.whoami("/"))
	v.click("button[formaction]", "Enter this code")
	v.shot("link", "", "Enter this code", true)
	v.open(d.whoami("/"))
	atPlex, back := v.toPlex()
	v.open(back)
	v.shot("waiting", "", "Finish signing in at Plex", true)
	v.open(atPlex)
	v.click("button[data-person='casey']", "Hello, casey")
	v.open(d.at("attic.usher.localhost", "/"))
	v.shot("refused", "needs-home", noAccess, false)
	v.open(d.auth("/keys"))
	v.shot("keys", "none", "Your keys", false)
	v.fill("input[name=name]", "nzb360 on my phone")
	v.click("button.go", "Copy your new key")
	v.shot("new-key", "", "Copy your new key", false)
	v.open(d.auth("/keys"))
	v.shot("keys", "", "Your keys", false)
	v.open(d.auth("/"))
	v.shot("home", "", "You are signed in", true)
	v.open(d.auth("/logout?rd=" + url.QueryEscape(d.whoami("/"))))
	v.shot("sign-out", "", "Sign out?", false)
	v.open(d.auth("/logout"))
	v.click("button.go", "You are signed out")
	v.shot("signed-out", "", "You are signed out", false)

	stranger := d.tourist()
	stranger.open(d.whoami("/"))
	stranger.signIn("mallory", noAccess)
	stranger.shot("refused", "", noAccess, true)
	stranger.open(d.auth("/login?switch=1&rd=" + url.QueryEscape(d.whoami("/"))))
	stranger.shot("sign-in", "switch", "Sign in to go on", false)
}

// owner is what the owner sees at the desk.
func (d *tour) owner() {
	v := d.tourist()
	v.open(d.whoami("/"))
	v.signIn("robin", "Hello, robin")
	v.open(d.auth("/who"))
	v.shot("who", "", "Who is watching?", true)
	for _, p := range []struct{ path, kind, heading string }{
		{"", "front", "The desk"}, {"/people", "people", "People"}, {"/people/70010001", "person", "A person"}, {"/asks", "asks", "Asks"},
		{"/devices", "devices", "Devices"}, {"/keys", "keys", "Keys"}, {"/events", "events", "What happened"},
		{"/explain?user=mallory&url=" + url.QueryEscape(d.whoami("/")), "explain", "Explain"}, {"/health", "health", "Health"}, {"/recipes", "recipes", "Recipes"},
	} {
		v.open(d.auth("/admin" + p.path))
		v.shot("office-"+p.kind, "", p.heading, false)
	}
}

// trouble is what goes wrong.
func (d *tour) trouble() {
	v := d.tourist()
	v.open(d.auth("/nowhere"))
	v.shot("problem", "", "There is no such page", false)
	v.open(d.at("photos.usher.test", "/"))
	v.shot("unreachable", "", "No sign-in for this address", false)
	v.open(d.at("dashboard.usher.localhost", "/"))
	v.shot("framed", "", "A dashboard", false)
	lost := d.tourist()
	lost.open(d.auth("/login/callback")) // with no cookie
	lost.shot("cookie-lost", "", "Your browser did not keep", false)
	v.open(d.whoami("/"))
	_, back := v.toPlex()
	d.stand.Advance(time.Hour)
	v.open(back)
	v.shot("expired", "", "Please start again", false)
	d.stand.Fail(plextest.Any, plextest.Maintenance())
	v.open(d.auth("/login"))
	v.click("button.go", "Plex is not answering")
	v.shot("unavailable", "", "Plex is not answering", false)
	d.stand.Heal()
	v.open(d.auth("/login"))
	d.useUp()
	v.click("button.go", "One moment, please")
	v.shot("too-many", "", "One moment, please", false)
}

// useUp asks for sign-ins until this machine may not for a moment: six seconds, so that whoever wants to see it has the page
// open by then.
func (d *tour) useUp() {
	d.t.Helper()
	client := demoClient(d.t, d.port)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for range 100 {
		res, err := client.PostForm(d.auth("/login"), nil)
		if err != nil {
			d.t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == http.StatusTooManyRequests {
			return
		}
	}
	d.t.Fatal("a hundred sign-ins, and none too many")
}

// setUp is how an owner begins.
func (d *tour) setUp() {
	guest := d.tourist()
	guest.open(d.whoami("/"))
	guest.shot("not-set-up", "", "Almost ready", false)

	v := d.tourist()
	code := d.app.desk.NewCode()
	v.open(d.auth("/setup"))
	v.shot("setup-code", "", "Set up Usher", false)
	v.fill("input[name=code]", code)
	v.click("button.go", "Sign in as the owner")
	v.shot("setup-account", "", "Sign in as the owner", false)
	v.signIn("mallory", "Not with this account")
	v.shot("setup-problem", "", "Not with this account", false)
	v.click("form button.alt", "Sign in as the owner")
	v.signIn("robin", "Which servers count?")
	v.shot("setup-servers", "", "Which servers count?", false)
	v.do(chromedp.Click(chromedp.CSS("input[value='" + plextest.Attic + "']")))
	v.click("button.go", "Who may pass?")
	v.shot("setup-people", "", "Who may pass?", false)
	v.do(chromedp.Click(chromedp.CSS("input[value=shared]")))
	v.click("button.go", "Usher is set up")
	v.shot("setup-done", "", "Usher is set up", false)
}
