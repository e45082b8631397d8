package policy

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxPath   = 8 << 10 // bytes of a plain path; proxies take 8 to 64 kB for all headers together
	maxOdd    = 2 << 10 // bytes of one that is not plain: all its readings cost a millisecond
	maxRounds = 4       // of percent-decoding, after the first

	maxReadings = 64 // of one path; no client has a reason to send one that has as many
)

// Path is the path of a request. Most are plain: everybody reads them in one
// way. What else a path may mean to a proxy, or to the app behind it, is found
// out where a rule asks. The zero Path is one that no bypass lets through.
type Path struct {
	raw   string
	plain bool // raw is decoded, and means the same to everybody
}

// reading is one way to read a path.
type reading struct {
	text   string // as it is
	folded string // as systems see it that know no letter case
}

var (
	errNoPath  = errors.New("has no path")
	errBadPath = errors.New("has a path that cannot be read")
)

// ParsePath reads what a client wrote as path and query. The query never
// counts. A path with a byte that none can have, a broken escape, or an escape
// within an escape within an escape … is an error: nobody can know where it
// would lead.
func ParsePath(uri string) (Path, error) {
	raw, _, _ := strings.Cut(uri, "?")
	if raw == "" || raw[0] != '/' {
		return Path{}, errNoPath
	}
	if len(raw) > maxPath || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }) {
		return Path{}, errBadPath
	}
	if isPlainASCII(raw) {
		return Path{raw, true}, nil
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		return Path{}, errBadPath
	}
	if isPlain(raw, decoded) {
		return Path{decoded, true}, nil
	}
	if len(raw) > maxOdd {
		return Path{}, errBadPath
	}
	for range maxRounds {
		if isBroken(decoded) {
			return Path{}, errBadPath
		}
		decoded = Unescape(decoded)
	}
	if decoded != Unescape(decoded) || isBroken(decoded) {
		return Path{}, errBadPath
	}
	return Path{raw, false}, nil
}

// isBroken reports whether a path has a control byte, which ends a path for
// some and is nothing for others, or writes a sign in more bytes than it takes,
// which some decode and others refuse.
func isBroken(path string) bool {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c < ' ' || c == 0x7f:
			return true
		case c < 0xc0 || i+1 == len(path) || path[i+1]&0xc0 != 0x80:
		case c <= 0xc1, c == 0xe0 && path[i+1] < 0xa0, c == 0xf0 && path[i+1] < 0x90:
			return true
		}
	}
	return false
}

// isPlainASCII reports whether a path is plain at first sight.
func isPlainASCII(path string) bool {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_~!$&'()*+,=:@", c) >= 0:
		case c == '.':
			if i+1 == len(path) || path[i+1] == '/' {
				return false // "." and ".."; and Windows drops dots at an end
			}
		case c == '/':
			if i+1 < len(path) && path[i+1] == '/' {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// signs may be escaped in a plain path: names of files have them, and decoded
// or not they lead nowhere else.
const signs = " !\"#$&'()*+,:<=>?@[]^`{|}"

// isPlain reports whether an escaped path means one thing to everybody: what is
// escaped is a sign inside a name or a character beyond ASCII, which no careless
// normalisation turns into one that steers, and the rest is plain.
func isPlain(raw, decoded string) bool {
	bare := make([]byte, 0, len(raw)) // an "_" for each escape
	for i, at := 0, 0; i < len(raw); i, at = i+1, at+1 {
		c := raw[i]
		if c == '%' {
			if b := decoded[at]; b < utf8.RuneSelf && strings.IndexByte(signs, b) < 0 {
				return false
			}
			c, i = '_', i+2
		}
		bare = append(bare, c)
	}
	return isPlainASCII(string(bare)) && utf8.ValidString(decoded) && !strings.Contains(decoded, " /") && !strings.HasSuffix(decoded, " ") &&
		!strings.ContainsFunc(decoded, func(r rune) bool {
			return r >= utf8.RuneSelf && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsFunc(norm.NFKC.String(string(r)), isASCIISign))
		})
}

func isASCIISign(r rune) bool {
	return r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

// readings lists every way to read a path, nil where there are too many. A
// row of servers, each with habits of its own, may stand between a client and
// an app, so it is what comes of the habits one after another, in any order.
// That is more than any one row does. It costs a path that is not plain a
// stricter answer: who asks must be let in by every reading.
func (p Path) readings() []reading {
	if p.plain {
		return []reading{{p.raw, fold(p.raw)}}
	}
	all := []reading{{p.raw, fold(p.raw)}}
	for i := 0; i < len(all); i++ {
		for _, habit := range habits {
			text := habit(all[i].text)
			if text == all[i].text || slices.ContainsFunc(all, func(r reading) bool { return r.text == text }) {
				continue
			}
			if len(all) == maxReadings || len(text) > 2*maxOdd { // one letter may stand for eighteen
				return nil
			}
			all = append(all, reading{text, fold(text)})
		}
	}
	return all
}

// habits are what servers do to a path before they look at it.
var habits = [...]func(string) string{
	Unescape,
	unescapeUnreserved,
	func(s string) string { return strings.ReplaceAll(s, `\`, "/") },
	withoutParameters,
	squeeze,
	resolve,
	func(s string) string { s, _, _ = strings.Cut(s, "?"); return s },
	func(s string) string { s, _, _ = strings.Cut(s, "#"); return s },
	func(s string) string { return strings.ToValidUTF8(s, "") },
	norm.NFKC.String,
	withoutInvisible,
}

// Unescape decodes the percent signs that stand before two hex digits, once, and
// leaves the others, as lenient decoders do.
func Unescape(s string) string { return unescapeIf(s, func(byte) bool { return true }) }

// unescapeUnreserved decodes what need not have been escaped, and no slash: RFC
// 3986, 6.2.2.2, and what browsers' parsers do to dots.
func unescapeUnreserved(s string) string {
	return unescapeIf(s, func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
	})
}

func unescapeIf(s string, decodes func(byte) bool) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if b, err := url.PathUnescape(s[i : i+3]); err == nil && decodes(b[0]) {
				out.WriteString(b)
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// withoutParameters cuts each segment at its ";", as Java's servers do.
func withoutParameters(path string) string {
	if !strings.Contains(path, ";") {
		return path
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

// withoutInvisible leaves out what is there and cannot be seen.
func withoutInvisible(path string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, path)
}

// squeeze takes "//" for "/".
func squeeze(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// resolve follows dot segments.
func resolve(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	var out []string
	segments := strings.Split(path, "/")[1:]
	for i, s := range segments {
		switch s {
		case ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, s)
			continue
		}
		if i == len(segments)-1 {
			out = append(out, "") // "/a/.." is a folder
		}
	}
	return "/" + strings.Join(out, "/")
}

// fold is a path as the most careless system reads it: no letter case in any
// language, no look-alikes, nothing invisible, no dots and spaces where a
// segment ends, no spaces where it begins, nothing from a "?" or "#" on that was
// escaped.
func fold(path string) string {
	if isFolded(path) {
		return path
	}
	path, _, _ = strings.Cut(path, "?")
	path, _, _ = strings.Cut(path, "#")
	path = strings.Map(func(r rune) rune {
		switch {
		case r == 'ı' || r == 'İ':
			return 'i'
		case r == 'ſ':
			return 's'
		}
		return unicode.ToLower(r)
	}, withoutInvisible(norm.NFKC.String(path)))
	segments := strings.Split(strings.ReplaceAll(path, "ß", "ss"), "/") // capitals make "SS" of it
	for i, s := range segments {
		segments[i] = strings.TrimLeftFunc(strings.TrimRightFunc(s, func(r rune) bool { return r == '.' || unicode.IsSpace(r) }), unicode.IsSpace)
	}
	return strings.Join(segments, "/")
}

// isFolded reports whether fold has nothing to do, for plain ASCII.
func isFolded(path string) bool {
	for i := 0; i < len(path); i++ {
		if c := path[i]; c <= ' ' || c > '~' || c >= 'A' && c <= 'Z' || c == '?' || c == '#' || c == '.' && (i+1 == len(path) || path[i+1] == '/') {
			return false
		}
	}
	return true
}

// isUnder reports whether a reading is a rule's path or, by whole segments, under
// it.
func isUnder(path, rule string) bool {
	return strings.HasPrefix(path, rule) && (len(path) == len(rule) || path[len(rule)] == '/')
}
