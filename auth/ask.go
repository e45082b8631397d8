package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"usher/notify"
	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

// mayAsk is what the page about a refusal says of asking to be let in, and whether
// the person may ask now. Where nobody would learn of it they cannot ask.
func (s *Server) mayAsk(who *plex.Answer, why refusal) (a templates.Asking, may bool) {
	switch {
	case !s.answersAsks(), who.Owner, why.verdict.Allowed, why.verdict.Reason == policy.KeptOut, why.verdict.Reason == policy.Undecided:
		return a, false
	}
	last, _ := s.cfg.Store.AskOf(who.Account.ID)
	switch err := s.cfg.Store.MayAsk(who.Account.ID); {
	case errors.Is(err, session.ErrAsked):
		a.Asked, a.Message = last.At, last.Message
	case errors.Is(err, session.ErrAskedLately):
		a.Asked, a.From = last.At, last.AgainFrom()
	case err != nil:
		a.Full = true
	default:
		return a, true
	}
	return a, false
}

// sendAsk takes the message of somebody who was refused. Which refusal it was they
// cannot choose: it is in the sealed text that the page gave them.
func (s *Server) sendAsk(w http.ResponseWriter, r *http.Request, site Site) {
	sess, _, err := s.person(r, site.scope())
	if err == nil && !s.readForm(w, r) {
		return
	}
	back := site.returnFrom(r)
	again := site.base() + "/refused?rd=" + url.QueryEscape(back.String()) + "&why=" + url.QueryEscape(r.PostForm.Get("why"))
	var who *plex.Answer
	if err == nil {
		who, err = s.ask(r, sess, anew)
	}
	switch {
	case errors.Is(err, errNobody), errors.Is(err, plex.ErrUnauthorized):
		see(w, site.loginPage(back))
		return
	case err != nil:
		s.silent(w, r, again)
		return
	}
	why, known := s.openRefusal(r.PostForm.Get("why"), sess.Account)
	if !known || !s.answersAsks() {
		s.problem(w, r, http.StatusBadRequest, templates.OldPage)
		return
	}
	if s.judgeAgain(&why, who) {
		s.closeAsk(r, who)
		s.goOn(w, r, site, back)
		return
	}
	asking, may := s.mayAsk(who, why)
	if !may {
		s.writeRefusal(w, r, site, back, again, back.hostName(), why, who, asking)
		return
	}
	message, err := s.takeAsk(r, who, why)
	switch {
	case errors.Is(err, session.ErrAskLong):
		asking.Action, asking.Why, asking.Return = site.base()+"/ask", r.PostForm.Get("why"), back.String()
		asking.TooLong, asking.Message = true, message
		s.writeRefusal(w, r, site, back, again, back.hostName(), why, who, asking)
	case errors.Is(err, session.ErrAsked), errors.Is(err, session.ErrTooManyAsks), errors.Is(err, session.ErrAskedLately), err == nil:
		see(w, again) // which says how it stands
	default:
		s.log.Error("an ask could not be stored", "problem", err)
		s.problem(w, r, http.StatusInternalServerError, templates.AskNotStored)
	}
}

// takeAsk stores what a person asks, and tells the owner. It gives back the message.
func (s *Server) takeAsk(r *http.Request, who *plex.Answer, why refusal) (string, error) {
	message := strings.ToValidUTF8(r.PostForm.Get("message"), "")
	ask := session.Ask{Account: who.Account.ID, Message: message, Host: why.Host, Policy: why.Policy, Guests: why.Guests, Request: why.Request}
	if err := s.cfg.Store.Ask(ask); err != nil {
		return message, err
	}
	e := about(who, session.EventAsk, session.ResultSent, "")
	e.App, e.RequestID, e.Address = why.Host, why.Request, s.cfg.Proxies.client(r)
	s.record(e)
	if s.cfg.Notify != nil {
		if kept, ok := s.cfg.Store.AskOf(ask.Account); ok {
			ask = kept
		}
		s.cfg.Notify(notify.Message{Event: notify.Ask, At: ask.At, Account: ask.Account, Name: who.Account.Name(), Username: who.Account.Username,
			App: ask.Host, Words: ask.Message, RequestID: ask.Request, Desk: s.hasDesk()})
	}
	return message, nil
}

// closeAsk closes what a person has asked who passes there by now.
func (s *Server) closeAsk(r *http.Request, who *plex.Answer) {
	last, ok := s.cfg.Store.AskOf(who.Account.ID)
	if !ok || !last.Closed.IsZero() || !s.judgeAgain(&refusal{Policy: last.Policy, Guests: last.Guests}, who) {
		return
	}
	closed, err := s.cfg.Store.CloseAsk(who.Account.ID, session.AskPasses)
	if err != nil {
		s.log.Error("an ask could not be closed", "problem", err)
		return
	}
	if closed {
		e := about(who, session.EventAsk, session.ResultClosed, reasonPasses)
		e.App, e.RequestID, e.Address = last.Host, last.Request, s.cfg.Proxies.client(r)
		s.record(e)
	}
}

// AskPasses reports whether somebody who asked passes by now what had refused them.
func (s *Server) AskPasses(a session.Ask) bool {
	who, err := s.cfg.Directory.Peek(a.Account)
	return err == nil && s.judgeAgain(&refusal{Policy: a.Policy, Guests: a.Guests}, who)
}

// signedInWith reports whether a person is signed in on such a device.
func (s *Server) signedInWith(account int64, agent string) bool {
	words := device(agent)
	return slices.ContainsFunc(s.cfg.Store.ByAccount(account), func(one session.Session) bool { return device(one.Device) == words })
}

// tellDevice tells the owner of a sign-in with a new device, of people who pass
// somewhere: a stranger would otherwise ring the owner's telephone at will.
func (s *Server) tellDevice(site Site, who *plex.Answer, sess session.Session, known bool) {
	words := device(sess.Device)
	fresh, err := s.cfg.Store.SeeDevice(sess.Account, words)
	if err != nil {
		s.log.Error("a device could not be stored", "problem", err)
		return
	}
	if fresh && !known && s.admits(s.personOf(who)) {
		s.cfg.Notify(notify.Message{Event: notify.NewDevice, At: sess.SignedIn, Account: sess.Account, Name: who.Account.Name(), Username: who.Account.Username,
			App: site.host.String(), Device: words, Address: sess.Address})
	}
}
