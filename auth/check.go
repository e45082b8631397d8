package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

// checkPrefix is where proxies ask. What follows is the kind of proxy and,
// if wanted, a policy as one more segment.
const checkPrefix = "/auth/"

// retrySeconds is when to try again while plex.tv is silent, in seconds.
const retrySeconds = 30

// seenEvery is how exactly it is known when a session was last seen: each
// change is written to disk sooner or later.
const seenEvery = time.Minute

// serveCheck answers a proxy. It never makes a PIN, sets no cookie, and waits
// for plex.tv only where a person is not known yet.
func (s *Server) serveCheck(w http.ResponseWriter, r *http.Request) {
	f, text, named := s.family(r)
	switch {
	case f == nil:
		http.Error(w, "No such kind of proxy. Ask at /auth/traefik, /auth/caddy, /auth/nginx, /auth/haproxy or /auth/envoy.", http.StatusNotFound)
	case !s.cfg.Proxies.trusts(peer(r)):
		s.count(f.name, "untrusted")
		s.warn(s.badChecks, "check from an address that is no trusted proxy", "address", peer(r), "fix", "add its network to USHER_TRUSTED_PROXIES if it is your proxy")
		http.Error(w, "Checks are answered for trusted proxies only (USHER_TRUSTED_PROXIES).", http.StatusForbidden)
	case s.cfg.Directory == nil:
		s.count(f.name, "not_set_up")
		s.undecided(w, r, f, asked{}.isPage(r.Header), templates.NotSetUp{})
	default:
		s.checkSetUp(w, r, f, text, named)
	}
}

// checkSetUp answers once there is a server that people can have access to.
func (s *Server) checkSetUp(w http.ResponseWriter, r *http.Request, f *family, text string, named bool) {
	a, err := f.read(*f, r)
	if err != nil {
		s.count(f.name, "bad_request")
		s.badHeader(w, f, err)
		return
	}
	a.policy, a.named, a.proxied = text, named, true
	q := s.request(r, &a)
	bypass, choices, err := s.choose(a, q)
	if err != nil {
		s.count(f.name, "bad_policy")
		s.log.Error("the policy in a check's address cannot be used: nobody passes", "address", r.URL.Path, "problem", err)
		http.Error(w, "The policy in this check's address cannot be used; the log says why.", http.StatusInternalServerError)
		return
	}
	if bypass != nil {
		s.pass(w, f, readCredential(r.Header), nil)
		return
	}
	site, ok := s.siteOf(a)
	if !ok {
		s.count(f.name, "unreachable")
		s.unreachable(w, r, f, a)
		return
	}
	s.checkPerson(w, r, f, site, a, q, choices)
}

// checkPerson answers where it depends on who asks.
func (s *Server) checkPerson(w http.ResponseWriter, r *http.Request, f *family, site Site, a asked, q policy.Request, choices []policy.Choice) {
	cred := readCredential(r.Header)
	who, err := s.asker(r, site, a, cred)
	switch {
	case err != nil && s.answeredKey(w, r, f, a, cred, err):
		return
	case errors.Is(err, errNobody) && site.isLogin(a) && a.isPage(r.Header):
		s.count(f.name, "own_page")
		s.ownPage(w, r, f, site)
		return
	case errors.Is(err, errNobody):
		s.count(f.name, "nobody")
		s.nobody(w, r, f, site, a)
		return
	case err != nil:
		s.count(f.name, "undecided")
		s.log.Debug("nobody can be let in or refused now", "problem", err)
		s.auditSome(s.undecideds, r, a.host, session.Event{Kind: session.EventAccess, Result: resultUndecided, Reason: reasonSilent})
		page := templates.Unavailable{Again: a.url(), RetrySeconds: retrySeconds}
		if !cred.keyed { // the app's address cannot count how often it was tried; ours does
			page.Retry = withTry(site.loginPage(site.comeBack(a)), 1)
		}
		s.undecided(w, r, f, a.isPage(r.Header), page)
		return
	}
	if a.odd != nil {
		s.count(f.name, "bad_path")
		status := http.StatusBadRequest
		if !f.redirects { // nginx would make 500 of it
			status = http.StatusForbidden
		}
		http.Error(w, a.odd.Error(), status)
		return
	}
	switch c, v := judge(choices, s.personOf(who)); {
	case v.Reason == policy.Undecided:
		s.count(f.name, "undecided")
		s.cfg.Directory.Doubt(who.Account.ID)
		s.log.Debug("plex.tv has not said what a policy asks about", "policy", c.Policy.String(), "term", v.Term, "user_id", who.Account.ID)
		s.auditSome(s.undecideds, r, a.host, about(who, session.EventAccess, resultUndecided, reasonSilent))
		page := templates.Unavailable{Again: a.url(), RetrySeconds: retrySeconds}
		if f.redirects && a.isPage(r.Header) && !cred.keyed { // the page about a refusal decides by the same policy, and counts
			why := s.refused(a, q, who, c, v)
			why.Open = true
			page.Retry = withTry(s.refusedAt(site, site.comeBack(a), why), 1)
		}
		s.undecided(w, r, f, a.isPage(r.Header), page)
		return
	case !v.Allowed:
		s.count(f.name, "refused")
		s.refuse(w, r, f, site, a, s.refused(a, q, who, c, v), who)
		return
	}
	s.pass(w, f, cred, newIdentity(who))
}

// family reads the address of a check: the kind of proxy, and the policy if
// one stands there. Envoy's is written envoy:POLICY, for its next segments are
// the client's own path and must never be read as a policy.
func (s *Server) family(r *http.Request) (f *family, text string, named bool) {
	name, rest, more := strings.Cut(strings.TrimPrefix(r.URL.Path, checkPrefix), "/")
	if text, named = strings.CutPrefix(name, envoy.name+":"); named {
		return &envoy, text, true
	}
	f = families[name]
	if f == &envoy {
		return f, "", false
	}
	return f, rest, more
}

// errNobody: no session, or one whose person plex.tv no longer vouches for.
var errNobody = errors.New("not signed in")

// person is who is signed in, and what plex.tv last said about them. The
// error is errNobody, or says that it cannot be decided.
func (s *Server) person(r *http.Request, scope session.Scope) (session.Session, *plex.Answer, error) {
	sess, ok := s.cfg.Cookies.Read(r, scope)
	if !ok {
		return session.Session{}, nil, errNobody
	}
	if s.cfg.Directory == nil {
		return sess, nil, plex.ErrUnavailable
	}
	if now := time.Now(); now.Sub(sess.LastSeen) >= seenEvery {
		s.cfg.Store.Touch(sess.ID, now)
	}
	who, err := s.cfg.Directory.Lookup(r.Context(), sess.Account)
	if errors.Is(err, plex.ErrUnauthorized) {
		return sess, nil, errNobody
	}
	return sess, who, err
}

// nobody sends a page load to the sign-in page and tells everything else where
// that is.
func (s *Server) nobody(w http.ResponseWriter, r *http.Request, f *family, site Site, a asked) {
	login := site.loginPage(site.comeBack(a))
	switch {
	case !f.redirects:
		w.Header().Set("Location", login)
		w.WriteHeader(http.StatusUnauthorized)
	case !a.isPage(r.Header):
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "not_signed_in", "login": login})
	case a.method == http.MethodGet || a.method == http.MethodHead:
		w.Header().Set("Location", login)
		w.WriteHeader(http.StatusFound)
	default:
		w.Header().Set("Location", login)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// comeBack is where to return after a sign-in: the address that was asked
// for, or its host's front page where that is not fit to be passed around.
func (s Site) comeBack(a asked) Return {
	if back, ok := s.parseReturn(a.url()); ok {
		return back
	}
	back, _ := s.parseReturn(absolute(a.scheme, a.host, "/"))
	return back
}

// undecided says that nobody can be let in now.
func (s *Server) undecided(w http.ResponseWriter, r *http.Request, f *family, isPage bool, page templates.Page) {
	w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	if !f.redirects || !isPage {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "unavailable"})
		return
	}
	if !s.answersFrame(w, r, http.StatusServiceUnavailable) {
		s.write(w, r, http.StatusServiceUnavailable, page)
	}
}

// unreachable says that a sign-in could never work for the host asked for.
func (s *Server) unreachable(w http.ResponseWriter, r *http.Request, f *family, a asked) {
	s.warn(s.badChecks, "asked about a host that no session cookie reaches", "host", a.host.String(), "fix", "add an address of its domain to USHER_URL")
	switch {
	case !f.redirects:
		w.Header().Set("Location", s.cfg.Sites[0].base()+"/unreachable?why="+url.QueryEscape(s.seal(s.notices, a.host.String())))
		w.WriteHeader(http.StatusUnauthorized)
	case a.isPage(r.Header):
		s.write(w, r, http.StatusBadRequest, s.unreachablePage(a.host.String()))
	default:
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unreachable_host", "host": a.host.String()})
	}
}

// isLogin reports whether an address is the site's own sign-in page.
func (s Site) isLogin(a asked) bool {
	return strings.HasPrefix(a.url(), absolute(s.scheme, s.host, s.path+"/login"))
}

// ownPage ends a round that would go on for ever: the sign-in page is itself
// behind the check, so whoever is sent there is sent there again.
func (s *Server) ownPage(w http.ResponseWriter, r *http.Request, f *family, site Site) {
	s.warn(s.badChecks, "the sign-in pages are behind the check, so nobody can reach them", "proxy", f.name, "fix", "let the proxy pass "+site.base()+"/ to Usher without asking")
	if !f.redirects {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	s.write(w, r, http.StatusForbidden, templates.Problem{Status: http.StatusForbidden, Kind: templates.Behind, Address: site.base() + "/"})
}

// badHeader names the header that a proxy did not send as it should.
func (s *Server) badHeader(w http.ResponseWriter, f *family, err error) {
	var bad *headerError
	if errors.As(err, &bad) {
		s.metrics.badHeaders.WithLabelValues(bad.name).Inc()
		s.warn(s.badChecks, "the proxy's request cannot be read", "proxy", f.name, "header", bad.name, "problem", bad.problem, "fix", bad.fix)
	}
	http.Error(w, err.Error(), http.StatusBadRequest)
}

// writeJSON writes an answer for programs. The values marshal by nature.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}

// tierOf is the strongest tier that plex.tv's answer gives.
func tierOf(a *plex.Answer) policy.Tier {
	switch {
	case a.Owner:
		return policy.Owner
	case a.Home:
		return policy.Home
	case len(a.Servers) > 0:
		return policy.Shared
	case a.Friend:
		return policy.Friend
	}
	return policy.Anyone
}

// personOf is what a policy may know of plex.tv's answer, with what an
// administrator has decided by hand.
func (s *Server) personOf(a *plex.Answer) policy.Person {
	p := personOf(a)
	if ruling, ok := s.ruling(a); ok {
		p.KeptOut, p.LetIn = !ruling.In, ruling.In
	}
	return p
}

// ruling is what was decided by hand about a person. The owner needs none, and
// none holds against them.
func (s *Server) ruling(a *plex.Answer) (session.Ruling, bool) {
	if a.Owner {
		return session.Ruling{}, false
	}
	return s.cfg.Store.Ruling(a.Account.ID)
}

// personOf is what a policy may know of plex.tv's answer.
func personOf(a *plex.Answer) policy.Person {
	return policy.Person{ID: a.Account.ID, UUID: a.Account.UUID, Username: a.Account.Username, Email: a.Account.Email, Tier: tierOf(a), Servers: a.Servers,
		Libraries: a.Libraries, LibrariesUnknown: !a.LibrariesKnown}
}
