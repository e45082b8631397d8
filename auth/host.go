package auth

import (
	"net/netip"
	"strconv"
	"strings"
)

// host is a host name or address as a browser would send it, in one spelling:
// lower case, no trailing dot, the port apart.
type host struct {
	name string // "app.example.com", "192.0.2.1" or "[2001:db8::1]"
	port string // "" where none was given
}

func (h host) String() string {
	if h.port == "" {
		return h.name
	}
	return h.name + ":" + h.port
}

// parseHost accepts what can stand between "//" and "/" in an address without
// a user name. It is the only place where host names are normalised; all that
// is compared afterwards went through here.
func parseHost(s string) (host, bool) {
	name, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		name, port = s[:i], s[i+1:]
		if !validPort(port) {
			return host{}, false
		}
	}
	if inner, ok := strings.CutPrefix(name, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return host{}, false
		}
		return host{"[" + addr.String() + "]", port}, true
	}
	name = strings.TrimSuffix(lowerASCII(name), ".")
	if len(name) == 0 || len(name) > 253 {
		return host{}, false
	}
	for rest, more := name, true; more; {
		var label string
		if label, rest, more = strings.Cut(rest, "."); !validLabel(label) {
			return host{}, false
		}
	}
	return host{name, port}, true
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '+'
}

// validLabel takes letters, digits, "-" inside and "_", which is no host name
// by the book but common in homes. Anything else is read differently by
// different parsers.
func validLabel(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if c != '-' && c != '_' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') {
			return false
		}
	}
	return true
}

// lowerASCII leaves everything but ASCII capitals alone, so that no letter of
// another alphabet becomes one of ours.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}
