package plex

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

const (
	opUsers         = "users"
	opSharedServers = "shared_servers"
	opServer        = "server"
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
	UserID    int64
	Pending   bool     // never accepted
	All       bool     // every library, now and later
	Libraries []string // titles of those that it includes, sorted; people with the same ones have the same list
}

// Users lists the friends of the token's account and the members of its Home.
func (c *Client) Users(ctx context.Context, t Token) ([]User, error) {
	var out []User
	q := question{op: opUsers, path: "/api/users", token: t}
	err := c.ask(ctx, q, list{row: "User"}, func(l *list) {
		switch {
		case l.depth == 2:
			out = append(out, User{ID: l.number("id", 0), Username: l.text("username"), Email: l.text("email"), Title: l.text("title"),
				Thumb: l.text("thumb"), Home: l.flag("home", false)})
		case string(l.name) == "Server":
			u := &out[len(out)-1]
			u.Servers = append(u.Servers, UserServer{MachineID: l.shared("machineIdentifier"), Pending: l.flag("pending", false), Owned: l.flag("owned", true)})
		}
	})
	if err != nil {
		return nil, err
	}
	// A row without an id is nobody that could ever sign in.
	return slices.DeleteFunc(out, func(u User) bool { return u.ID <= 0 }), nil
}

// SharedServers lists the shares of a server that the token's account owns, with their libraries.
func (c *Client) SharedServers(ctx context.Context, t Token, machineID string) ([]Share, error) {
	var out []Share
	sets := map[string][]string{}
	var titles []string // of the last share
	end := func() {
		if len(out) > 0 {
			out[len(out)-1].Libraries = set(sets, titles)
			titles = titles[:0]
		}
	}
	q := question{op: opSharedServers, path: serverPath(machineID) + "/shared_servers", token: t}
	err := c.ask(ctx, q, list{row: "SharedServer"}, func(l *list) {
		switch {
		case l.depth == 2:
			end()
			out = append(out, Share{UserID: l.number("userID", 0), Pending: l.number("acceptedAt", 0) <= 0, All: l.flag("allLibraries", false)})
		case string(l.name) == "Section" && l.flag("shared", false):
			titles = append(titles, l.shared("title"))
		}
	})
	end()
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Libraries lists the titles of all libraries of a server that the token's account owns, sorted. The size in the head of this
// list has been seen to count the libraries.
func (c *Client) Libraries(ctx context.Context, t Token, machineID string) ([]string, error) {
	titles, servers := []string{}, 0
	q := question{op: opServer, path: serverPath(machineID), token: t}
	err := c.ask(ctx, q, list{row: "Server", sized: "Section"}, func(l *list) {
		switch {
		case l.depth == 2:
			servers++
			id := string(l.value("machineIdentifier"))
			l.bad = servers > 1 || id != "" && id != machineID // plex.tv may leave it out: the question names the server
		case string(l.name) == "Section":
			titles = append(titles, l.text("title"))
		}
	})
	if err == nil && servers == 0 {
		err = &Error{Op: opServer, Status: http.StatusOK, Kind: ErrUnavailable, Reason: errPart.Error()}
	}
	if err != nil {
		return nil, err
	}
	return set(nil, titles), nil
}

func serverPath(machineID string) string { return "/api/servers/" + url.PathEscape(machineID) }
