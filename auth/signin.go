package auth

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"usher/plex"
	"usher/session"
)

const (
	pinLife     = 30 * time.Minute // of a strong PIN, as plex.tv makes them
	linkRenewed = 2                // so often a code for plex.tv/link follows another by itself
	pinReuse    = 10 * time.Minute // in which a second tab gets the same PIN
	pinEvery    = time.Second      // at most one look at a PIN in this time
	maxPINWait  = 5 * time.Second  // however long plex.tv asks to be left alone: a claimed PIN lives for about ten
	replayGrace = time.Minute      // in which an answer that got lost is given again
	maxSignIns  = 10_000           // under way at once; the budgets keep it far below
	plexTime    = 20 * time.Second // for the few requests that a sign-in takes
)

// pendingSignIn is what the sealed cookie carries: the PIN that this browser,
// and no other, may redeem.
type pendingSignIn struct {
	PIN  int64
	Code string
	Made time.Time
	Site string // base of the site where it began
	Keep bool   // stay signed in when the browser closes
	Own  bool   // the browser made the PIN
	From string // its network, where a sibling host can plant the cookie

	Link    bool      // a code that the browser shows, for plex.tv/link
	Ends    time.Time // when that runs out
	Renewed int       // how many codes went before it since a person asked for one
}

// begun tells a browser's sign-ins from one another. It is no secret, as the PIN's
// own number may be.
func (p pendingSignIn) begun() string { return strconv.FormatInt(p.Made.UnixMilli(), 36) }

// state is how far a sign-in is, as the polling page reads it.
type state string

const (
	statePending     state = "pending"     // not yet approved at Plex
	stateOK          state = "ok"          // signed in
	stateDenied      state = "denied"      // signed in, but may not pass
	stateExpired     state = "expired"     // over, used, or another browser's
	stateUnavailable state = "unavailable" // plex.tv is silent; keep trying
)

// signIn is one PIN's way from approval to session. Its token is read once
// and kept until it is known whose it is: plex.tv shows it for seconds only.
// Who holds the turn may look at it and change it.
type signIn struct {
	seen    time.Time     // when it was first seen; never changes
	turn    chan struct{} // of one place
	asked   time.Time     // when plex.tv was last asked
	said    state         // what came of that
	silent  bool          // plex.tv had not answered before that, either
	next    time.Time     // before which plex.tv is not asked again
	token   plex.Token    // "" until approved
	session session.Session
	who     *plex.Answer
	done    time.Time // when the session began
	over    bool
	ranOut  bool           // over because nobody approved in time
	heir    *pendingSignIn // the code that took its place
}

// take waits for the turn, but not for longer than the browser does.
func (one *signIn) take(ctx context.Context) bool {
	select {
	case one.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (one *signIn) give() { <-one.turn }

// pause puts off the next question by a moment, or by what plex.tv asks for.
func (one *signIn) pause(err error) {
	wait := pinEvery
	if told := (*plex.Error)(nil); errors.As(err, &told) {
		wait = max(wait, min(told.RetryAfter, maxPINWait))
	}
	one.next = time.Now().Add(wait)
}

// signIns are the sign-ins under way on this server.
type signIns struct {
	s     *Server
	began time.Time
	looks *budgets
	mu    sync.Mutex
	m     map[int64]*signIn
}

func newSignIns(s *Server) *signIns {
	return &signIns{s: s, began: time.Now(), looks: newLooks(), m: map[int64]*signIn{}}
}

// of finds or begins the record of a PIN.
func (l *signIns) of(pin int64) (*signIn, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one, ok := l.m[pin]; ok {
		return one, true
	}
	return l.begin(pin)
}

// add begins the record of a PIN that nobody has had before.
func (l *signIns) add(pin int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.m[pin]; ok {
		return false
	}
	_, ok := l.begin(pin)
	return ok
}

// begin is called with mu held. It forgets those that are over.
func (l *signIns) begin(pin int64) (*signIn, bool) {
	if len(l.m) >= maxSignIns {
		maps.DeleteFunc(l.m, func(_ int64, one *signIn) bool { return time.Since(one.seen) > 2*pinLife })
	}
	if len(l.m) >= maxSignIns {
		return nil, false
	}
	one := &signIn{seen: time.Now(), turn: make(chan struct{}, 1)}
	l.m[pin] = one
	return one, true
}

// reusable reports whether a browser's PIN can serve its next tab as well.
func (l *signIns) reusable(ctx context.Context, p pendingSignIn) bool {
	if time.Since(p.Made) > pinReuse {
		return false
	}
	one, ok := l.of(p.PIN)
	if !ok || !one.take(ctx) {
		return false
	}
	defer one.give()
	return !one.over && one.done.IsZero() && one.token == ""
}

// outcome is where a sign-in stands.
type outcome struct {
	state   state
	session session.Session
	who     *plex.Answer
}

// advance takes a sign-in as far as it will go now. Requests about one PIN
// take turns, so however many ask, it is redeemed once and makes one session;
// who waited while plex.tv was asked gets that answer, so they cost plex.tv no
// more than one. An address that has asked too often hears what was said last,
// and asks again. A browser that goes away waits for nothing, but what it has
// begun is finished: the PIN is gone once read.
func (l *signIns) advance(r *http.Request, site Site, p pendingSignIn) outcome {
	arrived := time.Now()
	one, ok := l.of(p.PIN)
	if !ok || !one.take(r.Context()) {
		return outcome{state: stateUnavailable}
	}
	defer one.give()
	wait := time.Until(one.next)
	switch {
	case one.over || !one.done.IsZero() && time.Since(one.done) > replayGrace:
		return outcome{state: stateExpired}
	case !one.done.IsZero():
		return outcome{state: stateOK, session: one.session, who: one.who}
	case one.asked.After(arrived):
		return outcome{state: one.said}
	case wait > pinEvery:
		return outcome{state: stateUnavailable}
	}
	select { // somebody who asks a moment too early waits for that moment
	case <-time.After(wait):
	case <-r.Context().Done():
		return outcome{state: stateUnavailable}
	}
	if !l.looks.look(l.s.cfg.Proxies.client(r)) { // a later poll will
		return outcome{state: cmp.Or(one.said, statePending)}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), plexTime)
	defer cancel()
	one.asked, one.silent = time.Now(), one.said == stateUnavailable
	if one.said = l.readPIN(ctx, r, one, site, p); one.said == stateOK {
		one.said = l.redeem(ctx, r, one, site, p)
	}
	return outcome{state: one.said, session: one.session, who: one.who}
}

// readPIN looks whether the person has approved.
func (l *signIns) readPIN(ctx context.Context, r *http.Request, one *signIn, site Site, p pendingSignIn) state {
	if one.token != "" {
		return stateOK
	}
	pin, err := l.s.cfg.Plex.CheckPIN(ctx, p.PIN)
	one.pause(err)
	switch {
	case errors.Is(err, plex.ErrExpired):
		one.over, one.ranOut = true, true
		l.audit(r, one, site, resultExpired, "")
		return stateExpired
	case err != nil:
		l.s.log.Warn("a PIN could not be read", "problem", err)
		l.audit(r, one, site, resultFailed, reasonSilent)
		return stateUnavailable
	case pin.Token == "":
		return statePending
	}
	one.token = pin.Token
	return stateOK
}

// redeem asks whose token it is and what they have access to, and begins their
// session. As long as plex.tv does not say, the approval is kept.
func (l *signIns) redeem(ctx context.Context, r *http.Request, one *signIn, site Site, p pendingSignIn) state {
	s := l.s
	who, err := s.identify(ctx, one.token)
	one.pause(err)
	switch {
	case rejects(err):
		l.audit(r, one, site, resultFailed, reasonRejected)
		one.over, one.token = true, ""
		return stateExpired
	case err != nil: // plex.tv did not say, or the disk is full
		s.log.Warn("a sign-in could not be finished", "problem", err)
		reason := reasonNotStored
		if told := (*plex.Error)(nil); errors.As(err, &told) || errors.Is(err, plex.ErrUnavailable) {
			reason = reasonSilent
		}
		l.audit(r, one, site, resultFailed, reason)
		return stateUnavailable
	}
	// A short code is soon talked out of somebody: what it begins does not administer.
	if one.session, err = s.startSession(r, site, who, session.Session{Keep: p.Keep, NoAdmin: p.Link}); err != nil {
		s.log.Error("the session could not be stored", "problem", err)
		l.audit(r, one, site, resultFailed, reasonNotStored)
		return stateUnavailable
	}
	s.audit(r, site.host, s.entered(who))
	if s.cfg.Renewed != nil {
		s.cfg.Renewed(who.Account.ID, one.token)
	}
	one.done, one.token, one.who = time.Now(), "", who
	return stateOK
}

// audit writes down that a sign-in came to nothing; of a silent plex.tv, once.
func (l *signIns) audit(r *http.Request, one *signIn, site Site, result, reason string) {
	if result == resultFailed && reason != reasonRejected && one.silent {
		return
	}
	l.s.auditSome(l.s.failures, r, site.host, session.Event{Kind: session.EventSignIn, Result: result, Reason: reason})
}

// identify asks plex.tv whose token it is and what they have access to. From
// then on it is their newest token.
func (s *Server) identify(ctx context.Context, token plex.Token) (*plex.Answer, error) {
	account, err := s.cfg.Plex.Account(ctx, token)
	if err != nil {
		return nil, err
	}
	return s.cfg.Directory.SignedIn(ctx, account, token)
}

// rejects reports whether plex.tv has said no to a token, rather than nothing.
func rejects(err error) bool {
	return errors.Is(err, plex.ErrUnauthorized) || errors.Is(err, plex.ErrForbidden)
}

// startSession signs a person in at a site, on the device that asks, with what is
// special about it: without an end it lasts as long as sessions do.
func (s *Server) startSession(r *http.Request, site Site, who *plex.Answer, sess session.Session) (session.Session, error) {
	if sess.Expires.IsZero() {
		sess.Expires = time.Now().Add(s.cfg.Lifetime)
	}
	from := s.cfg.Proxies.client(r)
	sess.Account, sess.Audience, sess.Device = who.Account.ID, site.scope().Audience(), r.UserAgent()
	if from.IsValid() {
		sess.Address = from.String()
	}
	known := s.cfg.Notify == nil || s.signedInWith(sess.Account, sess.Device)
	sess, err := s.cfg.Store.Begin(sess)
	if err != nil {
		return session.Session{}, err
	}
	if s.cfg.Notify != nil {
		s.tellDevice(site, who, sess, known)
	}
	s.metrics.signIns.WithLabelValues("ok").Inc()
	return sess, nil
}
