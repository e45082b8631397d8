package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

// plexPause is when to try again where plex.tv wants to be left alone and does
// not say for how long.
const plexPause = time.Minute

// chooser is the admin of a Plex Home, who may say who is watching.
type chooser struct {
	session session.Session
	who     *plex.Answer
	token   plex.Token
	members []plex.HomeUser
	back    Return
	again   string // the page itself
}

// whoLink is where a person says that somebody else is watching, "" for whom
// there is nobody else.
func (s *Server) whoLink(site Site, who *plex.Answer, back Return) string {
	if !who.Account.HomeAdmin || s.keptOut(who) {
		return ""
	}
	return site.base() + "/who?rd=" + url.QueryEscape(back.String())
}

// afterLink is where somebody goes who was signed in from another device. A
// television is often not theirs alone: where others of their Plex Home can be
// chosen they are asked who is watching, else nothing comes between.
func (s *Server) afterLink(r *http.Request, site Site, out outcome, back Return) string {
	if out.who == nil {
		return back.url
	}
	ask := s.whoLink(site, out.who, back)
	if ask == "" {
		return back.url
	}
	kept, _, err := s.cfg.Store.Account(out.who.Account.ID)
	if err != nil {
		return back.url
	}
	members, err := s.homes.of(r.Context(), s.cfg.Plex, out.who.Account.ID, plex.Token(kept.Token))
	open := func(m plex.HomeUser) bool { return m.ID != out.who.Account.ID && s.shut(m) == "" }
	if err != nil || !isHomeAdmin(out.who.Account.ID, members) || !slices.ContainsFunc(members, open) {
		return back.url
	}
	return ask
}

// keptOut reports whether a person is kept out of everything that has no rule of
// its own. They become nobody else either.
func (s *Server) keptOut(who *plex.Answer) bool {
	return s.cfg.Policy.Decide(s.personOf(who)).Reason == policy.KeptOut
}

// whoPage shows who is in the Plex Home, and asks for the PIN of a member who has
// one.
func (s *Server) whoPage(w http.ResponseWriter, r *http.Request, site Site) {
	c, ok := s.chooser(w, r, site)
	if !ok {
		return
	}
	page := s.whoOf(r, site, c)
	if m, ok := c.member(r.URL.Query()["member"]); ok && m.Protected && s.shut(m) == "" {
		page.Chosen = chosen(page, m)
	}
	s.write(w, r, http.StatusOK, page)
}

// chooser is who may choose. Otherwise it has answered. The session cookie of a
// domain goes to every app on it, so as at the desk this has to be the browser in
// which the session began.
func (s *Server) chooser(w http.ResponseWriter, r *http.Request, site Site) (chooser, bool) {
	back := site.returnFrom(r)
	c := chooser{back: back, again: site.base() + "/who?rd=" + url.QueryEscape(back.String())}
	login := site.base() + "/login?switch=1&rd=" + url.QueryEscape(back.String())
	var err error
	c.session, c.who, err = s.person(r, site.scope())
	switch {
	case errors.Is(err, errNobody), err == nil && !s.signedInHere(r, site, c.session):
		see(w, login)
		return c, false
	case err != nil:
		s.silent(w, r, c.again)
		return c, false
	case s.keptOut(c.who):
		s.write(w, r, http.StatusForbidden, templates.Who{Me: s.portray(r, c.who), Stay: back.String(), Problem: templates.WhoNobody})
		return c, false
	}
	kept, _, err := s.cfg.Store.Account(c.session.Account)
	if err == nil {
		c.token = plex.Token(kept.Token)
		c.members, err = s.homes.of(r.Context(), s.cfg.Plex, c.session.Account, c.token)
	}
	switch {
	case rejects(err):
		see(w, login)
	case err != nil:
		s.plexSilent(w, r, c, err)
	case !isHomeAdmin(c.session.Account, c.members):
		s.write(w, r, http.StatusForbidden, templates.Who{Me: s.portray(r, c.who), Stay: back.String(), Problem: templates.WhoNobody})
	default:
		return c, true
	}
	return c, false
}

// plexSilent says that plex.tv does not answer, or wants to be left alone.
func (s *Server) plexSilent(w http.ResponseWriter, r *http.Request, c chooser, err error) {
	s.log.Warn("plex.tv does not serve a Plex Home", "problem", err)
	told := (*plex.Error)(nil)
	if !errors.As(err, &told) || told.Status != http.StatusTooManyRequests {
		s.silent(w, r, c.again)
		return
	}
	wait := told.RetryAfter
	if wait == 0 {
		wait = plexPause
	}
	seconds := int(wait/time.Second) + 1
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	s.write(w, r, http.StatusTooManyRequests, templates.TooMany{Seconds: seconds, Again: c.again})
}

// member finds who was chosen: one value, and a member of this very Home.
func (c chooser) member(given []string) (plex.HomeUser, bool) {
	if len(given) != 1 || !plex.IsUUID(given[0]) {
		return plex.HomeUser{}, false
	}
	i := slices.IndexFunc(c.members, func(m plex.HomeUser) bool { return m.UUID == given[0] })
	if i < 0 {
		return plex.HomeUser{}, false
	}
	return c.members[i], true
}

// maxPortraits bounds how many members a page shows by their pictures; letters
// stand for the others. Plex allows a Home of fifteen.
const maxPortraits = 10

// whoOf is the page with all members but the one who asks.
func (s *Server) whoOf(r *http.Request, site Site, c chooser) templates.Who {
	page := templates.Who{Action: site.base() + "/who", Return: c.back.String(), Again: c.again, Stay: c.back.String(), Me: s.portray(r, c.who)}
	var faces sync.WaitGroup
	page.Members = make([]templates.Member, 0, len(c.members)) // so that none moves while its picture is waited for
	for _, m := range c.members {
		if m.ID == c.session.Account {
			continue
		}
		shown := templates.Member{UUID: m.UUID, Person: describe(&plex.Answer{Account: m.Account}), Shut: s.shut(m)}
		if m.Protected {
			shown.Ask = c.again + "&member=" + url.QueryEscape(m.UUID)
		}
		page.Members = append(page.Members, shown)
		if last := &page.Members[len(page.Members)-1]; shown.Shut == "" && len(page.Members) <= maxPortraits {
			faces.Go(func() { last.Person.Face = s.cfg.Faces.Of(r.Context(), m.Thumb) })
		}
	}
	faces.Wait()
	return page
}

// chosen is the member whose PIN is asked for.
func chosen(page templates.Who, m plex.HomeUser) templates.Member {
	i := slices.IndexFunc(page.Members, func(shown templates.Member) bool { return shown.UUID == m.UUID })
	return page.Members[i]
}

// chooseWho signs in the member who was chosen, as themselves, and signs out who
// chose them. Where anything speaks against it, nothing has changed.
func (s *Server) chooseWho(w http.ResponseWriter, r *http.Request, site Site) {
	if !s.readForm(w, r) {
		return
	}
	c, ok := s.chooser(w, r, site)
	if !ok {
		return
	}
	page := s.whoOf(r, site, c)
	m, ok := c.member(r.PostForm["member"])
	if !ok {
		page.Problem = templates.WhoGone
		s.write(w, r, http.StatusBadRequest, page)
		return
	}
	if shut := s.shut(m); shut != "" {
		s.refuseWho(w, r, site, m, page)
		return
	}
	pin := ""
	if m.Protected || r.PostForm.Get("pin") != "" {
		page.Chosen, pin = chosen(page, m), r.PostForm.Get("pin")
		if !plex.IsHomePIN(pin) {
			page.Problem = templates.WhoPINForm
			s.write(w, r, http.StatusBadRequest, page)
			return
		}
	}
	if seconds := s.tooMany(w, r, site, session.EventSignIn); seconds > 0 {
		s.write(w, r, http.StatusTooManyRequests, templates.TooMany{Seconds: seconds, Again: c.again})
		return
	}
	if wait := s.tryPIN(m, pin); wait > 0 {
		s.auditSome(s.crowds, r, site.host, eventOf(m, resultTooMany, reasonHomePIN))
		page.Problem, page.Seconds = templates.WhoTries, int(wait/time.Second)+1
		w.Header().Set("Retry-After", strconv.Itoa(page.Seconds))
		s.write(w, r, http.StatusTooManyRequests, page)
		return
	}
	s.switchTo(w, r, site, c, m, pin, page)
}

// tryPIN spends a try where there is a PIN to be tried.
func (s *Server) tryPIN(m plex.HomeUser, pin string) (wait time.Duration) {
	if pin == "" {
		return 0
	}
	return s.pinTries.take(m.ID)
}

// refuseWho says that nobody becomes that member.
func (s *Server) refuseWho(w http.ResponseWriter, r *http.Request, site Site, m plex.HomeUser, page templates.Who) {
	s.auditSome(s.failures, r, site.host, eventOf(m, resultFailed, reasonHomeRefused))
	page.Chosen, page.Problem = templates.Member{}, templates.WhoRefused
	s.write(w, r, http.StatusForbidden, page)
}

// switchTo asks plex.tv for the member's own token, and goes on as with any that
// somebody has just signed in by. A browser that goes away ends nothing: plex.tv
// may have ended the member's token from before.
func (s *Server) switchTo(w http.ResponseWriter, r *http.Request, site Site, c chooser, m plex.HomeUser, pin string, page templates.Who) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), plexTime)
	defer cancel()
	who, err := s.become(ctx, c, m, pin)
	switch {
	case errors.Is(err, plex.ErrHomePIN):
		s.homes.forget(c.session.Account) // it may not have told of a PIN
		s.auditSome(s.failures, r, site.host, eventOf(m, resultFailed, reasonHomePIN))
		page.Chosen, page.Problem = chosen(page, m), templates.WhoPIN
		if pin == "" {
			page.Problem = templates.WhoPINForm
		}
		s.write(w, r, http.StatusForbidden, page)
	case errors.Is(err, errNotThem), rejects(err):
		s.log.Warn("nobody becomes a member of a Plex Home", "user_id", m.ID, "problem", err)
		s.refuseWho(w, r, site, m, page)
	case err != nil:
		s.auditSome(s.failures, r, site.host, eventOf(m, resultFailed, reasonSilent))
		s.plexSilent(w, r, c, err)
	default:
		s.beginAs(w, r, site, c, who)
	}
}

// errNotThem: plex.tv gave a token, and it is not one of somebody who may be
// chosen.
var errNotThem = errors.New("the token is not that of a managed member who may be chosen")

// become is plex.tv's answer about the member, by a token of their own.
func (s *Server) become(ctx context.Context, c chooser, m plex.HomeUser, pin string) (*plex.Answer, error) {
	token, err := s.cfg.Plex.SwitchHomeUser(ctx, c.token, m, pin)
	if err != nil {
		return nil, err
	}
	if pin != "" {
		s.pinTries.right(m.ID)
	}
	account, err := s.cfg.Plex.Account(ctx, token)
	if err != nil {
		return nil, err
	}
	if !isMember(account, m) {
		return nil, errNotThem
	}
	who, err := s.cfg.Directory.SignedIn(ctx, account, token)
	if err == nil && (s.above(who) || s.shut(m) != "") {
		return nil, errNotThem
	}
	return who, err
}

// beginAs begins the member's session in place of the one by which they were
// chosen, and no longer than that. It does not administer: what the member may
// become one day, nobody becomes by having chosen them.
func (s *Server) beginAs(w http.ResponseWriter, r *http.Request, site Site, c chooser, who *plex.Answer) {
	if _, live := s.cfg.Store.Live(c.session.ID); !live { // signed out meanwhile
		see(w, site.loginPage(c.back))
		return
	}
	sess, err := s.startSession(r, site, who, session.Session{Keep: c.session.Keep, Expires: c.session.Expires, NoAdmin: true})
	if err != nil {
		s.log.Error("the session could not be stored", "problem", err)
		s.audit(r, site.host, about(who, session.EventSignIn, resultFailed, reasonNotStored))
		s.silent(w, r, c.again)
		return
	}
	s.audit(r, site.host, about(c.who, session.EventSignOut, resultOK, reasonHomeSwitch))
	e := s.entered(who)
	if e.Result == resultOK {
		e.Reason = reasonHomeSwitch
	}
	s.audit(r, site.host, e)
	s.hand(w, site, c.session, true, sess)
	s.goOn(w, r, site, c.back)
}
