package plextest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Endpoint names what a request asks for, in the pattern syntax of
// http.ServeMux. plex.tv and clients.plex.tv count as one.
type Endpoint string

const (
	CreatePIN     Endpoint = "POST /api/v2/pins"
	CheckPIN      Endpoint = "GET /api/v2/pins/{id}"
	LinkPIN       Endpoint = "PUT /api/v2/pins/link"
	Preflight     Endpoint = "OPTIONS /api/v2/pins" // a browser asks whether a page may ask
	User          Endpoint = "GET /api/v2/user"
	Resources     Endpoint = "GET /api/v2/resources"
	Ping          Endpoint = "GET /api/v2/ping"
	SignOut       Endpoint = "DELETE /api/v2/users/signout"
	Users         Endpoint = "GET /api/users"
	SharedServers Endpoint = "GET /api/servers/{id}/shared_servers"
	Libraries     Endpoint = "GET /api/servers/{id}"
	HomeUsers     Endpoint = "GET /api/v2/home/users"
	HomeSwitch    Endpoint = "POST /api/v2/home/users/{uuid}/switch"

	Avatar Endpoint = "GET /users/{uuid}/avatar" // a person's picture, which needs no token

	AuthPage Endpoint = "GET /auth"          // the sign-in page
	AuthInfo Endpoint = "GET /auth/info"     // whether the page has to warn
	LinkPage Endpoint = "GET /link"          // where a device's code is typed
	Approve  Endpoint = "POST /auth/approve" // what the page sends when a person was chosen

	Any     Endpoint = ""  // every endpoint of the API, known or not, but not the pictures and the sign-in page
	Unknown Endpoint = "/" // requests that the server does not know
)

// isAPI tells plex.tv's endpoints from its pictures, and from those of the
// sign-in page, which on the real one are another service.
func (e Endpoint) isAPI() bool {
	return !strings.Contains(string(e), " /auth") && e != LinkPage && e != Avatar
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(ep Endpoint, pattern string, answer func(*http.Request) reply) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(ep, answer, w, r) })
	}
	for ep, answer := range map[Endpoint]func(*http.Request) reply{
		CreatePIN:     s.createPIN,
		CheckPIN:      s.checkPIN,
		LinkPIN:       s.linkPIN,
		User:          s.user,
		Resources:     s.resources,
		Ping:          s.ping,
		SignOut:       s.signOut,
		Users:         s.users,
		SharedServers: s.sharedServers,
		Libraries:     s.libraries,
		HomeUsers:     s.homeUsers,
		HomeSwitch:    s.homeSwitch,
		Preflight:     s.preflight,
		Avatar:        s.avatar,
		AuthPage:      s.authPage,
		AuthInfo:      s.authInfo,
		Approve:       s.approvePIN,
		Unknown:       s.unknown,
	} {
		handle(ep, string(ep), answer)
	}
	for _, pattern := range []string{"GET /link", "GET /link/{$}", "POST /link"} {
		handle(LinkPage, pattern, s.linkPage)
	}
	handle(AuthPage, "GET /auth/{$}", s.authPage) // as in …/auth/#!?…, which many clients use
	mux.HandleFunc("GET /auth/{file}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, pageFiles, "page/"+r.PathValue("file"))
	})
	return mux
}

// Requests says how many requests for an endpoint have arrived so far, failed
// ones included.
func (s *Server) Requests(ep Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[ep]
}

// Handling says how many requests are in progress, those that hang among them.
func (s *Server) Handling() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handling
}

// Wait returns when n requests for an endpoint have arrived since the server
// was made, though they may not have been answered yet. It returns an error
// when ctx ends or the server closes before that.
func (s *Server) Wait(ctx context.Context, ep Endpoint, n int) error {
	for {
		s.mu.Lock()
		have, arrived := s.counts[ep], s.arrived
		s.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return fmt.Errorf("plextest: %d of %d requests for %q: %w", have, n, ep, ctx.Err())
		case <-s.done:
			return errors.New("plextest: closed")
		}
	}
}
