package deploy_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"usher/plex/plextest"
)

// inBrowser are the recipes that a real browser uses. It costs twenty seconds of a processor each.
var inBrowser = []string{"nginx", "caddy", "traefik"}

// TestChromium has people use the recipes with a real browser, over https. Whatever they do, the browser may not
// complain, nor ask anybody but the house and Plex.
func TestChromium(t *testing.T) {
	watchSources(t)
	for _, p := range proxies() {
		if !slices.Contains(inBrowser, p.name) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, p, p.site)
			chromium := h.startChromium(t)
			for _, s := range []struct {
				name string
				run  func(t *testing.T, h *house, open func() *window)
			}{
				{"what a browser complains about is heard", complaintsHeard},
				{"a stranger is told why and switches account", refusedAndSwitched},
				{"the owner's app refuses others, who switch account", ownersAppSwitched},
				{"signed out everywhere is signed out in another browser", outEverywhere},
				{"a browser that was closed forgets who asked not to be kept", notKept},
				{"a session that is over begins anew", lifetimeOver},
				{"refused on Plex's page nobody is let in, and starts again", refusedAtPlex},
				{"signing in leads to the page asked for, and to the second app", landing},
				{"five tabs opened at once need one sign-in, and end on their own pages", fiveTabs},
				{"without JavaScript", withoutScript},
				{"on a phone, in the dark", phoneInTheDark},
			} {
				t.Run(s.name, func(t *testing.T) {
					h.restartUsher(t)
					s.run(t, h, func() *window { return h.openWindow(t, chromium) })
				})
			}
		})
	}
}

// restartUsher replaces Usher by one that lives as long as the test and has counted no sign-in: an address may ask
// for ten at once. Variables given are for this one alone.
func (h *house) restartUsher(t *testing.T, env ...string) {
	t.Helper()
	h.usher.stop(t)
	usual := h.env
	h.env = append(usual[:len(usual):len(usual)], env...)
	h.startUsher(t)
	h.env = usual
}

// asked has what goes wrong where an address is taken apart once too often.
const asked = "/library/caf%C3%A9?a=1&b=%2F+%C3%BC&b=x%26y%3Dz&empty=&c=%2526"

// complaintsHeard is without which all others would prove less.
func complaintsHeard(t *testing.T, h *house, open func() *window) {
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	w := open()
	b := w.openTab()
	sign, blank := h.url("auth", "/login"), "about:blank"
	for want, provoke := range map[string]struct{ page, script string }{
		"violates the following Content Security Policy": {sign, `document.body.appendChild(new Image).src = "/icon.png"`},
		"issue ContentSecurityPolicyIssue":               {sign, `document.head.appendChild(document.createElement("style")).textContent = "p {}"`},
		"console.error":                                  {blank, `console.error("complaint")`},
		"exception":                                      {blank, `setTimeout(() => { throw new Error("complaint") })`},
		"status of 404":                                  {sign, `location.assign("/nowhere")`},
		"a request to " + stranger.URL:                   {blank, `fetch("` + stranger.URL + `").catch(() => {})`},
		"ERR_CERT_AUTHORITY_INVALID":                     {blank, `fetch("` + stranger.URL + `").catch(() => {})`},
	} {
		b.open(provoke.page)
		w.faults.forget()
		b.do(chromedp.Evaluate[chromedp.Void](provoke.script))
		b.await("the complaint "+want, func(shown) bool {
			return strings.Contains(strings.Join(w.faults.list(), "\n"), want)
		})
	}
	b.open(blank)
	w.faults.forget()
}

func landing(t *testing.T, h *house, open func() *window) {
	b := open().openTab()
	b.open(h.url("app", asked))
	b.signIn("robin")
	b.awaitApp(h.url("app", asked), "robin")
	pins := h.plex.Requests(plextest.CreatePIN)
	b.open(h.url("owner", "/bücher?q=ü&r=a+b"))
	b.awaitApp(h.url("owner", "/b%C3%BCcher?q=%C3%BC&r=a+b"), "robin")
	if again := h.plex.Requests(plextest.CreatePIN); pins != again {
		t.Errorf("the second app took %d more sign-ins", again-pins)
	}
	b.open(h.url("auth", "/"))
	b.awaitPage("/", "robin", "This one")
}

// fiveTabs are opened as nobody, and each begins a sign-in. One of them approves; the others come back in every way
// that there is.
func fiveTabs(t *testing.T, h *house, open func() *window) {
	w := open()
	var tabs []*tab
	var pages, back []string
	for i := range 5 {
		b, page := w.openTab(), h.url("app", fmt.Sprintf("/tab/%d?of=five&n=%d", i, i))
		b.open(page)
		b.awaitPage("/login?rd="+url.QueryEscape(page), "Continue with Plex")
		tabs, pages = append(tabs, b), append(pages, page)
	}
	codes := map[string]bool{} // each tab may ask for a PIN, but one is used
	for _, b := range tabs {
		b.click("button.go")
		at := b.awaitPlex()
		codes[toldPlex(t, at, "code")] = true
		back = append(back, toldPlex(t, at, "forwardUrl"))
	}
	for _, i := range []int{0, 1} { // back too early, where they wait
		tabs[i].open(back[i])
		tabs[i].awaitPage("/login/callback", "Finish signing in at Plex")
	}
	tabs[2].do(chromedp.NavigateBack())
	tabs[2].awaitPage("/login", "Continue with Plex")
	tabs[4].click("button[data-person=casey]")
	tabs[4].awaitApp(pages[4], "casey")
	tabs[2].do(chromedp.Reload())
	tabs[3].open(back[3])
	for i, b := range tabs {
		b.do()
		b.awaitApp(pages[i], "casey")
	}
	if len(codes) != 1 {
		t.Errorf("five tabs use %d PINs, want 1: a person approves one", len(codes))
	}
}

// toldPlex is something that Plex's page is told in its address.
func toldPlex(t *testing.T, plexPage, name string) string {
	t.Helper()
	_, query, _ := strings.Cut(plexPage, "#?")
	q, err := url.ParseQuery(query)
	if err != nil || q.Get(name) == "" {
		t.Fatalf("Plex's page is told no %s: %s (%v)", name, plexPage, err)
	}
	return q.Get(name)
}

func outEverywhere(t *testing.T, h *house, open func() *window) {
	here, there := open().openTab(), open().openTab()
	page := h.url("app", "/everywhere")
	for _, b := range []*tab{here, there} {
		b.open(page)
		b.signIn("casey")
		b.awaitApp(page, "casey")
	}
	reached := h.app.reached("/everywhere")
	here.open(h.url("auth", "/"))
	here.click("form:has([name=everywhere]) button")
	here.awaitPage("/logout", "You are signed out")
	for _, b := range []*tab{here, there} {
		b.open(page)
		b.awaitPage("/login?rd="+url.QueryEscape(page), "Continue with Plex")
	}
	if h.app.reached("/everywhere") != reached {
		t.Error("the app was reached after sign-out")
	}
	there.signIn("casey")
	there.awaitApp(page, "casey")
}

func notKept(t *testing.T, h *house, open func() *window) {
	b := open().openTab()
	page := h.url("app", "/not-kept")
	b.open(page)
	b.awaitPage("/login", "Keep me signed in")
	b.click("input[type=checkbox]")
	b.signIn("casey")
	b.awaitApp(page, "casey")
	closed := 0
	for _, c := range b.cookies(page) {
		if c.Session { // which is what a browser forgets
			closed++
			b.forget(c)
		} else if strings.Contains(c.Name, "usher") {
			t.Errorf("%s stays until %v", c.Name, c.Expires)
		}
	}
	if closed != 1 {
		t.Errorf("%d cookies ended with the browser, want 1", closed)
	}
	for _, c := range b.cookies(h.url("auth", "/")) {
		if c.Session {
			b.forget(c)
		}
	}
	b.open(page)
	b.signIn("casey")
	b.awaitApp(page, "casey")
}

func lifetimeOver(t *testing.T, h *house, open func() *window) {
	w := open()
	b := w.openTab()
	page := h.url("app", "/over")
	b.open(page)
	b.signIn("casey")
	b.awaitApp(page, "casey")
	b.open("about:blank") // else the page before asks for its icon meanwhile
	h.restartUsher(t, "USHER_SESSION_LIFETIME=1s")
	b.open(page)
	b.await("the end of the session", func(s shown) bool {
		if s.At == page {
			b.open(page)
			return false
		}
		return strings.HasPrefix(s.At, h.url("auth", "/login?rd="+url.QueryEscape(page)))
	})
	if len(b.cookies(page)) == 0 {
		t.Error("the cookie is gone: this says nothing about the session")
	}
	h.restartUsher(t)
	b.signIn("casey")
	b.awaitApp(page, "casey")
}

func refusedAtPlex(t *testing.T, h *house, open func() *window) {
	b := open().openTab()
	page := h.url("app", "/refused-at-plex?a=1&b=2")
	b.open(page)
	b.awaitPage("/login", "Continue with Plex")
	b.click("button.go")
	back := toldPlex(t, b.awaitPlex(), "forwardUrl")
	b.click("#refuse")
	b.await("Plex's page that says so", func(s shown) bool {
		return strings.HasPrefix(s.At, h.plex.AuthURL) && strings.Contains(s.Text, "You refused")
	})
	b.open(back)
	b.awaitPage("/login/callback", "Finish signing in at Plex", "Waiting for Plex")
	b.open(page)
	b.awaitPage("/login?rd="+url.QueryEscape(page), "Continue with Plex")
	notReached(t, h, "/refused-at-plex")
	b.open(back)
	b.awaitPage("/login/callback", "Start again")
	b.click("a.alt") // Start again
	b.signIn("casey")
	b.awaitApp(page, "casey")
}

func refusedAndSwitched(t *testing.T, h *house, open func() *window) {
	w := open()
	w.faults.expect("status of 403")
	b := w.openTab()
	page := h.url("app", "/strangers?a=1&b=%2F")
	b.open(page)
	b.signIn("mallory")
	b.awaitRefusal("mallory", "mallory@example.org", "app.usher.test", "not shared with this account")
	b.click("a.go") // Try again
	b.awaitRefusal("mallory", "not shared with this account")
	notReached(t, h, "/strangers")
	b.click("a.alt") // Use another Plex account
	b.awaitPage("/login?", "You are signed in as mallory")
	b.signIn("casey")
	b.awaitApp(page, "casey")
}

func ownersAppSwitched(t *testing.T, h *house, open func() *window) {
	w := open()
	w.faults.expect("status of 403")
	b := w.openTab()
	page := h.url("owner", "/owners-alone?a=1&b=%2F")
	b.open(page)
	b.signIn("casey")
	b.awaitRefusal("casey", "casey@example.org", "owner.usher.test", "Only the owner")
	notReached(t, h, "/owners-alone")
	b.click("a.go") // Use another Plex account
	b.awaitPage("/login?", "You are signed in as casey")
	b.signIn("robin")
	b.awaitApp(page, "robin")
}

func (b *tab) awaitRefusal(words ...string) {
	b.t.Helper()
	b.await(fmt.Sprintf("the refusal with %q", words), func(s shown) bool {
		for _, w := range append(words, "No access to this", "Request id") {
			if !strings.Contains(s.Text, w) {
				return false
			}
		}
		return s.App == ""
	})
}

// withoutScript: a tab without JavaScript waits while the person goes to Plex, whose page cannot do without, in
// another.
func withoutScript(t *testing.T, h *house, open func() *window) {
	w := open()
	b, atPlex := w.openTab(), w.openTab()
	b.forbidScript()
	page := h.url("app", "/no-script?a=1&b=%2F")
	b.open(page)
	b.awaitPage("/login", "Continue with Plex")
	b.click("button.go")
	plex := b.awaitPlex()
	b.open(toldPlex(t, plex, "forwardUrl"))
	b.awaitPage("/login/callback", "Waiting for Plex")
	atPlex.open(plex)
	atPlex.click("button[data-person=casey]")
	atPlex.awaitApp(page, "casey")
	b.do()
	b.awaitApp(page, "casey") // the page asks again by itself
	b.open(h.url("auth", "/"))
	b.awaitPage("/", "casey", "This one")
	b.open(h.url("auth", "/logout"))
	b.awaitPage("/logout", "Sign out?")
	b.click("button.go")
	b.awaitPage("/logout", "You are signed out")
	b.open(page)
	b.awaitPage("/login?rd="+url.QueryEscape(page), "Continue with Plex")
}

func phoneInTheDark(t *testing.T, h *house, open func() *window) {
	w := open()
	w.faults.expect("status of 403")
	w.faults.expect("status of 404")
	b := w.openTab()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(320, 640, chromedp.EmulatePortrait, chromedp.EmulateMobile, chromedp.EmulateTouch))
	page := h.url("owner", "/phone")
	b.open(page)
	b.awaitPage("/login", "Continue with Plex")
	b.fitsInTheDark()
	b.click("button.go")
	plex := b.awaitPlex()
	b.open(toldPlex(t, plex, "forwardUrl"))
	b.awaitPage("/login/callback", "Finish signing in at Plex")
	b.fitsInTheDark()
	b.open(plex)
	b.click("button[data-person=casey]")
	b.awaitRefusal("casey@example.org", "owner.usher.test")
	b.fitsInTheDark()
	for path, words := range map[string]string{"/": "This one", "/logout": "Sign out?", "/nowhere": "There is no such page"} {
		b.open(h.url("auth", path))
		b.awaitPage(path, words)
		b.fitsInTheDark()
	}
	b.open(h.url("auth", "/login?switch=1&rd="+url.QueryEscape(page)))
	b.awaitPage("/login", "You are signed in as casey")
	b.fitsInTheDark()
	b.signIn("robin")
	b.awaitApp(page, "robin")
	b.open(h.url("auth", "/logout"))
	b.click("button.go")
	b.awaitPage("/logout", "You are signed out")
	b.fitsInTheDark()
}

// fitsInTheDark wants a page no wider than the screen, whose ink is lighter than its paper.
func (b *tab) fitsInTheDark() {
	b.t.Helper()
	type sight struct {
		At            string
		Wide, Screen  float64
		Paper, Ink    float64 // how light they are, of 255
		Button, Small float64 // height of the lowest button and size of the smallest letters, in pixels
	}
	const look = `(() => {
		const light = css => { const [r, g, b] = css.match(/[\d.]+/g).map(Number); return .2126 * r + .7152 * g + .0722 * b };
		const seen = [...document.querySelectorAll("body *")].filter(e => e.checkVisibility());
		const style = getComputedStyle(document.body);
		return {
			At: location.href, Screen: window.screen.width,
			Wide: Math.max(document.documentElement.scrollWidth, ...seen.map(e => e.getBoundingClientRect().right)),
			Paper: light(style.backgroundColor), Ink: light(style.color),
			Button: Math.min(100, ...seen.filter(e => e.matches("button, a.go, a.alt")).map(e => e.getBoundingClientRect().height)),
			Small: Math.min(...seen.map(e => parseFloat(getComputedStyle(e).fontSize))),
		};
	})()`
	ctx, cancel := context.WithTimeout(b.ctx, deadline)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[sight](look))
	if err != nil {
		b.t.Fatal(err)
	}
	if s.Screen != 320 || s.Wide > s.Screen {
		b.t.Errorf("%s is %v pixels wide on a screen of %v", s.At, s.Wide, s.Screen)
	}
	if s.Paper > 60 || s.Ink < 180 {
		b.t.Errorf("%s is not dark: paper %.0f, ink %.0f of 255", s.At, s.Paper, s.Ink)
	}
	if s.Button < 44 || s.Small < 12 {
		b.t.Errorf("%s is hard to use on a phone: a button %v pixels high, letters of %v pixels", s.At, s.Button, s.Small)
	}
}

// cookies are Usher's and all others that the window would send to an address.
func (b *tab) cookies(address string) []*network.Cookie {
	b.t.Helper()
	got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{address}})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range got.Cookies {
		if !c.Secure || !c.HTTPOnly || c.Expires > float64(time.Now().AddDate(1, 2, 0).Unix()) {
			b.t.Errorf("%s: Secure %v, HttpOnly %v, until %v", c.Name, c.Secure, c.HTTPOnly, c.Expires)
		}
	}
	return got.Cookies
}

func (b *tab) forget(c *network.Cookie) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: c.Name, Domain: c.Domain, Path: c.Path})
	if err != nil {
		b.t.Fatal(err)
	}
}
