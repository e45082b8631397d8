package templates_test

import (
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
)

const (
	heaviest    = 40_000 // bytes on the wire, with the headers
	firstPaint  = 100    // milliseconds
	timesABlank = 5      // for a machine that does much else
)

// TestEveryPageIsOneSmallRequest: nothing is waited for but the page itself.
func TestEveryPageIsOneSmallRequest(t *testing.T) {
	t.Parallel()
	tab := chromium.Start(t)
	var wire wire
	if err := chromedp.Listen(tab, wire.see); err != nil {
		t.Fatal(err)
	}
	address := serveSamples(t)
	for i, s := range samples() {
		wire.reset()
		if err := chromedp.Do(tab, chromedp.Navigate(address+strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
		if _, err := chromedp.Run(tab, painted); err != nil { // what it asks for, it has asked for by then
			t.Fatal(err)
		}
		asked, bytes := wire.read()
		if len(asked) != 1 {
			t.Errorf("%s: %d requests: %s", s.name, len(asked), strings.Join(asked, " "))
		}
		if bytes > heaviest || bytes < 1000 {
			t.Errorf("%s: %.0f bytes", s.name, bytes)
		}
	}
}

// TestPagesPaintAtOnce measures against an empty page too: what a slow machine adds is not the page's fault. The best of a
// few counts: the machine may be busy, but it never makes a slow page fast.
// Not parallel: what is measured is not to wait for other tests.
func TestPagesPaintAtOnce(t *testing.T) {
	tab := chromium.Start(t)
	address := serveSamples(t)
	once := func(page string) float64 {
		if err := chromedp.Do(tab, chromedp.Navigate(address+page)); err != nil {
			t.Fatal(err)
		}
		ms, err := chromedp.Run(tab, painted)
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	for i, s := range samples() {
		took, blank := once(strconv.Itoa(i)), math.Inf(1)
		for tries := 0; took > firstPaint && tries < 8; tries++ {
			took, blank = min(took, once(strconv.Itoa(i))), min(blank, once("blank"))
		}
		if took > firstPaint && took > timesABlank*blank {
			t.Errorf("%s: first paint after %.0f ms, of an empty page after %.0f", s.name, took, blank)
		}
	}
}

// painted is after how many milliseconds the page was first drawn.
var painted = chromedp.Evaluate[float64](`new Promise(done =>
	new PerformanceObserver(list => done(list.getEntriesByName("first-paint")[0].startTime)).observe({ type: "paint", buffered: true }))`, chromedp.EvalAwaitPromise)

// wire is what a page asks for and how many bytes come.
type wire struct {
	mu    sync.Mutex
	asked []string
	bytes float64
}

func (w *wire) see(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch ev := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(ev.Request.URL, "data:") { // inside of the page
			w.asked = append(w.asked, ev.Request.URL)
		}
	case *network.EventLoadingFinished:
		w.bytes += ev.EncodedDataLength
	}
}

func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.bytes = nil, 0
}

func (w *wire) read() ([]string, float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked, w.bytes
}
