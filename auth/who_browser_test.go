package auth_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
)

// The admin of a Plex Home picks a member in a browser, with scripts and without.
func TestWhoIsWatchingInChromium(t *testing.T) {
	// Not parallel, as TestReturnAddressesAsChromiumReadsThem.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	home := "http://auth.usher.test:" + port
	w := newWorld(t, func(s *setup) { s.urls, s.Insecure, s.Redeem = []string{home}, true, true }).withTeen()
	srv := &http.Server{Handler: w.usher, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	browser := chromium.Start(t)
	const redeem = `fetch("/api/redeem", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({plex_token: "TOKEN"})}).then(r => r.status)`
	robin := strings.Replace(redeem, "TOKEN", w.plex.Token("robin", clientID), 1)
	// signs robin in and opens the picker, with scripts or without
	begin := func(off bool) {
		t.Helper()
		if err := chromedp.Do(browser, chromium.Scripts(true), chromedp.Navigate(home+"/healthz")); err != nil {
			t.Fatal(err)
		}
		if status, err := chromedp.Run(browser, chromedp.Evaluate[int](robin, chromedp.EvalAwaitPromise)); err != nil || status != http.StatusOK {
			t.Fatalf("robin is not signed in: %d, %v", status, err)
		}
		if err := chromedp.Do(browser, chromium.Scripts(!off), chromedp.Navigate(home+"/"), chromedp.Click(chromedp.CSS(`a[href*="/who?"]`)), chromedp.WaitVisible(chromedp.CSS(".faces"))); err != nil {
			t.Fatal(err)
		}
	}
	isNow := func(name string) {
		t.Helper()
		if got, err := chromedp.Run(browser, chromedp.Text(chromedp.CSS(".stub .who"))); err != nil || !strings.Contains(got, name) {
			t.Errorf("signed in as %q, want %s: %v", got, name, err)
		}
	}
	for _, off := range []bool{false, true} {
		begin(off)
		if err := chromedp.Do(browser, chromedp.Click(chromedp.CSS("button.tile")), chromedp.WaitVisible(chromedp.CSS(".devices"))); err != nil {
			t.Fatal(err)
		}
		isNow("Kiddo")

		begin(off)
		if err := chromedp.Do(browser, chromedp.Click(chromedp.CSS(`a[href*="member="]`)), chromedp.SendKeys(chromedp.CSS("[name=pin]"), "0000\r"), chromedp.WaitVisible(chromedp.CSS("[role=alert]")),
			chromedp.SendKeys(chromedp.CSS("[name=pin]"), teenPIN+"\r"), chromedp.WaitVisible(chromedp.CSS(".devices"))); err != nil {
			t.Fatal(err)
		}
		isNow("Teen")
	}
}
