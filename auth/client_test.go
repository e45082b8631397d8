package auth_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"usher/auth"
)

// Only proxies are answered: an address that is none learns nothing.
func TestUntrustedPeers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	notSetUp := newWorld(t, func(s *setup) { s.notSetUp = true })
	casey := w.signedIn("casey")
	for _, at := range []string{strange, "11.0.0.1:1", "9.255.255.255:1", "127.0.0.1:1", "[::1]:1", "[2001:db8::a00:1]:1", "[::10.0.0.2]:1", "[64:ff9b::a00:2]:1", "10.0.0.2", "10.0.0.2:", "10.0.0.02:1", "", "@", "localhost:1", "/run/usher.sock"} {
		for _, family := range families {
			for name, b := range map[string]*browser{"nobody": w.browser(), "casey": casey, "not set up": notSetUp.browser()} {
				r := b.checkRequest(family, page, http.Header{"X-Forwarded-For": {"10.0.0.2"}, "X-Real-Ip": {"10.0.0.2"}})
				r.RemoteAddr = at
				res := b.ask(r)
				if res.StatusCode != http.StatusForbidden || res.Header.Get("Location") != "" {
					t.Errorf("%s from %q, %s: %s", family, at, name, res.Status)
				}
				holds(t, w, res)
			}
		}
	}
	for _, at := range []string{"10.255.255.255:1", "[::ffff:10.0.0.2]:1"} {
		r := casey.checkRequest("traefik", page, nil)
		r.RemoteAddr = at
		if res := casey.ask(r); res.StatusCode != http.StatusOK {
			t.Errorf("from %s: %s", at, res.Status)
		}
	}
}

// Everything that is left of the last proxy's word, the client wrote.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.Proxies = auth.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	})
	mallory := w.signedIn("mallory")
	for name, c := range map[string]struct {
		lines []string
		want  string // "" for unknown
	}{
		"no number":                     {[]string{"a"}, ""},
		"no number beside the proxy":    {[]string{"a, 10.0.0.3"}, ""},
		"empty":                         {[]string{""}, ""},
		"a comma alone":                 {[]string{","}, ""},
		"empty at the end":              {[]string{"203.0.113.7,"}, ""},
		"empty last line":               {[]string{"203.0.113.7", ""}, ""},
		"unknown, as RFC 7239 says":     {[]string{"unknown"}, ""},
		"an address in quotes":          {[]string{`"203.0.113.7"`}, ""},
		"a network":                     {[]string{"203.0.113.0/24"}, ""},
		"leading zeros":                 {[]string{"203.0.113.007"}, ""},
		"three parts":                   {[]string{"203.0.113"}, ""},
		"one number":                    {[]string{"3405803783"}, ""},
		"hexadecimal":                   {[]string{"0xcb.0.113.7"}, ""},
		"a name":                        {[]string{"localhost"}, ""},
		"brackets round IPv4":           {[]string{"[203.0.113.7]"}, ""},
		"half a bracket":                {[]string{"[2001:db8::7"}, ""},
		"brackets inside out":           {[]string{"]2001:db8::7["}, ""},
		"a port that is none":           {[]string{"203.0.113.7:x"}, ""},
		"a forged proxy in front":       {[]string{"127.0.0.1, 203.0.113.7"}, "203.0.113.7"},
		"a forged client in front":      {[]string{"192.0.2.1, 203.0.113.7, 10.0.0.3"}, "203.0.113.7"},
		"a forged line in front":        {[]string{"192.0.2.1", "203.0.113.7"}, "203.0.113.7"},
		"a forged proxy in a line":      {[]string{"192.0.2.1, 10.0.0.4", "203.0.113.7, 10.0.0.3"}, "203.0.113.7"},
		"rubbish in front":              {[]string{"rubbish, 203.0.113.7"}, "203.0.113.7"},
		"rubbish in a line in front":    {[]string{"rubbish", "203.0.113.7, 10.0.0.3"}, "203.0.113.7"},
		"loopback is a trusted network": {[]string{"1.2.3.4, 127.0.0.1"}, "1.2.3.4"},
		"IPv4 in IPv6 is a proxy":       {[]string{"203.0.113.7, ::ffff:10.0.0.1"}, "203.0.113.7"},
		"IPv4 in IPv6 is a client":      {[]string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		"IPv6":                          {[]string{"2001:db8::7"}, "2001:db8::7"},
		"IPv6 in brackets":              {[]string{"[2001:db8::7]"}, "2001:db8::7"},
		"IPv6 and a port":               {[]string{"[2001:db8::7]:4444"}, "2001:db8::7"},
		"IPv6 proxy":                    {[]string{"2001:db8::7, fd00::3"}, "2001:db8::7"},
		"IPv6 with a zone":              {[]string{"fe80::7%eth0"}, "fe80::7"},
		"IPv4 and a port":               {[]string{"203.0.113.7:4444"}, "203.0.113.7"},
		"white space":                   {[]string{" \t203.0.113.7 ,\t10.0.0.3 "}, "203.0.113.7"},
		"none but proxies":              {[]string{"10.0.0.9, 10.0.0.3"}, "10.0.0.9"},
		"none":                          {nil, "10.0.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.log.String())
			mallory.check("traefik", page, http.Header{"X-Forwarded-For": c.lines})
			log := w.log.String()[before:]
			_, got, ok := strings.Cut(log, " ip=")
			got, _, _ = strings.Cut(got, " ")
			if got = strings.Trim(got, `"`); !ok || got != c.want {
				t.Errorf("%q is %q, want %q\n%s", c.lines, got, c.want, log)
			}
		})
	}
}
