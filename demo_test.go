package main

import (
	"context"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
)

// startDemo runs the demo on a free port and returns that port.
func startDemo(t *testing.T) string {
	t.Helper()
	p := start(t, nil, "demo", "-listen", "127.0.0.1:0")
	printed := regexp.MustCompile(`http://whoami\.usher\.localhost:(\d+) `)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		if port := printed.FindStringSubmatch(p.out.String()); port != nil {
			return port[1]
		}
		select {
		case <-tick.C:
		case <-p.done:
			t.Fatal("the demo ended")
		case <-late:
			t.Fatal("the demo does not print its address")
		}
	}
}

// demoClient is a browser without JavaScript to which every name is loopback.
func demoClient(t *testing.T, port string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasSuffix(address, ".usher.localhost:"+port) {
			address = "127.0.0.1:" + port
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second}
}

var hiddenReturn = regexp.MustCompile(`name="rd" value="([^"]*)"`)

// demoSignIn opens an app as nobody, signs in as a person, and returns the
// last answer and its text.
func demoSignIn(t *testing.T, client *http.Client, app, person string) (*http.Response, string) {
	t.Helper()
	ask := func(r *http.Request, err error) (*http.Response, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return res, read(t, res.Body)
	}
	res, page := ask(http.NewRequest(http.MethodGet, app, nil))
	back := hiddenReturn.FindStringSubmatch(page)
	if back == nil {
		t.Fatalf("no sign-in page at %s:\n%s", res.Request.URL, page)
	}
	form := url.Values{"rd": {strings.ReplaceAll(back[1], "&amp;", "&")}}
	r, err := http.NewRequest(http.MethodPost, strings.SplitN(res.Request.URL.String(), "?", 2)[0], strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, _ = ask(r, err)
	_, fragment, _ := strings.Cut(res.Request.URL.EscapedFragment(), "?")
	q, err := url.ParseQuery(fragment)
	if err != nil {
		t.Fatal(err)
	}
	approve := url.Values{"clientID": {q.Get("clientID")}, "code": {q.Get("code")}, "person": {person}}
	if res, err := client.PostForm("http://"+res.Request.URL.Host+"/auth/approve", approve); err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatalf("approving: %v, %v", res, err)
	}
	return ask(http.NewRequest(http.MethodGet, q.Get("forwardUrl"), nil))
}

func TestDemo(t *testing.T) {
	t.Parallel()
	port := startDemo(t)
	whoami, attic := "http://whoami.usher.localhost:"+port+"/x?a=1&b=%2F", "http://attic.usher.localhost:"+port+"/"

	if res, page := demoSignIn(t, demoClient(t, port), whoami, "mallory"); res.StatusCode != http.StatusForbidden || !strings.Contains(page, "mallory") || !strings.Contains(page, "not shared with this account") {
		t.Errorf("the stranger: %s\n%s", res.Status, page)
	}
	if res, page := demoSignIn(t, demoClient(t, port), attic, "casey"); res.StatusCode != http.StatusForbidden {
		t.Errorf("casey at the app for the home: %s\n%s", res.Status, page)
	}
	casey := demoClient(t, port)
	res, page := demoSignIn(t, casey, whoami, "casey")
	if res.StatusCode != http.StatusOK || res.Request.URL.String() != whoami || !strings.Contains(page, "Hello, casey") {
		t.Errorf("casey: %s at %s\n%s", res.Status, res.Request.URL, page)
	}
	if res, page := demoSignIn(t, demoClient(t, port), attic, "Kiddo"); res.StatusCode != http.StatusOK || !strings.Contains(page, "Hello, plex-70010002") {
		t.Errorf("a managed member at the app for the home: %s\n%s", res.Status, page)
	}

	r, err := http.NewRequest(http.MethodGet, whoami, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Remote-User", "remote_user", "REMOTE.USER", "Remote-Groups"} {
		r.Header[name] = []string{"robin"}
	}
	forged, err := casey.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, forged.Body); strings.Contains(got, "robin") || !strings.Contains(got, "Remote-User: casey\n") {
		t.Errorf("forged headers reach the app:\n%s", got)
	}
}

// TestDemoInChromium does what a newcomer does.
func TestDemoInChromium(t *testing.T) {
	t.Parallel()
	port := startDemo(t)
	whoami, desk := "http://whoami.usher.localhost:"+port+"/", "http://auth.usher.localhost:"+port+"/"
	ctx := chromium.Start(t)
	var faults faults
	if err := chromedp.Listen(ctx, faults.see); err != nil { // log, network and runtime are on by themselves
		t.Fatal(err)
	}
	shown := func(want string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		for _, step := range steps {
			if err := within(ctx, 20*time.Second, func(ctx context.Context) error { return chromedp.Do(ctx, step) }); err != nil {
				text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
				t.Fatalf("%v at %s", err, text)
			}
		}
		if text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("main"))); err != nil || !strings.Contains(text, want) {
			t.Errorf("%q is not shown: %v\n%s", want, err, text)
		}
	}
	signIn := func(person, want string) {
		t.Helper()
		shown(want, chromedp.Navigate(whoami), chromedp.Click(chromedp.CSS("button.go")),
			chromedp.Click(chromedp.CSS("button[data-person='"+person+"']")), chromedp.WaitVisible(chromedp.CSS("table, .who")))
	}
	began := time.Now()
	signIn("casey", "casey@example.org")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("signing in took %v", took)
	}
	shown("shared,friend", chromedp.Navigate(whoami+"again")) // no second sign-in
	shown("casey", chromedp.Navigate(desk), chromedp.WaitVisible(chromedp.CSS(".devices")))
	shown("signed out", chromedp.Click(chromedp.CSS("form:has([name=everywhere]) button")), chromedp.WaitVisible(chromedp.CSS("a[href$='/login']")))
	signIn("mallory", "not shared with this account")
	for _, f := range faults.list() {
		t.Errorf("the browser complains: %s", f)
	}
}

func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}

// faults are what a browser complains about, and requests to anybody else.
type faults struct {
	mu  sync.Mutex
	all []string
}

func (f *faults) see(event any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch ev := event.(type) {
	case *log.EventEntryAdded:
		// The refusal that is wanted is an error to the browser.
		if ev.Entry.Level == log.EntryLevelError && !strings.Contains(ev.Entry.Text, "403 (Forbidden)") {
			f.all = append(f.all, ev.Entry.Text+" "+ev.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		f.all = append(f.all, ev.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(ev.Request.URL)
		if err != nil || u.Scheme == "http" && u.Hostname() != "127.0.0.1" && !strings.HasSuffix(u.Hostname(), ".usher.localhost") {
			f.all = append(f.all, "a request to "+ev.Request.URL)
		}
	}
}

func (f *faults) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}
