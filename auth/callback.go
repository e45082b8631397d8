package auth

import (
	"net/http"
	"net/url"
	"time"

	"usher/plex"
	"usher/session"
	"usher/templates"
)

// pendingName is the cookie that binds a PIN to this browser.
func (s *Server) pendingName() string {
	if s.cfg.Insecure {
		return "usher-sign-in"
	}
	return "__Host-usher-sign-in"
}

// pendingOf is the sign-in that this browser began at this site.
func (s *Server) pendingOf(r *http.Request, site Site) (pendingSignIn, bool) {
	for _, c := range r.CookiesNamed(s.pendingName()) {
		var p pendingSignIn
		if s.pending.Open(c.Value, &p) == nil && p.Site == site.base() && p.PIN > 0 && time.Since(p.Made) < pinLife {
			return p, true
		}
	}
	return pendingSignIn{}, false
}

func (s *Server) setPending(w http.ResponseWriter, p pendingSignIn) {
	http.SetCookie(w, &http.Cookie{Name: s.pendingName(), Value: s.seal(s.pending, p), Path: "/", MaxAge: int(pinLife / time.Second),
		Secure: !s.cfg.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (s *Server) clearPending(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: s.pendingName(), Path: "/", MaxAge: -1, Secure: !s.cfg.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// seal writes a value of ours, small and of a known type, so that it cannot
// fail but by our own mistake; the empty text opens for nobody.
func (s *Server) seal(with *session.Sealer, v any) string {
	text, err := with.Seal(v)
	if err != nil {
		s.log.Error("a value could not be sealed", "problem", err)
	}
	return text
}

// callback is where Plex sends the browser back.
func (s *Server) callback(w http.ResponseWriter, r *http.Request, site Site) {
	back := site.returnFrom(r)
	rd := "?rd=" + url.QueryEscape(back.String())
	out := s.progress(w, r, site)
	switch out.state {
	case stateOK, stateDenied:
		s.goOn(w, site, back)
	case statePending:
		p, _ := s.pendingOf(r, site)
		s.write(w, http.StatusOK, templates.Waiting{
			Poll: site.base() + "/login/poll" + rd, Again: site.base() + "/login" + rd, Host: back.hostName(),
			Continue: s.cfg.Plex.SignInURL(s.cfg.PlexAuth, plex.PIN{ID: p.PIN, Code: p.Code}, site.base()+"/login/callback"+rd),
		})
	case stateUnavailable:
		s.silent(w, site.base()+"/login/callback"+rd)
	default:
		s.write(w, http.StatusGone, templates.Expired{Again: site.base() + "/login" + rd})
	}
}

// poll tells the waiting page how far its own browser's sign-in is.
func (s *Server) poll(w http.ResponseWriter, r *http.Request, site Site) {
	back := site.returnFrom(r)
	out := s.progress(w, r, site)
	next := back.String()
	if out.state == stateExpired {
		next = site.base() + "/login?rd=" + url.QueryEscape(next)
	}
	writeJSON(w, http.StatusOK, map[string]string{"state": string(out.state), "next": next})
}

// progress takes this browser's sign-in on, and signs it in when it is done.
func (s *Server) progress(w http.ResponseWriter, r *http.Request, site Site) outcome {
	if s.cfg.Directory == nil {
		return outcome{state: stateUnavailable}
	}
	old, signedIn := s.cfg.Cookies.Read(r, site.scope())
	p, ok := s.pendingOf(r, site)
	if !ok {
		if signedIn { // another tab was faster
			return outcome{state: stateOK, session: old}
		}
		return outcome{state: stateExpired}
	}
	out := s.signIns.advance(r, site, p)
	switch out.state {
	case stateExpired:
		s.clearPending(w)
	case stateOK:
		s.clearPending(w)
		if _, live := s.cfg.Store.Live(out.session.ID); !live { // signed out since
			return outcome{state: stateExpired}
		}
		s.begin(w, site, old, signedIn, out.session)
		if !s.admits(s.personOf(out.who)) {
			out.state = stateDenied
		}
	}
	return out
}

// begin hands the browser its session and ends the one that it had.
func (s *Server) begin(w http.ResponseWriter, site Site, old session.Session, hadOld bool, now session.Session) {
	if hadOld && old.ID == now.ID {
		return
	}
	if hadOld {
		if err := s.cfg.Store.End(old.ID); err != nil {
			s.log.Error("the session before could not be ended", "problem", err)
		}
	}
	if err := s.cfg.Cookies.Set(w, site.scope(), now); err != nil {
		s.log.Error("the session cookie could not be made", "problem", err)
	}
	s.setHere(w, site, now)
}
