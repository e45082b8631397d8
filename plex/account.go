package plex

import (
	"cmp"
	"context"
	"encoding/xml"
	"net/http"
)

const opUser = "user"

// Account is a Plex account as far as Usher needs it. Only ID never changes and is never missing: managed members of a Home
// have neither username nor e-mail, and names pass from one person to another.
type Account struct {
	ID           int64  `json:"id"`
	UUID         string `json:"uuid,omitempty"`
	Username     string `json:"username,omitempty"`
	Email        string `json:"email,omitempty"` // empty too where plex.tv says that it is not confirmed
	Title        string `json:"title,omitempty"`
	FriendlyName string `json:"friendly_name,omitempty"`
	Thumb        string `json:"thumb,omitempty"`      // URL of the picture
	HomeAdmin    bool   `json:"home_admin,omitempty"` // of a Plex Home that has other members
}

// Name is for showing; anybody can choose it, so nothing may be decided by it.
func (a Account) Name() string { return cmp.Or(a.FriendlyName, a.Title, a.Username, a.Email) }

type accountBody struct {
	XMLName      xml.Name `json:"-" xml:"user"`
	ID           int64    `json:"id" xml:"id,attr"`
	UUID         string   `json:"uuid" xml:"uuid,attr"`
	Username     string   `json:"username" xml:"username,attr"`
	Email        string   `json:"email" xml:"email,attr"`
	Title        string   `json:"title" xml:"title,attr"`
	FriendlyName string   `json:"friendlyName" xml:"friendlyName,attr"`
	Thumb        string   `json:"thumb" xml:"thumb,attr"`
	Confirmed    *bool    `json:"confirmed" xml:"confirmed,attr"`
	HomeAdmin    bool     `json:"homeAdmin" xml:"homeAdmin,attr"`
	HomeSize     int64    `json:"homeSize" xml:"homeSize,attr"`
}

func (b accountBody) account() Account {
	if b.Confirmed != nil && !*b.Confirmed {
		b.Email = "" // whoever typed it need not own it
	}
	return Account{ID: b.ID, UUID: short(b.UUID), Username: short(b.Username), Email: short(b.Email),
		Title: short(b.Title), FriendlyName: short(b.FriendlyName), Thumb: short(b.Thumb),
		HomeAdmin: b.HomeAdmin && b.HomeSize > 1}
}

// short drops a value too long to be kept for everybody in memory. It is dropped, not cut: a cut name may be another's.
func short(s string) string {
	if len(s) > 2048 {
		return ""
	}
	return s
}

// Account asks whose token it is.
func (c *Client) Account(ctx context.Context, t Token) (Account, error) {
	var b accountBody
	q := question{op: opUser, method: http.MethodGet, path: "/api/v2/user", token: t, json: &b, xml: &b,
		check: func() string {
			if b.ID <= 0 {
				return "no account in it"
			}
			return ""
		}}
	if err := c.do(ctx, q); err != nil {
		return Account{}, err
	}
	return b.account(), nil
}
