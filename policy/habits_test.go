package policy_test

import (
	"maps"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

var (
	escape       = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	escapedDot   = regexp.MustCompile(`(?i)%2e`)
	slashes      = regexp.MustCompile(`/+`)
	parameter    = regexp.MustCompile(`;[^/]*`)
	fromLineEnd  = regexp.MustCompile(`[\r\n].*`)
	tabOrLineEnd = regexp.MustCompile(`[\t\r\n]`)
	endOfSegment = regexp.MustCompile(`([^/.])[. ]+(/|$)`)
)

// habits are what servers on the way to an app, and the app itself, do to a
// path before they look at it, each on its own and in any order.
var habits = map[string]func(string) string{
	"decodes": func(p string) string {
		return escape.ReplaceAllStringFunc(p, func(e string) string {
			b, _ := url.PathUnescape(e)
			return b
		})
	},
	"resolves dots": dots,
	"resolves encoded dots too, as browsers' parsers do": func(p string) string {
		return dots(escapedDot.ReplaceAllString(p, "."))
	},
	"squeezes slashes":             func(p string) string { return slashes.ReplaceAllString(p, "/") },
	"takes backslashes":            func(p string) string { return strings.ReplaceAll(p, `\`, "/") },
	"drops parameters":             func(p string) string { return parameter.ReplaceAllString(p, "") },
	"cuts at a question mark":      func(p string) string { p, _, _ = strings.Cut(p, "?"); return p },
	"cuts at a number sign":        func(p string) string { p, _, _ = strings.Cut(p, "#"); return p },
	"cuts at NUL":                  func(p string) string { p, _, _ = strings.Cut(p, "\x00"); return p },
	"cuts at a line's end":         func(p string) string { return fromLineEnd.ReplaceAllString(p, "") },
	"drops tabs and line ends":     func(p string) string { return tabOrLineEnd.ReplaceAllString(p, "") },
	"normalises":                   norm.NFKC.String,
	"small letters":                strings.ToLower,
	"capitals, and back":           func(p string) string { return strings.ToLower(strings.ReplaceAll(strings.ToUpper(p), "ß", "SS")) },
	"drops what cannot be seen":    func(p string) string { return strings.Map(seen, p) },
	"drops broken letters":         func(p string) string { return strings.ToValidUTF8(p, "") },
	"decodes letters written long": long,
	"trims spaces":                 strings.TrimSpace,
	"drops dots and spaces at ends": func(p string) string {
		return endOfSegment.ReplaceAllString(p, "$1$2")
	},
}

func seen(r rune) rune {
	if unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

// dots follows dot segments, as RFC 3986, 5.2.4 does.
func dots(p string) string {
	var out []string
	for s := range strings.SplitSeq(p, "/") {
		switch s {
		case ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.TrimPrefix(strings.Join(out, "/"), "/")
}

// long decodes UTF-8 of two bytes where one would do.
func long(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if i+1 < len(p) && (p[i] == 0xc0 || p[i] == 0xc1) && p[i+1]&0xc0 == 0x80 {
			b.WriteByte(p[i]<<6 | p[i+1]&0x3f)
			i++
			continue
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// pieces are what paths are put together from; every one has opened a door
// somewhere.
var pieces = strings.Fields(`/ / / / // \ %2f %5c %252f .. .. . %2e %2e%2e ..%2f ..%5c ..; ; ;x=y %3b ? %3f %23 %00 %2500 %0a %09 %250a %20 x y
	admin admin %61dmin adm%69n Admin %2561dmin public public %70ublic %c0%ae%c0%ae %c0%af %c1%a1dmin %e2%80%8b %ef%bc%8e %ef%bc%8f a%cc%80 adm%c4%b1n %ff ~ : % %zz`)

// TestReadingsInAnyOrder: whatever row of servers a path goes through, who
// reaches the owner's part is the owner, and what is let through unseen stays
// where it may.
func TestReadingsInAnyOrder(t *testing.T) {
	t.Parallel()
	rules := mustRules(t, pathRules)
	random := rand.New(rand.NewPCG(1, 2))
	names := slices.Sorted(maps.Keys(habits))
	for range 20_000 {
		uri := "/"
		for range 2 + random.IntN(7) {
			uri += pieces[random.IntN(len(pieces))]
		}
		got := decide(t, rules, uri)
		if got == "refused" || got == "nobody" || got == "owner" {
			continue
		}
		for range 30 {
			at, way := uri, []string(nil)
			at, _, _ = strings.Cut(at, "?")
			for range 1 + random.IntN(5) {
				name := names[random.IntN(len(names))]
				at, way = habits[name](at), append(way, name)
			}
			folded := strings.ToLower(at)
			if folded == "/admin" || strings.HasPrefix(folded, "/admin/") || strings.HasPrefix(folded, "//admin/") {
				t.Errorf("%q takes no more than %s, and leads to %q: %q", uri, got, at, way)
				break
			}
			if got == "bypass" && at != "/public" && !strings.HasPrefix(at, "/public/") {
				t.Errorf("%q is let through, and leads to %q: %q", uri, at, way)
				break
			}
		}
	}
}
