package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"usher/plex"
	"usher/policy"
	"usher/session"
)

// Admin is who administers, and where.
type Admin struct {
	Base    string     // address of the pages as this browser reached them, without a slash at its end
	Account int64      // numeric Plex id
	Session string     // id of the session that asks
	Client  netip.Addr // its address; zero: unknown
}

// office serves the administrators' pages below base. Everybody else is told
// what they are told about any page that is not there.
func (s *Server) office(base string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		site, ok := s.pageSite(r, base)
		if !ok {
			s.notFound(w, r)
			return
		}
		sess, ok := s.mayAdmin(r, site)
		if !ok {
			s.notFound(w, r)
			return
		}
		// What they are is asked for anew: who administers no more finds nothing here.
		who, err := s.ask(r, sess, anew)
		if err != nil || !s.isAdmin(who) {
			s.notFound(w, r)
			return
		}
		admin := Admin{Base: site.base(), Account: who.Account.ID, Session: sess.ID, Client: s.cfg.Proxies.client(r)}
		if !s.cfg.Office(w, r, admin) {
			s.notFound(w, r)
		}
	}
}

// unknownPage says that there is no such page, and does before what a page of
// the office does for those who do not administer: by how long an answer takes
// nobody can tell one from the other.
func (s *Server) unknownPage(w http.ResponseWriter, r *http.Request) {
	if site, ok := s.pageSite(r, s.baseOf(r)); ok && s.cfg.Office != nil {
		s.mayAdmin(r, site)
	}
	s.notFound(w, r)
}

// mayAdmin reports whether the person who is signed in here, by cookie, is an
// administrator by what is known of them now.
func (s *Server) mayAdmin(r *http.Request, site Site) (session.Session, bool) {
	sess, who, err := s.person(r, site.scope())
	return sess, err == nil && s.isAdmin(who) && !sess.NoAdmin && s.signedInHere(r, site, sess) && s.hasOffice(site)
}

// hasOffice reports whether there is an office at a site. Where pages live below a
// path, apps may share their origin, and a script in one of them could do there
// whatever the administrator can who looks at it.
func (s *Server) hasOffice(site Site) bool { return s.cfg.Office != nil && site.path == "" }

// hasDesk reports whether administrators can answer who asks to be let in.
func (s *Server) hasDesk() bool { return slices.ContainsFunc(s.cfg.Sites, s.hasOffice) }

// answersAsks reports whether anybody learns of who asks to be let in: without a
// desk the owner is told, and answers by sharing in Plex.
func (s *Server) answersAsks() bool { return s.cfg.Notify != nil || s.hasDesk() }

// hereName is the cookie that stays on the host of the pages. The session
// cookie of a domain goes to every app on it, and whoever has an
// administrator's could administer.
func (s *Server) hereName() string {
	if s.cfg.Insecure {
		return "usher-here"
	}
	return "__Host-usher-here"
}

// setHere tells the host of the pages that a session began in this browser.
func (s *Server) setHere(w http.ResponseWriter, site Site, sess session.Session) {
	if site.domain == "" { // the session cookie itself stays here
		return
	}
	c := &http.Cookie{Name: s.hereName(), Value: s.seal(s.here, sess.ID), Path: "/", Secure: !s.cfg.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if sess.Keep {
		c.MaxAge = int(time.Until(sess.Expires) / time.Second)
	}
	http.SetCookie(w, c)
}

// signedInHere reports whether this is the browser in which the session began.
func (s *Server) signedInHere(r *http.Request, site Site, sess session.Session) bool {
	if site.domain == "" {
		return true
	}
	for _, c := range r.CookiesNamed(s.hereName()) {
		var id string
		if s.here.Open(c.Value, &id) == nil && id == sess.ID {
			return true
		}
	}
	return false
}

// Person is what policies may know of plex.tv's answer about somebody, with what
// was decided by hand.
func (s *Server) Person(a *plex.Answer) policy.Person { return s.personOf(a) }

// Allow is the policy for what neither a rule nor a check's address names.
func (s *Server) Allow() policy.Policy { return s.cfg.Policy }

// Problems are sentences on what whoever runs this should put right, as /readyz
// tells them.
func (s *Server) Problems() []string {
	if s.cfg.Directory == nil {
		return nil
	}
	return slices.Concat(s.cfg.Directory.Problems(), s.unknownLibraries())
}

// Device says in words what a User-Agent line most likely is.
func Device(agent string) string { return device(agent) }
