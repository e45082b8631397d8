package plex

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

const (
	opHomeUsers  = "home_users"
	opHomeSwitch = "home_switch"
	codeHomePIN  = 1041 // "A valid PIN is required to perform this action"
	maxHome      = 100  // members; Plex allows 15
	maxUUID      = 64
)

// HomeUser is a member of a Plex Home, as its list shows them.
type HomeUser struct {
	Account
	Admin bool // of the Home
	// Managed: there by the admin's hand alone, without a Plex account of their own or a way to sign in. The Home's guest, who is
	// nobody in particular, is not.
	Managed   bool
	Protected bool // has a PIN of four digits
}

type homeUserBody struct {
	accountBody
	Admin      bool `json:"admin"`
	Guest      bool `json:"guest"`
	Restricted bool `json:"restricted"`
	Protected  bool `json:"protected"`
}

// managed looks at what plex.tv sent, not at what is kept of it: an e-mail that is not confirmed is a sign of an account, too.
func (b homeUserBody) managed() bool {
	return b.Restricted && !b.Admin && !b.Guest && b.Username == "" && b.Email == ""
}

// HomeUsers lists the members of the token's account's Plex Home, that account among them. It is read as JSON alone: in which form
// XML would have it is not known.
func (c *Client) HomeUsers(ctx context.Context, t Token) ([]HomeUser, error) {
	var b struct {
		Users []homeUserBody `json:"users"` // stays nil where there is none
	}
	q := question{op: opHomeUsers, method: http.MethodGet, path: "/api/v2/home/users", token: t, json: &b,
		check: func() string { return checkHome(b.Users) }}
	if err := c.do(ctx, q); err != nil {
		return nil, err
	}
	out := make([]HomeUser, len(b.Users))
	for i, u := range b.Users {
		out[i] = HomeUser{Account: u.account(), Admin: u.Admin, Managed: u.managed(), Protected: u.Protected}
	}
	return out, nil
}

// checkHome is what is wrong with a list of members: nobody may be there twice, or be named in a way that is no name.
func checkHome(users []homeUserBody) string {
	switch {
	case users == nil:
		return "no list of members in it"
	case len(users) > maxHome:
		return "more members than there can be"
	}
	ids, uuids := map[int64]bool{}, map[string]bool{}
	for _, u := range users {
		if u.ID <= 0 || !IsUUID(u.UUID) || ids[u.ID] || uuids[u.UUID] {
			return "a member who cannot be told from another"
		}
		ids[u.ID], uuids[u.UUID] = true, true
	}
	return ""
}

// IsUUID reports whether a text can be the uuid of an account: it goes into an address at plex.tv.
func IsUUID(s string) bool {
	return s != "" && len(s) <= maxUUID && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-'
	})
}

// SwitchHomeUser gets the token of a member of the Home of the token's account. pin is empty where the member has none, else of four
// digits. plex.tv takes it in the address alone, so nothing that can hold an address leaves here: an [*Error] is made of fixed words.
//
// The answer has to be about the member who was asked for, and the token another than the one that asked. [ErrHomePIN]: plex.tv
// wants the member's PIN.
func (c *Client) SwitchHomeUser(ctx context.Context, t Token, member HomeUser, pin string) (Token, error) {
	if member.ID <= 0 || !IsUUID(member.UUID) || pin != "" && !IsHomePIN(pin) {
		return "", &Error{Op: opHomeSwitch, Kind: ErrBadRequest, Reason: "no member, or a PIN that is none"}
	}
	path := "/api/v2/home/users/" + url.PathEscape(member.UUID) + "/switch"
	if pin != "" {
		path += "?pin=" + pin
	}
	var b switchBody
	q := question{op: opHomeSwitch, method: http.MethodPost, path: path, token: t, json: &b, xml: &b,
		check: func() string {
			switch {
			case b.ID != member.ID || b.UUID != member.UUID:
				return "another account than the one asked for"
			case !Token(b.AuthToken).usable() || Token(b.AuthToken) == t:
				return "no token of that account"
			}
			return ""
		}}
	if err := c.do(ctx, q); err != nil {
		return "", err
	}
	return Token(b.AuthToken), nil
}

type switchBody struct {
	accountBody
	AuthToken string `json:"authToken" xml:"authToken,attr"`
}

// IsHomePIN reports whether a text is four digits.
func IsHomePIN(s string) bool {
	return len(s) == 4 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
