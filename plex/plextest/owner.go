package plextest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// noTokenV1 is how the older endpoints say 401. They ask for no client identifier.
func noTokenV1() reply {
	e := el("error")
	e.text = "Invalid authentication token."
	return xmlReply(http.StatusUnauthorized, el("errors").with(e))
}

func container(attrs ...string) element {
	return el("MediaContainer", append([]string{"friendlyName", "myPlex", "identifier", "com.plexapp.plugins.myplex"}, attrs...)...)
}

func restrictions() []string {
	return []string{"allowTuners", "0", "allowSync", "0", "allowCameraUpload", "0", "allowChannels", "0",
		"allowSubtitleAdmin", "0", "filterAll", "", "filterMovies", "", "filterMusic", "", "filterPhotos", "",
		"filterTelevision", ""}
}

// users lists friends, members of the Plex Home and invited people of the
// token's account, but not the account itself. It is XML whatever one accepts.
func (s *Server) users(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	me := s.bearer(r)
	if me == nil {
		return noTokenV1()
	}
	ids := make([]int64, 0, len(s.friends[me.ID]))
	for id := range s.friends[me.ID] {
		ids = append(ids, id)
	}
	for id, admin := range s.admin {
		if admin == s.admin[me.ID] {
			ids = append(ids, id)
		}
	}
	for id, list := range s.shares {
		if slices.ContainsFunc(list, func(sh *share) bool { return strings.EqualFold(sh.machine.Owner, me.Name) }) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var list []element
	for _, id := range slices.Compact(ids) {
		if id != me.ID {
			list = append(list, s.userElement(me, s.byID[id]))
		}
	}
	n := strconv.Itoa(len(list))
	return xmlReply(http.StatusOK, container("machineIdentifier", "fedcba9876543210fedcba9876543210fedcba98",
		"totalSize", n, "size", n).with(list...))
}

// userElement is p as me sees them, with those of me's servers that p was
// invited to; without any it closes itself.
func (s *Server) userElement(me, p *Person) element {
	home := s.admin[p.ID] != 0 && s.admin[p.ID] == s.admin[me.ID]
	e := el("User", append([]string{"id", number(p.ID), "title", p.Title, "username", p.Username, "email", p.Email,
		"recommendationsPlaylistId", "", "thumb", s.thumb(p), "protected", flag(p.PIN != ""), "home", flag(home),
		"restricted", flag(p.Kind == Managed)}, restrictions()...)...)
	for _, sh := range s.shares[p.ID] {
		if !strings.EqualFold(sh.machine.Owner, me.Name) {
			continue
		}
		n := 0
		for _, l := range sh.machine.Libraries {
			if sh.has(l.Title) {
				n++
			}
		}
		e.kids = append(e.kids, el("Server", "id", number(sh.no), "serverId", "4401", "machineIdentifier", sh.machine.ID,
			"name", sh.machine.Name, "lastSeenAt", number(s.now().Unix()), "numLibraries", strconv.Itoa(n),
			"allLibraries", flag(sh.all), "owned", "1", "pending", flag(!sh.accepted)))
	}
	return e
}

// owned is the server of the token's account that a request names. What plex.tv
// answers to somebody else is not known; here it is 404.
func (s *Server) owned(r *http.Request) (m *Machine, refusal reply) {
	me := s.bearer(r)
	if me == nil {
		return nil, noTokenV1()
	}
	for _, m := range s.devices {
		if m.ID == r.PathValue("id") && strings.EqualFold(m.Owner, me.Name) {
			return m, reply{}
		}
	}
	return nil, xmlReply(http.StatusNotFound, el("errors").with(el("error", "code", "1002",
		"message", "The requested resource or endpoint could not be found", "status", "404")))
}

// sharedServers lists who was invited to a server, for its owner only. XML
// whatever one accepts.
func (s *Server) sharedServers(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, refusal := s.owned(r)
	if m == nil {
		return refusal
	}
	var list []element
	for _, p := range s.byIDSorted() {
		for _, sh := range s.shares[p.ID] {
			if sh.machine == m {
				list = append(list, sharedServer(p, sh))
			}
		}
	}
	return xmlReply(http.StatusOK, container("machineIdentifier", m.ID, "size", strconv.Itoa(len(list))).with(list...))
}

// libraries lists all libraries of a server, for its owner only. XML whatever
// one accepts. The size counts the libraries, as in the one answer that has
// been published.
func (s *Server) libraries(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, refusal := s.owned(r)
	if m == nil {
		return refusal
	}
	e := el("Server", "name", m.Name, "address", "203.0.113.9", "port", "32400", "version", "1.43.2.10687-563d026ea",
		"scheme", "http", "host", "203.0.113.9", "localAddresses", "192.0.2.10", "machineIdentifier", m.ID,
		"createdAt", number(created().Unix()), "updatedAt", number(created().Unix()), "owned", "1", "synced", "0")
	for i, l := range m.Libraries {
		e.kids = append(e.kids, section(i, l))
	}
	return xmlReply(http.StatusOK, container("machineIdentifier", "fedcba9876543210fedcba9876543210fedcba98",
		"size", strconv.Itoa(len(e.kids))).with(e))
}

// section is a library: its id is plex.tv's, its key the server's own.
func section(i int, l Library, attrs ...string) element {
	return el("Section", append([]string{"id", strconv.Itoa(900001 + i), "key", strconv.Itoa(i + 1), "title", l.Title, "type", l.Type}, attrs...)...)
}

func sharedServer(p *Person, sh *share) element {
	accepted := "0"
	if sh.accepted {
		accepted = number(created().Unix() + 86400)
	}
	e := el("SharedServer", append([]string{"id", number(sh.no), "username", p.Username, "email", p.Email,
		"userID", number(p.ID), "accessToken", accessToken(sh.machine, p), "name", sh.machine.Name,
		"acceptedAt", accepted, "invitedAt", number(created().Unix()), "owned", "0",
		"allLibraries", flag(sh.all)}, restrictions()...)...)
	for i, l := range sh.machine.Libraries {
		e.kids = append(e.kids, section(i, l, "shared", flag(sh.has(l.Title))))
	}
	return e
}
