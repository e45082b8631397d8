package auth

import (
	"net/http"
	"slices"
	"strings"
)

// EchoHeader carries the word that opens the echo.
const EchoHeader = "X-Usher-Doctor"

// echoPath is where usher doctor sees what a protected app would see. It does
// not exist for anybody without the word. It may stand anywhere in the path,
// for the doctor also asks as those do who try to get around a proxy's rules.
const echoPath = "/doctor/echo"

// echo is a request as it arrived here.
type echo struct {
	UsherEcho bool        `json:"usher_echo"`
	Method    string      `json:"method"`
	Host      string      `json:"host"`
	Header    http.Header `json:"header"`
}

// echoes reports whether a request comes from a doctor at work, through a
// trusted proxy. Where anything is not as it must be there is no echo.
func (s *Server) echoes(r *http.Request) bool {
	word := r.Header[EchoHeader]
	return s.cfg.EchoWord != nil && r.Method == http.MethodGet && strings.Contains(lowerASCII(r.URL.Path), echoPath) &&
		len(word) == 1 && word[0] != "" && s.cfg.Proxies.trusts(peer(r)) && s.cfg.EchoWord(word[0])
}

// serveEcho answers with the headers that came, and with no secret: who can
// read the answer is not more than before.
func (s *Server) serveEcho(w http.ResponseWriter, r *http.Request) {
	seen := r.Header.Clone()
	for name, values := range seen {
		if !s.cfg.Headers.has(name) && isSecret(name) {
			for i := range values {
				values[i] = "(hidden)"
			}
		}
	}
	writeJSON(w, http.StatusOK, echo{UsherEcho: true, Method: r.Method, Host: r.Host, Header: seen})
}

// secretWords are in the names of headers that hold what opens something.
var secretWords = []string{"cookie", "authorization", "authentication", "token", "secret", "password", "passwd", "credential", "api-key", "apikey", "access-key", "usher-key", "jwt", "assertion", "signature"}

// isSecret errs on the side of hiding.
func isSecret(name string) bool {
	name = strings.NewReplacer("_", "-", ".", "-").Replace(lowerASCII(name))
	return name == lowerASCII(EchoHeader) || slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// has reports whether a header is one of the identity headers.
func (hs Headers) has(name string) bool {
	return slices.ContainsFunc(hs, func(h headerField) bool { return h.name == name })
}
