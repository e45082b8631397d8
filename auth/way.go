package auth

import (
	"net/http"
	"time"

	"usher/session"
	"usher/templates"
)

const (
	wayLife   = time.Minute      // in which a session that was just begun must not be missing
	roundTime = 10 * time.Second // no longer lies between two rounds of a loop
	maxRounds = 5                // to one host, each within roundTime of the last; browsers follow 20 redirects
)

// way is what a cookie of the pages' own host remembers of where this browser
// was last sent. It decides nothing: it ends rounds that would go on for ever,
// and lets pages say what went wrong. That it is there at all shows that the
// browser keeps our cookies.
type way struct {
	Host    string
	At      time.Time
	Rounds  int  // how often in a row
	Dropped bool // the address that they came with was not fit to go to
}

func (s *Server) wayName() string {
	if s.cfg.Insecure {
		return "usher-way"
	}
	return "__Host-usher-way"
}

// wayOf is the way that this browser was sent within [wayLife], and whether it
// has kept a cookie of ours.
func (s *Server) wayOf(r *http.Request) (last way, kept bool) {
	for _, c := range r.CookiesNamed(s.wayName()) {
		kept = true
		if s.ways.Open(c.Value, &last) == nil && time.Since(last.At) < wayLife {
			return last, true
		}
	}
	return way{}, kept
}

// setWay lasts as long as the browser, as does a session that is not kept:
// the one is never missed because the other stayed.
func (s *Server) setWay(w http.ResponseWriter, last way) {
	http.SetCookie(w, &http.Cookie{Name: s.wayName(), Value: s.seal(s.ways, last), Path: "/", Secure: !s.cfg.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// testCookie gives a browser that sent none of our cookies one, with a page that
// begins a sign-in, and reports whether that page's form may say so: what it posts
// comes with a cookie then, or the browser keeps none. That does not follow of a
// page on another host than it posts to, nor over http where browsers drop the
// cookie; those are as they were.
func (s *Server) testCookie(w http.ResponseWriter, r *http.Request, site Site) bool {
	here, ok := parseHost(r.Host)
	if !ok || here.name != site.host.name || s.losesCookies(s.pageScheme(r), here.name) {
		return false
	}
	if _, kept := s.wayOf(r); !kept {
		s.setWay(w, way{})
	}
	return true
}

// failsTest reports whether a form was posted whose page had a cookie set, and
// no cookie came with it.
func (s *Server) failsTest(r *http.Request) bool {
	_, kept := s.wayOf(r)
	return !kept && r.PostForm.Get("cookie") == "asked"
}

// forgetWay leaves no more of it than that cookies are kept.
func (s *Server) forgetWay(w http.ResponseWriter, r *http.Request) {
	if _, kept := s.wayOf(r); kept {
		s.setWay(w, way{})
	}
}

// rounds reports whether the browser goes in a circle: it is signed in here,
// and some host sends it back as nobody each time. Tabs that are opened at
// once are no circle.
func (s *Server) rounds(w http.ResponseWriter, r *http.Request, host string) bool {
	next := way{Host: host, At: time.Now(), Rounds: 1}
	if last, _ := s.wayOf(r); last.Host == host && time.Since(last.At) < roundTime {
		next.Rounds += last.Rounds
	}
	if next.Rounds > maxRounds {
		s.setWay(w, way{}) // "try again" begins anew
		return true
	}
	s.setWay(w, next)
	return false
}

// lostSession reports whether a session that began in this browser within the
// last minute is not there. Where its cookie comes, but the session was ended
// since, nothing is lost.
func (s *Server) lostSession(r *http.Request, scope session.Scope) bool {
	last, _ := s.wayOf(r)
	return last.Rounds > 0 && !s.cfg.Cookies.Sent(r, scope)
}

// lost says why a sign-in goes round in a circle, or would.
func (s *Server) lost(w http.ResponseWriter, r *http.Request, status int, site Site, back Return, what templates.Loss) {
	s.warn(s.badChecks, "a cookie got lost on its way", "what", string(what), "host", back.hostName(), "pages", site.base(), "cookie_domain", site.domain)
	if s.answersFrame(w, r, status) {
		return
	}
	s.write(w, r, status, templates.CookieLost{What: what, Host: back.hostName(), Pages: site.host.name, Domain: site.domain, Again: site.loginPage(back)})
}
