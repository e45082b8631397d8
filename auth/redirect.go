package auth

import (
	"strings"

	"usher/policy"
)

// maxReturn bounds a return address, in bytes.
const maxReturn = 4096

// Return is an address that a browser may be sent back to: absolute, on a
// host that the session cookie reaches, rebuilt from its parsed parts. The
// zero value is none. Only [Site.parseReturn] makes one.
type Return struct{ url string }

// String is the absolute address, "" for none.
func (r Return) String() string { return r.url }

// parseReturn checks an address that a client gave. What it accepts, every
// browser reads as pointing to a host of ours; whatever two parsers could read
// differently (backslashes, control bytes, user names, percent signs in a
// host, "//" after any number of decodings) is refused rather than repaired.
func (s Site) parseReturn(raw string) (Return, bool) {
	if len(raw) == 0 || len(raw) > maxReturn || !printable(raw) {
		return Return{}, false
	}
	if raw[0] == '/' {
		if path, _ := splitPath(raw); !safePath(path) {
			return Return{}, false
		}
		return Return{s.origin() + raw}, true
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	scheme = lowerASCII(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return Return{}, false
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	h, ok := parseHost(authority)
	if !ok || strings.HasSuffix(authority, ".") || strings.Contains(authority, ".:") || !s.reaches(h.name) {
		return Return{}, false
	}
	return Return{absolute(scheme, h, tail)}, true
}

// absolute writes an address from its parts, without a port that the scheme
// implies.
func absolute(scheme string, h host, tail string) string {
	if scheme == "http" && h.port == "80" || scheme == "https" && h.port == "443" {
		h.port = ""
	}
	if !strings.HasPrefix(tail, "/") {
		tail = "/" + tail
	}
	return scheme + "://" + h.String() + tail
}

// printable reports whether a text has only the ASCII characters that may
// stand in an address.
func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\\\"<>^`{|}", c) >= 0 {
			return false
		}
	}
	return true
}

// splitPath parts a path from its query and fragment.
func splitPath(raw string) (path, tail string) {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		return raw[:i], raw[i:]
	}
	return raw, ""
}

// safePath reports whether a path begins with one slash and stays on its host
// however often something on the way decodes it.
func safePath(path string) bool {
	if !strings.HasPrefix(path, "/") {
		return false
	}
	for range 5 { // as it stands, and after each of four decodings
		squeezed := strings.ReplaceAll(path, " ", "")
		if strings.Contains(squeezed, "//") || strings.Contains(path, `\`) || strings.IndexFunc(path, isControl) >= 0 {
			return false
		}
		path = policy.Unescape(path)
	}
	return true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
