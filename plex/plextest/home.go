package plextest

import "net/http"

// homeBody is what /api/v2/home/users says. Only JSON has been published.
type homeBody struct {
	ID            int64      `json:"id"`
	Name          string     `json:"name"`
	GuestUserID   *int64     `json:"guestUserID"`
	GuestUserUUID *string    `json:"guestUserUUID"`
	GuestEnabled  bool       `json:"guestEnabled"`
	Subscription  bool       `json:"subscription"`
	Users         []homeUser `json:"users"`
}

type homeUser struct {
	ID                 int64   `json:"id"`
	UUID               string  `json:"uuid"`
	Title              string  `json:"title"`
	Username           *string `json:"username"`
	Email              *string `json:"email"`
	Thumb              string  `json:"thumb"`
	HasPassword        bool    `json:"hasPassword"`
	Restricted         bool    `json:"restricted"`
	RestrictionProfile *string `json:"restrictionProfile"`
	Admin              bool    `json:"admin"`
	Guest              bool    `json:"guest"`
	Protected          bool    `json:"protected"`
}

// JoinHome makes a person a member of another's Plex Home, whose admin that
// one is from then on.
func (s *Server) JoinHome(admin, member string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.person(admin).ID
	s.admin[a], s.admin[s.person(member).ID] = a, a
}

// homeUsers lists the members of the Plex Home of the token's account. What
// plex.tv answers to an account without one is not known; here it lists that
// account alone.
func (s *Server) homeUsers(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	me, refusal, ok := s.account(r)
	if !ok {
		return refusal
	}
	v := homeBody{ID: 4200 + s.admin[me.ID], Name: "Home", Users: []homeUser{}}
	for _, p := range s.byIDSorted() {
		if p != me && (s.admin[p.ID] == 0 || s.admin[p.ID] != s.admin[me.ID]) {
			continue
		}
		v.Users = append(v.Users, homeUser{ID: p.ID, UUID: p.UUID, Title: p.Title, Username: null(p.Username), Email: null(p.Email), Thumb: s.thumb(p),
			HasPassword: p.Kind != Managed, Restricted: p.Kind == Managed, Admin: s.admin[p.ID] == p.ID, Protected: p.PIN != ""})
	}
	return jsonReply(http.StatusOK, v)
}

// homeSwitch gives the token of a member to another member of the same Home.
// What plex.tv answers about somebody else is not known; here it is 404.
func (s *Server) homeSwitch(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	me, refusal, ok := s.account(r)
	if !ok {
		return refusal
	}
	for _, p := range s.byIDSorted() {
		switch {
		case p.UUID != r.PathValue("uuid") || s.admin[p.ID] == 0 || s.admin[p.ID] != s.admin[me.ID]:
			continue
		case p.PIN != "" && r.URL.Query().Get("pin") != p.PIN:
			return refuse(r, http.StatusForbidden, 1041, "A valid PIN is required to perform this action")
		}
		v := s.userBody(p, s.issue(p, clientOf(r)))
		return either(r, http.StatusCreated, v, v.xml())
	}
	return refuse(r, http.StatusNotFound, 1002, "The requested resource or endpoint could not be found")
}
