package plex

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	opCreatePIN    = "create_pin"
	opCheckPIN     = "check_pin"
	codePINExpired = 1020 // "Code not found or expired"
	strongPINs     = "/api/v2/pins?strong=true"
	defaultAuthURL = "https://app.plex.tv/auth"
	pinLife        = 30 * time.Minute // of a strong PIN; plex.tv cuts it to seconds once it is claimed
	linkPINLife    = 15 * time.Minute // of a weak one
)

// PIN is a sign-in under way at plex.tv. Printed or encoded, it shows its id alone: whoever has the code can offer the sign-in to somebody else.
type PIN struct {
	ID        int64
	Code      string    // goes into the sign-in URL and nowhere else
	Token     Token     // of the person who claimed it; empty: nobody yet, or they refused
	ExpiresAt time.Time // by our clock
}

func (p PIN) Format(f fmt.State, _ rune)   { fmt.Fprintf(f, "PIN %d", p.ID) }
func (p PIN) LogValue() slog.Value         { return slog.Int64Value(p.ID) }
func (p PIN) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "PIN %d", p.ID), nil }

type pinBody struct {
	XMLName   xml.Name `json:"-" xml:"pin"`
	ID        int64    `json:"id" xml:"id,attr"`
	Code      string   `json:"code" xml:"code,attr"`
	AuthToken string   `json:"authToken" xml:"authToken,attr"`
	ExpiresIn int64    `json:"expiresIn" xml:"expiresIn,attr"` // seconds
	Client    string   `json:"clientIdentifier" xml:"clientIdentifier,attr"`
	CreatedAt string   `json:"createdAt" xml:"createdAt,attr"`
	ExpiresAt string   `json:"expiresAt" xml:"expiresAt,attr"`
}

func (b pinBody) pin() PIN {
	life := pinLife
	if b.ExpiresIn > 0 && b.ExpiresIn < int64(pinLife/time.Second) {
		life = time.Duration(b.ExpiresIn) * time.Second
	}
	return PIN{ID: b.ID, Code: b.Code, Token: Token(b.AuthToken), ExpiresAt: time.Now().Add(life)}
}

// CreatePIN starts a sign-in: a strong PIN, of 25 characters and half an hour. No token is sent, so nothing in the answer can
// be a verdict on anybody: ErrForbidden means that plex.tv does not serve this install.
func (c *Client) CreatePIN(ctx context.Context) (PIN, error) {
	return c.createPIN(ctx, strongPINs)
}

// CreateLinkPIN starts a sign-in on another device: a PIN of four characters to type at plex.tv/link within 15 minutes.
func (c *Client) CreateLinkPIN(ctx context.Context) (PIN, error) {
	pin, err := c.createPIN(ctx, "/api/v2/pins")
	if latest := time.Now().Add(linkPINLife); pin.ExpiresAt.After(latest) {
		pin.ExpiresAt = latest
	}
	return pin, err
}

// LinkURL is where a person finds the code of a [Client.CreateLinkPIN] filled in; without its query, where they type it. It is a page
// for people, so that it is on plex.tv however this client asks: clients.plex.tv has none. A stand-in has its own.
func (c *Client) LinkURL(pin PIN) string {
	base := c.base
	if u, err := url.Parse(base); err == nil && strings.HasSuffix(u.Hostname(), ".plex.tv") {
		base = defaultURL
	}
	return base + "/link/?pin=" + url.QueryEscape(pin.Code)
}

func (c *Client) createPIN(ctx context.Context, path string) (PIN, error) {
	var b pinBody
	q := question{op: opCreatePIN, method: http.MethodPost, path: path, anonymous: true, json: &b, xml: &b,
		check: func() string {
			if b.ID <= 0 || !printable(b.Code, 256) {
				return "no PIN in it"
			}
			return ""
		}}
	if err := c.do(ctx, q); err != nil {
		return PIN{}, err
	}
	return b.pin(), nil
}

// CheckPIN asks whether somebody has claimed the PIN. Once claimed it can be read for seconds only, so keep the token.
func (c *Client) CheckPIN(ctx context.Context, id int64) (PIN, error) {
	b, err := c.readPIN(ctx, id)
	if err != nil {
		return PIN{}, err
	}
	return b.pin(), nil
}

func (c *Client) readPIN(ctx context.Context, id int64) (pinBody, error) {
	if id <= 0 {
		return pinBody{}, &Error{Op: opCheckPIN, Kind: ErrBadRequest, Reason: "no PIN to check"}
	}
	var b pinBody
	q := question{op: opCheckPIN, method: http.MethodGet, path: "/api/v2/pins/" + strconv.FormatInt(id, 10), anonymous: true, json: &b, xml: &b,
		check: func() string {
			if b.ID != id {
				return "another PIN than the one asked for"
			}
			if b.AuthToken != "" && !Token(b.AuthToken).usable() {
				return "a token that cannot be one"
			}
			return ""
		}}
	if err := c.do(ctx, q); err != nil {
		return pinBody{}, err
	}
	return b, nil
}

// SignInURL is where a browser signs in with the PIN. Plex reads all of it from the fragment and goes on to forwardURL
// unchanged. An empty authURL is https://app.plex.tv/auth.
//
// It is built as a string: url.URL would encode the fragment again, and Plex's page reads %20 where url.Values writes "+".
func (c *Client) SignInURL(authURL string, pin PIN, forwardURL string) string {
	return cmp.Or(authURL, defaultAuthURL) + "#?clientID=" + esc(c.id) + "&code=" + esc(pin.Code) +
		"&context%5Bdevice%5D%5Bproduct%5D=" + esc(c.product) + "&forwardUrl=" + esc(forwardURL)
}

func esc(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
