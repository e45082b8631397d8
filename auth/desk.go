package auth

import (
	"maps"
	"net/http"
	"net/netip"
	"net/url"

	"usher/plex"
	"usher/policy"
	"usher/templates"
)

// Visit is where, and from where, a page is asked for that is not this package's own.
type Visit struct {
	Base   string     // address of the pages as this browser reached them, without a slash at its end
	Host   string     // its host, without a port
	HTTPS  bool       // how the browser came, as far as it can be known
	Loses  bool       // the browser drops cookies here: http, and not its own machine
	Client netip.Addr // its address; zero: unknown
}

// deskPages hands what lies at path and below to the desk.
func (s *Server) deskPages(mux *http.ServeMux, base, path string) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		v, ok := s.visit(r, base)
		if !ok {
			s.problem(w, r, http.StatusBadRequest, templates.NoAddress)
			return
		}
		if !s.cfg.Desk(w, r, v) {
			s.notFound(w, r)
		}
	}
	mux.HandleFunc(base+path, serve)
	mux.HandleFunc(base+path+"/", serve)
}

// visit reads where a page of the desk is asked for. Before set-up the proxy may not know of Usher yet, so any host will do
// by which a browser gets here; what is shown there leads back to the same host.
func (s *Server) visit(r *http.Request, base string) (Visit, bool) {
	h, ok := parseHost(r.Host)
	if !ok {
		return Visit{}, false
	}
	at := Site{scheme: s.pageScheme(r), host: h, path: base}
	if r.TLS == nil && len(r.Header["X-Forwarded-Proto"]) == 0 && isLoopback(h.name) {
		at.scheme = "http"
	}
	if site, ok := s.pageSite(r, base); ok && len(s.cfg.Sites) > 0 && site.host.name == h.name {
		at = site
	}
	return Visit{Base: at.base(), Host: h.name, HTTPS: at.scheme == "https", Loses: s.losesCookies(at.scheme, h.name), Client: s.cfg.Proxies.client(r)}, true
}

// URL is the address of a site.
func (s Site) URL() *url.URL { return &url.URL{Scheme: s.scheme, Host: s.host.String(), Path: s.path} }

// Person is what a policy may know of plex.tv's answer about somebody.
func Person(a *plex.Answer) policy.Person { return personOf(a) }

// takeOver continues what the server before has counted and remembered.
func (s *Server) takeOver(before *Server) {
	before.signIns.mu.Lock()
	maps.Copy(s.signIns.m, before.signIns.m)
	before.signIns.mu.Unlock()
	s.budgets, s.guesses, s.pinTries = before.budgets, before.guesses, before.pinTries
	s.refusals.list = before.refusals.newest(maxRefusals)
}
