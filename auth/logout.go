package auth

import (
	"errors"
	"net/http"

	"usher/session"
	"usher/templates"
)

// logoutPage asks. A GET changes nothing: images and prefetches make those.
func (s *Server) logoutPage(w http.ResponseWriter, r *http.Request, site Site) {
	page := templates.SignOut{Action: site.base() + "/logout", Stay: site.returnFrom(r).String()}
	if back, ok := site.givenReturn(r); ok {
		page.Return = back.String()
	}
	_, who, err := s.person(r, site.scope())
	if errors.Is(err, errNobody) {
		s.write(w, r, http.StatusOK, templates.SignedOut{Again: site.base() + "/login", Plex: originOf(s.cfg.PlexAuth)})
		return
	}
	if err == nil {
		page.Person = s.portray(r, who)
	}
	s.write(w, r, http.StatusOK, page)
}

// logout ends this session, or with everywhere=1 every session of the person,
// before it answers.
func (s *Server) logout(w http.ResponseWriter, r *http.Request, site Site) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.problem(w, r, http.StatusBadRequest, templates.NoForm)
		return
	}
	if sess, ok := s.cfg.Cookies.Read(r, site.scope()); ok {
		var err error
		reason := reasonHere
		if r.PostForm.Get("everywhere") == "1" {
			reason, err = reasonEverywhere, s.cfg.Store.EndAll(sess.Account)
		} else {
			err = s.cfg.Store.End(sess.ID)
		}
		if err != nil {
			s.log.Error("signing out could not be stored", "problem", err)
			s.problem(w, r, http.StatusInternalServerError, templates.NotSignedOut)
			return
		}
		s.audit(r, site.host, s.ofAccount(sess.Account, session.EventSignOut, resultOK, reason))
	}
	s.cfg.Cookies.Clear(w, site.scope())
	s.clearPending(w)
	s.forgetWay(w, r) // a session that was ended is not missing
	if back, ok := site.givenReturn(r); ok {
		see(w, back.url)
		return
	}
	see(w, site.base()+"/logout") // which says that it is done
}
