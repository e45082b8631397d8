package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"usher/plex"
	"usher/session"
	"usher/templates"
)

// maxForm bounds what a browser may post, in bytes.
const maxForm = 16 << 10

// returnFrom is where the browser goes afterwards: the address that it gave,
// or the front page of the host.
func (s Site) returnFrom(r *http.Request) Return {
	if back, ok := s.givenReturn(r); ok {
		return back
	}
	return Return{s.origin() + "/"}
}

// givenReturn reads rd from the address or a posted form. Two of them are as
// good as none: which one was checked and which one is used must not differ.
func (s Site) givenReturn(r *http.Request) (Return, bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Return{}, false
	}
	given := append(query["rd"], r.PostForm["rd"]...)
	if len(given) != 1 {
		return Return{}, false
	}
	return s.parseReturn(given[0])
}

// loginPage asks somebody to sign in. Who may pass already goes straight on,
// unless they came to switch accounts.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request, site Site) {
	if s.cfg.Directory == nil {
		s.write(w, http.StatusServiceUnavailable, templates.NotSetUp{})
		return
	}
	back := site.returnFrom(r)
	if s.losesCookies(site.scheme, site.host.name) {
		s.onlyHTTPS(w, site.base()+"/login?rd="+url.QueryEscape(back.String()))
		return
	}
	page := templates.SignIn{Action: site.base() + "/login", Return: back.String(), Host: back.hostName(),
		KeepDays: int(s.cfg.Lifetime / (24 * time.Hour)), FormAction: []string{originOf(s.cfg.PlexAuth)}}
	if sess, ok := s.cfg.Cookies.Read(r, site.scope()); ok {
		who, err := s.ask(r, sess, anew)
		switch {
		case err == nil && !r.URL.Query().Has("switch") && s.admits(s.personOf(who)):
			s.goOn(w, site, back)
			return
		case err == nil:
			page.SignedInAs = describe(who).Name
		case !errors.Is(err, plex.ErrUnauthorized):
			s.silent(w, site.base()+"/login?rd="+url.QueryEscape(back.String()))
			return
		}
	}
	s.write(w, http.StatusOK, page)
}

// ask is plex.tv's answer about a session's person, asked anew where the one
// at hand is older than wanted.
func (s *Server) ask(r *http.Request, sess session.Session, olderThan time.Duration) (*plex.Answer, error) {
	if s.cfg.Directory == nil {
		return nil, plex.ErrUnavailable
	}
	return s.cfg.Directory.Refresh(r.Context(), sess.Account, olderThan)
}

// startSignIn makes a PIN on plex.tv, binds it to this browser by a sealed
// cookie, and sends the browser to Plex.
func (s *Server) startSignIn(w http.ResponseWriter, r *http.Request, site Site) {
	if s.cfg.Directory == nil {
		s.write(w, http.StatusServiceUnavailable, templates.NotSetUp{})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.problem(w, http.StatusBadRequest, "That form cannot be read", "Go back and try again.")
		return
	}
	back := site.returnFrom(r)
	if s.losesCookies(site.scheme, site.host.name) {
		s.onlyHTTPS(w, site.base()+"/login?rd="+url.QueryEscape(back.String()))
		return
	}
	if seconds := s.tooMany(w, r, site, session.EventSignIn); seconds > 0 {
		s.write(w, http.StatusTooManyRequests, templates.TooMany{Seconds: seconds, Again: site.base() + "/login?rd=" + url.QueryEscape(back.String())})
		return
	}
	p, ok := s.pendingOf(r, site)
	if !ok || !s.signIns.reusable(r.Context(), p) {
		pin, err := s.cfg.Plex.CreatePIN(r.Context())
		if err != nil {
			s.log.Warn("plex.tv made no PIN", "problem", err)
			s.auditSome(s.failures, r, site.host, session.Event{Kind: session.EventSignIn, Result: resultFailed, Reason: reasonSilent})
			s.silent(w, site.base()+"/login?rd="+url.QueryEscape(back.String()))
			return
		}
		p = pendingSignIn{PIN: pin.ID, Code: pin.Code, Made: time.Now(), Site: site.base()}
	}
	p.Keep = keep(r)
	s.setPending(w, p)
	forward := site.base() + "/login/callback?rd=" + url.QueryEscape(back.String())
	see(w, s.cfg.Plex.SignInURL(s.cfg.PlexAuth, plex.PIN{ID: p.PIN, Code: p.Code}, forward))
}

// tooMany spends one sign-in of the budgets. Where there is none left it says
// when to try again, in seconds.
func (s *Server) tooMany(w http.ResponseWriter, r *http.Request, site Site, kind string) (seconds int) {
	reason, wait := s.budgets.take(s.cfg.Proxies.client(r))
	if wait == 0 {
		return 0
	}
	s.metrics.signIns.WithLabelValues("too_many").Inc()
	s.auditSome(s.crowds, r, site.host, session.Event{Kind: kind, Result: resultTooMany, Reason: reason})
	seconds = int(wait/time.Second) + 1
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	return seconds
}

// keep reads the check box. A form sends keep=0 always and keep=1 behind it
// where the box is ticked; who sends neither gets the whole lifetime.
func keep(r *http.Request) bool {
	v := r.PostForm["keep"]
	return len(v) == 0 || v[len(v)-1] != "0"
}

// goOn sends a person who is signed in back. An http address is not gone to
// while the cookie travels over https alone: they would arrive as nobody and
// be sent here again, for ever.
func (s *Server) goOn(w http.ResponseWriter, site Site, back Return) {
	u, err := url.Parse(back.url)
	if err != nil || back.url == "" {
		back, u = Return{site.origin() + "/"}, &url.URL{Scheme: site.scheme, Host: site.host.String()}
	}
	if s.losesCookies(u.Scheme, u.Hostname()) {
		s.onlyHTTPS(w, back.url)
		return
	}
	see(w, back.url)
}

// losesCookies reports whether a browser drops our cookies at a host: those
// for https alone over http, but for the browser's own machine.
func (s *Server) losesCookies(scheme, name string) bool {
	return scheme == "http" && !s.cfg.Insecure && !isLoopback(name)
}

// onlyHTTPS says so, and offers the same address over https.
func (s *Server) onlyHTTPS(w http.ResponseWriter, address string) {
	page := templates.Unreachable{Insecure: true}
	if u, err := url.Parse(address); err == nil {
		u.Scheme = "https"
		page.Host, page.HTTPS = u.Host, u.String()
	}
	s.write(w, http.StatusBadRequest, page)
}

// silent says that plex.tv does not answer, and offers to try again.
func (s *Server) silent(w http.ResponseWriter, again string) {
	w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	s.write(w, http.StatusServiceUnavailable, templates.Unavailable{Again: again, RetrySeconds: retrySeconds})
}

// originOf is the origin of a configured address, for a page's security policy.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
