package plextest

import (
	"net"
	"net/http"
	"strings"
)

// CORS is what a web page of another origin may do at the PIN endpoints. The
// real ones used to let every page ask; in 2026 people reported that browsers
// were refused, most of them where the browser asks leave first.
type CORS int

const (
	AnyPage     CORS = iota // may ask, and read the answer
	NoPreflight             // the same, but for requests about which a browser asks first: those with headers of their own
	NoPage                  // may read an answer
)

// SetCORS changes it from now on.
func (s *Server) SetCORS(c CORS) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cors = c
}

// allow is called with mu held. It adds what lets a page read an answer, be it an error.
func (s *Server) allow(ep Endpoint, w http.ResponseWriter) {
	switch {
	case ep == Preflight && s.cors != AnyPage, s.cors == NoPage:
	case strings.Contains(string(ep), " /api/v2/pins"):
		w.Header().Set("Access-Control-Allow-Origin", "*")
	}
}

// preflight allows the headers that are asked for; which ones the real one allows no source says.
func (s *Server) preflight(r *http.Request) reply {
	return reply{status: http.StatusNoContent, header: http.Header{
		"Access-Control-Allow-Methods": {"GET, POST, PUT, PATCH, HEAD, DELETE, OPTIONS"},
		"Access-Control-Allow-Headers": {r.Header.Get("Access-Control-Request-Headers")},
		"Access-Control-Max-Age":       {"86400"},
	}}
}

// AskedBy is the origin of the web page that asked for the PIN of a code, ""
// where it was no page, or there is no such PIN. Browsers say which page asks.
func (s *Server) AskedBy(code string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.livePIN(code); p != nil {
		return p.origin
	}
	return ""
}

// authInfo tells the sign-in page whether the PIN of a code was asked for from
// the address at which the page is looked at. The real page learns it from
// /api/v2/pins/info, and warns where it is not so.
func (s *Server) authInfo(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.livePIN(r.URL.Query().Get("code"))
	if p == nil {
		return noPIN(r)
	}
	return jsonReply(http.StatusOK, map[string]any{"ipMatches": p.from == addressOf(r), "from": p.from})
}

// addressOf is where a request came from, without its port.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
