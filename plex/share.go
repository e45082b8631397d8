package plex

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
)

const (
	opUsers         = "users"
	opSharedServers = "shared_servers"
)

// User is somebody on the list of a token's account: a friend, a member of its Home, or somebody invited. The account itself is not on it.
type User struct {
	ID       int64
	Username string // empty for managed members of a Home
	Email    string // as typed; the list does not say whether it is confirmed
	Title    string
	Thumb    string
	Home     bool
	Servers  []UserServer
}

// UserServer is a server that the account shares with a user.
type UserServer struct {
	MachineID string
	Pending   bool // invited, not accepted: no share
	Owned     bool // by the account that asks; true where plex.tv does not say
}

// Share is a share of one server.
type Share struct {
	UserID   int64
	Username string
	Email    string
	Pending  bool // never accepted
	All      bool // every library, now and later
	Sections []Section
}

// Section is a library of a server and whether a share includes it.
type Section struct {
	ID     int64 // plex.tv's; the server's own is Key
	Key    int64
	Title  string
	Type   string // movie, show, artist, photo
	Shared bool
}

// head is that of the lists of plex.tv's first API, whose element is a MediaContainer.
type head struct {
	Size      *int `xml:"size,attr"`
	TotalSize int  `xml:"totalSize,attr"`
}

// check compares the number of rows with what the head says: whoever is missing from half a list would count as removed.
func (h head) check(rows int) string {
	if h.Size == nil && rows == 0 || h.Size != nil && *h.Size > rows || h.TotalSize > rows {
		return "not the whole list"
	}
	return ""
}

type userBody struct {
	ID       int64  `xml:"id,attr"`
	Username string `xml:"username,attr"`
	Email    string `xml:"email,attr"`
	Title    string `xml:"title,attr"`
	Thumb    string `xml:"thumb,attr"`
	Home     bool   `xml:"home,attr"`
	Servers  []struct {
		MachineID string `xml:"machineIdentifier,attr"`
		Pending   bool   `xml:"pending,attr"`
		Owned     *bool  `xml:"owned,attr"`
	} `xml:"Server"`
}

// Users lists the friends of the token's account and the members of its Home.
func (c *Client) Users(ctx context.Context, t Token) ([]User, error) {
	var b struct {
		XMLName xml.Name `xml:"MediaContainer"`
		head
		Users []userBody `xml:"User"`
	}
	q := question{op: opUsers, method: http.MethodGet, path: "/api/users", token: t, xml: &b,
		check: func() string { return b.head.check(len(b.Users)) }}
	if err := c.do(ctx, q); err != nil {
		return nil, err
	}
	out := make([]User, 0, len(b.Users))
	for _, u := range b.Users {
		if u.ID <= 0 {
			continue // nobody that could ever sign in
		}
		user := User{ID: u.ID, Username: short(u.Username), Email: short(u.Email), Title: short(u.Title), Thumb: short(u.Thumb), Home: u.Home}
		for _, s := range u.Servers {
			user.Servers = append(user.Servers, UserServer{MachineID: s.MachineID, Pending: s.Pending, Owned: s.Owned == nil || *s.Owned})
		}
		out = append(out, user)
	}
	return out, nil
}

type shareBody struct {
	UserID     int64  `xml:"userID,attr"`
	Username   string `xml:"username,attr"`
	Email      string `xml:"email,attr"`
	AcceptedAt int64  `xml:"acceptedAt,attr"` // seconds since 1970; 0 or missing: pending
	All        bool   `xml:"allLibraries,attr"`
	Sections   []struct {
		ID     int64  `xml:"id,attr"`
		Key    int64  `xml:"key,attr"`
		Title  string `xml:"title,attr"`
		Type   string `xml:"type,attr"`
		Shared bool   `xml:"shared,attr"`
	} `xml:"Section"`
}

// SharedServers lists the shares of a server that the token's account owns, with their libraries.
func (c *Client) SharedServers(ctx context.Context, t Token, machineID string) ([]Share, error) {
	var b struct {
		XMLName xml.Name `xml:"MediaContainer"`
		head
		Shares []shareBody `xml:"SharedServer"`
	}
	path := "/api/servers/" + url.PathEscape(machineID) + "/shared_servers"
	q := question{op: opSharedServers, method: http.MethodGet, path: path, token: t, xml: &b,
		check: func() string { return b.head.check(len(b.Shares)) }}
	if err := c.do(ctx, q); err != nil {
		return nil, err
	}
	out := make([]Share, 0, len(b.Shares))
	for _, s := range b.Shares {
		share := Share{UserID: s.UserID, Username: short(s.Username), Email: short(s.Email), Pending: s.AcceptedAt <= 0, All: s.All}
		for _, sec := range s.Sections {
			share.Sections = append(share.Sections, Section(sec))
		}
		out = append(out, share)
	}
	return out, nil
}
