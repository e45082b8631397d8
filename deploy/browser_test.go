package deploy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// browser keeps cookies and goes where it is sent, and sends the headers by which a page load is known.
type browser struct {
	t      *testing.T
	h      *house
	jar    http.CookieJar
	client *http.Client

	transport *http.Transport // HTTP/1.1, which leaves header names as they are spelled
}

// page is an answer, read whole.
type page struct {
	*http.Response
	body string
}

func (h *house) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return h.browserWith(t, jar)
}

// browserWith opens another window: the same cookies, in a test of its own.
func (h *house) browserWith(t *testing.T, jar http.CookieJar) *browser {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: h.ca.roots},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(addr); strings.HasSuffix(host, ".usher.test") {
				addr = h.front
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, h: h, jar: jar, transport: transport, client: &http.Client{
		Jar: jar, Transport: transport, Timeout: deadline,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// asPage is what a browser sends when a person follows a link; asScript what fetch() sends.
var (
	asPage   = http.Header{"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
	asScript = http.Header{"Accept": {"application/json"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}}
)

// do sends one request and follows nothing. Header names go out exactly as they are spelled in the headers,
// later ones replacing earlier ones of the same spelling.
func (b *browser) do(method, target string, body io.Reader, headers ...http.Header) page {
	b.t.Helper()
	res := b.send(method, target, body, headers...)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{res, string(text)}
}

// send is do without reading the answer's body, which is the caller's to close.
func (b *browser) send(method, target string, body io.Reader, headers ...http.Header) *http.Response {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, target, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, h := range headers {
		for k, v := range h {
			req.Header[k] = v
		}
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	return res
}

func (b *browser) get(target string, headers ...http.Header) page {
	b.t.Helper()
	return b.do(http.MethodGet, target, nil, headers...)
}

// open loads a page and follows where it leads.
func (b *browser) open(target string) page {
	b.t.Helper()
	for range 10 {
		p := b.get(target, asPage)
		if p.StatusCode < 300 || p.StatusCode > 399 {
			return p
		}
		target = p.location(b.t).String()
	}
	b.t.Fatalf("redirected ten times, at last to %s", target)
	panic("unreachable")
}

// submit sends a page's form whose action ends in the given path, as a person who fills in "name=value"s and presses
// its button.
func (b *browser) submit(p page, path string, filled ...string) page {
	b.t.Helper()
	action, fields := form(b.t, p, path)
	for _, field := range filled {
		name, value, _ := strings.Cut(field, "=")
		fields.Set(name, value)
	}
	origin := action.Scheme + "://" + action.Host
	return b.do(http.MethodPost, action.String(), strings.NewReader(fields.Encode()), asPage, http.Header{
		"Content-Type":   {"application/x-www-form-urlencoded"},
		"Origin":         {origin},
		"Sec-Fetch-Site": {"same-origin"},
	})
}

// signIn presses the button on a sign-in page, becomes that person at Plex, and goes where that leads.
func (b *browser) signIn(p page, person string) page {
	b.t.Helper()
	if p.StatusCode != http.StatusOK {
		b.t.Fatalf("no sign-in page at %s: %s\n%s", p.Request.URL, p.Status, p.body)
	}
	sent := b.submit(p, "/login")
	if sent.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("POST /login: %s, want 303\n%s", sent.Status, sent.body)
	}
	back, err := b.h.plex.SignIn(sent.Header.Get("Location"), person)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.open(back)
}

// signedIn is a browser of a person who has signed in before; refused people have done so too.
func (h *house) signedIn(t *testing.T, person string) *browser {
	t.Helper()
	b := h.browser(t)
	b.signIn(b.open(h.url("auth", "/login")), person)
	return b
}

// dial opens a connection to the proxy for a request that no HTTP client would send.
func (b *browser) dial(host string) (net.Conn, *bufio.Reader) {
	b.t.Helper()
	conn, err := tls.Dial("tcp", b.h.front, &tls.Config{RootCAs: b.h.ca.roots, ServerName: host + ".usher.test"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	return conn, bufio.NewReader(conn)
}

// cookies are those that the browser would send to an address, as a header's value.
func (b *browser) cookies(target string) string {
	b.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		b.t.Fatal(err)
	}
	var pairs []string
	for _, c := range b.jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

func (p page) location(t *testing.T) *url.URL {
	t.Helper()
	u, err := p.Location()
	if err != nil {
		t.Fatalf("%s: %s without a Location: %v\n%s", p.Request.URL, p.Status, err, p.body)
	}
	return u
}

// arrival is what the app saw, where the answer is the app's.
func (p page) arrival(t *testing.T) arrival {
	t.Helper()
	var a arrival
	if err := json.Unmarshal([]byte(p.body), &a); p.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%s: not the app's answer: %s\n%s", p.Request.URL, p.Status, p.body)
	}
	return a
}

// form finds a form by the end of its action, with the values that a browser would send of it.
func form(t *testing.T, p page, path string) (*url.URL, url.Values) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" || !strings.EqualFold(attr(n, "method"), "post") {
			continue
		}
		action, err := p.Request.URL.Parse(attr(n, "action"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(action.Path, path) {
			continue
		}
		fields := make(url.Values)
		for i := range n.Descendants() {
			if i.Type != html.ElementNode || i.Data != "input" || attr(i, "name") == "" {
				continue
			}
			if kind := attr(i, "type"); kind == "hidden" || kind == "checkbox" && has(i, "checked") {
				value := attr(i, "value")
				if kind == "checkbox" && !has(i, "value") {
					value = "on"
				}
				fields.Add(attr(i, "name"), value)
			}
		}
		return action, fields
	}
	t.Fatalf("%s has no form that posts to %s:\n%s", p.Request.URL, path, p.body)
	return nil, nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
