package auth

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"usher/templates"
)

// home tells a person who they are here, and on which devices.
func (s *Server) home(w http.ResponseWriter, r *http.Request, site Site) {
	sess, who, err := s.person(r, site.scope())
	switch {
	case errors.Is(err, errNobody):
		see(w, site.base()+"/login")
		return
	case err != nil:
		s.silent(w, site.base()+"/")
		return
	}
	page := templates.Home{
		Person: describe(who), Tier: tierOf(who).String(), Allowed: s.cfg.Policy.Decide(personOf(who)).Allowed,
		Until: sess.Expires, Keep: sess.Keep, SignOut: site.base() + "/logout",
	}
	for _, d := range s.cfg.Store.ByAccount(sess.Account) {
		page.Devices = append(page.Devices, templates.Device{Name: device(d.Device), Address: d.Address, Since: d.SignedIn, LastSeen: d.LastSeen, This: d.ID == sess.ID})
	}
	s.write(w, http.StatusOK, page)
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
		SignedIn time.Time `json:"signed_in"`
		Expires  time.Time `json:"expires"`
	}{who.Account.ID, id.username, id.name, id.email, id.tier, groups, s.cfg.Policy.Decide(personOf(who)).Allowed, sess.SignedIn.UTC(), sess.Expires.UTC()})
}

// device says in words what a User-Agent line most likely is. It is shown to
// the person and decides nothing.
func device(agent string) string {
	browser, system := "", ""
	for _, b := range [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}} {
		if strings.Contains(agent, b[0]) {
			browser = b[1]
			break
		}
	}
	for _, o := range [][2]string{{"SMART-TV", "TV"}, {"SmartTV", "TV"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Macintosh", "Mac"},
		{"CrOS", "ChromeOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, o[0]) {
			system = o[1]
			break
		}
	}
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser+system != "":
		return browser + system
	}
	return "An unknown device"
}
