package auth

import (
	"net/http"
	"net/url"
	"time"

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
		if s.pending.Open(c.Value, &p) == nil && p.Site == site.base() && p.From == s.pendingFrom(r) && p.PIN > 0 && time.Since(p.Made) < pinLife {
			return p, true
		}
	}
	return pendingSignIn{}, false
}

func (s *Server) setPending(w http.ResponseWriter, r *http.Request, p pendingSignIn) {
	p.From = s.pendingFrom(r)
	http.SetCookie(w, &http.Cookie{Name: s.pendingName(), Value: s.seal(s.pending, p), Path: "/", MaxAge: int(pinLife / time.Second),
		Secure: !s.cfg.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	s.setWay(w, way{}) // outlives the sign-in: without it a browser that lost both keeps no cookies
}

// pendingFrom binds a sign-in to the browser's network as well, where its cookie
// has no __Host- to its name: any app of the domain can plant one there, and whoever
// goes on with that signs somebody else in.
func (s *Server) pendingFrom(r *http.Request) string {
	if !s.cfg.Insecure {
		return ""
	}
	return network(s.cfg.Proxies.client(r)).String()
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
	if p, ok := s.pendingOf(r, site); ok && p.Link { // begun in another tab since
		see(w, site.linkPage(back))
		return
	}
	out := s.progress(w, r, site)
	switch out.state {
	case stateOK, stateDenied:
		s.goOn(w, r, site, back)
	case statePending:
		p, _ := s.pendingOf(r, site)
		s.write(w, r, http.StatusOK, templates.Waiting{
			Poll: site.pollAddress(back, p), Again: site.loginPage(back), Host: back.hostName(), Left: time.Until(p.Made.Add(pinLife)),
			Continue: s.signInURL(site, p, back),
		})
	case stateUnavailable:
		s.silent(w, r, site.callbackPage(back))
	default:
		s.expired(w, r, site, back)
	}
}

// expired says that a sign-in is over, and how to begin another. Where no
// cookie of ours came either, the next one would end here as well.
func (s *Server) expired(w http.ResponseWriter, r *http.Request, site Site, back Return) {
	if _, kept := s.wayOf(r); !kept {
		s.lost(w, r, http.StatusGone, site, back, templates.NoCookies)
		return
	}
	page := templates.Expired{Again: site.loginPage(back), Action: site.base() + "/login", Return: back.String(), Keep: s.cfg.Lifetime,
		FormAction: []string{originOf(s.cfg.PlexAuth)}, Cookie: s.testCookie(w, r, site)}
	if s.cfg.BrowserPIN {
		page.PINs = s.cfg.Plex.PINURL()
	}
	s.write(w, r, http.StatusGone, page)
}

// pollAddress is where a page asks how far its sign-in is. It tells of which one,
// by the moment in which that began, for another tab may begin another.
func (s Site) pollAddress(back Return, p pendingSignIn) string {
	return s.base() + "/login/poll?rd=" + url.QueryEscape(back.String()) + "&begun=" + p.begun()
}

// poll tells the waiting page how far its own browser's sign-in is.
func (s *Server) poll(w http.ResponseWriter, r *http.Request, site Site) {
	back := site.returnFrom(r)
	out := outcome{state: stateExpired}
	p, ok := s.pendingOf(r, site)
	if begun := r.URL.Query().Get("begun"); !ok || begun == "" || begun == p.begun() {
		out = s.progress(w, r, site)
	} // else another tab has begun anew: what this page shows leads nowhere
	next := back.String()
	switch out.state {
	case stateExpired: // says so
		next = site.callbackPage(back)
	case stateOK, stateDenied:
		if out.state == stateOK && p.Link {
			next = s.afterLink(r, site, out, back)
		}
		s.rounds(w, r, back.hostName())
	}
	answer := map[string]string{"state": string(out.state), "next": next}
	if out.who != nil {
		answer["name"] = describe(out.who).Name
	}
	writeJSON(w, http.StatusOK, answer)
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
		if !p.Link { // or its page could not tell a code that ran out from none
			s.clearPending(w)
		}
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
	s.hand(w, site, old, hadOld, now)
	s.setHere(w, site, now)
}

// hand is [Server.begin] without what opens the desk.
func (s *Server) hand(w http.ResponseWriter, site Site, old session.Session, hadOld bool, now session.Session) {
	if hadOld {
		if err := s.cfg.Store.End(old.ID); err != nil {
			s.log.Error("the session before could not be ended", "problem", err)
		}
	}
	if err := s.cfg.Cookies.Set(w, site.scope(), now); err != nil {
		s.log.Error("the session cookie could not be made", "problem", err)
	}
}
