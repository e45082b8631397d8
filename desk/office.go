package desk

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"usher/avatar"
	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

// pageSize is how many rows of a long list one page has: with them it stays below 40 kB.
const pageSize = 18

// Admin is who administers, and where. That they are an administrator, and that their forms are their own, the caller has
// made sure of.
type Admin struct {
	Base    string // address of the pages, without a slash at its end
	Account int64  // numeric Plex id
	Session string // id of the session that asks
	Client  netip.Addr
}

// OfficeConfig is what an [Office] needs; all of it.
type OfficeConfig struct {
	Store     *session.Store
	Directory *plex.Directory
	Pages     *templates.Pages
	Faces     *avatar.Faces // of people; nil: none are shown
	Log       *slog.Logger

	Device  func(agent string) string                 // a User-Agent line in words
	Person  func(*plex.Answer) policy.Person          // what a policy may know, with what was decided by hand
	Allow   func() policy.Policy                      // the policy for what no rule names
	Audit   func(session.Event)                       // writes down what an administrator did
	Explain func(Question) (Explanation, error)       // its errors are sentences
	Health  func() ([]string, []templates.OfficeFact) // problems, and facts besides those of the store and plex.tv
	Plex    *PlexLog
	Passes  func(session.Ask) bool // whoever asked passes by now
	Setup   *Desk                  // for its recipes
}

// Office is where administrators look after people.
type Office struct{ cfg OfficeConfig }

// NewOffice makes an office.
func NewOffice(cfg OfficeConfig) *Office { return &Office{cfg} }

// officePath is where the office is, below the pages.
const officePath = "/admin"

// Serve answers a request at /admin or below, or reports false where there is no such page.
func (o *Office) Serve(w http.ResponseWriter, r *http.Request, a Admin) bool {
	base, err := url.Parse(a.Base)
	if err != nil {
		return false
	}
	rest := strings.TrimPrefix(r.URL.Path, base.Path+officePath)
	page, id, deeper := strings.Cut(strings.Trim(rest, "/"), "/")
	type pages struct{ get, post func(*visit) }
	var found pages
	if deeper {
		if page != "people" || number(id) == 0 || strconv.FormatInt(number(id), 10) != id {
			return false
		}
		found = pages{o.person, o.changePerson}
	} else {
		var ok bool
		found, ok = map[string]pages{
			"": {o.front, o.changeFront}, "people": {o.people, nil}, "devices": {o.devices, o.changeDevices}, "keys": {o.keys, o.changeKeys},
			"recipes": {o.recipes, nil}, "asks": {o.asks, o.changeAsks}, "events": {o.events, nil}, "explain": {o.explain, nil}, "health": {o.health, nil},
		}[page]
		if !ok {
			return false
		}
	}
	v := &visit{w: w, r: r, Admin: a, host: base.Hostname(), at: officePath + strings.TrimRight(rest, "/"), id: number(id), pages: o.cfg.Pages, log: o.cfg.Log}
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		found.get(v)
	case r.Method == http.MethodPost && found.post != nil:
		if v.readForm() {
			found.post(v)
		}
	default:
		w.Header().Set("Allow", "GET, HEAD")
		v.problem(http.StatusMethodNotAllowed, "That cannot be done here", "The page is there, but not for this kind of request.")
	}
	return true
}

// visit is one request to the office.
type visit struct {
	Admin
	w     http.ResponseWriter
	r     *http.Request
	host  string // of Base
	at    string // path below Base
	id    int64  // in the path; 0: none
	pages *templates.Pages
	log   *slog.Logger
}

// maxOfficeForm bounds what a form may hold, in bytes.
const maxOfficeForm = 16 << 10

func (v *visit) readForm() bool {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxOfficeForm)
	if err := v.r.ParseForm(); err != nil {
		v.problem(http.StatusBadRequest, "That form cannot be read", "Go back and try again.")
		return false
	}
	return true
}

func (v *visit) query(name string) string {
	return strings.ToValidUTF8(strings.TrimSpace(v.r.URL.Query().Get(name)), "")
}

// desk is what every page shows.
func (v *visit) desk(here string) templates.Office {
	return templates.Office{Base: v.Base + officePath, Here: here, Home: v.Base + "/", Done: done[v.query("done")]}
}

func (v *visit) write(page templates.Page) { v.writeStatus(http.StatusOK, page) }

func (v *visit) writeStatus(status int, page templates.Page) {
	if err := v.pages.Write(v.w, status, page, templates.Reader{}); err != nil {
		v.log.Error("a page could not be written", "problem", err)
	}
}

func (v *visit) problem(status int, title, text string) {
	v.writeStatus(status, templates.Problem{Status: status, Title: title, Text: text})
}

// failed says that something could not be read or stored.
func (v *visit) failed(err error) {
	v.log.Error("the desk could not read or store something", "problem", err)
	v.problem(http.StatusInternalServerError, "That could not be done", "The store could not be read or written. Try again; the log says what is wrong.")
}

// done are the sentences by which a page says what was just done. They travel as words in its address, which can say nothing else.
var done = map[string]string{
	"kept-out":   "They are kept out now, and signed out everywhere.",
	"let-in":     "They are let in now.",
	"no":         "Closed. They may ask again in seven days.",
	"taken-back": "What was decided by hand is taken back.",
	"signed-out": "Signed out.",
	"revoked":    "Revoked.",
	"gone":       "That was over already: nothing was changed.",
	"nothing":    "Nothing was changed.",
	"unsure":     "Nothing was changed: tick the box to do that to all.",
	"never":      "Nothing was changed: the owner and yourself you cannot keep out or let in.",
	"full":       "Nothing was changed: so many people are kept out or let in that there is no room for another.",
}

// back sends the browser to the page that it came from, with a word of done.
func (v *visit) back(word string, keep ...string) {
	q := url.Values{"done": {word}}
	for i := 0; i+1 < len(keep); i += 2 {
		if keep[i+1] != "" {
			q.Set(keep[i], keep[i+1])
		}
	}
	v.w.Header().Set("Location", v.Base+v.at+"?"+q.Encode())
	v.w.WriteHeader(http.StatusSeeOther)
}

// number is a positive number, 0 for any other text.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// pageOf cuts the page that is asked for out of rows.
func pageOf[T any](v *visit, rows []T, keep ...string) ([]T, templates.Pager) {
	last := max(0, (len(rows)-1)/pageSize)
	at := min(max(0, int(min(number(v.query("page")), 1<<30))-1), last)
	from, to := at*pageSize, min((at+1)*pageSize, len(rows))
	link := func(page int) string {
		q := url.Values{"page": {strconv.Itoa(page)}}
		for i := 0; i+1 < len(keep); i += 2 {
			if keep[i+1] != "" {
				q.Set(keep[i], keep[i+1])
			}
		}
		return v.Base + v.at + "?" + q.Encode()
	}
	p := templates.Pager{Total: len(rows), First: from + 1, Last: to}
	if at > 0 {
		p.Before = link(at)
	}
	if at < last {
		p.After = link(at + 2)
	}
	return rows[from:to], p
}

// called is a person as lists show them.
func called(id int64, a plex.Account) templates.OfficeName {
	n := templates.OfficeName{ID: id, Name: cmp.Or(a.Name(), fmt.Sprintf("plex-%d", id))}
	if a.Username != n.Name {
		n.User = a.Username
	}
	return n
}

// describes reports whether a search text is in one of the fields; letter case does not count.
func describes(text string, fields ...string) bool {
	for _, f := range fields {
		if strings.Contains(strings.ToLower(f), text) {
			return true
		}
	}
	return text == ""
}
