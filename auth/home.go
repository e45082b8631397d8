package auth

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"usher/plex"
	"usher/session"
	"usher/templates"
)

// home tells a person who they are here and to the apps, where they may go, and
// on which devices and by which keys. In overlay mode the scripts of an app on
// that host could read the page too: it is then about this host alone.
func (s *Server) home(w http.ResponseWriter, r *http.Request, site Site) {
	sess, who, err := s.person(r, site.scope())
	switch {
	case errors.Is(err, errNobody):
		see(w, site.base()+"/login")
		return
	case err != nil:
		s.silent(w, r, site.base()+"/")
		return
	}
	page := templates.Home{
		Person: s.portray(r, who), Tier: tierOf(who).String(), Allowed: s.admits(s.personOf(who)), Admin: s.isAdmin(who),
		View: pageView(who.View), At: who.At, Until: sess.Expires, Keep: sess.Keep, SignOut: site.base() + "/logout",
		Devices: s.shownDevices(sess, site), Told: s.told(who),
	}
	if last, _ := s.wayOf(r); last.Dropped {
		page.Dropped = true
		s.forgetWay(w, r)
	}
	if len(s.cfg.Sites) == 0 {
		page.OnlyHost = site.host.name
	}
	if s.signedInHere(r, site, sess) {
		page.Who = s.whoLink(site, who, Return{site.base() + "/"})
	}
	switch {
	case !page.Admin:
	case !s.hasOffice(site):
		page.NoDesk = true
	case !sess.NoAdmin && s.signedInHere(r, site, sess):
		page.Desk = site.base() + "/admin"
	default: // by a sign-in in this browser
		page.Desk = site.loginPage(Return{site.base() + "/admin"}) + "&switch=1"
	}
	if s.mayHaveKeys(who) {
		page.Keys = site.base() + "/keys"
		page.LastKeys, page.MoreKeys = s.lastKeys(site, sess.Account)
	}
	s.showReach(&page, who, s.cfg.Proxies.client(r))
	s.write(w, r, http.StatusOK, page)
}

// told is what an app that lets a person in is told of them, by the very code
// that tells it.
func (s *Server) told(who *plex.Answer) []templates.Header {
	sent := http.Header{}
	s.cfg.Headers.write(sent, newIdentity(who))
	var told []templates.Header
	for _, name := range s.cfg.Headers.Names() {
		told = append(told, templates.Header{Name: name, Value: sent.Get(name)})
	}
	return told
}

// lastKeys are the few keys that were used last, and how many more there are.
func (s *Server) lastKeys(site Site, account int64) (shown []templates.Key, more int) {
	keys := s.keysAt(site, account)
	slices.SortStableFunc(keys, func(a, b session.Key) int { return b.LastUsed.Compare(a.LastUsed) })
	for _, k := range keys[:min(len(keys), 5)] {
		if len(s.cfg.Sites) == 0 { // an app's scripts can read this page, and learn of no other
			k.Hosts = []string{site.host.name}
		}
		shown = append(shown, shownKey(k))
	}
	return shown, len(keys) - len(shown)
}

func pageView(v plex.View) templates.View {
	switch v {
	case plex.OwnersView:
		return templates.OwnersView
	case plex.PersonsView:
		return templates.PersonsView
	case plex.BothViews:
		return templates.BothViews
	}
	return ""
}

// sessionJSON is a person's own session for programs.
func (s *Server) sessionJSON(w http.ResponseWriter, r *http.Request, site Site) {
	sess, who, err := s.person(r, site.scope())
	switch {
	case errors.Is(err, errNobody):
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "not_signed_in", "login": site.base() + "/login"})
		return
	case err != nil:
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "unavailable"})
		return
	}
	id := newIdentity(who)
	groups := []string{}
	if id.groups != "" {
		groups = strings.Split(id.groups, ",")
	}
	writeJSON(w, http.StatusOK, struct {
		ID       int64     `json:"id"`
		Username string    `json:"username"`
		Name     string    `json:"name"`
		Email    string    `json:"email"`
		Tier     string    `json:"tier"`
		Groups   []string  `json:"groups"`
		Allowed  bool      `json:"allowed"`
		Admin    bool      `json:"admin"`
		SignedIn time.Time `json:"signed_in"`
		Expires  time.Time `json:"expires"`
	}{who.Account.ID, id.username, id.name, id.email, id.tier, groups, s.admits(s.personOf(who)), s.isAdmin(who), sess.SignedIn.UTC(), sess.Expires.UTC()})
}
