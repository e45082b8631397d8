package auth

import (
	"bufio"
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"
)

// ReturnCase is a line of testdata/redirects.jsonl: whether a sign-in at
// https://auth.example.com, with the cookie domain example.com, may go back
// to payload.
type ReturnCase struct {
	Payload string `json:"payload"`
	Allowed bool   `json:"allowed"`
	Why     string `json:"why"`
}

// ReturnCases are all of them, for the tests outside of the package as well.
func ReturnCases(tb testing.TB) []ReturnCase {
	tb.Helper()
	f, err := os.Open("testdata/redirects.jsonl")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var cases []ReturnCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c ReturnCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			tb.Fatalf("line %d: %v", len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil || len(cases) < 100 {
		tb.Fatalf("%d cases, %v", len(cases), err)
	}
	return cases
}

func mustSite(tb testing.TB, address, domain string) Site {
	tb.Helper()
	s, err := NewSite(address, domain)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestReturnAddresses(t *testing.T) {
	t.Parallel()
	site := mustSite(t, "https://auth.example.com", "")
	for _, c := range ReturnCases(t) {
		back, ok := site.parseReturn(c.Payload)
		if ok != c.Allowed {
			t.Errorf("%.80q: accepted %v, want %v: %s", c.Payload, ok, c.Allowed, c.Why)
		}
		if ok {
			checkReturn(t, site, c.Payload, back)
		}
	}
}

// More of the same kind, for rules that the cases above do not pin down.
func TestReturnAddressesBesides(t *testing.T) {
	t.Parallel()
	site := mustSite(t, "https://auth.example.com", "")
	for raw, want := range map[string]string{
		"":                                        "",
		"https://app.example.com.:443/":           "",
		"https://-app.example.com/":               "",
		"https://app-.example.com/":               "",
		"https://app..example.com/":               "",
		"https://.example.com/":                   "",
		"https://app.example.com:/":               "",
		"https://app.example.com:65536/":          "",
		"https://app.example.com:+80/":            "",
		"https://app.example.com:080/":            "https://app.example.com:080/",
		"https://app.example.com@/":               "",
		"https://%61pp.example.com/":              "",
		"/%25252fevil.com":                        "",
		"/%2525252fevil.com":                      "",
		"/a/%5c../b":                              "",
		"/a%0ab":                                  "",
		"/%7fx":                                   "",
		"/%2f":                                    "",
		"/a%2f%2fb":                               "",
		"/%%32%66evil.com":                        "",
		"/x?u=//evil.com\\":                       "",
		"/x?next=//evil.com&a=%2F":                "https://auth.example.com/x?next=//evil.com&a=%2F",
		"/x#//evil.com":                           "https://auth.example.com/x#//evil.com",
		"http://app.example.com:443/":             "http://app.example.com:443/",
		"https://app.example.com:443?x":           "https://app.example.com/?x",
		"HTTP://APP.EXAMPLE.COM:80":               "http://app.example.com/",
		"https://app.example.com/%2F/..":          "https://app.example.com/%2F/..",
		"https://app.example.com/" + longer(4096): "",
	} {
		back, ok := site.parseReturn(raw)
		if ok != (want != "") || back.String() != want {
			t.Errorf("%.80q: got %q, %v, want %q", raw, back, ok, want)
		}
	}
}

func longer(n int) string { return strings.Repeat("a", n) }

func TestReturnWithHostOnlyCookie(t *testing.T) {
	t.Parallel()
	for address, site := range map[string]Site{
		"name":    overlay("https", host{name: "app.example.com"}),
		"address": overlay("http", host{name: "192.0.2.7", port: "8080"}),
		"IPv6":    overlay("http", host{name: "[2001:db8::1]"}),
	} {
		own := site.origin() + "/x"
		if back, ok := site.parseReturn(own); !ok || back.String() != own {
			t.Errorf("%s: own host refused: %q, %v", address, back, ok)
		}
		for _, raw := range []string{"https://example.com/", "https://other.example.com/", "https://sub." + site.host.name + "/", "http://192.0.2.8/", "http://[2001:db8::2]/"} {
			if back, ok := site.parseReturn(raw); ok {
				t.Errorf("%s: %q accepted as %q", address, raw, back)
			}
		}
	}
}

// FuzzReturn: what is accepted, a browser reads as a host of ours, and what is
// emitted is accepted again as it stands.
func FuzzReturn(f *testing.F) {
	for _, c := range ReturnCases(f) {
		f.Add(c.Payload)
	}
	site := mustSite(f, "https://auth.example.com", "")
	f.Fuzz(func(t *testing.T, raw string) {
		if back, ok := site.parseReturn(raw); ok {
			checkReturn(t, site, raw, back)
		}
	})
}

func checkReturn(t *testing.T, site Site, raw string, back Return) {
	t.Helper()
	for _, text := range []string{raw, back.String()} {
		if h := asBrowser(site, text); !within(h, "example.com") {
			t.Errorf("%.80q: a browser reads %.80q as host %q", raw, text, h)
		}
	}
	u, err := url.Parse(back.String())
	if err != nil || !u.IsAbs() || u.User != nil || !within(u.Hostname(), "example.com") {
		t.Errorf("%.80q: emitted as %.80q, parsed as %v, %v", raw, back, u, err)
	}
	if again, ok := site.parseReturn(back.String()); len(back.String()) <= maxReturn && (!ok || again != back) {
		t.Errorf("%.80q: emitted %.80q is not accepted again: %q, %v", raw, back, again, ok)
	}
}

// asBrowser is the host that the WHATWG URL standard reads in an address given
// on site, as far as attacks need it: it drops tabs and line ends, trims
// controls and spaces, takes \ for /, and collapses slashes after a scheme.
func asBrowser(site Site, raw string) string {
	raw = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(raw)
	raw = strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	scheme, rest, absolute := strings.Cut(raw, ":")
	if !absolute || strings.ContainsAny(scheme, "/?#\\.") {
		rest, absolute = raw, false
	} else if s := strings.ToLower(scheme); s != "http" && s != "https" {
		return "scheme " + s
	}
	slashed := rest
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		slashed = rest[:i]
	}
	slashed = strings.ReplaceAll(slashed, "\\", "/")
	if !absolute && !strings.HasPrefix(slashed, "//") {
		return site.host.name
	}
	authority, _, _ := strings.Cut(strings.TrimLeft(slashed, "/"), "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	name, _, _ := strings.Cut(authority, ":")
	if decoded, err := url.PathUnescape(name); err == nil {
		name = decoded
	}
	return strings.ToLower(name)
}
