package deploy_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
)

// startChromium starts a browser that trusts the house: the keys of those certificates which the house's own
// authority vouches for, and no others.
func (h *house) startChromium(t *testing.T) context.Context {
	t.Helper()
	var keys []string
	for _, host := range []string{"app", "auth", "owner"} {
		conn, err := tls.Dial("tcp", h.front, &tls.Config{RootCAs: h.ca.roots, ServerName: host + ".usher.test"})
		if err != nil {
			t.Fatal(err)
		}
		key := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
		keys = append(keys, base64.StdEncoding.EncodeToString(key[:]))
		conn.Close()
	}
	return chromium.Start(t, chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(keys, ",")))
}

// window is one person's browser: its tabs share cookies, and no other window has them. It must not complain.
type window struct {
	t      *testing.T
	h      *house
	ctx    context.Context
	tabs   []*tab
	faults faults
}

// openWindow gives a test a browser without cookies.
func (h *house) openWindow(t *testing.T, chromium context.Context) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	w := &window{t: t, h: h, ctx: ctx, faults: faults{ours: h.isOurs}}
	w.faults.expect("/favicon.ico") // asked for whenever the browser likes, also where nobody is signed in
	t.Cleanup(func() {
		for _, f := range w.faults.list() {
			t.Errorf("the browser complains: %s", f)
		}
		if t.Failed() {
			w.photograph()
		}
	})
	return w
}

// isOurs reports whether an address is the house's or that of the stand-in for plex.tv.
func (h *house) isOurs(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch u.Scheme + "://" + u.Host {
	case h.url("app", ""), h.url("auth", ""), h.url("owner", ""), h.plex.URL:
		return true
	}
	return u.Scheme == "data" || u.Scheme == "about"
}

// photograph keeps what the tabs show, in a folder that outlives the test.
func (w *window) photograph() {
	dir, err := os.MkdirTemp(os.Getenv("TEST_SCREENSHOTS"), "usher-"+strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\ :`, r) {
			return '-'
		}
		return r
	}, w.t.Name())+"-")
	if err != nil {
		w.t.Error(err)
		return
	}
	w.t.Logf("screenshots are kept in %s", dir)
	for i, tab := range w.tabs {
		ctx, cancel := context.WithTimeout(tab.ctx, deadline/2)
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("tab-%d.png", i+1)), picture, 0o600)
		}
		if err != nil {
			w.t.Logf("tab %d: %v", i+1, err)
		}
		cancel()
	}
}

// tab is one page of a window.
type tab struct {
	*window
	ctx context.Context
}

func (w *window) openTab() *tab {
	w.t.Helper()
	ctx := w.ctx
	if len(w.tabs) > 0 { // the window has one by itself
		c, cancel := chromedp.NewContext(w.ctx)
		w.t.Cleanup(cancel)
		ctx = c
	}
	b := &tab{w, ctx}
	if err := chromedp.Listen(ctx, w.faults.see); err != nil { // log, network and runtime are on by themselves
		w.t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, audits.Enable, cdp.Empty{}); err != nil {
		w.t.Fatal(err)
	}
	w.tabs = append(w.tabs, b)
	return b
}

// shown is what a person sees of a tab.
type shown struct {
	At, Text, App string
	Ready         bool
}

const look = `({At: location.href, Text: document.body?.innerText ?? "", App: document.querySelector("pre")?.textContent ?? "", Ready: document.readyState === "complete"})`

func (b *tab) look() (shown, error) {
	ctx, cancel := context.WithTimeout(b.ctx, deadline)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[shown](look))
}

// do brings the tab to the front, as whoever uses it does, and takes the steps.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, deadline)
	defer cancel()
	if err := chromedp.Do(ctx, append([]chromedp.Action[chromedp.Void]{front}, steps...)...); err != nil {
		s, _ := b.look()
		b.t.Fatalf("%v at %s\n%s", err, s.At, s.Text)
	}
}

func front(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, t, cdppage.BringToFront, cdp.Empty{})
	return chromedp.Void{}, err
}

func (b *tab) open(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address))
}

// click presses what a selector finds, and waits for it to be there.
func (b *tab) click(css string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(css), chromedp.NodeVisible))
}

// await looks until the tab shows what is wanted, and fails the test if it never does.
func (b *tab) await(what string, is func(shown) bool) shown {
	b.t.Helper()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	late := time.After(deadline)
	for {
		s, err := b.look() // fails between two pages
		if err == nil && s.Ready && is(s) {
			return s
		}
		select {
		case <-poll.C:
		case <-late:
			b.t.Fatalf("waited for %s; the tab is at %s (%v)\n%s", what, s.At, err, s.Text)
		}
	}
}

// awaitPage waits for a page of Usher with that path and those words.
func (b *tab) awaitPage(path string, words ...string) shown {
	b.t.Helper()
	return b.await(fmt.Sprintf("%s with %q", path, words), func(s shown) bool {
		if !strings.HasPrefix(s.At, b.h.url("auth", path)) {
			return false
		}
		for _, w := range words {
			if !strings.Contains(s.Text, w) {
				return false
			}
		}
		return true
	})
}

// awaitPlex waits for Plex's page and returns its address.
func (b *tab) awaitPlex() string {
	b.t.Helper()
	return b.await("Plex's page", func(s shown) bool { return strings.HasPrefix(s.At, b.h.plex.AuthURL) }).At
}

// awaitApp waits until the app itself answers at an address, and returns what reached it.
func (b *tab) awaitApp(address, user string) arrival {
	b.t.Helper()
	s := b.await("the app at "+address, func(s shown) bool { return s.At == address && s.App != "" })
	var got arrival
	if err := json.Unmarshal([]byte(s.App), &got); err != nil {
		b.t.Fatalf("%v\n%s", err, s.Text)
	}
	if want := mustParse(address).RequestURI(); got.Target != want || got.Method != http.MethodGet {
		b.t.Errorf("the app was asked %s %s, want GET %s", got.Method, got.Target, want)
	}
	if is := got.all("Remote-User"); len(is) != 1 || is[0] != user {
		b.t.Errorf("the app saw Remote-User %q, want %q", is, user)
	}
	return got
}

// signIn goes from a sign-in page over Plex's as a person.
func (b *tab) signIn(person string) {
	b.t.Helper()
	b.awaitPage("/login", "Continue with Plex")
	b.click("button.go")
	b.awaitPlex()
	b.click("button[data-person='" + person + "']")
}

// forbidScript is for all pages that the tab opens from now on.
func (b *tab) forbidScript() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		b.t.Fatal(err)
	}
}

// faults are what a browser complains about, and requests to anybody else.
type faults struct {
	ours func(address string) bool
	mu   sync.Mutex
	all  []string

	expected []string // in the console's words
}

// expect forgives the errors with which a browser reports a refusal that is wanted.
func (f *faults) expect(words string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expected = append(f.expected, words)
}

func (f *faults) see(event any) {
	switch ev := event.(type) {
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError || ev.Entry.Level == log.EntryLevelWarning {
			f.add("%s (%s, %s)", ev.Entry.Text, ev.Entry.Source, ev.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		f.add("exception: %s", ev.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		f.add("console.%s of a page", ev.Type)
	case *audits.EventIssueAdded:
		detail, _ := json.Marshal(ev.Issue.Details)
		f.add("issue %s: %s", ev.Issue.Code, detail)
	case *network.EventRequestWillBeSent:
		if !f.ours(ev.Request.URL) {
			f.add("a request to %s", ev.Request.URL)
		}
	}
}

func (f *faults) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	said := fmt.Sprintf(format, args...)
	for _, words := range f.expected {
		if strings.Contains(said, words) {
			return
		}
	}
	f.all = append(f.all, said)
}

func (f *faults) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}

// forget is for complaints that were provoked.
func (f *faults) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = nil
}
