package auth

import (
	"strings"
	"testing"
)

func TestParseHost(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"APP.Example.COM":     "app.example.com",
		"app.example.com.":    "app.example.com",
		"app.example.com:443": "app.example.com:443",
		"my_app.example.com":  "my_app.example.com",
		"localhost":           "localhost",
		"192.0.2.7:8080":      "192.0.2.7:8080",
		"[2001:DB8::1]":       "[2001:db8::1]",
		"[::1]:8080":          "[::1]:8080",

		"": "", ".": "", "..": "", "a..b": "", ":443": "", "app:": "", "app:0": "", "app:65536": "", "app:x": "", "app:1:2": "",
		"app.example.com, evil.example": "", "app.example.com evil": "", "user@app.example.com": "", "app.example.com/x": "",
		"app.example.com#x": "", "app.example.com?x": "", "app\\evil": "", "ａpp.example.com": "", "bücher.example.com": "",
		"app%2eexample.com": "", "app\x00.example.com": "", "[::1": "", "::1": "", "[fe80::1%25eth0]": "", "[1.2.3.4]": "", "[app]": "",
		strings.Repeat("a", 64) + ".example.com":   "",
		strings.Repeat("a.", 127) + "example.com":  "",
		"app.exam\u212ale.com":                     "",
		"app.example.com.evil.com:443@example.com": "",
	} {
		h, ok := parseHost(in)
		if ok != (want != "") || h.String() != want {
			t.Errorf("%.60q: got %q, %v, want %q", in, h, ok, want)
		}
	}
}

func TestSitesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, in := range map[string][2]string{
		"no scheme":                       {"auth.example.com", ""},
		"another scheme":                  {"ftp://auth.example.com", ""},
		"no host":                         {"https:///login", ""},
		"query":                           {"https://auth.example.com/?a=b", ""},
		"fragment":                        {"https://auth.example.com/#a", ""},
		"user name":                       {"https://me@auth.example.com", ""},
		"host that is a public suffix":    {"https://co.uk", ""},
		"parent that is a public suffix":  {"https://example.com", ""},
		"parent of two labels":            {"https://example.co.uk", ""},
		"parent shared by strangers":      {"https://usher.duckdns.org", ""},
		"cookie for a public suffix":      {"https://auth.example.com", "com"},
		"cookie for a private suffix":     {"https://auth.home.duckdns.org", "duckdns.org"},
		"cookie for somebody else":        {"https://auth.example.com", "example.org"},
		"cookie for a part of a label":    {"https://auth.example.com", "ple.com"},
		"cookie for an address":           {"https://auth.example.com", "192.0.2.1"},
		"cookie domain with a port":       {"https://auth.example.com", "example.com:443"},
		"domain for an address":           {"https://192.0.2.1", "2.1"},
		"domain for a single label":       {"http://nas:4181", "nas"},
		"path where proxies ask":          {"https://example.com/auth", ""},
		"path of the health check":        {"https://example.com/healthz", ""},
		"path where commands ask":         {"https://example.com" + ControlPath, ""},
		"path with two readings":          {"https://example.com/a%2fb", ""},
		"path that climbs to a host":      {"https://example.com//evil.com", ""},
		"path that is a route's wildcard": {"https://example.com/{x}", ""},
	} {
		if s, err := NewSite(in[0], in[1]); err == nil {
			t.Errorf("%s: %v accepted as %+v", name, in, s)
		}
	}
	a, b := mustSite(t, "https://auth.example.com", ""), mustSite(t, "https://login.example.com", "")
	if CheckSites([]Site{a, b}) == nil {
		t.Error("two addresses with one cookie domain are accepted")
	}
}

func TestSites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ address, domain, base, scope string }{
		{"https://auth.example.com", "", "https://auth.example.com", "example.com"},
		{"https://Auth.Example.com:8443/", "", "https://auth.example.com:8443", "example.com"},
		{"https://auth.home.example.co.uk", "example.co.uk", "https://auth.home.example.co.uk", "example.co.uk"},
		{"https://example.com/_usher", "", "https://example.com/_usher", "example.com"},
		{"https://example.com", "example.com", "https://example.com", "example.com"},
		{"https://home.duckdns.org/_usher/", "", "https://home.duckdns.org/_usher", "home.duckdns.org"},
		{"http://auth.usher.localhost:8080", "", "http://auth.usher.localhost:8080", "usher.localhost"},
		{"http://192.0.2.1:4181", "", "http://192.0.2.1:4181", ""},
		{"http://nas:4181", "", "http://nas:4181", ""},
	} {
		s, err := NewSite(c.address, c.domain)
		if err != nil || s.base() != c.base || s.scope().Domain != c.scope {
			t.Errorf("%s with %q: %s, %q, %v", c.address, c.domain, s.base(), s.scope().Domain, err)
		}
	}
}
