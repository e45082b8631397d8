package auth_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"usher/internal/chromium"
	"usher/plex/plextest"
)

// television is a browser whose person has a remote control, at an Usher that tells which codes it has shown.
type television struct {
	*world
	base  string
	tab   context.Context
	codes chan string
}

func newTelevision(t *testing.T, window context.Context) *television {
	w := &world{t: t, plex: plextest.Start(t), log: &logBuffer{}, file: filepath.Join(t.TempDir(), "usher.db")}
	tv := &television{world: w, codes: make(chan string, 16)}
	last := make(chan string, 1)
	last <- ""
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		w.usher.ServeHTTP(rec, r)
		if now, before := code(rec.Body.String()), <-last; now != "" && now != before {
			last <- now
			tv.codes <- now
		} else {
			last <- before
		}
		for name, values := range rec.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
	}))
	_, port, _ := net.SplitHostPort(front.Listener.Addr().String())
	tv.base = "http://auth.usher.test:" + port
	w.start(func(s *setup) { s.Insecure, s.urls = true, []string{tv.base} })
	front.Start()
	t.Cleanup(front.Close)
	tab, cancel := chromedp.NewContext(window)
	t.Cleanup(cancel)
	tv.tab, cancel = context.WithTimeout(tab, 90*time.Second) // for a machine that does much else
	t.Cleanup(cancel)
	return tv
}

func (tv *television) do(actions ...chromedp.Action[chromedp.Void]) {
	tv.t.Helper()
	if err := chromedp.Do(tv.tab, actions...); err != nil {
		tv.t.Fatal(err)
	}
}

// press presses a key, and wants the focus on the control with that text.
func (tv *television) press(key, focused string) {
	tv.t.Helper()
	tv.do(chromedp.KeyEvent(key))
	tv.want(focused, `(e => (e.closest("label") || e).textContent.trim())(document.activeElement)`)
}

// want asks the page.
func (tv *television) want(answer, script string) {
	tv.t.Helper()
	got, err := chromedp.Run(tv.tab, chromedp.Evaluate[string](script))
	if err != nil || got != answer {
		tv.t.Fatalf("%s: %q, want %q, %v", script, got, answer, err)
	}
}

// next is the next code that the browser was shown.
func (tv *television) next() string {
	tv.t.Helper()
	select {
	case shown := <-tv.codes:
		return shown
	case <-tv.tab.Done():
		tv.t.Fatal("no code is shown")
		return ""
	}
}

func TestTelevision(t *testing.T) {
	// Not parallel: a new process holds the locks of all stores that are open here until it has become the browser.
	window := chromium.Start(t)
	const past = 15*time.Minute + time.Second

	t.Run("with scripts, by the arrows", func(t *testing.T) {
		tv := newTelevision(t, window)
		tv.do(chromedp.EmulateViewport(1280, 720), chromedp.Navigate(tv.base+"/login?rd=/"))
		tv.press(kb.ArrowDown, "Continue with Plex")
		tv.press(kb.ArrowDown, "Keep me signed in for 30\u00a0days")
		tv.want("form unsent", `addEventListener("submit", () => document.title = "form sent"); document.title = "form unsent"`)
		tv.press(kb.Enter, "Keep me signed in for 30\u00a0days") // no longer
		tv.want("form unsent", "document.title")
		tv.press(kb.ArrowDown, "Use another device")
		tv.press(kb.ArrowUp, "Keep me signed in for 30\u00a0days")
		tv.press(kb.ArrowDown, "Use another device")
		tv.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS(".code")), chromedp.WaitVisible(chromedp.CSS("svg.qr")))
		codes := []string{tv.next()}
		tv.press(kb.ArrowDown, "Back")
		for range 2 {
			tv.plex.Advance(past)
			codes = append(codes, tv.next())
		}
		tv.plex.Advance(past)
		tv.do(chromedp.WaitVisible(chromedp.CSS(`form[action$="/login/device"] .go`)))
		tv.wantPINs(3)
		tv.press(kb.ArrowDown, "New code")
		tv.do(chromedp.KeyEvent(kb.Enter))
		if err := tv.plex.Approve(tv.next(), "casey"); err != nil {
			t.Fatal(err)
		}
		tv.do(chromedp.WaitVisible(chromedp.CSS(".who")))
		tv.wantPINs(4)
		tv.wantSessions(casey, 1)
		if kept := tv.store.ByAccount(casey)[0].Keep; kept {
			t.Errorf("codes %q: what was unticked at the start is forgotten", codes)
		}
	})
	t.Run("without scripts", func(t *testing.T) {
		tv := newTelevision(t, window)
		tv.do(chromium.Scripts(false), chromedp.Navigate(tv.base+"/login?rd=/"))
		tv.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
		first := tv.next()
		tv.plex.Advance(past)
		second := tv.next()
		if first == second {
			t.Error("the code that ran out is shown again")
		}
		if err := tv.plex.Approve(second, "casey"); err != nil {
			t.Fatal(err)
		}
		tv.do(chromedp.WaitReady(chromedp.CSS(".who")))
		tv.wantPINs(2)
		tv.wantSessions(casey, 1)
	})
	t.Run("the arrows leave scrolling alone", func(t *testing.T) {
		tv := newTelevision(t, window)
		tv.do(chromedp.EmulateViewport(320, 240), chromedp.Navigate(tv.base+"/login?rd=/"), chromedp.KeyEvent(kb.ArrowDown))
		moved, err := chromedp.Run(tv.tab, chromedp.Evaluate[bool](`new Promise(r => { let n = 0; (function look() { scrollY > 0 || ++n > 300 ? r(scrollY > 0 && document.activeElement === document.body) : requestAnimationFrame(look); }()); })`, chromedp.EvalAwaitPromise))
		if err != nil || !moved {
			t.Errorf("the page does not scroll: %v", err)
		}
	})
}
