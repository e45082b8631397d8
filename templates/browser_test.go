package templates_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
	"usher/templates"
)

// Chromium over plain http on purpose: there it sends no Sec-Fetch-Site, and a form's Origin is all that tells it
// from a forged one.
func TestInChromium(t *testing.T) {
	t.Parallel()
	ctx := chromium.Start(t)
	tab := func(t *testing.T) context.Context {
		ctx, cancel := chromedp.NewContext(ctx)
		t.Cleanup(cancel)
		ctx, cancel = context.WithTimeout(ctx, 30*time.Second)
		t.Cleanup(cancel)
		return ctx
	}

	// CSS throughout: a plain string is looked for in texts too, and finds it in the inline style.
	t.Run("the form is known as ours and leads to Plex", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		ctx := tab(t)
		if err := chromedp.Do(ctx, chromedp.Navigate(s.url+"/login"), chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS("#plex"))); err != nil {
			t.Fatal(err)
		}
		if post := s.post.Load(); post == nil || *post != "origin "+s.url+", rd "+s.app+", keep 0 1" {
			t.Errorf("POST: %s", show(post))
		}
		if referer := s.referer.Load(); referer == nil || *referer != "" {
			t.Errorf("Plex was told where the visitor comes from: %s", show(referer))
		}
	})
	t.Run("without the meta element the form is refused", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		ctx := tab(t)
		if err := chromedp.Do(ctx, chromedp.Navigate(s.url+"/login?bare=1"), chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS("#refused"))); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("style and script are allowed by their hashes", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.next.Store(new(s.app))
		ctx := tab(t)
		if err := chromedp.Do(ctx, chromedp.Navigate(s.url+"/wait")); err != nil {
			t.Fatal(err)
		}
		const accent = `getComputedStyle(document.querySelector(".go")).backgroundColor`
		if color, err := chromedp.Run(ctx, chromedp.Evaluate[string](accent)); err != nil || color != "rgb(229, 160, 13)" {
			t.Errorf("the button is %s, %v", color, err)
		}
		if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("#app"))); err != nil {
			t.Fatal(err)
		}
		if n := s.polls.Load(); n != 2 { // pending, ok
			t.Errorf("%d polls", n)
		}
	})
	t.Run("who is signed in is said while the app loads", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.next.Store(new(s.url + "/held"))
		ctx := tab(t)
		const said = `new Promise(r => { let e = document.getElementById("status"); new MutationObserver(() => e.textContent.startsWith("Signed") && r(e.innerHTML)).observe(e, {childList: true}) })`
		if err := chromedp.Do(ctx, chromedp.Navigate(s.url+"/wait")); err != nil {
			t.Fatal(err)
		}
		got, err := chromedp.Run(ctx, chromedp.Evaluate[string](said, chromedp.EvalAwaitPromise))
		if want := "Signed in as \u2068&lt;b&gt;casey\u2069. One moment."; err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	})
	t.Run("a poll never leads to a script", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.next.Store(new("javascript:document.body.id='app'"))
		ctx := tab(t)
		if err := chromedp.Do(ctx, chromedp.Navigate(s.url+"/wait"), chromedp.WaitVisible(chromedp.CSS(".ended"))); err != nil {
			t.Fatal(err)
		}
		if where, err := chromedp.Run(ctx, chromedp.Location()); err != nil || where != s.url+"/wait" {
			t.Errorf("at %s, %v", where, err)
		}
	})
	t.Run("a clock that jumps ends nothing", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		ctx := tab(t)
		const jumps = `{ let n = 0; const real = Date; Date = class extends real { constructor() { super(real.now() + 1e11 * n++); } }; }`
		if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: jumps}); err != nil {
			t.Fatal(err)
		}
		const left = `new Promise(r => new MutationObserver(() => r(document.getElementById("left").textContent)).observe(document.getElementById("left"), {childList: true}))`
		if err := chromedp.Do(ctx, chromedp.Navigate(s.url+"/wait")); err != nil {
			t.Fatal(err)
		}
		if told, err := chromedp.Run(ctx, chromedp.Evaluate[string](left, chromedp.EvalAwaitPromise)); err != nil || !strings.Contains(told, "29:") {
			t.Errorf("time left: %q, %v", told, err)
		}
		s.next.Store(new(s.app))
		if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("#app"))); err != nil {
			t.Errorf("the page no longer asks: %v", err)
		}
	})
	t.Run("without script the page asks again by itself", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		ctx := tab(t)
		if err := chromedp.Do(ctx, chromium.Scripts(false), chromedp.Navigate(s.url+"/wait")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.again:
		case <-ctx.Done():
			t.Error("it did not")
		}
	})
}

// site is Usher as far as the pages see it, an app, and a Plex on another origin.
type site struct {
	url, app      string
	post, referer atomic.Pointer[string]
	next          atomic.Pointer[string] // where the second poll leads, or a later one
	polls, waits  atomic.Int32
	again         chan struct{} // closed when the waiting page is asked for the second time
}

func newSite(t *testing.T) *site {
	pages := newPages(t)
	s := &site{again: make(chan struct{})}
	page := func(id string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<p id=%s>here</p>", id)
		}
	}
	plex := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.referer.CompareAndSwap(nil, new(r.Referer()))
		page("plex")(w, r)
	}))
	t.Cleanup(plex.Close)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /app", page("app"))
	mux.HandleFunc("GET /held", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		sent := httptest.NewRecorder()
		err := pages.Write(sent, http.StatusOK, templates.SignIn{Action: s.url + "/login", Return: s.app, Keep: 720 * time.Hour, FormAction: []string{plex.URL}}, templates.Reader{})
		if err != nil {
			t.Error(err)
		}
		for name, values := range sent.Header() {
			w.Header()[name] = values
		}
		body := sent.Body.Bytes()
		if r.URL.Query().Has("bare") {
			body = bytes.ReplaceAll(body, []byte(`<meta name="referrer" content="same-origin">`), nil)
		}
		_, _ = w.Write(body)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s.post.Store(new("origin " + r.Header.Get("Origin") + ", rd " + r.FormValue("rd") + ", keep " + strings.Join(r.Form["keep"], " ")))
		http.Redirect(w, r, plex.URL, http.StatusSeeOther)
	})
	mux.HandleFunc("GET /wait", func(w http.ResponseWriter, r *http.Request) {
		if s.waits.Add(1) == 2 {
			close(s.again)
		}
		err := pages.Write(w, http.StatusOK, templates.Waiting{Poll: s.url + "/poll", Again: s.url + "/login", Continue: plex.URL, Left: 30 * time.Minute}, templates.Reader{})
		if err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /poll", func(w http.ResponseWriter, r *http.Request) {
		next := s.next.Load()
		if s.polls.Add(1) < 2 || next == nil {
			fmt.Fprint(w, `{"state":"pending"}`)
			return
		}
		fmt.Fprintf(w, `{"state":"ok","next":%q,"name":"<b>casey"}`, *next)
	})
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(page("refused"))
	usher := httptest.NewServer(guard.Handler(mux))
	t.Cleanup(usher.Close)
	// A name that is not loopback to the browser: to http://127.0.0.1 it does send Sec-Fetch-Site.
	s.url = strings.Replace(usher.URL, "127.0.0.1", "usher.test", 1)
	s.app = s.url + "/app"
	return s
}

func show(s *string) string {
	if s == nil {
		return "nothing came"
	}
	return *s
}
