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

// maxTries is how often a page tries again by itself.
const maxTries = 5

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
	back, ok := s.canBegin(w, r, site)
	if !ok {
		return
	}
	page := templates.SignIn{Action: site.base() + "/login", Return: back.String(), Host: back.hostName(), Dropped: site.dropsReturn(r),
		Keep: s.cfg.Lifetime, FormAction: []string{originOf(s.cfg.PlexAuth)}, Plex: originOf(s.cfg.PlexAuth), Device: site.base() + "/login/device"}
	if s.cfg.BrowserPIN {
		page.PINs = s.cfg.Plex.PINURL()
	}
	sess, signedIn := s.cfg.Cookies.Read(r, site.scope())
	if signedIn {
		who, err := s.ask(r, sess, anew)
		switch {
		case err == nil && !r.URL.Query().Has("switch") && s.admits(s.personOf(who)):
			s.straightOn(w, r, site, back)
			return
		case err == nil:
			page.SignedInAs = describe(who).Name
		case !errors.Is(err, plex.ErrUnauthorized):
			s.silent(w, r, site.loginPage(back))
			return
		}
	}
	switch {
	case framed(r.Header):
		s.onTop(w, r, http.StatusOK, site, site.loginPage(back), back.hostName())
		return
	case !signedIn && s.lostSession(r, site.scope()):
		s.forgetWay(w, r) // "try again" asks anew
		s.lost(w, r, http.StatusBadRequest, site, back, templates.SessionNotKept)
		return
	}
	if _, begun := s.pendingOf(r, site); begun {
		page.Unfinished = site.callbackPage(back)
	}
	page.Cookie = s.testCookie(w, r, site)
	s.write(w, r, http.StatusOK, page)
}

// loginPage is where to sign in and come back from.
func (s Site) loginPage(back Return) string {
	return s.base() + "/login?rd=" + url.QueryEscape(back.String())
}

// callbackPage is where Plex sends the browser back.
func (s Site) callbackPage(back Return) string {
	return s.base() + "/login/callback?rd=" + url.QueryEscape(back.String())
}

// dropsReturn reports whether an address to come back to was given, and is
// none that anybody is sent to.
func (s Site) dropsReturn(r *http.Request) bool {
	_, ok := s.givenReturn(r)
	return !ok && r.URL.Query().Get("rd") != ""
}

// straightOn sends on who is signed in already. Where they arrive on a page of
// ours because their address was dropped, it says so.
func (s *Server) straightOn(w http.ResponseWriter, r *http.Request, site Site, back Return) {
	if site.path != "" || !site.dropsReturn(r) {
		s.goOn(w, r, site, back)
		return
	}
	s.setWay(w, way{At: time.Now(), Dropped: true})
	see(w, back.url)
}

// ask is plex.tv's answer about a session's person, asked anew where the one
// at hand is older than wanted.
func (s *Server) ask(r *http.Request, sess session.Session, olderThan time.Duration) (*plex.Answer, error) {
	if s.cfg.Directory == nil {
		return nil, plex.ErrUnavailable
	}
	return s.cfg.Directory.Refresh(r.Context(), sess.Account, olderThan)
}

// startSignIn makes a PIN on plex.tv, or takes the browser's own, binds it to
// this browser by a sealed cookie, and sends the browser to Plex.
func (s *Server) startSignIn(w http.ResponseWriter, r *http.Request, site Site) {
	back, ok := s.startForm(w, r, site)
	if !ok {
		return
	}
	again := site.loginPage(back)
	if !s.mayMakePIN(w, r, site, again) {
		return
	}
	p, ok := s.pendingOf(r, site)
	if ok = ok && !p.Link && s.signIns.reusable(r.Context(), p); !ok || !p.Own { // Plex warns of one of the server's
		if own, handed := s.handedPIN(r, site); handed {
			p, ok = own, true
		}
	}
	if !ok {
		var err error
		if p, err = s.newPIN(r, site); err != nil {
			s.noPIN(w, r, site, err, again)
			return
		}
	}
	p.Keep = keep(r)
	s.setPending(w, r, p)
	see(w, s.signInURL(site, p, back))
}

// signInURL is Plex's own page for a PIN of this browser's.
func (s *Server) signInURL(site Site, p pendingSignIn, back Return) string {
	return s.cfg.Plex.SignInURL(s.cfg.PlexAuth, plex.PIN{ID: p.PIN, Code: p.Code}, site.callbackPage(back))
}

// startForm reads the form that begins a sign-in, and where that leads. Where
// it reports false it has answered: without cookies nobody comes back from Plex
// signed in, so nobody is sent there.
func (s *Server) startForm(w http.ResponseWriter, r *http.Request, site Site) (Return, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.problem(w, r, http.StatusBadRequest, templates.NoForm)
		return Return{}, false
	}
	back, ok := s.canBegin(w, r, site)
	if ok && s.failsTest(r) {
		s.lost(w, r, http.StatusBadRequest, site, back, templates.NoCookies)
		return Return{}, false
	}
	return back, ok
}

// canBegin reports whether a sign-in can come to anything, and where it leads.
// Otherwise it has said why not, before anybody is sent to Plex in vain.
func (s *Server) canBegin(w http.ResponseWriter, r *http.Request, site Site) (Return, bool) {
	if s.cfg.Directory == nil {
		s.notSetUp(w, r)
		return Return{}, false
	}
	back := site.returnFrom(r)
	switch u, err := url.Parse(back.url); {
	case s.losesCookies(site.scheme, site.host.name):
		s.onlyHTTPS(w, r, site.loginPage(back))
	case err == nil && s.losesCookies(u.Scheme, u.Hostname()):
		s.onlyHTTPS(w, r, back.url)
	default:
		return back, true
	}
	return Return{}, false
}

// notSetUp says that nobody can sign in yet.
func (s *Server) notSetUp(w http.ResponseWriter, r *http.Request) {
	if !s.answersFrame(w, r, http.StatusServiceUnavailable) {
		s.write(w, r, http.StatusServiceUnavailable, templates.NotSetUp{})
	}
}

// mayMakePIN spends one sign-in of the budgets. Where there is none left it
// has answered with a page that says when to try again, and where.
func (s *Server) mayMakePIN(w http.ResponseWriter, r *http.Request, site Site, again string) bool {
	seconds := s.tooMany(w, r, site, session.EventSignIn)
	if seconds > 0 {
		s.write(w, r, http.StatusTooManyRequests, templates.TooMany{Seconds: seconds, Again: again})
	}
	return seconds == 0
}

// noPIN answers where plex.tv made none.
func (s *Server) noPIN(w http.ResponseWriter, r *http.Request, site Site, err error, again string) {
	s.log.Warn("plex.tv made no PIN", "problem", err)
	s.auditSome(s.failures, r, site.host, session.Event{Kind: session.EventSignIn, Result: resultFailed, Reason: reasonSilent})
	s.silent(w, r, again)
}

var errHadBefore = errors.New("plex.tv made a PIN that it had made before, or too many sign-ins are under way")

// newPIN is one that nobody has had before.
func (s *Server) newPIN(r *http.Request, site Site) (pendingSignIn, error) {
	pin, err := s.cfg.Plex.CreatePIN(r.Context())
	if err != nil {
		return pendingSignIn{}, err
	}
	if !s.signIns.add(pin.ID) {
		return pendingSignIn{}, errHadBefore
	}
	return pendingSignIn{PIN: pin.ID, Code: pin.Code, Made: time.Now(), Site: site.base()}, nil
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
func (s *Server) goOn(w http.ResponseWriter, r *http.Request, site Site, back Return) {
	u, err := url.Parse(back.url)
	if err != nil || back.url == "" {
		back, u = Return{site.origin() + "/"}, &url.URL{Scheme: site.scheme, Host: site.host.String()}
	}
	if s.losesCookies(u.Scheme, u.Hostname()) {
		s.onlyHTTPS(w, r, back.url)
		return
	}
	if s.rounds(w, r, u.Hostname()) {
		s.lost(w, r, http.StatusBadRequest, site, back, templates.SessionNotArriving)
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
func (s *Server) onlyHTTPS(w http.ResponseWriter, r *http.Request, address string) {
	if s.answersFrame(w, r, http.StatusBadRequest) {
		return
	}
	page := templates.Unreachable{Insecure: true}
	if u, err := url.Parse(address); err == nil {
		u.Scheme = "https"
		page.Host, page.HTTPS = u.Host, u.String()
	}
	s.write(w, r, http.StatusBadRequest, page)
}

// silent says that plex.tv does not answer, and offers to try again at an
// address of ours. The page does so by itself as well, a few times: how often
// it has is in the address, for a browser without scripts keeps no count.
func (s *Server) silent(w http.ResponseWriter, r *http.Request, again string) {
	w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	if s.answersFrame(w, r, http.StatusServiceUnavailable) {
		return
	}
	tried, _ := strconv.Atoi(r.URL.Query().Get("try"))
	s.write(w, r, http.StatusServiceUnavailable, templates.Unavailable{Again: withTry(again, 0), Retry: withTry(again, tried+1), RetrySeconds: retrySeconds})
}

// withTry is an address that says for which time it is tried, "" for one time
// too many.
func withTry(address string, n int) string {
	u, err := url.Parse(address)
	if err != nil || n < 0 || n > maxTries {
		return ""
	}
	q := u.Query()
	if q.Del("try"); n > 0 {
		q.Set("try", strconv.Itoa(n))
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// originOf is the origin of a configured address, for a page's security policy.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
