package plex

import (
	"context"
	"crypto/subtle"
	"time"
)

// PINURL is where a browser may ask for a strong PIN of this install by itself: by an empty POST, which is answered in
// JSON where its Accept says so. All that plex.tv wants to know is in the query, as it allows, and none of it is secret:
// a header of our own would make the browser ask leave first (a CORS preflight), and that has been seen to fail.
func (c *Client) PINURL() string {
	return c.base + strongPINs + "&X-Plex-Client-Identifier=" + esc(c.id) + "&X-Plex-Product=" + esc(c.product)
}

// ConfirmPIN asks plex.tv about a PIN that somebody says to have made at [Client.PINURL]. It is ErrUnconfirmed, or
// ErrExpired where plex.tv does not know it, unless
//
//   - the code is that PIN's: a number alone, which can be guessed, names somebody else's sign-in;
//   - it is of this install: the token of another client's PIN would be another client's;
//   - nobody has claimed it: else who hands it over decides which account signs in, and nobody is asked;
//   - it was made no longer than within ago: what was made in advance can be laid out for somebody.
//
// How old it is stands in plex.tv's answer and is not measured by our clock, which may be wrong.
func (c *Client) ConfirmPIN(ctx context.Context, id int64, code string, within time.Duration) (PIN, error) {
	b, err := c.readPIN(ctx, id)
	if err != nil {
		return PIN{}, err
	}
	age, told := b.age()
	reason := ""
	switch {
	case subtle.ConstantTimeCompare([]byte(b.Code), []byte(code)) != 1:
		reason = "another code"
	case b.Client != c.id:
		reason = "another client's"
	case b.AuthToken != "":
		reason = "claimed already"
	case !told:
		reason = "of no known age"
	case age > within:
		reason = "too old"
	}
	if reason != "" {
		return PIN{}, &Error{Op: opCheckPIN, Kind: ErrUnconfirmed, Reason: reason}
	}
	return b.pin(), nil
}

// age is how much of its life a PIN has behind it: its length is what lies between two of plex.tv's times, and what is
// left of it plex.tv counts down.
func (b pinBody) age() (age time.Duration, told bool) {
	created, err := time.Parse(time.RFC3339, b.CreatedAt)
	expires, err2 := time.Parse(time.RFC3339, b.ExpiresAt)
	if err != nil || err2 != nil || b.ExpiresIn <= 0 || b.ExpiresIn > int64(pinLife/time.Second) {
		return 0, false
	}
	age = expires.Sub(created) - time.Duration(b.ExpiresIn)*time.Second
	return age, age > -2*time.Second // more would be left than there was; seconds are rounded
}
