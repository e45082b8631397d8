package deploy_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// key is what native clients bring; the app of their host checks it, the proxy only looks whether it is there.
var key = http.Header{"X-Api-Key": {"test-key-of-the-app"}}

// plain is a target that is one path below /api to whoever reads it.
var plain = regexp.MustCompile(`^/api(/[\w~-][\w.~-]*)+/?$`)

// nativeRefused: with a key or without, all but plain paths under /api is asked about.
func nativeRefused(t *testing.T, h *house, g guests) {
	before := h.app.total()
	for name, as := range map[string]http.Header{
		"no key":                                {},
		"an empty key":                          {"X-Api-Key": {""}},
		"a key in a header of another spelling": {"X_Api_Key": {"test-key-of-the-app"}},
		"an app's cookie":                       {"Cookie": {"X-Api-Key=test-key-of-the-app"}},
	} {
		got := g.nobody.get(h.url("native", "/api/items?X-Api-Key=1"), asScript, as)
		if got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: got %s, want 401", name, got.Status)
		}
		got = g.mallory.get(h.url("native", "/api/items"), asScript, as)
		if got.StatusCode != http.StatusForbidden {
			t.Errorf("mallory, %s: got %s, want 403", name, got.Status)
		}
	}
	toSignIn(t, h, g.nobody.get(h.url("native", "/api/items"), asPage))
	if n := h.app.total(); n != before {
		t.Errorf("the app was reached %d times without a key", n-before)
	}
	before = h.app.total()
	for _, target := range []string{
		"/", "/private", "/apis", "/api-docs", "/apix/items", "/x/api/items", "/private?/api/items", "/private#/api/items", "/?a=/api/items",
		"/api/../private", "/api/./../private", "/api/x/../../private", "/api/%2e%2e/private", "/api/%2E./private", "/api/..%2fprivate", "/api/..%2Fprivate",
		"/api%2f..%2fprivate", "/api/..%5cprivate", `/api/..\private`, `/api\..\private`, "/api/%252e%252e/private", "/api/..%252fprivate",
		"/api/..;/private", "/api/x;/../private", "/api;/../private", "/api/..%3b/private", "/api/%00/private", "/api/..%00/private",
		"//api/items", "/api//../private", "/api/x//../../private", "/private/../api/items", "/private/..%2fapi/items", "/private//../api/items",
		"/%61pi/items", "/api/private%20/..", "/api/...//private", "/api/.", "/api/..", "/api/.hidden/items",
	} {
		got := rawGet(t, g.nobody, "native", target, "X-Api-Key: test-key-of-the-app\r\nSec-Fetch-Mode: cors\r\n")
		switch at := h.app.total() - before; {
		case at == 0 && got.StatusCode >= 300 && got.StatusCode <= 499:
		case at == 1 && plain.MatchString(got.arrival(t).Target): // a proxy that tidies a path, and hands on what it has looked at
			before++
		default:
			t.Errorf("%s with a key: got %s, want it refused\n%s", target, got.Status, got.body)
			before = h.app.total()
		}
	}
	// The other apps know no keys.
	for _, host := range []string{"app", "owner"} {
		if got := g.nobody.get(h.url(host, "/api/items"), asScript, key); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s with a key: got %s, want 401", host, got.Status)
		}
	}
	// Nor does the host of the request line open another one.
	byLine := 0
	for _, hosts := range [][2]string{{"native", "app"}, {"app", "native"}, {"native", "owner"}} {
		got := rawGet(t, g.nobody, hosts[1], h.url(hosts[0], "/api/other-host"), "X-Api-Key: test-key-of-the-app\r\n")
		if hosts[0] == "native" && !h.proxy.refusesTwoHosts && got.StatusCode == http.StatusOK {
			// The line counts throughout: this is a request with a key for the app of the keys, and asks it as such.
			if host := mustParse(h.url("native", "")).Host; got.arrival(t).Host != host {
				t.Errorf("line native, header %s, with a key: the app was asked as %s, want %s", hosts[1], got.arrival(t).Host, host)
			}
			byLine++
			continue
		}
		if got.StatusCode < 400 || got.StatusCode > 499 {
			t.Errorf("line %s, header %s, with a key: got %s, want it refused", hosts[0], hosts[1], got.Status)
		}
	}
	if n := h.app.reached("/api/other-host"); n != byLine {
		t.Errorf("the app was reached %d times, and answered %d", n, byLine)
	}
}

// nativePasses: the key takes the request to the app as it is, and nobody's identity with it.
func nativePasses(t *testing.T, h *house, g guests) {
	for _, path := range []string{"/api/v3/items", "/api/v3/items/7/", "/api/v1.0/a_b~c-d", "/api/v3/items?a=1&b=%2F+%C3%BC&c=/../x", "/api/v3/items?x;y"} {
		got := g.nobody.get(h.url("native", path), asScript, key).arrival(t)
		want := path
		if h.proxy.name == "traefik" {
			// Traefik writes "&" for ";" unless its entry point says http.encodeQuerySemicolons. The path, which the rule has
			// looked at, stays.
			want = strings.ReplaceAll(path, ";", "&")
		}
		if got.Target != want || got.Header.Get("X-Api-Key") != key.Get("X-Api-Key") {
			t.Errorf("%s: the app was asked for %s with the key %q", path, got.Target, got.Header.Get("X-Api-Key"))
		}
	}
	post := g.nobody.do(http.MethodPost, h.url("native", "/api/v3/command"), strings.NewReader(`{}`), asScript, key).arrival(t)
	if post.Method != http.MethodPost {
		t.Errorf("the app got a %s", post.Method)
	}
	res, rw := upgrade(t, g.nobody, "native", "/api/socket", key)
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("WebSocket: got %s, want 101", res.Status)
	}
	fmt.Fprint(rw, "hello\n")
	rw.Flush()
	if line, err := rw.ReadString('\n'); line != "[]: hello\n" {
		t.Errorf("WebSocket: got %q (%v) back, want it of nobody", line, err)
	}
	// Without a key the app's own pages and scripts have their person.
	for _, path := range []string{"/", "/api/v3/items"} {
		if got := g.casey.get(h.url("native", path), asPage).arrival(t).all("Remote-User"); len(got) != 1 || got[0] != "casey" {
			t.Errorf("%s of casey: the app saw Remote-User %q", path, got)
		}
	}
}

// nativeForged: no identity of a client's making reaches the app beside a key.
func nativeForged(t *testing.T, h *house, g guests) {
	for _, who := range []*browser{g.nobody, g.casey} {
		for _, name := range identity {
			for spelling, forged := range forgeries(name, "owner") {
				for _, hops := range []http.Header{nil, {"Connection": {"keep-alive, " + name}}} {
					got := who.get(h.url("native", "/api/who"), asScript, key, forged, hops).arrival(t)
					for _, name := range identity {
						if values := strings.Join(got.all(name), ""); strings.Contains(values, "owner") {
							t.Errorf("forged %v (%s): the app saw %s %q", forged, spelling, name, values)
						}
					}
				}
			}
		}
	}
	// Some frameworks take the path from these two, and the proxy has looked at another.
	forged := http.Header{"X-Original-Url": {"/admin"}, "X-Rewrite-Url": {"/admin"}, "X-Forwarded-Host": {"evil.example.net"}, "X-Forwarded-Proto": {"http"}}
	got := g.nobody.get(h.url("native", "/api/who"), asScript, key, forged).arrival(t)
	for name, value := range forged {
		if values := got.all(name); slices.Contains(values, value[0]) {
			t.Errorf("the app saw %s %q", name, values)
		}
	}
}

// rawGet asks for a target as no HTTP client would write it. The address's own host decides where to connect.
func rawGet(t *testing.T, b *browser, host, target, header string) page {
	t.Helper()
	line := host
	if name, ok := strings.CutPrefix(target, "https://"); ok {
		line, _, _ = strings.Cut(name, ".")
	}
	conn, r := b.dial(line)
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n", target, mustParse(b.h.url(host, "")).Host, header)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	res.Request, err = http.NewRequest(http.MethodGet, b.h.url(host, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	return page{res, string(body)}
}
