package auth_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
	"usher/plex/plextest"
)

// Whatever plex.tv lets a page do, people get in; and where their browser could ask for the PIN, Plex does not warn them.
// Over plain http, where nothing but its Origin tells the form from a forged one. The server asks plex.tv from another
// address than the browser.
func TestPINOfTheBrowser(t *testing.T) {
	// Not parallel: a new process holds the locks of all stores that are open here until it has become the browser.
	window := chromium.Start(t)
	for name, c := range map[string]struct {
		off      bool // USHER_BROWSER_PIN=false
		noScript bool
		cors     plextest.CORS
		fault    plextest.Fault // of the first PIN
		own      bool           // the server's PIN is used
	}{
		"the browser asks":                             {},
		"it has no need to ask leave first":            {cors: plextest.NoPreflight},
		"without JavaScript":                           {noScript: true, own: true},
		"where plex.tv does not let the page read":     {cors: plextest.NoPage, own: true},
		"where plex.tv does not answer the browser":    {fault: plextest.Alternating(plextest.Hung()), own: true},
		"where plex.tv refuses the browser":            {fault: plextest.Alternating(plextest.TooMany(0)), own: true},
		"where the browser is shown a page of a Wi-Fi": {fault: plextest.Alternating(plextest.HTML()), own: true},
		"where the browser is told nothing":            {fault: plextest.Alternating(plextest.Null()), own: true},
		"switched off":                                 {off: true, own: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, base := overHTTP(t, !c.off, func(*http.Request) {})
			w.plex.SetCORS(c.cors)
			if c.fault.Name != "" {
				w.plex.Fail(plextest.CreatePIN, c.fault)
			}

			tab, cancel := chromedp.NewContext(window)
			t.Cleanup(cancel)
			tab, cancel = context.WithTimeout(tab, 30*time.Second)
			t.Cleanup(cancel)
			steps := func(actions ...chromedp.Action[chromedp.Void]) {
				t.Helper()
				if err := chromedp.Do(tab, actions...); err != nil {
					t.Fatal(err)
				}
			}
			if c.noScript {
				steps(chromium.Scripts(false))
			}
			steps(chromedp.Navigate(base + "/login?rd=/"))
			if n := w.plex.Requests(plextest.CreatePIN); n != 0 {
				t.Errorf("%d PINs for somebody who only looks", n)
			}
			steps(chromedp.Click(chromedp.CSS("#continue"), chromedp.NodeVisible))
			if c.noScript { // Plex's own page needs it
				steps(chromedp.WaitReady(chromedp.CSS("noscript")), chromium.Scripts(true), chromedp.Reload())
			}
			steps(chromedp.WaitVisible(chromedp.CSS("#choice")))

			at, err := chromedp.Run(tab, chromedp.Location())
			if err != nil {
				t.Fatal(err)
			}
			warned, err := chromedp.Run(tab, chromedp.Evaluate[bool](`!document.getElementById("alert").hidden`))
			if err != nil || warned != c.own {
				t.Errorf("Plex warns: %t, %v", warned, err)
			}
			_, fragment, _ := strings.Cut(at, "#?")
			q, err := url.ParseQuery(fragment)
			if err != nil {
				t.Fatal(err)
			}
			want := base
			if c.own {
				want = ""
			}
			if got := w.plex.AskedBy(q.Get("code")); got != want {
				t.Errorf("the PIN was asked for by %q, want %q", got, want)
			}
			if n := w.plex.Requests(plextest.Preflight); n != 0 {
				t.Errorf("the browser asked leave %d times", n)
			}
			steps(chromedp.Click(chromedp.CSS(`[data-person="casey"]`), chromedp.NodeVisible), chromedp.WaitVisible(chromedp.CSS(".who")))
			w.wantSessions(casey, 1)
		})
	}
}

// overHTTP is an Usher that a browser can go to, and where it is. before is called with each request.
func overHTTP(t *testing.T, browserPIN bool, before func(*http.Request)) (w *world, base string) {
	w = &world{t: t, plex: plextest.Start(t), log: &logBuffer{}, file: filepath.Join(t.TempDir(), "usher.db")}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		before(r)
		w.usher.ServeHTTP(rw, r)
	}))
	_, port, _ := net.SplitHostPort(front.Listener.Addr().String())
	base = "http://auth.usher.test:" + port
	w.start(func(s *setup) {
		s.BrowserPIN, s.Insecure, s.urls = browserPIN, true, []string{base}
		s.transport = &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext}
	})
	front.Start()
	t.Cleanup(front.Close)
	return w, base
}

// Who presses the second button, while the PIN of the first is still asked for, gets what the second is for.
func TestTheOtherButtonTakesTheFirstOnesPlace(t *testing.T) {
	// Not parallel, as TestPINOfTheBrowser.
	window := chromium.Start(t)
	answered := make(chan struct{}) // the question of the first
	_, base := overHTTP(t, true, func(r *http.Request) {
		switch {
		case r.Method == http.MethodPost && r.URL.Path == "/login/device":
			<-answered
		case r.Method == http.MethodPost:
			t.Errorf("POST %s", r.URL.Path)
		}
	})
	tab, cancel := context.WithTimeout(window, 30*time.Second)
	t.Cleanup(cancel)
	if err := chromedp.Do(tab, chromedp.Navigate(base+"/login?rd=/")); err != nil {
		t.Fatal(err)
	}
	const both = `new Promise(over => {
		const real = XMLHttpRequest;
		XMLHttpRequest = function () { const r = new real(); r.addEventListener("loadend", () => over(r.status)); return r; };
		document.getElementById("continue").click();
		document.querySelector("[formaction]").click();
	})`
	_, err := chromedp.Run(tab, chromedp.Evaluate[int](both, chromedp.EvalAwaitPromise))
	close(answered)
	if err == nil {
		err = chromedp.Do(tab, chromedp.WaitVisible(chromedp.CSS(".code")))
	}
	if err != nil {
		t.Error(err)
	}
}
