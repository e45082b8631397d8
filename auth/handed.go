package auth

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

const (
	maxHandedAge = 2 * time.Minute // of a PIN that a browser has made
	handedTime   = 3 * time.Second // to ask plex.tv about it; the person waits
	strongCode   = 25              // characters, of a strong PIN
)

// handedPIN is the PIN that the sign-in page has asked plex.tv for by itself,
// so that Plex sees one address and does not warn. The page is ours, but what
// is posted may come from anybody, and whoever knows a PIN can read at plex.tv
// the token of the person who approves it, or approve it themselves. So it is
// taken only if:
//
//   - the form is our own page's beyond doubt. Else another site could post a
//     PIN of its maker's: the visitor would hand over the token of their Plex
//     account by approving it, or be signed in as somebody else
//   - number and code look like those of a strong PIN, once each: nothing else
//     reaches plex.tv's address, and a code of four characters can be guessed
//   - it is not under way here already: two browsers would share a sign-in
//   - plex.tv confirms it, see [plex.Client.ConfirmPIN]. One from before this
//     server began does not count: whether it was seen is not known any more
//
// A script in this origin could post a PIN all the same (in overlay mode an app
// is in it). It could as well send the visitor to Plex with one.
//
// Whatever is wrong, the server asks for a PIN of its own, as it does where
// nothing is handed over, so that nobody is told what was wrong.
func (s *Server) handedPIN(r *http.Request, site Site) (pendingSignIn, bool) {
	ids, codes := r.PostForm["pin_id"], r.PostForm["pin_code"]
	if !s.cfg.BrowserPIN || len(ids) == 0 || ids[0] == "" && len(ids) == 1 {
		return pendingSignIn{}, false
	}
	p, problem := pendingSignIn{}, ""
	id, ok := parseHanded(ids, codes)
	switch {
	case !fromOwnPage(r, site):
		problem = "the form is not known to be our page's"
	case !ok:
		problem = "malformed"
	default:
		p, problem = s.confirmHanded(r, site, id, codes[0])
	}
	if problem != "" {
		s.log.Debug("a browser's PIN is not taken", "problem", problem)
		s.metrics.browserPINs.WithLabelValues("refused").Inc()
		return pendingSignIn{}, false
	}
	s.metrics.browserPINs.WithLabelValues("taken").Inc()
	return p, true
}

// confirmHanded asks plex.tv, and takes the PIN for this browser alone.
func (s *Server) confirmHanded(r *http.Request, site Site, id int64, code string) (p pendingSignIn, problem string) {
	ctx, cancel := context.WithTimeout(r.Context(), handedTime)
	defer cancel()
	pin, err := s.cfg.Plex.ConfirmPIN(ctx, id, code, min(maxHandedAge, time.Since(s.signIns.began)))
	switch {
	case err != nil:
		return p, err.Error()
	case !s.signIns.add(id): // somebody has had it before
		return p, "under way already"
	}
	return pendingSignIn{PIN: pin.ID, Code: pin.Code, Made: pin.ExpiresAt.Add(-pinLife), Site: site.base(), Own: true}, ""
}

// fromOwnPage reports whether a browser vouches that a form is a page's of this
// very site. http.CrossOriginProtection lets pass what bears neither of the two
// headers: too little here.
func fromOwnPage(r *http.Request, site Site) bool {
	if said := r.Header["Sec-Fetch-Site"]; len(said) > 0 {
		return len(said) == 1 && said[0] == "same-origin"
	}
	said := r.Header["Origin"] // over plain http there is nothing else
	return len(said) == 1 && said[0] == site.origin()
}

// parseHanded reads the number of a PIN, and holds the code to its form.
func parseHanded(ids, codes []string) (id int64, ok bool) {
	if len(ids) != 1 || len(codes) != 1 || len(codes[0]) != strongCode {
		return 0, false
	}
	for _, c := range []byte(codes[0]) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') {
			return 0, false
		}
	}
	id, err := strconv.ParseInt(ids[0], 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == ids[0]
}
