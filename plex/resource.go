package plex

import (
	"context"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

const opResources = "resources"

// Resource is a server or a player that an account can reach, whether or not it is online.
type Resource struct {
	ID       string   // its clientIdentifier, for a server the machine identifier; no secret, and not proof: anybody's server can claim it
	Name     string   // chosen by its owner
	Provides []string // "server", "client", "player" …
	OwnerID  int64    // Plex id of its owner; 0: not said, as mostly where Owned
	Owned    bool     // by the account that asks
	Home     bool     // its owner and the account that asks are in one Plex Home
}

// Server reports whether it is a server. The list holds players too, even the app that asks.
func (r Resource) Server() bool { return slices.Contains(r.Provides, "server") }

type resourceBody struct {
	Name     string `json:"name" xml:"name,attr"`
	ID       string `json:"clientIdentifier" xml:"clientIdentifier,attr"`
	Provides string `json:"provides" xml:"provides,attr"` // comma list
	OwnerID  int64  `json:"ownerId" xml:"ownerId,attr"`
	Owned    bool   `json:"owned" xml:"owned,attr"`
	Home     bool   `json:"home" xml:"home,attr"`
}

func (b resourceBody) resource() Resource {
	r := Resource{ID: b.ID, Name: b.Name, OwnerID: b.OwnerID, Owned: b.Owned, Home: b.Home}
	for p := range strings.SplitSeq(b.Provides, ",") {
		r.Provides = append(r.Provides, strings.TrimSpace(p))
	}
	return r
}

// Resources lists what the token's account can reach. An empty list is an answer: no servers.
func (c *Client) Resources(ctx context.Context, t Token) ([]Resource, error) {
	var list []resourceBody // stays nil where the body is null
	var root struct {
		XMLName   xml.Name       `xml:"resources"`
		Resources []resourceBody `xml:"resource"`
	}
	q := question{op: opResources, method: http.MethodGet, path: "/api/v2/resources", token: t, json: &list, xml: &root,
		check: func() string {
			if root.XMLName.Local != "" {
				list = root.Resources
			} else if list == nil {
				return "null where a list is due"
			}
			return ""
		}}
	if err := c.do(ctx, q); err != nil {
		return nil, err
	}
	out := make([]Resource, len(list))
	for i, b := range list {
		out[i] = b.resource()
	}
	return out, nil
}
