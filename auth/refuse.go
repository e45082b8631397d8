package auth

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"time"

	"usher/plex"
	"usher/policy"
	"usher/templates"
)

// anew is how old an answer of plex.tv may be where somebody just asked to be
// looked at again, so that a share given a moment ago opens the door. Somebody
// who presses the button again and again costs plex.tv no more than that.
const anew = 10 * time.Second

// refusal is what the page about a refusal must know. It travels sealed where
// a proxy passes on nothing but an address, so that nobody can word one.
type refusal struct {
	Policy  string
	Guests  bool // it lets in who is let in by hand
	Host    string
	Account int64
	Request string // its id
	Open    bool   // it was undecided: what comes of it is not written down yet
	verdict policy.Verdict
}

// refused is what a policy said of a person, remembered under an id of its own.
func (s *Server) refused(a asked, q policy.Request, who *plex.Answer, c policy.Choice, v policy.Verdict) refusal {
	why := refusal{Policy: c.Policy.String(), Guests: c.Policy.TakesGuests(), Host: a.host.String(), Account: who.Account.ID, Request: newRequestID(), verdict: v}
	s.refusals.add(why.Request, s.explain(a, q, who, nil))
	return why
}

// refusedAt is the page about a refusal, which decides anew.
func (s *Server) refusedAt(site Site, back Return, why refusal) string {
	return site.base() + "/refused?rd=" + url.QueryEscape(back.String()) + "&why=" + url.QueryEscape(s.seal(s.notices, why))
}

// refuse answers a check of somebody who is signed in and may not pass.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, f *family, site Site, a asked, why refusal, who *plex.Answer) {
	s.cfg.Directory.Doubt(who.Account.ID)
	e := refusedAccess(who, reasonWord(why.verdict.Reason), why.Request)
	e.Program = !a.isPage(r.Header)
	s.audit(r, a.host, e)
	back := site.comeBack(a)
	again := s.refusedAt(site, back, why)
	switch {
	case !f.redirects:
		w.Header().Set("Location", again)
		w.WriteHeader(http.StatusForbidden)
	case a.isPage(r.Header) && framed(r.Header):
		s.onTop(w, r, http.StatusForbidden, site, a.url(), a.host.name)
	case a.isPage(r.Header):
		asking, may := s.mayAsk(who, why)
		if may { // this is the app's host; the form is at home where the cookie is ours to read
			asking.Link = again + "#ask"
		}
		s.writeRefusal(w, r, site, back, again, a.host.name, why, who, asking)
	default:
		writeJSON(w, http.StatusForbidden, map[string]string{"error": "forbidden", "reason": reasonWord(why.verdict.Reason), "request_id": why.Request})
	}
}

func (s *Server) writeRefusal(w http.ResponseWriter, r *http.Request, site Site, back Return, again, hostName string, why refusal, who *plex.Answer, asking templates.Asking) {
	words := ""
	if ruling, ok := s.ruling(who); ok && !ruling.In && ruling.Tell {
		words = ruling.Reason
	}
	person := describe(who)
	person.Face = s.cfg.Faces.Known(who.Account.Thumb)
	s.write(w, r, http.StatusForbidden, templates.Refused{
		Words:  words,
		Person: person, Reason: pageReason(why.verdict.Reason), Host: hostName, Again: again, Request: why.Request,
		Switch: site.base() + "/login?switch=1&rd=" + url.QueryEscape(back.String()), Plex: originOf(s.cfg.PlexAuth), Asking: asking,
		Who: s.whoLink(site, who, back),
	})
}

// refusedPage is where proxies that pass on only an address send the refused,
// and where "try again" leads: it asks plex.tv anew.
func (s *Server) refusedPage(w http.ResponseWriter, r *http.Request, site Site) {
	back := site.returnFrom(r)
	again := site.base() + "/refused?" + r.URL.RawQuery
	sess, _, err := s.person(r, site.scope())
	if errors.Is(err, errNobody) {
		see(w, site.loginPage(back))
		return
	}
	if framed(r.Header) {
		s.onTop(w, r, http.StatusForbidden, site, again, back.hostName())
		return
	}
	who, err := s.ask(r, sess, anew)
	if err != nil {
		s.silent(w, r, again)
		return
	}
	a, q := s.askedBack(r, back)
	sealed := r.URL.Query().Get("why")
	why, known := s.openRefusal(sealed, sess.Account)
	var passes bool
	if known {
		passes = s.judgeAgain(&why, who)
	} else {
		bypass, choices, err := s.choose(a, q)
		_, why.verdict = judge(choices, s.personOf(who))
		passes = err == nil && (bypass != nil || why.verdict.Allowed)
	}
	switch {
	case passes && known:
		s.closeAsk(r, who)
		s.goOn(w, r, site, back)
		return
	case passes: // who came here by an address of their own making
		why.verdict.Reason = policy.NoMatch
	case why.verdict.Reason == policy.Undecided:
		s.silent(w, r, again)
		return
	case why.Open: // decided now; the address that follows is that of any refusal
		e := refusedAccess(who, reasonWord(why.verdict.Reason), why.Request)
		e.App, e.Address = why.Host, s.cfg.Proxies.client(r)
		s.record(e)
		why.Open = false
		see(w, s.refusedAt(site, back, why))
		return
	case why.Request == "":
		why.Request = newRequestID()
		s.refusals.add(why.Request, s.explain(a, q, who, nil))
		s.audit(r, a.host, refusedAccess(who, reasonWord(why.verdict.Reason), why.Request))
	}
	asking, may := s.mayAsk(who, why)
	if may && known {
		asking.Action, asking.Why, asking.Return = site.base()+"/ask", sealed, back.String()
	}
	s.cfg.Faces.Of(r.Context(), who.Account.Thumb) // this page may wait for the picture; on a check nobody does
	s.writeRefusal(w, r, site, back, again, back.hostName(), why, who, asking)
}

// openRefusal opens what a page about a refusal was told, if it was told of this
// person.
func (s *Server) openRefusal(sealed string, account int64) (refusal, bool) {
	var why refusal
	if s.notices.Open(sealed, &why) != nil || why.Account != account || why.Request == "" {
		return refusal{}, false
	}
	return why, true
}

// judgeAgain decides once more by the very policy that refused.
func (s *Server) judgeAgain(why *refusal, who *plex.Answer) (passes bool) {
	pol, err := s.policies.parse(why.Policy, false)
	if why.Guests {
		pol = pol.TakeGuests()
	}
	why.verdict = pol.Decide(s.personOf(who))
	return err == nil && why.verdict.Allowed
}

// askedBack is the check that a return address would be asked about.
func (s *Server) askedBack(r *http.Request, back Return) (asked, policy.Request) {
	a, err := askedAbout(Question{URL: back.String(), Method: http.MethodGet})
	if err != nil {
		a.odd = err
	}
	return a, s.request(r, &a)
}

// hostName is the host of a return address, for a page to name.
func (r Return) hostName() string {
	u, err := url.Parse(r.url)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// newRequestID is what a person can read out to the owner, who finds it in the
// log, and asks usher explain about it.
func newRequestID() string {
	t := rand.Text()
	return t[:4] + "-" + t[4:6]
}

func reasonWord(r policy.Reason) string {
	switch r {
	case policy.KeptOut:
		return "kept_out"
	case policy.NeedsFriend:
		return "needs_friend"
	case policy.NeedsShare:
		return "needs_share"
	case policy.NeedsLibrary:
		return "needs_library"
	case policy.NeedsHome:
		return "needs_home"
	case policy.NeedsOwner:
		return "needs_owner"
	default:
		return "not_named"
	}
}

func pageReason(r policy.Reason) templates.Reason {
	switch r {
	case policy.KeptOut:
		return templates.KeptOut
	case policy.NeedsFriend:
		return templates.NeedsFriend
	case policy.NeedsShare:
		return templates.NoShare
	case policy.NeedsLibrary:
		return templates.NeedsLibrary
	case policy.NeedsHome:
		return templates.NeedsHome
	case policy.NeedsOwner:
		return templates.NeedsOwner
	default:
		return templates.NeedsNamed
	}
}

// describe is a person as the pages show them.
func describe(who *plex.Answer) templates.Person {
	p := templates.Person{Name: clean(who.Account.Name()), Email: address(who.Account.Email)}
	if p.Name == "" {
		p.Name = newIdentity(who).username
	}
	return p
}

// portray is describe with their picture, for which the page waits a moment.
func (s *Server) portray(r *http.Request, who *plex.Answer) templates.Person {
	p := describe(who)
	p.Face = s.cfg.Faces.Of(r.Context(), who.Account.Thumb)
	return p
}
