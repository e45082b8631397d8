package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"usher/plex"
	"usher/policy"
	"usher/session"
)

// Question is about a request that somebody could make, or about one that was
// refused.
type Question struct {
	Request string // id of a refusal; nothing else is looked at then

	User   string // Plex id, uuid, username or e-mail; "": nobody is signed in
	URL    string // what they open
	Method string
	Client netip.Addr // zero: unknown, which is in no network of a rule
	Policy string     // where the check's own address names one
}

// Explanation is a decision with every step that led to it.
type Explanation struct {
	RequestID string        `json:"request_id,omitempty"` // of a refusal
	At        time.Time     `json:"at"`
	User      string        `json:"user,omitempty"`
	UserID    int64         `json:"user_id,omitempty"`
	Method    string        `json:"method"`
	URL       string        `json:"url"`              // without its query
	Client    string        `json:"client,omitempty"` // its address
	Steps     []policy.Step `json:"steps"`
	Result    string        `json:"result"` // allowed, refused, bypassed, sign_in, undecided, bad_path, bad_policy, unreachable, not_set_up
	Reason    string        `json:"reason,omitempty"`
}

// Explain answers a question. Its errors are sentences for whoever asks.
func (s *Server) Explain(q Question) (Explanation, error) {
	if q.Request != "" {
		if e, ok := s.refusals.find(strings.TrimSpace(q.Request)); ok {
			return e, nil
		}
		return Explanation{}, fmt.Errorf("there is no refusal %q among the last %d; the log has older ones", clean(q.Request), maxRefusals)
	}
	a, err := askedAbout(q)
	if err != nil {
		return Explanation{}, err
	}
	a.rules = s.rules.Load()
	request := policy.Request{Host: a.host.name, Path: a.path, Method: a.method, Client: q.Client}
	if q.User == "" || s.cfg.Directory == nil {
		return s.explain(a, request, nil, errNobody), nil
	}
	id, err := s.find(q.User)
	if err != nil {
		return Explanation{}, err
	}
	who, err := s.cfg.Directory.Peek(id)
	if errors.Is(err, plex.ErrUnauthorized) {
		err = errNobody
	}
	e := s.explain(a, request, who, err)
	e.UserID = id
	return e, nil
}

// askedAbout reads a question as the check that a proxy would send.
func askedAbout(q Question) (a asked, err error) {
	scheme, rest, _ := strings.Cut(q.URL, "://")
	if !a.setScheme(scheme) {
		return a, errors.New("the URL must be one as a browser shows it, such as https://app.example.com/page")
	}
	name, uri := rest, "/"
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		name, uri = rest[:i], rest[i:]
	}
	uri, _, _ = strings.Cut(uri, "#") // no browser sends it
	if !strings.HasPrefix(uri, "/") {
		uri = "/" + uri
	}
	var ok bool
	if a.host, ok = parseHost(name); !ok {
		return a, errors.New("the URL has no host such as app.example.com")
	}
	a.method, a.policy, a.named = q.Method, q.Policy, q.Policy != ""
	return a, family{}.uri(&a, "the URL", uri)
}

// find is the one person who is meant.
func (s *Server) find(text string) (int64, error) {
	found := s.cfg.Directory.Find(text)
	if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 && len(found) == 0 {
		return id, nil
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("nobody known here is called %q: people are known while they are signed in, or on the owner's list at plex.tv", clean(text))
	case 1:
		return found[0].ID, nil
	}
	names := make([]string, len(found))
	for i, a := range found {
		names[i] = fmt.Sprintf("%d (%s)", a.ID, clean(a.Name()))
	}
	return 0, fmt.Errorf("%q may be %s; give the number", clean(text), strings.Join(names, " or "))
}

func newExplanation(a asked, client netip.Addr) Explanation {
	path, _, _ := strings.Cut(a.uri, "?")
	e := Explanation{At: time.Now().UTC(), Method: a.method, URL: absolute(a.scheme, a.host, clean(path))}
	if client.IsValid() {
		e.Client = client.String()
	}
	return e
}

// explain goes the way of a check, step by step, and changes nothing. err is
// why there is no answer about the person: errNobody, or that it cannot be
// decided.
func (s *Server) explain(a asked, q policy.Request, who *plex.Answer, err error) Explanation {
	e := newExplanation(a, q.Client)
	e.say("person", e.person(who, err))
	if s.cfg.Directory == nil {
		return e.end("not_set_up", "", "no server is allowed yet (USHER_SERVERS), so nobody passes")
	}
	bypass, choices, bad := s.choose(a, q)
	switch {
	case bad != nil:
		return e.end("bad_policy", "", "the policy in the check's address cannot be used: "+bad.Error())
	case a.named:
		e.say("address", "the check's own address names a policy, so no rule is looked at")
	case a.odd == nil:
		e.Steps = append(e.Steps, a.rules.Explain(q)...)
	}
	if bypass != nil {
		return e.end("bypassed", "", fmt.Sprintf("line %d lets it through unseen, with every identity header empty", bypass.Line))
	}
	if _, ok := s.siteOf(a); !ok {
		return e.end("unreachable", "", "no session cookie reaches this host; add an address of its domain to USHER_URL")
	}
	switch {
	case errors.Is(err, errNobody):
		return e.end("sign_in", "", "they would be asked to sign in")
	case err != nil:
		return e.end("undecided", "", "plex.tv has not said, or not recently enough, who they are, so nobody passes by that name now")
	case a.odd != nil:
		return e.end("bad_path", "", a.odd.Error())
	}
	person := s.personOf(who)
	if ruling, ok := s.ruling(who); ok {
		e.say("hand", s.ruled(ruling))
	}
	for _, c := range choices {
		e.say("policy", fmt.Sprintf("%q decides, %s", c.Policy.String(), origin(a, c)))
		e.Steps = append(e.Steps, c.Policy.Explain(person)...)
		if titles := s.cfg.Directory.Libraries(); titles != nil {
			for _, term := range c.Policy.Unknown(titles) {
				e.say("library", fmt.Sprintf("no allowed server has the library that %q names; there are %s", term, clean(strings.Join(titles, ", "))))
			}
		}
	}
	c, v := judge(choices, person)
	return e.end(result(v), reasonWord(v.Reason), sentence(c, v))
}

func (e *Explanation) say(kind, text string) {
	e.Steps = append(e.Steps, policy.Step{Kind: kind, Text: text})
}

func (e *Explanation) end(result, reason, text string) Explanation {
	e.Result, e.Reason = result, reason
	e.say("verdict", text)
	return *e
}

// person says who it is about, and on whose word.
func (e *Explanation) person(who *plex.Answer, err error) string {
	if who == nil {
		if errors.Is(err, errNobody) {
			return "nobody is signed in"
		}
		return "there is no answer of plex.tv about them: " + err.Error()
	}
	e.User, e.UserID = newIdentity(who).username, who.Account.ID
	libraries := "which libraries are shared with them is not known"
	switch {
	case tierOf(who) == policy.Owner:
		libraries = "every library is theirs"
	case len(who.Libraries) > 0:
		libraries = "libraries: " + clean(strings.Join(who.Libraries, ", "))
	case who.LibrariesKnown:
		libraries = "no library shared"
	}
	return fmt.Sprintf("%s (Plex id %d) has the tier %s, %s; so says %s of %s", e.User, e.UserID, tierOf(who), libraries, who.View, who.At.UTC().Format(time.DateTime+" UTC"))
}

// ruled says in words what was decided by hand.
func (s *Server) ruled(r session.Ruling) string {
	did := "kept out"
	if r.In {
		did = "let in"
	}
	if r.By == 0 {
		return "kept out by hand, so the store says, but who did it cannot be read"
	}
	text := fmt.Sprintf("%s by hand by Plex account %d on %s", did, r.By, r.At.UTC().Format(time.DateTime+" UTC"))
	if r.Reason != "" {
		text += ": " + clean(r.Reason)
	}
	return text
}

// origin says where a policy is from.
func origin(a asked, c policy.Choice) string {
	switch {
	case a.named:
		return "from the check's own address"
	case c.Rule != nil:
		return fmt.Sprintf("from the rule on line %d", c.Rule.Line)
	}
	return "from USHER_ALLOW"
}

func result(v policy.Verdict) string {
	switch {
	case v.Allowed:
		return "allowed"
	case v.Reason == policy.Undecided:
		return "undecided"
	}
	return "refused"
}

// sentence is a verdict in words.
func sentence(c policy.Choice, v policy.Verdict) string {
	switch {
	case v.Reason == policy.LetIn && v.Term == "":
		return "they may pass: they were let in by hand"
	case v.Reason == policy.LetIn:
		return fmt.Sprintf("they may pass: %q lets them in", v.Term)
	case v.Reason == policy.KeptOut && v.Term == "":
		return "they may not pass: they are kept out by hand, whatever else lets them in"
	case v.Reason == policy.KeptOut:
		return fmt.Sprintf("they may not pass: %q keeps them out, whatever else lets them in", v.Term)
	case v.Reason == policy.Undecided:
		return fmt.Sprintf("they do not pass now: plex.tv has not said what %q asks about", v.Term)
	}
	return fmt.Sprintf("they may not pass: no term of %q describes them", c.Policy.String())
}

// serveExplain answers usher explain.
func (s *Server) serveExplain(w http.ResponseWriter, q Question) {
	e, err := s.Explain(q)
	if err != nil {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, e)
}
