package templates_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"usher/internal/axe"
	"usher/internal/chromium"
	"usher/templates"
)

// TestEveryKindOfPageHasASample: what has none is not looked at by any test.
func TestEveryKindOfPageHasASample(t *testing.T) {
	t.Parallel()
	var seen []string
	for _, s := range samples() {
		seen = append(seen, templates.Kind(s.page))
	}
	for _, kind := range templates.Kinds() {
		if !slices.Contains(seen, kind) {
			t.Errorf("%s has no sample", kind)
		}
	}
}

// view is a screen, and what its user has set.
type view struct {
	name          string
	width, height int64
	dark, forced  bool
	large         bool // letters twice as large as usual
	flat          int  // which colour of a gradient counts
	noAxe         bool
}

var views = []view{
	{name: "desktop", width: 1280, height: 800, flat: -1},
	{name: "desktop, dark", width: 1280, height: 800, dark: true},
	{name: "phone, dark", width: 390, height: 844, dark: true, flat: -1},
	{name: "narrow", width: 320, height: 640, flat: -1},
	{name: "narrow, forced colours", width: 320, height: 640, forced: true},
	{name: "phone, large text", width: 390, height: 844, large: true},
}

// TestEverybodyCanUseEveryPage has axe-core and the rules in sight look at every page in every view.
func TestEverybodyCanUseEveryPage(t *testing.T) {
	t.Parallel()
	tabs := newTabs(t, axe.Script(t))
	address := serveSamples(t)
	for i, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			tabs.use(t, func(tab context.Context) {
				lookAt(t, tab, address+strconv.Itoa(i), views...)
				if ofTheFamily(s) {
					lookAt(t, tab, address+strconv.Itoa(i)+"?ar", view{name: "phone, right to left", width: 390, height: 844})
				}
			})
		})
	}
}

// TestEveryLanguageFits looks at the family's pages in all languages, on the narrowest screen.
func TestEveryLanguageFits(t *testing.T) {
	t.Parallel()
	tabs := newTabs(t, "")
	address := serveSamples(t)
	for _, language := range templates.Languages() {
		t.Run(string(language), func(t *testing.T) {
			t.Parallel()
			for i, s := range samples() {
				if ofTheFamily(s) {
					tabs.use(t, func(tab context.Context) {
						lookAt(t, tab, address+strconv.Itoa(i)+"?"+string(language), view{name: s.name, width: 320, height: 640, noAxe: true})
					})
				}
			}
		})
	}
}

// ofTheFamily: the owner's pages are English.
func ofTheFamily(s sample) bool {
	return !strings.HasPrefix(templates.Kind(s.page), "office") && !strings.HasPrefix(templates.Kind(s.page), "setup")
}

// TestTheChecksFindWhatIsWrong is without which the others would prove nothing.
func TestTheChecksFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>Bad</title><meta name="viewport" content="width=device-width">
<style>body{color:#eee;background:linear-gradient(#fff,#000)} #wide{width:50rem} #cut{width:2rem;white-space:nowrap} button{width:1rem;height:1rem;padding:0}</style>
<main><h1>Bad</h1><p>Faint</p><p id=wide>Wide</p><p id=cut>Longer than that</p><input><button>x</button></main>`)
	}))
	t.Cleanup(server.Close)
	newTabs(t, axe.Script(t)).use(t, func(tab context.Context) {
		if err := chromedp.Do(tab, chromedp.Navigate(server.URL)); err != nil {
			t.Fatal(err)
		}
		found := strings.Join(view{width: 320, height: 640}.look(t, tab), "\n")
		for _, want := range []string{"color-contrast", "label", "the page is", `p#wide "Wide" reaches`, `p#cut "Longer than that" leaves`, `button "x" is 16`} {
			if !strings.Contains(found, want) {
				t.Errorf("%q is not found:\n%s", want, found)
			}
		}
	})
}

func lookAt(t *testing.T, tab context.Context, address string, views ...view) {
	t.Helper()
	if err := chromedp.Do(tab, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		for _, fault := range v.look(t, tab) {
			t.Errorf("%s: %s", v.name, fault)
		}
	}
}

// serveSamples serves each under its number; the language stands behind a question mark.
func serveSamples(t *testing.T) (address string) {
	pages := newPages(t)
	all := samples()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/blank" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<!doctype html><title>Blank</title><p>Blank")
			return
		}
		i, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil || i >= len(all) {
			http.NotFound(w, r)
			return
		}
		if err := pages.Write(w, all[i].status, all[i].page, templates.Reader{Language: templates.Language(r.URL.RawQuery)}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// tabs are what a browser is used by at a time, with a script in every page.
type tabs chan context.Context

func newTabs(t *testing.T, script string) tabs {
	browser := chromium.Start(t)
	free := make(tabs, 2)
	for range cap(free) {
		tab, cancel := chromedp.NewContext(browser)
		t.Cleanup(cancel)
		// DevTools may, where the pages' own policy lets no script in.
		if _, err := chromedp.Call(tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
			t.Fatal(err)
		}
		free <- tab
	}
	return free
}

func (free tabs) use(t *testing.T, do func(tab context.Context)) {
	tab := <-free
	defer func() { free <- tab }()
	ctx, cancel := context.WithTimeout(tab, time.Minute)
	defer cancel()
	do(ctx)
}

// look is everything that is wrong with the page in this view.
func (v view) look(t *testing.T, tab context.Context) []string {
	t.Helper()
	if err := chromedp.Do(tab, v.emulate); err != nil {
		t.Fatal(err)
	}
	found, err := chromedp.Run(tab, chromedp.Evaluate[[]string](fmt.Sprintf("(%s)(%d, %t)", inSight, v.flat, !v.noAxe), chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (v view) emulate(ctx context.Context, tab *chromedp.Target) (done chromedp.Void, err error) {
	scheme, forced, size := "light", "none", int64(16)
	if v.dark {
		scheme = "dark"
	}
	if v.forced {
		forced = "active"
	}
	if v.large {
		size = 32
	}
	if _, err = cdp.Call(ctx, tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: v.width, Height: v.height, DeviceScaleFactor: 1, Mobile: v.width < 800}); err != nil {
		return done, err
	}
	// Without motion, else a colour is read on its way to another.
	if _, err = cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "forced-colors", Value: forced}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
		return done, err
	}
	_, err = cdp.Call(ctx, tab, page.SetFontSizes, page.SetFontSizesParams{FontSizes: &page.FontSizes{Standard: size}})
	return done, err
}

// inSight opens what is closed, makes gradients one colour, for axe does not measure text upon them, and returns what
// is wrong. A target may be small within a sentence, axe knows when; a space at the end of a line may stand out of it.
const inSight = `async (flat, withAxe) => {
	const found = [], page = document.documentElement, wide = page.clientWidth;
	const name = e => e.localName + (e.id && "#" + e.id) + [...e.classList].map(c => "." + c).join("") + " " + JSON.stringify(e.textContent.trim().slice(0, 30));
	const plain = new CSSStyleSheet();
	plain.replaceSync("::before, ::after { background: none !important; }");
	document.adoptedStyleSheets = [plain];
	for (const e of document.querySelectorAll("details")) e.open = true;
	for (const e of document.querySelectorAll("body, body *")) {
		e.style.removeProperty("background");
		const image = getComputedStyle(e).backgroundImage, colours = (image.match(/rgba?\([^)]*\)/g) || []).filter(c => !/, 0\)/.test(c));
		if (image !== "none") e.style.setProperty("background", colours.at(flat) || "none", "important");
	}
	if (page.scrollWidth > wide) found.push("the page is " + page.scrollWidth + " wide, the window " + wide);
	for (const e of document.querySelectorAll("body *")) {
		const box = e.getBoundingClientRect(), style = getComputedStyle(e);
		if (!e.checkVisibility({ visibilityProperty: true }) || !box.width || !box.height || e.closest("svg, thead, script")) continue;
		if (box.right > wide + 1 || box.left < -1) found.push(name(e) + " reaches from " + box.left + " to " + box.right + " of " + wide);
		if (e.matches("button, a, input, select, textarea, summary") && style.display !== "inline") {
			const target = (e.closest("label") || e).getBoundingClientRect();
			if (target.width < 24 || target.height < 24) found.push(name(e) + " is " + target.width + " by " + target.height);
		}
	}
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
	while (texts.nextNode()) {
		const e = texts.currentNode.parentElement, frame = e.closest("button, a, label, summary, td, th, li, p, dd, .note, main, body");
		if (!texts.currentNode.data.trim() || !e.checkVisibility({ visibilityProperty: true }) || e.closest("svg, thead, script, noscript, option, textarea")) continue;
		range.selectNodeContents(texts.currentNode);
		const text = range.getBoundingClientRect(), box = frame.getBoundingClientRect();
		if (text.right > box.right + 4 || text.left < box.left - 4 || text.bottom > box.bottom + 2 && getComputedStyle(frame).display !== "inline" && getComputedStyle(frame).overflowY === "visible")
			found.push(name(e) + " leaves " + name(frame) + " by " + Math.max(text.right - box.right, box.left - text.left, text.bottom - box.bottom));
	}
	if (!withAxe) return found;
	const said = await axe.run(document, {
		runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] },
		rules: { "target-size": { enabled: true } }, resultTypes: ["violations", "incomplete"],
	});
	for (const rule of said.violations.concat(said.incomplete))
		for (const node of rule.nodes)
			if (!/too short to determine/.test(node.failureSummary)) found.push(rule.id + " at " + node.target + ": " + (node.failureSummary || rule.help).replace(/\s+/g, " "));
	return found;
}`
