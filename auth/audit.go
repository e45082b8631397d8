package auth

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"

	"golang.org/x/time/rate"

	"usher/plex"
	"usher/policy"
	"usher/session"
)

// auditMessage is the message of a line about what happened to somebody. Programs
// read these lines: docs/audit.md promises their form and words.
const auditMessage = "audit"

// Results of events.
const (
	resultOK        = "ok"
	resultRefused   = "refused"   // plex.tv knows them, and they may not pass
	resultFailed    = "failed"    // a sign-in that came to nothing
	resultExpired   = "expired"   // a sign-in that was not approved in time
	resultTooMany   = "too_many"  // a budget is used up
	resultUndecided = "undecided" // neither let in nor refused
	resultMade      = "made"
	resultRevoked   = "revoked"
	resultWrong     = "wrong"
	resultSlowed    = "slowed"
	resultRejected  = "rejected" // by plex.tv
	resultReloaded  = "reloaded"
	resultBad       = "bad"
	resultEnded     = "ended"
)

// Reasons, besides those of [reasonWord] and keyOtherHost.
const (
	reasonHere       = "here"
	reasonDevice     = "device" // another one of theirs
	reasonEverywhere = "everywhere"
	reasonSilent     = "plex_silent"
	reasonRejected   = "token_rejected"
	reasonNotStored  = "not_stored"
	reasonAddress    = "address"   // that address used up its own budget
	reasonAll        = "all"       // others used up what all share
	reasonUnknown    = "unknown"   // a key, for the first time from there
	reasonAgain      = "again"     // the same unknown key: a program that was left with an old one
	reasonNoKey      = "no_key"    // credentials of some app's, where nobody is signed in
	reasonNoPerson   = "no_person" // a right key, of a person whom plex.tv does not vouch for
	reasonPasses     = "passes"    // who asked passes by now

	reasonHomeSwitch  = "home_switch"  // the admin of a Plex Home has chosen a member of it
	reasonHomePIN     = "home_pin"     // the PIN of that member was wrong, or too many were
	reasonHomeRefused = "home_refused" // nobody becomes that member
)

// audit writes down what happened in a request about a host.
func (s *Server) audit(r *http.Request, app host, e session.Event) {
	e.App, e.Address = app.String(), s.cfg.Proxies.client(r)
	s.record(e)
}

// auditSome is [Server.audit] for what anybody can cause: within a limit.
func (s *Server) auditSome(limit *rate.Limiter, r *http.Request, app host, e session.Event) {
	if limit.Allow() {
		s.audit(r, app, e)
	}
}

// record is the one place that writes an audit line, and its row of the history. An
// address comes from netip and a host from parseHost: neither can hold a quote, a
// space or a line's end; what can is cleaned, and quoted by slog.
func (s *Server) record(e session.Event) {
	account, address := "", ""
	if e.Account > 0 {
		account = strconv.FormatInt(e.Account, 10)
	}
	if e.Address.IsValid() {
		address = e.Address.String()
	}
	s.log.LogAttrs(context.Background(), auditLevel(e.Result), auditMessage,
		slog.String("event", e.Kind), slog.String("result", e.Result), slog.String("user_id", account), slog.String("user", clean(e.User)),
		slog.String("app", e.App), slog.String("ip", address), slog.String("reason", e.Reason), slog.String("request_id", e.RequestID))
	s.cfg.Store.AddEvent(e)
}

func auditLevel(result string) slog.Level {
	switch result {
	case resultOK, resultExpired, resultMade, resultRevoked, resultReloaded, resultEnded,
		session.ResultKeptOut, session.ResultLetIn, session.ResultTakenBack, session.ResultSignedOut, session.ResultKeyRevoked, session.ResultSent, session.ResultClosed, session.ResultBegun, session.ResultDone:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// about begins an event of a person's.
func about(who *plex.Answer, kind, result, reason string) session.Event {
	id := who.Account.ID
	return session.Event{Kind: kind, Result: result, Reason: reason, Account: id, User: username(who.Account.Username, strconv.FormatInt(id, 10))}
}

// ofAccount is [about] for somebody who is known by id; the name is what memory has.
func (s *Server) ofAccount(account int64, kind, result, reason string) session.Event {
	if s.cfg.Directory != nil {
		if who, err := s.cfg.Directory.Peek(account); err == nil {
			return about(who, kind, result, reason)
		}
	}
	return session.Event{Kind: kind, Result: result, Reason: reason, Account: account}
}

// refusedAccess begins the event of a refused check.
func refusedAccess(who *plex.Answer, reason, requestID string) session.Event {
	e := about(who, session.EventAccess, resultRefused, reason)
	e.RequestID = requestID
	return e
}

// entered begins the event of a sign-in that was finished: who is let in nowhere is
// refused.
func (s *Server) entered(who *plex.Answer) session.Event {
	if v := s.cfg.Policy.Decide(s.personOf(who)); v.Reason != policy.Undecided && !s.admits(s.personOf(who)) {
		return about(who, session.EventSignIn, resultRefused, reasonWord(v.Reason))
	}
	return about(who, session.EventSignIn, resultOK, "")
}

// TokenRejected ends the sessions of a person whose token plex.tv rejects.
func (s *Server) TokenRejected(account int64) error {
	s.record(session.Event{Kind: session.EventSessionEnd, Result: resultEnded, Reason: reasonRejected, Account: account})
	return s.cfg.Store.EndAll(account)
}

// Audit writes down what an administrator did, with the name that apps get.
func (s *Server) Audit(e session.Event) {
	if e.Account > 0 && e.User != "" {
		e.User = username(e.User, strconv.FormatInt(e.Account, 10))
	}
	s.record(e)
}

// AuditRules writes down that the rules file was read again: taken, or bad and not.
func (s *Server) AuditRules(taken bool) {
	result := resultBad
	if taken {
		result = resultReloaded
	}
	s.record(session.Event{Kind: session.EventRules, Result: result})
}
