package plextest

import (
	"crypto/rand"
	"net/http"
	"strings"
)

// tokens knows who may ask. Plex keeps one token per account and client identifier.
type tokens struct {
	grants map[string]grant // by token
	issued map[grant]string // the way back
	rotate bool
}

type grant struct {
	person int64
	client string // client identifier
}

func newTokens() tokens {
	return tokens{grants: make(map[string]grant), issued: make(map[grant]string)}
}

// issue gives a person a token for a client: the one they have, or, when
// rotation is on, a new one in its place.
func (t *tokens) issue(p *Person, client string) string {
	g := grant{p.ID, client}
	if token, ok := t.issued[g]; ok {
		if !t.rotate {
			return token
		}
		t.end(token)
	}
	token := "test-token-" + strings.ToLower(p.Name) + "-" + strings.ToLower(rand.Text()[:10])
	t.grants[token], t.issued[g] = g, token
	return token
}

func (t *tokens) end(token string) {
	delete(t.issued, t.grants[token])
	delete(t.grants, token)
}

func (t *tokens) revoke(person int64) {
	for token, g := range t.grants {
		if g.person == person {
			t.end(token)
		}
	}
}

// Token gives a person a token for a client identifier, as a sign-in would,
// e.g. the owner's token for a configuration.
func (s *Server) Token(name, clientID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(s.person(name), clientID)
}

// RotateTokens says whether a new sign-in of the same person with the same
// client identifier kills the token from the one before. Both have been seen;
// at first it does not, and the token stays the same.
func (s *Server) RotateTokens(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotate = on
}

// RevokeTokens ends all tokens of a person, as a password change does.
func (s *Server) RevokeTokens(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoke(s.person(name).ID)
}

// plexHeader reads an X-Plex header, which may also come as a query parameter.
func plexHeader(r *http.Request, name string) string {
	if v := r.Header.Get(name); v != "" {
		return v
	}
	return r.URL.Query().Get(name)
}

func clientOf(r *http.Request) string { return plexHeader(r, "X-Plex-Client-Identifier") }

// bearer says whose token came with the request; nil if it is none of ours. It
// is called with mu held. A token in the query works on plex.tv; here it fails
// the test, for it ends up in logs.
func (s *Server) bearer(r *http.Request) *Person {
	if s.tb != nil && r.URL.Query().Has("X-Plex-Token") {
		s.tb.Errorf("plextest: X-Plex-Token in the query of %s %s", r.Method, r.URL.Path)
	}
	g, ok := s.grants[plexHeader(r, "X-Plex-Token")]
	if !ok {
		return nil
	}
	return s.byID[g.person]
}

func noClient(r *http.Request) reply {
	return refuse(r, http.StatusBadRequest, 1000, "X-Plex-Client-Identifier is missing")
}

func noToken(r *http.Request) reply {
	return refuse(r, http.StatusUnauthorized, 1001, "User could not be authenticated")
}
