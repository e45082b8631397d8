package auth

import (
	"net/http"
	"slices"
	"strings"

	"usher/session"
	"usher/templates"
)

// devices are a person's sessions, this one in front. In overlay mode each host
// learns of its own alone.
func (s *Server) devices(sess session.Session) []session.Session {
	all := slices.DeleteFunc(s.cfg.Store.ByAccount(sess.Account), func(d session.Session) bool {
		return d.ID == sess.ID || len(s.cfg.Sites) == 0 && d.Audience != sess.Audience
	})
	return slices.Insert(all, 0, sess)
}

func (s *Server) shownDevices(sess session.Session, site Site) (shown []templates.Device) {
	for _, d := range s.devices(sess) {
		device := templates.Device{ID: d.ID, Address: d.Address, Since: d.SignedIn, LastSeen: d.LastSeen, This: d.ID == sess.ID}
		device.Name, device.System = browserOf(d.Device)
		if !device.This {
			device.End = site.base() + "/devices/end"
		}
		shown = append(shown, device)
	}
	return shown
}

// endDevice signs out one of the person's devices, as logout does: whatever
// plex.tv says of them by now. For any other id the answer is the same, and
// nothing has changed.
func (s *Server) endDevice(w http.ResponseWriter, r *http.Request, site Site) {
	sess, ok := s.cfg.Cookies.Read(r, site.scope())
	if !ok {
		see(w, site.base()+"/login")
		return
	}
	if !s.readForm(w, r) {
		return
	}
	id := r.PostForm.Get("id")
	if slices.ContainsFunc(s.devices(sess), func(d session.Session) bool { return d.ID == id }) {
		if err := s.cfg.Store.End(id); err != nil {
			s.log.Error("signing out could not be stored", "problem", err)
			s.problem(w, r, http.StatusInternalServerError, templates.DeviceNotStored)
			return
		}
		s.audit(r, site.host, s.ofAccount(sess.Account, session.EventSignOut, resultOK, reasonDevice))
	}
	see(w, site.base()+"/")
}

// device says in words what a User-Agent line most likely is. It is shown to
// the person and decides nothing.
func device(agent string) string {
	switch browser, system := browserOf(agent); {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser+system != "":
		return browser + system
	}
	return "An unknown device"
}

// browserOf is the browser that a User-Agent line names, and what it runs on;
// either may be "".
func browserOf(agent string) (browser, system string) {
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
	return browser, system
}
