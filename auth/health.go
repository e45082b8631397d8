package auth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"usher/plex"
	"usher/policy"
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
		fmt.Fprintln(w, "ready, but not set up: no server is allowed yet: the log says how to go on, or set USHER_SERVERS")
		return
	}
	problems := s.cfg.Directory.Problems()
	if s.cfg.Directory.State() == plex.Misconfigured {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "not ready\n"+strings.Join(problems, "\n"))
		return
	}
	fmt.Fprintln(w, strings.Join(slices.Concat([]string{"ready"}, problems, s.unknownLibraries()), "\n"))
}

// unknownLibraries tells that a term names a library which no allowed server
// has, once plex.tv has said which they have. Anybody may read this: usher
// explain says which term it is.
func (s *Server) unknownLibraries() []string {
	titles := s.cfg.Directory.Libraries()
	unknown := func(p policy.Policy) bool { return titles != nil && len(p.Unknown(titles)) > 0 }
	if unknown(s.cfg.Policy) || slices.ContainsFunc(s.rules.Load().All(), func(r policy.Rule) bool { return unknown(r.Policy) }) {
		return []string{"a policy names a library that no allowed server has; usher explain says which"}
	}
	return nil
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
	s.write(w, r, http.StatusBadRequest, s.unreachablePage(hostName))
}
