package auth

import (
	"encoding/base64"
	"net/http"
	"strings"

	"usher/session"
)

// keyHeader carries a key where a client can set a header of its own.
const keyHeader = "X-Usher-Key"

// maxOwn bounds what a 200 gives back of a client's own Authorization, in bytes.
const maxOwn = 8 << 10

// credential is what a client that may not be a browser shows of itself.
type credential struct {
	keyed bool              // something in the form of a key came: it decides, right or wrong
	key   session.KeySecret // that one; "", which opens nothing, where it is not one and the same
	basic bool              // Basic was tried
	own   string            // the client's own Authorization, which its app may have; "" for none
	held  bool              // an Authorization came that the app must not have
}

// readCredential reads a key from Authorization, as Bearer or as the password
// of Basic, or from X-Usher-Key. It looks nowhere else. Two keys that differ,
// one at another place in Authorization, and any in a header that is doubled,
// are none: which of two a proxy or an app would take cannot be known.
func readCredential(h http.Header) credential {
	lines, named := h["Authorization"], h[keyHeader]
	var c credential
	for _, line := range lines {
		several := len(lines) > 1 || strings.Contains(line, ",") // some proxies join doubled headers
		for part := range strings.SplitSeq(line, ",") {
			key, keyed, basic := keyIn(part)
			c.basic = c.basic || basic
			switch {
			case keyed && several:
				c.see("")
			case keyed:
				c.see(key)
			}
		}
	}
	if len(lines) == 1 && !c.keyed && passable(lines[0]) {
		c.own = lines[0]
	} else {
		c.held = len(lines) > 0
	}
	switch {
	case len(named) > 1:
		c.see("")
	case len(named) == 1 && named[0] != "":
		c.see(named[0])
	}
	return c
}

// see takes note of a key, or of what can be none: "".
func (c *credential) see(key string) {
	if secret := session.KeySecret(key); !c.keyed {
		c.keyed, c.key = true, secret
	} else if c.key != secret {
		c.key = ""
	}
}

// keyIn looks for a key in one Authorization, and gives "" for one that stands
// where none may.
func keyIn(value string) (key string, keyed, basic bool) {
	scheme, rest := strings.Trim(value, " \t"), ""
	if i := strings.IndexAny(scheme, " \t"); i >= 0 {
		scheme, rest = scheme[:i], strings.TrimLeft(scheme[i:], " \t")
	}
	plain := ""
	switch {
	case strings.EqualFold(scheme, "bearer") && looksLikeKey(rest):
		return rest, true, false
	case strings.EqualFold(scheme, "basic"):
		// Lenient, for what an app might decode must not be hidden from us.
		decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(rest, "="))
		plain, basic = string(decoded), true
		if _, password, _ := strings.Cut(plain, ":"); looksLikeKey(password) && err == nil {
			return password, true, true
		}
	}
	return "", looksLikeKey(scheme) || looksLikeKey(rest) || holdsKey(value) || holdsKey(plain), basic
}

// looksLikeKey reports whether a text begins as our keys do, in any letter
// case: who turns a key into capitals has not made another credential of it.
func looksLikeKey(s string) bool {
	return len(s) >= len(session.KeyPrefix) && strings.EqualFold(s[:len(session.KeyPrefix)], session.KeyPrefix)
}

// holdsKey reports whether there is a key somewhere in a text, in quotes for
// example. An app must not see it there either.
func holdsKey(s string) bool {
	for _, rest, found := strings.Cut(lowerASCII(s), session.KeyPrefix); found; _, rest, found = strings.Cut(rest, session.KeyPrefix) {
		if end := strings.IndexFunc(rest, func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9') }); end > 32 || end < 0 && len(rest) > 32 {
			return true
		}
	}
	return false
}

// passable reports whether a value may be copied into an answer.
func passable(s string) bool {
	return len(s) <= maxOwn && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// write puts into a 200 what the proxy makes of the client's credentials: it
// replaces Authorization by the answer's, or removes it where the answer has
// none, so that the app sees its own and never a key. X-Usher-Key is never in
// an answer: proxies always remove it.
func (c credential) write(to http.Header, f *family) {
	if c.own != "" {
		to["Authorization"] = []string{c.own}
	}
	if f != &envoy {
		return
	}
	// Envoy removes no header because an answer lacks it.
	// https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/external_auth.proto#service-auth-v3-okhttpresponse
	remove := "x-usher-key"
	if c.held {
		remove = "x-usher-key,authorization"
	}
	to["X-Envoy-Auth-Headers-To-Remove"] = []string{remove}
}
