package auth

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"usher/plex"
	"usher/templates"
)

// startLink begins a sign-in that is approved on another device: for browsers
// in which nobody wants to type a password. The code is bound to this browser
// as any other PIN is: who reads it from the screen can approve it, and sign in
// this browser, but not theirs.
func (s *Server) startLink(w http.ResponseWriter, r *http.Request, site Site) {
	back, ok := s.startForm(w, r, site)
	if !ok {
		return
	}
	if !s.mayMakePIN(w, r, site, site.loginPage(back)) {
		return
	}
	p, ok := s.pendingOf(r, site)
	if !ok || !p.Link || !s.signIns.reusable(r.Context(), p) {
		var err error
		if p, err = s.newLink(r.Context(), site); err != nil {
			s.noPIN(w, r, site, err, site.loginPage(back))
			return
		}
	}
	p.Keep, p.Renewed = keep(r), 0
	s.setPending(w, r, p)
	see(w, site.linkPage(back))
}

// newLink makes a PIN to type at plex.tv/link.
func (s *Server) newLink(ctx context.Context, site Site) (pendingSignIn, error) {
	pin, err := s.cfg.Plex.CreateLinkPIN(ctx)
	if err != nil {
		return pendingSignIn{}, err
	}
	if !s.signIns.add(pin.ID) {
		return pendingSignIn{}, errHadBefore
	}
	return pendingSignIn{PIN: pin.ID, Code: pin.Code, Made: time.Now(), Site: site.base(), Link: true, Ends: pin.ExpiresAt}, nil
}

// linkPage shows this browser's own code until somebody has approved it, and
// its successor where it has run out.
func (s *Server) linkPage(w http.ResponseWriter, r *http.Request, site Site) {
	if s.cfg.Directory == nil {
		s.notSetUp(w, r)
		return
	}
	back := site.returnFrom(r)
	p, ok := s.pendingOf(r, site)
	if ok && !p.Link { // begun in another tab since
		see(w, site.callbackPage(back))
		return
	}
	out := s.progress(w, r, site)
	switch {
	case out.state == stateOK, out.state == stateDenied:
		if ask := s.afterLink(r, site, out, back); out.state == stateOK && ask != back.url {
			see(w, ask)
			return
		}
		s.goOn(w, r, site, back)
	case out.state == stateExpired && ok:
		s.overLink(w, r, site, back, p)
	case out.state == stateExpired:
		s.expired(w, r, site, back)
	case out.state == stateUnavailable && !time.Now().Before(p.Ends):
		s.silent(w, r, site.linkPage(back))
	default:
		s.showLink(w, r, site, back, p)
	}
}

// showLink writes the page of a code; of one that has run out, where p.Code is
// empty.
func (s *Server) showLink(w http.ResponseWriter, r *http.Request, site Site, back Return, p pendingSignIn) {
	page := templates.Link{
		Code: p.Code, Left: time.Until(p.Ends), Host: back.hostName(),
		Poll: site.pollAddress(back, p), Here: site.linkPage(back), Back: site.loginPage(back),
		Action: site.base() + "/login/device", Return: back.String(), Keep: p.Keep,
	}
	page.Browser, page.System = browserOf(r.UserAgent())
	if from := s.cfg.Proxies.client(r); from.IsValid() {
		page.Address = from.String()
	}
	if p.Code == "" {
		page.Cookie = s.testCookie(w, r, site)
		s.write(w, r, http.StatusGone, page)
		return
	}
	page.At = s.cfg.Plex.LinkURL(plex.PIN{Code: p.Code})
	s.write(w, r, http.StatusOK, page)
}

// overLink is the page of a code that is no longer good: it shows the one that
// takes its place, or offers to ask for one where that has happened often
// enough by itself.
//
// What follows by itself is the one PIN that a GET may make, because a page
// without script can ask in no other way. That is safe: the sealed cookie shows
// that this browser asked for a code by a POST from our own page, and counts
// what came of it, so that a POST is worth three codes and no more; a code has
// one successor, however often its cookie is sent; and each is paid for from
// the budgets.
func (s *Server) overLink(w http.ResponseWriter, r *http.Request, site Site, back Return, p pendingSignIn) {
	one, ok := s.signIns.of(p.PIN)
	if !ok || !one.take(r.Context()) {
		s.silent(w, r, site.linkPage(back))
		return
	}
	defer one.give()
	switch {
	case !one.ranOut: // used
		s.clearPending(w)
		s.expired(w, r, site, back)
		return
	case p.Renewed >= linkRenewed, r.Method != http.MethodGet:
		p.Code = ""
		s.showLink(w, r, site, back, p)
		return
	case one.heir == nil:
		if !s.mayMakePIN(w, r, site, site.linkPage(back)) {
			return
		}
		next, err := s.newLink(r.Context(), site)
		if err != nil {
			s.noPIN(w, r, site, err, site.linkPage(back))
			return
		}
		next.Keep, next.Renewed = p.Keep, p.Renewed+1
		one.heir = &next
	}
	s.setPending(w, r, *one.heir)
	s.showLink(w, r, site, back, *one.heir)
}

// linkPage is the address of the page that shows the code.
func (s Site) linkPage(back Return) string {
	return s.base() + "/login/device?rd=" + url.QueryEscape(back.String())
}
