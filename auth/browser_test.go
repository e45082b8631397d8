package auth

import (
	"encoding/json"
	"testing"

	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
)

// TestReturnAddressesAsChromiumReadsThem: what is accepted, and what is then
// emitted, leads a real browser to a host of ours.
func TestReturnAddressesAsChromiumReadsThem(t *testing.T) {
	// Not parallel: until it has become the browser, a new process holds the locks of all stores that are open here,
	// and a test whose clock stands still cannot wait for that.
	site := mustSite(t, "https://auth.example.com", "")
	var texts []string
	for _, c := range ReturnCases(t) {
		if back, ok := site.parseReturn(c.Payload); ok {
			texts = append(texts, c.Payload, back.String())
		}
	}
	list, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := chromedp.Run(chromium.Start(t), chromedp.Evaluate[[]string](string(list)+`.map(t => new URL(t, "https://auth.example.com/login").hostname)`))
	if err != nil {
		t.Fatal(err)
	}
	if len(hosts) != len(texts) || len(texts) < 20 {
		t.Fatalf("%d answers for %d addresses", len(hosts), len(texts))
	}
	for i, h := range hosts {
		if !within(h, "example.com") {
			t.Errorf("%.80q leads to %q", texts[i], h)
		}
	}
}
