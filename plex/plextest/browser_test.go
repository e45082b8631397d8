package plextest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
	"usher/plex/plextest"
)

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func ask[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A real browser reads the fragment, and goes where it is sent, byte for byte.
func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	window := chromium.Start(t)
	var ctx context.Context // the tab at hand
	s := plextest.Start(t)
	arrived := make(chan string, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login/callback" {
			arrived <- r.RequestURI
		}
	}))
	t.Cleanup(app.Close)
	const want = "/login/callback?rd=https%3A%2F%2Fapp.example.com%2F%3Fa%3D1%26b%3D%252F&x=a+b&y=%20"

	// Each page has a tab of its own: in one tab it would meet the way back to the app that is still under way.
	visit := func(t *testing.T, address string) {
		t.Helper()
		tab, cancel := chromedp.NewContext(window)
		t.Cleanup(cancel)
		ctx = tab
		do(t, ctx, chromedp.Navigate(address))
	}
	open := func(t *testing.T, mark string, p pin, forward string) {
		t.Helper()
		visit(t, strings.ReplaceAll(signInURL(s, mark, p, forward), "+", "%20"))
	}
	choose := func(t *testing.T, name string) {
		t.Helper()
		do(t, ctx, chromedp.Click(`[data-person="`+name+`"]`, chromedp.NodeVisible))
	}
	outcome := func(t *testing.T) (text, at string) {
		t.Helper()
		return ask(t, ctx, chromedp.Text("#outcome:not(:empty)", chromedp.NodeVisible)), ask(t, ctx, chromedp.Location())
	}
	token := func(t *testing.T, p pin) *string {
		t.Helper()
		return decode[pin](t, get(t, s, path(p))).AuthToken
	}

	for _, mark := range []string{"#?", "#!?", "/#!?"} {
		t.Run("forwards from "+mark, func(t *testing.T) {
			p := newPIN(t, s, "?strong=true")
			open(t, mark, p, app.URL+want)
			if h := ask(t, ctx, chromedp.Text("h1", chromedp.NodeVisible)); h != "Sign in to Example Gate" {
				t.Errorf("the heading says %q", h)
			}
			choose(t, "casey")
			if got := <-arrived; got != want {
				t.Errorf("arrived at %s, want %s", got, want)
			}
			if got := token(t, p); got == nil || !strings.Contains(*got, "casey") {
				t.Errorf("token %v", got)
			}
		})
	}
	t.Run("refuses", func(t *testing.T) {
		p := newPIN(t, s, "?strong=true")
		open(t, "#?", p, app.URL+want)
		do(t, ctx, chromedp.Click("#refuse", chromedp.NodeVisible))
		if text, at := outcome(t); !strings.Contains(text, "refused") || !strings.HasPrefix(at, s.AuthURL) || token(t, p) != nil {
			t.Errorf("at %s it says %q, token %v", at, text, token(t, p))
		}
	})
	t.Run("without forwardUrl", func(t *testing.T) {
		p := newPIN(t, s, "?strong=true")
		open(t, "#?", p, "")
		choose(t, "sam")
		if text, _ := outcome(t); !strings.Contains(text, "close this window") || token(t, p) == nil {
			t.Errorf("it says %q", text)
		}
	})
	t.Run("a forwardUrl that would run", func(t *testing.T) {
		p := newPIN(t, s, "?strong=true")
		open(t, "#?", p, "javascript:document.body.remove()")
		choose(t, "sam")
		if text, at := outcome(t); !strings.Contains(text, "no address") || !strings.HasPrefix(at, s.AuthURL) {
			t.Errorf("at %s it says %q", at, text)
		}
	})
	t.Run("another client identifier", func(t *testing.T) {
		p := newPIN(t, s, "?strong=true")
		stolen := p
		stolen.Client = "test-client-thief"
		open(t, "#?", stolen, app.URL+want)
		choose(t, "casey")
		if text, _ := outcome(t); !strings.Contains(text, "over") || token(t, p) != nil {
			t.Errorf("it says %q, token %v", text, token(t, p))
		}
	})
	t.Run("an address without a fragment", func(t *testing.T) {
		visit(t, s.AuthURL)
		if text, _ := outcome(t); !strings.Contains(text, "Start from the app") {
			t.Errorf("it says %q", text)
		}
	})
}
