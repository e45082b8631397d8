package plextest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

type resource struct {
	Name                   string       `json:"name"`
	Product                string       `json:"product"`
	ProductVersion         string       `json:"productVersion"`
	Platform               *string      `json:"platform"`
	PlatformVersion        *string      `json:"platformVersion"`
	Device                 *string      `json:"device"`
	ClientIdentifier       string       `json:"clientIdentifier"`
	Provides               string       `json:"provides"`
	OwnerID                *int64       `json:"ownerId"`
	SourceTitle            *string      `json:"sourceTitle"`
	PublicAddress          string       `json:"publicAddress"`
	AccessToken            *string      `json:"accessToken"`
	SearchEnabled          bool         `json:"searchEnabled"`
	CreatedAt              string       `json:"createdAt"`
	LastSeenAt             string       `json:"lastSeenAt"`
	Owned                  bool         `json:"owned"`
	Home                   bool         `json:"home"`
	Synced                 bool         `json:"synced"`
	Relay                  bool         `json:"relay"`
	Presence               bool         `json:"presence"`
	HTTPSRequired          bool         `json:"httpsRequired"`
	PublicAddressMatches   bool         `json:"publicAddressMatches"`
	DNSRebindingProtection bool         `json:"dnsRebindingProtection"`
	NATLoopbackSupported   bool         `json:"natLoopbackSupported"`
	Connections            []connection `json:"connections"`
}

type connection struct {
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
	Port     int    `json:"port"`
	URI      string `json:"uri"`
	Local    bool   `json:"local"`
	Relay    bool   `json:"relay"`
	IPv6     bool   `json:"IPv6"`
}

// resources lists the servers that a person owns or has accepted a share of,
// and players, among them the app that asks. That pending invitations are not
// listed is what clients expect; plex.tv does not say so.
func (s *Server) resources(r *http.Request) reply {
	client := clientOf(r)
	if client == "" {
		return noClient(r) // measured: here it comes before the token
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.bearer(r)
	if p == nil {
		return noToken(r)
	}
	token := plexHeader(r, "X-Plex-Token")
	list := []resource{
		s.player("Living room", "Plex for Android (TV)", "player-"+p.UUID, "client,player,pubsub-player"),
		s.player(plexHeader(r, "X-Plex-Product"), plexHeader(r, "X-Plex-Product"), client, ""),
	}
	for _, m := range s.devices {
		if strings.EqualFold(m.Owner, p.Name) {
			x := s.listed(m)
			x.Owned, x.AccessToken = true, &token
			if m.TellOwner {
				x.OwnerID = &p.ID
			}
			list = append(list, x)
		}
	}
	for _, sh := range s.shares[p.ID] {
		if sh.accepted {
			owner := s.person(sh.machine.Owner)
			x := s.listed(sh.machine)
			x.OwnerID, x.SourceTitle = &owner.ID, null(owner.Title)
			x.Home = s.admin[owner.ID] != 0 && s.admin[owner.ID] == s.admin[p.ID]
			x.AccessToken = null(accessToken(sh.machine, p))
			list = append(list, x)
		}
	}
	all := el("resources")
	for _, x := range list {
		all.kids = append(all.kids, x.xml())
	}
	return either(r, http.StatusOK, list, all)
}

// accessToken is good for that server only; plex.tv itself refuses it.
func accessToken(m *Machine, p *Person) string {
	sum := sha256.Sum256([]byte(m.Owner + m.ID + p.UUID))
	return "test-server-token-" + hex.EncodeToString(sum[:8])
}

func (s *Server) player(name, product, id, provides string) resource {
	return resource{
		Name: name, Product: product, ProductVersion: "10.16.0.2", Platform: null("Android"), PlatformVersion: null("14"),
		ClientIdentifier: id, Provides: provides, PublicAddress: "198.51.100.7",
		CreatedAt: stamp(created()), LastSeenAt: stamp(s.now()), Owned: true, Presence: provides != "",
		PublicAddressMatches: true, Connections: []connection{},
	}
}

func (s *Server) listed(m *Machine) resource {
	x := s.player(m.Name, "Plex Media Server", m.ID, m.Provides)
	x.Owned, x.Presence, x.PublicAddress, x.PublicAddressMatches = false, !m.Offline, "203.0.113.9", false
	if !slices.Contains(strings.Split(m.Provides, ","), "server") {
		x.Product = "Plex for Android (TV)"
		return x
	}
	x.ProductVersion, x.Platform, x.PlatformVersion = "1.43.2.10687-563d026ea", null("Linux"), null("6.1")
	x.Device, x.SearchEnabled, x.Relay, x.NATLoopbackSupported = null("Docker Container"), true, true, true
	short := m.ID[:min(4, len(m.ID))]
	x.Connections = []connection{
		{"https", "192.168.1.20", 32400, "https://192-168-1-20." + short + ".plex.direct:32400", true, false, false},
		{"https", "203.0.113.9", 32400, "https://203-0-113-9." + short + ".plex.direct:32400", false, false, false},
		{"https", "2001:db8::20", 32400, "https://2001-db8--20." + short + ".plex.direct:32400", false, false, true},
		{"https", "198.51.100.40", 8443, "https://198-51-100-40." + short + ".plex.direct:8443", false, true, false},
	}
	return x
}

func (x resource) xml() element {
	owner := ""
	if x.OwnerID != nil {
		owner = number(*x.OwnerID)
	}
	list := el("connections")
	for _, c := range x.Connections {
		list.kids = append(list.kids, el("connection", "protocol", c.Protocol, "address", c.Address,
			"port", strconv.Itoa(c.Port), "uri", c.URI, "local", flag(c.Local), "relay", flag(c.Relay), "IPv6", flag(c.IPv6)))
	}
	return el("resource", "name", x.Name, "product", x.Product, "productVersion", x.ProductVersion,
		"platform", text0(x.Platform), "platformVersion", text0(x.PlatformVersion), "device", text0(x.Device),
		"clientIdentifier", x.ClientIdentifier, "provides", x.Provides, "ownerId", owner,
		"sourceTitle", text0(x.SourceTitle), "publicAddress", x.PublicAddress, "accessToken", text0(x.AccessToken),
		"searchEnabled", flag(x.SearchEnabled), "createdAt", x.CreatedAt, "lastSeenAt", x.LastSeenAt,
		"owned", flag(x.Owned), "home", flag(x.Home), "synced", flag(x.Synced), "relay", flag(x.Relay),
		"presence", flag(x.Presence), "httpsRequired", flag(x.HTTPSRequired),
		"publicAddressMatches", flag(x.PublicAddressMatches),
		"dnsRebindingProtection", flag(x.DNSRebindingProtection),
		"natLoopbackSupported", flag(x.NATLoopbackSupported)).with(list)
}
