package auth

import (
	"net/http"
	"strings"

	"usher/templates"
)

// framed reports whether a browser means to show what it asks for within
// another page, such as a dashboard. Browsers say so over https and to their own
// machine, not over plain http, and old ones never. Where it is not said the frame
// stays empty, or has the browser's own error, for none of our pages may be framed
// but [templates.Framed].
func framed(h http.Header) bool {
	switch h.Get("Sec-Fetch-Dest") {
	case "iframe", "frame", "embed", "object":
		return true
	}
	return false
}

// onTop answers within a frame, where neither our pages nor Plex's can be
// shown, with a link that opens an address of ours in the whole window.
func (s *Server) onTop(w http.ResponseWriter, r *http.Request, status int, site Site, address, hostName string) {
	s.write(w, r, status, templates.Framed{Top: address, Host: hostName, Frames: site.frames()})
}

// answersFrame answers a page load from within a frame, where the page that it
// would get is none that may stand there, and reports whether it was one. On top
// the same address says what is the matter.
func (s *Server) answersFrame(w http.ResponseWriter, r *http.Request, status int) bool {
	site, here, ok := Site{}, Return{}, false
	if framed(r.Header) {
		site, here, ok = s.standing(r)
	}
	if ok {
		s.onTop(w, r, status, site, here.String(), here.hostName())
	}
	return ok
}

// frames are the pages that may show [templates.Framed]: those to whose hosts
// the session cookie goes. Anybody else's have no use for it, as a browser does
// not send that cookie from within them.
func (s Site) frames() []string {
	switch {
	case s.domain != "":
		return []string{s.scheme + "://" + s.domain + ":*", s.scheme + "://*." + s.domain + ":*"}
	case strings.HasPrefix(s.host.name, "["): // no policy can name it
		return nil
	}
	return []string{s.scheme + "://" + s.host.name + ":*"}
}
