package auth

import (
	"errors"
	"net/http"

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
		s.write(w, http.StatusOK, templates.SignedOut{Again: site.base() + "/login"})
		return
	}
	if err == nil {
		page.Person = describe(who)
	}
	s.write(w, http.StatusOK, page)
}

// logout ends this session, or with everywhere=1 every session of the person,
// before it answers.
func (s *Server) logout(w http.ResponseWriter, r *http.Request, site Site) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.problem(w, http.StatusBadRequest, "That form cannot be read", "Go back and try again.")
		return
	}
	if sess, ok := s.cfg.Cookies.Read(r, site.scope()); ok {
		everywhere := r.PostForm.Get("everywhere") == "1"
		err := error(nil)
		if everywhere {
			err = s.cfg.Store.EndAll(sess.Account)
		} else {
			err = s.cfg.Store.End(sess.ID)
		}
		if err != nil {
			s.log.Error("signing out could not be stored", "problem", err)
			s.problem(w, http.StatusInternalServerError, "You are still signed in", "Signing out could not be stored. Try again; the owner's log says what is wrong.")
			return
		}
		s.log.Info("signed out", "user_id", sess.Account, "everywhere", everywhere, "address", s.cfg.Proxies.client(r))
	}
	s.cfg.Cookies.Clear(w, site.scope())
	s.clearPending(w)
	if back, ok := site.givenReturn(r); ok {
		see(w, back.url)
		return
	}
	see(w, site.base()+"/logout") // which says that it is done
}
