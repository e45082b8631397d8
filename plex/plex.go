// Package plex asks plex.tv who somebody is and what they may see, and remembers the answer.
//
// [Client] speaks to plex.tv. It sorts every answer into one of five: good, the token is rejected ([ErrUnauthorized]),
// refused ([ErrForbidden]), the PIN has expired ([ErrExpired]), or nothing that says anything ([ErrUnavailable]); a sixth,
// [ErrBadRequest], is a mistake of our own. Half a body, a page of HTML, an empty 404 or a redirect says nothing: it lets
// nobody in and ends nobody's access.
//
// [Directory] keeps, for each person, the last good answer in memory and in a store, and refreshes it in the background.
//
// What it refuses: redirects, cookies, bodies over 2 MB, lists over 64 MB or of more than 20,000 rows, XML
// that holds more than such a list does, a server that only claims the machine identifier of an allowed one,
// an id that is not a positive number, an answer about somebody else, a pending invitation.
//
// What it trusts: plex.tv, as far as TLS proves that it is plex.tv; the configuration; the store. It never trusts a name:
// people are known by their numeric id and servers by their machine identifier together with their owner.
package plex

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "REDACTED"

// Token is a Plex token, the key to somebody's account. It shows itself to nobody: every verb of fmt, slog, and encoders of
// text and JSON print REDACTED. Only string(t) reveals it.
type Token string

func (Token) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, redacted) }
func (Token) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (t Token) usable() bool               { return printable(string(t), 4096) }

// printable reports whether s is 1 to n bytes of ASCII without spaces and control characters: what a header or a URL can
// carry. Plex publishes no syntax for tokens and codes; a token is about 20 characters, a JWT about 540.
func printable(s string, n int) bool {
	if s == "" || len(s) > n {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
