package auth

import (
	"fmt"
	"net/http"
	"strings"

	"usher/plex"
	"usher/templates"
)

// healthz says that the process serves.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// readyz says whether checks can be answered, and what the owner should look
// at. plex.tv being silent is not unready: the people who are known still
// pass, and no other replica would do better. Nor is a first start, whose
// pages say what is to be done.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if s.cfg.Directory == nil {
		fmt.Fprintln(w, "ready, but not set up: no server is allowed yet (USHER_SERVERS)")
		return
	}
	problems := s.cfg.Directory.Problems()
	if s.cfg.Directory.State() == plex.Misconfigured {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "not ready\n"+strings.Join(problems, "\n"))
		return
	}
	fmt.Fprintln(w, strings.Join(append([]string{"ready"}, problems...), "\n"))
}

// unreachablePage is for a host that no cookie of ours reaches.
func (s *Server) unreachablePage(hostName string) templates.Unreachable {
	page := templates.Unreachable{Host: hostName}
	for _, site := range s.cfg.Sites {
		page.Pages = append(page.Pages, site.base())
	}
	return page
}

// unreachableNotice is that page for proxies that pass on only an address.
func (s *Server) unreachableNotice(w http.ResponseWriter, r *http.Request, _ Site) {
	var hostName string
	if s.notices.Open(r.URL.Query().Get("why"), &hostName) != nil {
		s.notFound(w, r)
		return
	}
	s.write(w, http.StatusBadRequest, s.unreachablePage(hostName))
}
