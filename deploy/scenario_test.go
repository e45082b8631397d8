package deploy_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// guests are people who have signed in, once each: an address may ask for ten sign-ins at once.
type guests struct {
	nobody, casey, robin, mallory *browser

	key string // casey's, for clients that cannot sign in
}

// TestRecipes runs the recipe of every proxy through every scenario. Refusals come first.
func TestRecipes(t *testing.T) {
	watchSources(t)
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, p, p.site)
			g := guests{h.browser(t), h.signedIn(t, "casey"), h.signedIn(t, "robin"), h.signedIn(t, "mallory"), ""}
			g.key = g.casey.makeKey(h.url("auth", ""))
			for _, s := range []struct {
				name string
				run  func(*testing.T, *house, guests)
			}{
				{"nobody's script is told 401", nobodysScript},
				{"nobody's form does not arrive", nobodysForm},
				{"nobody's upload does not arrive", nobodysUpload},
				{"nobody's WebSocket is refused", nobodysWebSocket},
				{"a stranger is refused with a reason", strangerRefused},
				{"the owner's app refuses others", ownersApp},
				{"forged identity does not let anybody in", forgedIdentityRefused},
				{"forged forwarding headers change nothing", forgedForwarding},
				{"a second host in the request line changes nothing", secondHost},
				{"the check's own address is not for clients", checkNotForClients},
				{"forged identity never reaches the app", forgedIdentityReplaced},
				{"hop-by-hop names take nothing away", hopByHop},
				{"a wrong key is refused, and told what was tried", keyRefused},
				{"two keys are none", keyDoubled},
				{"a key passes and never reaches the app", keyPasses},
				{"the app's own Authorization reaches it as it is", ownAuthorization},
				{"guesses of keys are slowed down", keySlowed},
				{"nobody signs in and gets the page asked for", signInAndBack},
				{"sign-out ends it at once", signOut},
				{"a rule lets through what it names, and nothing else", ruleRefuses},
				{"no spelling of a path gets around its rule", rulePaths},
				{"no other host name gets around its rule", ruleOtherHosts},
				{"no client chooses its address", ruleForgedAddress},
				{"forged identity where a rule lets through", ruleForged},
				{"a rule lets through unseen", ruleLetsThrough},
				{"a WebSocket passes", webSocket},
				{"an upload passes while it is sent", upload},
				{"a stream passes while it is sent", stream},
				{"Usher stopped: nobody passes, and it heals", usherStopped}, // last: it interrupts everybody
			} {
				t.Run(s.name, func(t *testing.T) { s.run(t, h, g.in(t)) })
			}
		})
	}
}

// TestTiers has everybody ask, of every kind that Plex knows, where friends may pass; the app is told which tiers apply, and which libraries are theirs.
func TestTiers(t *testing.T) {
	watchSources(t)
	const libraries = ",library:Films,library:Home_ Videos,library:Music,library:Shows"
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, p, p.site)
			h.restartUsher(t, "USHER_PLEX_TOKEN="+h.plex.Token("robin", "tiers"), "USHER_ALLOW=friend")
			for person, want := range map[string]string{
				"mallory": "", "ivan": "", "pat": "",
				"frankie": "frankie of friend", "otto": "otto of friend", "casey": "casey of shared,friend,library:Films,library:Shows",
				"sam": "sam of home,shared,friend" + libraries, "Kiddo": "plex-70010002 of home,shared,friend" + libraries, "robin": "robin of owner,home,shared,friend" + libraries,
			} {
				b := h.signedIn(t, person)
				got := b.get(h.url("app", "/tiers/"+person), asScript)
				if want == "" {
					if got.StatusCode != http.StatusForbidden || h.app.reached("/tiers/"+person) != 0 {
						t.Errorf("%s: got %s, want 403, and the app was reached %d times", person, got.Status, h.app.reached("/tiers/"+person))
					}
					continue
				}
				seen := got.arrival(t)
				if is := seen.Header.Get("Remote-User") + " of " + seen.Header.Get("Remote-Groups"); is != want {
					t.Errorf("%s: the app saw %s, want %s", person, is, want)
				}
				if owners := b.get(h.url("owner", "/tiers/"+person), asScript); (owners.StatusCode == http.StatusOK) != (person == "robin") {
					t.Errorf("%s at the owner's app: %s", person, owners.Status)
				}
			}
		})
	}
}

// TestNotSetUp: without allowed servers nobody passes, and the sign-in pages of a stranger change nothing.
func TestNotSetUp(t *testing.T) {
	watchSources(t)
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, p, p.site, "USHER_SERVERS=", "USHER_OWNER=")
			for _, as := range []http.Header{asPage, asScript} {
				got := h.browser(t).get(h.url("app", "/unset"), as)
				if got.StatusCode != p.undecided {
					t.Errorf("got %s, want %d\n%s", got.Status, p.undecided, got.body)
				}
			}
			if h.app.reached("/unset") != 0 {
				t.Error("the app was reached")
			}
		})
	}
}

// TestOverlay: without USHER_URL the pages live on the app's own host.
func TestOverlay(t *testing.T) {
	watchSources(t)
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			if p.overlay == "" {
				t.Skip("the recipe has overlay mode in a comment")
			}
			h := newHouse(t, p, p.overlay, "USHER_URL=")
			b := h.browser(t)
			want := h.url("app", "/overlay?a=1")
			asked := b.get(want, asPage).location(t)
			if asked.Host != mustParse(want).Host || !strings.HasPrefix(asked.Path, "/_usher/") {
				t.Fatalf("sent to %s, want a page under /_usher/ of the same host", asked)
			}
			if h.app.reached("/overlay") != 0 {
				t.Error("the app was reached")
			}
			got := b.signIn(b.open(want), "casey").arrival(t)
			if got.Target != "/overlay?a=1" || got.Header.Get("Remote-User") != "casey" {
				t.Errorf("the app saw %q of %q", got.Target, got.Header.Get("Remote-User"))
			}
			identityKept(t, b, want)
			key := b.makeKey(h.url("app", "/_usher"))
			for name, shown := range showing(key) {
				got := h.browser(t).get(h.url("app", "/overlay-key"), asScript, shown).arrival(t)
				keptBack(t, name, key, got)
				if user := got.Header.Get("Remote-User"); user != "casey" {
					t.Errorf("%s: the app saw Remote-User %q", name, user)
				}
			}
		})
	}
}

// in gives the guests to a test of their own, with the cookies that they have.
func (g guests) in(t *testing.T) guests {
	return guests{g.nobody.in(t), g.casey.in(t), g.robin.in(t), g.mallory.in(t), g.key}
}

func (b *browser) in(t *testing.T) *browser { return b.h.browserWith(t, b.jar) }

func nobodysScript(t *testing.T, h *house, g guests) {
	for name, as := range map[string]http.Header{
		"fetch":                 asScript,
		"an image":              {"Accept": {"image/avif,*/*"}, "Sec-Fetch-Mode": {"no-cors"}},
		"curl":                  {"Accept": {"*/*"}},
		"XMLHttpRequest":        {"Accept": {"text/html"}, "X-Requested-With": {"XMLHttpRequest"}},
		"fetch for HTML":        {"Accept": {"text/html"}, "Sec-Fetch-Mode": {"cors"}},
		"no header at all":      {},
		"an API key of its own": {"Accept": {"application/json"}, "X-Api-Key": {"not Usher's concern"}},
	} {
		got := g.nobody.get(h.url("app", "/api/items"), as)
		if got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: got %s, want 401", name, got.Status)
		}
		if to := got.Header.Get("Location"); to != "" && got.StatusCode/100 == 3 {
			t.Errorf("%s: redirected to %s", name, to)
		}
	}
	notReached(t, h, "/api/items")
}

func nobodysForm(t *testing.T, h *house, g guests) {
	got := g.nobody.do(http.MethodPost, h.url("app", "/delete"), strings.NewReader("all=1"), asPage,
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	toSignIn(t, h, got)
	got = g.nobody.do(http.MethodDelete, h.url("app", "/delete"), nil, asScript)
	if got.StatusCode != http.StatusUnauthorized {
		t.Errorf("DELETE: got %s, want 401", got.Status)
	}
	notReached(t, h, "/delete")
}

func nobodysUpload(t *testing.T, h *house, g guests) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, h.url("app", "/refused-upload"), bytes.NewReader(make([]byte, 3<<20)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = asScript.Clone()
	switch res, err := g.nobody.client.Do(req); {
	case err != nil && !h.proxy.cutsUploads:
		t.Fatal(err)
	case err == nil:
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %s, want 401", res.Status)
		}
	}
	notReached(t, h, "/refused-upload")
}

func nobodysWebSocket(t *testing.T, h *house, g guests) {
	res, _ := upgrade(t, g.nobody, "app", "/nobodys-socket")
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %s, want 401", res.Status)
	}
	notReached(t, h, "/nobodys-socket")
}

func strangerRefused(t *testing.T, h *house, g guests) {
	got := g.mallory.get(h.url("app", "/private"), asPage)
	if h.proxy.refusesByPage {
		to := got.location(t)
		if to.Host != mustParse(h.url("auth", "")).Host {
			t.Fatalf("refused to %s, want a page of the sign-in host", to)
		}
		got = g.mallory.open(to.String())
	}
	if got.StatusCode != http.StatusForbidden {
		t.Errorf("got %s, want 403", got.Status)
	}
	for _, want := range []string{"mallory", "app.usher.test"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page does not mention %q:\n%s", want, got.body)
		}
	}
	if got := g.mallory.get(h.url("app", "/private"), asScript); got.StatusCode != http.StatusForbidden {
		t.Errorf("a script: got %s, want 403", got.Status)
	}
	notReached(t, h, "/private")
}

func ownersApp(t *testing.T, h *house, g guests) {
	for _, target := range []string{"/owners", "/owners?policy=anyone&allow=anyone"} {
		if got := g.casey.get(h.url("owner", target), asScript); got.StatusCode != http.StatusForbidden {
			t.Errorf("casey at %s: got %s, want 403", target, got.Status)
		}
	}
	notReached(t, h, "/owners")
	got := g.robin.get(h.url("owner", "/owners"), asPage).arrival(t)
	if user := got.all("Remote-User"); len(user) != 1 || user[0] != "robin" {
		t.Errorf("the app saw Remote-User %q, want robin", user)
	}
}

func checkNotForClients(t *testing.T, h *house, g guests) {
	outsider := http.Header{
		"X-Original-Url": {h.url("app", "/")}, "X-Original-Method": {"GET"}, "X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/"},
	}
	for _, kind := range []string{"traefik", "caddy", "haproxy", "nginx", "envoy"} {
		for _, path := range []string{"/auth/" + kind, "/auth/" + kind + "/anyone", "/%61uth/" + kind, "/auth%2f" + kind, "/auth%2F" + kind + "/anyone",
			"//auth/" + kind, "/AUTH/" + kind, "/x/../auth/" + kind, "/auth/" + kind + "/../../x", "/auth/" + kind + "/%2e%2e/%2e%2e/x", "/auth/" + kind + "/..%2f..%2fx"} {
			for _, b := range []*browser{g.nobody, g.casey} {
				got := b.get(h.url("auth", path), asScript, outsider)
				if got.StatusCode != http.StatusNotFound || got.Header.Get("Remote-User") != "" {
					t.Errorf("auth host %s: got %s, want 404", path, got.Status)
				}
			}
		}
	}
	if !h.proxy.asksHere {
		return // only nginx has an address for it on the app's host
	}
	for _, path := range []string{"/__usher", "/__usher/", "/__usher/anyone"} {
		if got := g.casey.get(h.url("app", path), asPage); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s, want 404", path, got.Status)
		}
	}
}

func signInAndBack(t *testing.T, h *house, _ guests) {
	const target = "/library/caf%C3%A9?a=1&b=%2F+%C3%BC&b=x%26y%3Dz&empty="
	b := h.browser(t)
	b.transport.ForceAttemptHTTP2 = true // as browsers do; nginx's recipe leaves it off
	want := h.url("app", target)
	toSignIn(t, h, b.get(want, asPage))
	notReached(t, h, "/library/café")
	answer := b.signIn(b.open(want), "casey")
	got := answer.arrival(t)
	if answer.ProtoMajor == 1 && h.proxy.name != "nginx" {
		t.Errorf("spoke %s, want HTTP/2", answer.Proto)
	}
	if got.Target != target {
		t.Errorf("the app was asked for %s, want %s", got.Target, target)
	}
	for name, want := range map[string]string{
		"Remote-User": "casey", "Remote-Email": "casey@example.org", "Remote-Id": "70010001", "Remote-Groups": "shared",
	} {
		if values := got.all(name); len(values) != 1 || !strings.Contains(values[0], want) {
			t.Errorf("the app saw %s %q, want %q", name, values, want)
		}
	}
}

func signOut(t *testing.T, h *house, _ guests) {
	b := h.signedIn(t, "casey")
	app := h.url("app", "/after-sign-out")
	before := b.cookies(app)
	if got := b.get(app, asPage); got.StatusCode != http.StatusOK {
		t.Fatalf("before: %s", got.Status)
	}
	reached := h.app.reached("/after-sign-out")
	b.submit(b.open(h.url("auth", "/logout")), "/logout")
	toSignIn(t, h, b.get(app, asPage))
	stolen := h.browser(t).get(app, asPage, http.Header{"Cookie": {before}})
	toSignIn(t, h, stolen)
	if h.app.reached("/after-sign-out") != reached {
		t.Error("the app was reached after sign-out")
	}
}

func webSocket(t *testing.T, h *house, g guests) {
	res, rw := upgrade(t, g.casey, "app", "/socket")
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %s, want 101", res.Status)
	}
	fmt.Fprint(rw, "hello\n")
	rw.Flush()
	if line, err := rw.ReadString('\n'); line != `["casey"]: hello`+"\n" {
		t.Errorf("got %q (%v) back", line, err)
	}
}

// upload sends 100 MiB, and the second half only when the first has begun to arrive.
func upload(t *testing.T, h *house, g guests) {
	half := bytes.Repeat([]byte("0123456789abcdef"), 50<<16)
	want := sha256.New()
	want.Write(half)
	want.Write(half)
	body, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		_, err := w.Write(half)
		select {
		case <-h.app.began:
		case <-t.Context().Done():
			err = errors.New("no byte of the upload arrived before its end")
		case <-time.After(deadline / 2):
			err = errors.New("no byte of the upload arrived before its end")
		}
		if err == nil {
			_, err = w.Write(half)
		}
		w.CloseWithError(err)
		sent <- err
	}()
	got := g.casey.do(http.MethodPost, h.url("app", "/upload"), body, asScript).arrival(t)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if got.Body != hex.EncodeToString(want.Sum(nil)) || got.Method != http.MethodPost {
		t.Errorf("the app got a %s with another body", got.Method)
	}
}

// stream reads an event that the app sends long before it ends its answer.
func stream(t *testing.T, h *house, g guests) {
	res := g.casey.send(http.MethodGet, h.url("app", "/stream"), nil, asScript, http.Header{"Accept": {"text/event-stream"}})
	defer res.Body.Close()
	events := bufio.NewReader(res.Body)
	if line, err := events.ReadString('\n'); line != "data: first\n" {
		t.Fatalf("%s: got %q (%v) before the answer's end", res.Status, line, err)
	}
	h.app.proceed <- struct{}{}
	if rest, err := io.ReadAll(events); string(rest) != "data: last\n" {
		t.Errorf("got %q (%v) at the answer's end", rest, err)
	}
}

func usherStopped(t *testing.T, h *house, g guests) {
	h.usher.stop(t)
	for _, as := range []http.Header{asPage, asScript} {
		if got := g.casey.get(h.url("app", "/stopped"), as); got.StatusCode != h.proxy.unanswered {
			t.Errorf("stopped: got %s, want %d", got.Status, h.proxy.unanswered)
		}
	}
	notReached(t, h, "/stopped")
	h.startUsher(t)
	g.casey.get(h.url("app", "/stopped"), asPage).arrival(t)
}

// upgrade asks for a WebSocket as a browser does, under a forged name.
func upgrade(t *testing.T, b *browser, host, path string, headers ...http.Header) (*http.Response, *bufio.ReadWriter) {
	t.Helper()
	conn, r := b.dial(host)
	target := b.h.url(host, path)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-WebSocket-Version": {"13"},
		"Sec-WebSocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Fetch-Mode": {"websocket"}, "Cookie": {b.cookies(target)},
		"Remote-User": {"robin"}, "Remote_User": {"robin"}, "remote.user": {"robin"},
	}
	for _, h := range headers {
		maps.Copy(req.Header, h)
	}
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(r, req)
	if err != nil {
		t.Fatal(err)
	}
	return res, bufio.NewReadWriter(r, bufio.NewWriter(io.Writer(conn)))
}

// toSignIn wants a redirect to the sign-in page that remembers the address asked for.
func toSignIn(t *testing.T, h *house, p page) {
	t.Helper()
	if p.StatusCode != http.StatusFound && p.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s: got %s, want a redirect to the sign-in page\n%s", p.Request.URL, p.Status, p.body)
	}
	to := p.location(t)
	if to.Host != mustParse(h.url("auth", "")).Host || to.Path != "/login" {
		t.Errorf("sent to %s, want the sign-in page", to)
	}
	if rd := to.Query().Get("rd"); rd != p.Request.URL.String() {
		t.Errorf("the sign-in page leads back to %s, want %s", rd, p.Request.URL)
	}
	if got := p.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q, want no-store", got)
	}
}

func notReached(t *testing.T, h *house, path string) {
	t.Helper()
	if n := h.app.reached(path); n != 0 {
		t.Errorf("the app was reached %d times at %s", n, path)
	}
}

func mustParse(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}
