package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

// keyDays are the lives that a key may have, in days; the form offers them.
var keyDays = []int{30, 90, 365, 3 * 365}

// mayHaveKeys reports whether a person gets keys: no stranger to the owner does
// whom no policy lets in.
func (s *Server) mayHaveKeys(who *plex.Answer) bool {
	person := s.personOf(who)
	return !person.KeptOut && person.Tier > policy.Anyone || s.admits(person)
}

// keyHolder is the person who is signed in, by cookie, and may have keys.
// Otherwise it has answered.
func (s *Server) keyHolder(w http.ResponseWriter, r *http.Request, site Site) (session.Session, bool) {
	sess, who, err := s.person(r, site.scope())
	switch {
	case errors.Is(err, errNobody):
		see(w, site.base()+"/login?rd="+url.QueryEscape(site.base()+"/keys"))
	case err != nil:
		s.silent(w, r, site.base()+"/keys")
	case !s.mayHaveKeys(who):
		s.problem(w, r, http.StatusForbidden, templates.NoKeys)
	default:
		return sess, true
	}
	return session.Session{}, false
}

// keysPage lists a person's keys and offers to make one.
func (s *Server) keysPage(w http.ResponseWriter, r *http.Request, site Site) {
	if sess, ok := s.keyHolder(w, r, site); ok {
		s.writeKeys(w, r, http.StatusOK, site, sess.Account, templates.KeyForm{Days: 365})
	}
}

func (s *Server) writeKeys(w http.ResponseWriter, r *http.Request, status int, site Site, account int64, form templates.KeyForm) {
	page := templates.Keys{Make: site.base() + "/keys", End: site.base() + "/keys/end", Home: site.base() + "/", Domain: site.domain, Form: form}
	if site.domain == "" {
		page.OnlyHost = site.host.name
	}
	for _, k := range s.keysAt(site, account) {
		page.Keys = append(page.Keys, shownKey(k))
	}
	s.write(w, r, status, page)
}

// keysAt are a person's keys. Where the pages share their host with an app, that
// app learns of no others.
func (s *Server) keysAt(site Site, account int64) []session.Key {
	return slices.DeleteFunc(s.cfg.Store.Keys(account), func(k session.Key) bool { return len(s.cfg.Sites) == 0 && !opens(k, site.host) })
}

func shownKey(k session.Key) templates.Key {
	shown := templates.Key{ID: k.ID, Name: k.Name, Hosts: k.Hosts, Made: k.Made, Ends: k.Ends, LastUsed: k.LastUsed}
	if !k.LastUsed.IsZero() && k.LastAddress.IsValid() {
		shown.Address = k.LastAddress.String()
	}
	return shown
}

// makeKey makes a key and shows it, this once.
func (s *Server) makeKey(w http.ResponseWriter, r *http.Request, site Site) {
	sess, ok := s.keyHolder(w, r, site)
	if !ok || !s.readForm(w, r) {
		return
	}
	days, _ := strconv.Atoi(r.PostForm.Get("ends"))
	form := templates.KeyForm{Name: r.PostForm.Get("name"), Days: days, Hosts: splitHosts(r.PostForm.Get("hosts"))}
	hosts, problem, about := site.keyHosts(form.Hosts)
	switch {
	case strings.TrimSpace(clean(form.Name)) == "" || len(form.Name) > 60:
		problem = templates.NoKeyName
	case !slices.Contains(keyDays, days):
		form.Days, problem = 365, templates.NoKeyEnd
	}
	var secret session.KeySecret
	var key session.Key
	if problem == "" {
		var err error
		secret, key, err = s.cfg.Store.MakeKey(session.Key{Account: sess.Account, Name: clean(form.Name), Hosts: hosts, Ends: time.Now().AddDate(0, 0, days), LastAddress: s.cfg.Proxies.client(r)})
		switch {
		case errors.Is(err, session.ErrKeyName):
			problem = templates.KeyNameTaken
		case errors.Is(err, session.ErrTooManyKeys):
			problem = templates.TooManyKeys
		case err != nil:
			s.log.Error("a key could not be stored", "problem", err)
			s.problem(w, r, http.StatusInternalServerError, templates.NoNewKey)
			return
		default:
			s.audit(r, site.host, s.ofAccount(sess.Account, session.EventKey, resultMade, ""))
		}
	}
	if problem != "" {
		form.Problem, form.About = problem, about
		s.writeKeys(w, r, http.StatusBadRequest, site, sess.Account, form)
		return
	}
	s.write(w, r, http.StatusOK, templates.NewKey{Secret: string(secret), Key: shownKey(key), Back: site.base() + "/keys"})
}

// endKey revokes a key of the person's own.
func (s *Server) endKey(w http.ResponseWriter, r *http.Request, site Site) {
	sess, ok := s.keyHolder(w, r, site)
	if !ok || !s.readForm(w, r) {
		return
	}
	ended, err := s.cfg.Store.EndKey(sess.Account, r.PostForm.Get("id"))
	switch {
	case err != nil:
		s.log.Error("revoking a key could not be stored", "problem", err)
		s.problem(w, r, http.StatusInternalServerError, templates.KeyNotStored)
		return
	case ended:
		s.audit(r, site.host, s.ofAccount(sess.Account, session.EventKey, resultRevoked, ""))
	}
	see(w, site.base()+"/keys")
}

// readForm reads a posted form, or says that it cannot be read.
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.problem(w, r, http.StatusBadRequest, templates.NoForm)
		return false
	}
	return true
}

func splitHosts(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) })
}

// keyHosts are the hosts that a key made here is for, nil for all, or what is
// wrong with them, and with which. A site whose cookie stays on one host makes keys for that.
func (s Site) keyHosts(given []string) (hosts []string, problem templates.KeyProblem, about string) {
	if s.domain == "" {
		return []string{s.host.name}, "", ""
	}
	for _, text := range given {
		name, below := strings.CutPrefix(text, "*.")
		h, ok := parseHost(name)
		switch {
		case !ok || h.port != "" || below && h.isAddress():
			return nil, templates.NoKeyHost, text
		case !s.reaches(h.name):
			return nil, templates.KeyHostAway, text
		case below:
			h.name = "*." + h.name
		}
		if !slices.Contains(hosts, h.name) {
			hosts = append(hosts, h.name)
		}
	}
	if len(hosts) > 100 {
		return nil, templates.TooManyHosts, ""
	}
	return hosts, "", ""
}
