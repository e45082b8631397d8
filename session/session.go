// Package session remembers who is signed in: it seals the cookie that a browser
// carries, and keeps what lies behind it (sessions, sign-outs, accounts, settings)
// in one bbolt file, with a history of what happened.
//
// A cookie proves nothing alone. It counts when it opens with a listed secret and
// says word for word what a live session says, for the very domain or host that is
// asked for. So a sign-out reaches a cookie wherever it was copied to.
//
// It refuses weak secrets, a value sealed for another purpose, name or audience,
// times past or to come, and a store file that is locked, damaged, foreign or newer,
// which it leaves as it was. A bad cookie is never an error: it is nobody signed in.
//
// A key is for clients that cannot sign in. The client gives it whole; what is kept
// is its hash, so who reads the file can use none.
//
// A ruling is what an administrator has decided about a person by hand. One that is
// damaged keeps out.
//
// It trusts the store's file, the machine's clock, and its caller for who a person
// is and which host was asked for. Each person's sessions, keys and events are
// bounded; how many people there are is up to plex.tv.
package session

import (
	"cmp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Session is one person signed in on one device, for one audience. Only LastSeen
// ever changes.
type Session struct {
	ID       string    `json:"-"`        // random; no secret, for it opens nothing without the cookie's seal
	Account  int64     `json:"account"`  // numeric Plex id, above 0
	Audience string    `json:"audience"` // [Scope.Audience] of the cookie
	Device   string    `json:"device"`   // the browser's user agent without control characters, at most 200 bytes
	Address  string    `json:"address"`  // where the sign-in came from
	SignedIn time.Time `json:"signed_in"`
	LastSeen time.Time `json:"last_seen"`          // on disk up to five minutes late
	Expires  time.Time `json:"expires"`            // the first instant at which it is over
	Keep     bool      `json:"keep"`               // the cookie survives the end of the browser
	NoAdmin  bool      `json:"no_admin,omitempty"` // opens no administrators' pages, whoever it is: it was not begun by a sign-in at Plex in this browser
}

// skew is how far ahead of the clock a sign-in may seem to be: a clock that is set
// back by a little must not sign everybody out.
const skew = time.Minute

// live reports whether s counts at now, for a person signed out everywhere at mark.
func (s *Session) live(now, mark time.Time) bool {
	return now.Before(s.Expires) && s.SignedIn.After(mark) && !s.SignedIn.After(now.Add(skew))
}

// Scope says where a cookie goes: to a domain with every host below it, or to one
// host alone. Names are compared as they are: lower case, no port, no leading dot.
type Scope struct {
	Domain string // "": a host-only cookie
	Host   string // not looked at where there is a Domain
}

// Audience is what a session for this scope is bound to.
func (s Scope) Audience() string { return cmp.Or(s.Domain, s.Host) }

// clean drops what could forge a line in a log or a page, and cuts at a character.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s[:min(len(s), 4*most)])
	for len(s) > most {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
