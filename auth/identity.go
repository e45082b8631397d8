package auth

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"usher/plex"
	"usher/policy"
)

// DefaultHeaders are the identity headers where USHER_HEADERS is not set.
const DefaultHeaders = "Remote-User={username},Remote-Name={name},Remote-Email={email},Remote-Groups={groups},Remote-Id={id}"

// Headers are the identity headers that every 200 carries, empty where
// unknown, so that a client's own copy can never survive.
type Headers []headerField

type headerField struct{ name, field string }

var fields = []string{"id", "uuid", "username", "email", "name", "thumb", "groups", "tier"}

// reserved are headers, and beginnings of headers, that steer a proxy, a
// browser or an app; an identity must not be written there.
var reserved = []string{"Authorization", "Cache-Control", "Connection", "Cookie", "Date", "Expect", "Forwarded", "Host", "Keep-Alive", "Location",
	"Origin", "Referer", "Refresh", "Retry-After", "Set-Cookie", "Status", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Vary", "Via", "Www-Authenticate",
	"X-Http-Method", "X-Method-Override", "X-Real-Ip", "X-Sendfile",
	"Accept-", "Access-Control-", "Content-", "Proxy-", "Sec-", "X-Accel-", "X-Forwarded-", "X-Http-Method-", "X-Original-", "X-Rewrite-"}

// asUser are the names beginning with X-Forwarded- that carry people, as other
// sign-ins in front of apps write them.
var asUser = []string{"X-Forwarded-User", "X-Forwarded-Preferred-Username", "X-Forwarded-Email", "X-Forwarded-Groups"}

func isReserved(name string) bool {
	return !slices.Contains(asUser, name) && slices.ContainsFunc(reserved, func(r string) bool {
		return name == r || strings.HasSuffix(r, "-") && strings.HasPrefix(name, r)
	})
}

// ParseHeaders reads a comma list of Name={field}.
func ParseHeaders(text string) (Headers, error) {
	var headers Headers
	for item := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		field := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(value), "{"), "}")
		switch {
		case name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "":
			return nil, fmt.Errorf("%q: a header's name has letters, digits and - only", item)
		case isReserved(name):
			return nil, fmt.Errorf("%q: %s is no place for an identity", item, name)
		case !slices.Contains(fields, field) || strings.TrimSpace(value) != "{"+field+"}":
			return nil, fmt.Errorf("%q: write Name={field} with one of %s", item, strings.Join(fields, ", "))
		case slices.ContainsFunc(headers, func(h headerField) bool { return h.name == name }):
			return nil, fmt.Errorf("%q: %s is there twice", item, name)
		}
		headers = append(headers, headerField{name, field})
	}
	return headers, nil
}

// Names lists the headers in their order.
func (hs Headers) Names() []string {
	names := make([]string, len(hs))
	for i, h := range hs {
		names[i] = h.name
	}
	return names
}

// write sets every header, empty for a nil identity.
func (hs Headers) write(to http.Header, id *identity) {
	values := make([]string, len(hs)) // one array for all, instead of one a header
	for i, h := range hs {
		if id != nil {
			values[i] = id.value(h.field)
		}
		to[h.name] = values[i : i+1 : i+1]
	}
}

// identity is who an app is told the person is: every text fit for a header.
type identity struct {
	id, uuid, username, email, name, thumb, groups, tier string
}

func (id *identity) value(field string) string {
	switch field {
	case "id":
		return id.id
	case "uuid":
		return id.uuid
	case "username":
		return id.username
	case "email":
		return id.email
	case "name":
		return id.name
	case "thumb":
		return id.thumb
	case "groups":
		return id.groups
	case "tier":
		return id.tier
	}
	return ""
}

// newIdentity describes a person from plex.tv's answer about them.
func newIdentity(a *plex.Answer) *identity {
	tier := tierOf(a)
	id := strconv.FormatInt(a.Account.ID, 10)
	return &identity{
		id: id, uuid: clean(a.Account.UUID), username: username(a.Account.Username, id), email: address(a.Account.Email),
		name: clean(a.Account.Name()), thumb: clean(a.Account.Thumb), groups: groups(tier, a.Libraries), tier: tier.String(),
	}
}

// groups are the tiers that apply, then the libraries. "anyone" is no group: it
// says nothing. A title that cannot stand in the list whole is left out.
func groups(t policy.Tier, libraries []string) string {
	tiers := [...]string{"", "friend", "shared,friend", "home,shared,friend", "owner,home,shared,friend"}[t]
	if len(libraries) == 0 {
		return tiers
	}
	const prefix = "library:"
	list := append(make([]byte, 0, 256), tiers...)
	for _, title := range libraries {
		name := clean(policy.LibraryName(title))
		if name == "" || len(title) > maxHeader || len(list)+1+len(prefix)+len(name) > maxGroups {
			continue
		}
		if len(list) > 0 {
			list = append(list, ',')
		}
		list = append(append(list, prefix...), name...)
	}
	return string(list)
}

// username is what apps key their accounts on. A name that could not be passed
// on unchanged, and one that poses as somebody's fallback, is replaced by the
// fallback of its own person: no person is ever told to be another.
func username(name, id string) string {
	fallback := "plex-" + id
	digits, posing := strings.CutPrefix(lowerASCII(name), "plex-")
	posing = posing && strings.Trim(digits, "0123456789") == ""
	if name == "" || clean(name) != name || posing {
		return fallback
	}
	return name
}

// address passes an e-mail address on unchanged or not at all.
func address(email string) string {
	if clean(email) != email {
		return ""
	}
	return email
}

// maxHeader bounds an identity header, in bytes: proxies bound all of an
// answer's headers together.
const maxHeader = 256

// maxGroups bounds the groups, in bytes: nginx takes an answer's headers in one
// buffer of 4 kB, and would fail the check of whoever has more.
const maxGroups = 2048

// clean makes a text fit for a header: valid UTF-8, no control or invisible
// formatting characters, no white space around it, at most maxHeader bytes.
func clean(s string) string {
	if isClean(s) { // almost always; it saves a check a quarter of its time
		return s
	}
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s))
	if len(s) <= maxHeader {
		return s
	}
	cut := maxHeader
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.TrimSpace(s[:cut])
}

// isClean reports whether clean has nothing to do, for ASCII.
func isClean(s string) bool {
	if len(s) > maxHeader || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		return false
	}
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
