package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
)

// TestOfficeInChromium goes through the desk as its owner does, on a narrow phone: no page is wider than it, and the
// browser complains about nothing.
func TestOfficeInChromium(t *testing.T) {
	t.Parallel()
	port := startDemo(t)
	auth, whoami := "http://auth.usher.localhost:"+port, "http://whoami.usher.localhost:"+port+"/"
	casey := demoClient(t, port)
	demoSignIn(t, casey, whoami, "casey")
	if res, _ := demoSignIn(t, demoClient(t, port), whoami, "mallory"); res.StatusCode != http.StatusForbidden {
		t.Fatal(res.Status)
	}
	ctx := chromium.Start(t)
	var faults faults
	if err := chromedp.Listen(ctx, faults.see); err != nil {
		t.Fatal(err)
	}
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		for _, step := range steps {
			if err := within(ctx, 30*time.Second, func(ctx context.Context) error { return chromedp.Do(ctx, step) }); err != nil {
				text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
				t.Fatalf("%s: %v at %s", what, err, text)
			}
		}
	}
	eval := func(script string) string {
		t.Helper()
		got, err := chromedp.Run(ctx, chromedp.Evaluate[string](script))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	shots := os.Getenv("USHER_TEST_SHOTS")
	shown := func(name, want string) {
		t.Helper()
		if text := eval(`document.querySelector("main").innerText`); !strings.Contains(text, want) {
			t.Errorf("%s: %q is not shown:\n%s", name, want, text)
		}
		wide := eval(`(() => {
			const w = document.querySelector(".rest").getBoundingClientRect().right, page = document.documentElement;
			const out = [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > w + 1).map(e => e.outerHTML.slice(0, 90));
			return out.slice(0, 5).join("\n") || (page.scrollWidth > page.clientWidth ? "the page" : "");
		})()`)
		if wide != "" {
			t.Errorf("%s is wider than the window:\n%s", name, wide)
		}
		if shots != "" {
			png, err := chromedp.Run(ctx, chromedp.FullScreenshot(90))
			if err == nil {
				err = os.WriteFile(fmt.Sprintf("%s/%s.png", shots, name), png, 0o644)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	narrow := func(width int64) chromedp.Action[chromedp.Void] {
		return func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 640, DeviceScaleFactor: 1, Mobile: width < 800})
			return chromedp.Void{}, err
		}
	}
	do("signing in", narrow(320), chromedp.Navigate(whoami), chromedp.Click(chromedp.CSS("button.go")), chromedp.Click(chromedp.CSS("button[data-person='robin']")), chromedp.WaitVisible(chromedp.CSS("table")))
	do("the desk", chromedp.Navigate(auth+"/admin"), chromedp.WaitVisible(chromedp.CSS(".tabs")))
	shown("front", "people")
	tab := func(page, want string) {
		t.Helper()
		do(page, chromedp.Click(chromedp.CSS(".tabs a[href$='/admin/"+page+"']")), chromedp.WaitVisible(chromedp.CSS(".tabs a[href$='/"+page+"'][aria-current]")))
		shown(page, want)
	}
	tab("devices", "casey")
	tab("keys", "There is no such key")
	tab("events", "Signed in")
	tab("health", "Version")
	tab("explain", "step by step")
	do("explaining", chromedp.SendKeys(chromedp.CSS("input[name=user]"), "mallory"), chromedp.SendKeys(chromedp.CSS("input[name=url]"), whoami), chromedp.Click(chromedp.CSS("form:has([name=url]) button")), chromedp.WaitVisible(chromedp.CSS(".steps")))
	shown("explained", "may not pass")
	tab("people", "casey")
	do("casey", chromedp.Click(chromedp.CSS("a[href$='/people/70010001']")), chromedp.WaitVisible(chromedp.CSS(".who")))
	shown("person", "Signed in")
	do("keeping out", chromedp.Click(chromedp.CSS("details summary")), chromedp.SendKeys(chromedp.CSS("input[name=reason]"), "for the summer"), chromedp.Click(chromedp.CSS("input[name=tell]")),
		chromedp.Click(chromedp.CSS("form:has([value=keep-out]) button")), chromedp.WaitVisible(chromedp.CSS("[role=status]")))
	shown("kept-out", "They are kept out now")
	if res, err := casey.Get(whoami); err != nil || strings.Contains(read(t, res.Body), "Hello, casey") {
		t.Errorf("casey goes on: %v", err)
	}
	if res, page := demoSignIn(t, demoClient(t, port), whoami, "casey"); res.StatusCode != http.StatusForbidden || !strings.Contains(page, "for the summer") {
		t.Errorf("casey is told %s %s", res.Status, page)
	}
	do("letting in again", chromedp.Click(chromedp.CSS("form:has([value=take-back]) button")), chromedp.WaitVisible(chromedp.CSS("form:has([value=keep-out])")))
	shown("let-in-again", "taken back")
	do("a wide window", narrow(1400), chromedp.Navigate(auth+"/admin"), chromedp.WaitVisible(chromedp.CSS(".chart")))
	shown("front-wide", "Sign-ins and refusals")
	tab("people", "casey")
	tab("events", "Kept out by hand, by robin")
	for _, f := range faults.list() {
		t.Errorf("the browser complains: %s", f)
	}
}
