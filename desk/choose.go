package desk

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

const (
	maxServers = 30     // that can be allowed by set-up
	maxNames   = 12     // shown of one choice at once
	maxAll     = 300    // and with those behind a press
	listRoom   = 9_000  // bytes on the page for the names of one choice
	namesRoom  = 20_000 // and for all
)

// Tiers are the choices of who may pass, the narrowest first.
func Tiers() []string { return []string{"owner", "home", "shared", "friend", "anyone"} }

// serversPage has the owner tick.
func (d *Desk) serversPage(w http.ResponseWriter, _ *http.Request, v Visit, now *run) {
	if now.done || now.account.ID == 0 {
		see(w, v.Base+path)
		return
	}
	if err := d.admit(now); err != nil {
		d.write(w, http.StatusOK, templates.SetupProblem{Title: "Not with this account", Text: sentence(err), Switch: v.Base + path + "/again"})
		return
	}
	d.writeServers(w, http.StatusOK, v, now, "")
}

func (d *Desk) writeServers(w http.ResponseWriter, status int, v Visit, now *run, problem string) {
	page := templates.SetupServers{Action: v.Base + path + "/servers", Switch: v.Base + path + "/again", Problem: problem, Fixed: len(d.cfg.Fixed.Servers) > 0,
		Person: templates.Person{Name: now.account.Name(), Username: now.account.Username, Email: now.account.Email}}
	if page.Fixed {
		for _, s := range name(d.cfg.Fixed.Servers, now.servers) {
			page.Servers = append(page.Servers, templates.SetupServer{ID: s.ID, Name: s.Name})
		}
		d.write(w, status, page)
		return
	}
	before := now.ticked
	if before == nil {
		before = d.cfg.InForce().Servers
	}
	for _, s := range now.servers {
		page.Servers = append(page.Servers, templates.SetupServer{ID: s.ID, Name: s.Name,
			Ticked: len(now.servers) == 1 || slices.ContainsFunc(before, func(b Server) bool { return b.ID == s.ID })})
	}
	d.write(w, status, page)
}

// tick takes which servers count.
func (d *Desk) tick(w http.ResponseWriter, r *http.Request, v Visit, now *run) {
	if now.done || now.account.ID == 0 || d.admit(now) != nil || r.ParseForm() != nil {
		see(w, v.Base+path)
		return
	}
	ids := r.PostForm["server"]
	if fixed := d.cfg.Fixed.Servers; len(fixed) > 0 {
		ids = fixed
	} else if problem := Pick(ids, now.servers); problem != "" {
		d.writeServers(w, http.StatusBadRequest, v, now, problem)
		return
	}
	now.ticked, now.people = name(ids, now.servers), nil
	see(w, v.Base+path+"/people")
}

// Pick says what is wrong with a choice among an account's own servers, "" if
// nothing is.
func Pick(ids []string, own []plex.Resource) string {
	switch {
	case len(ids) == 0:
		return "Tick at least one server."
	case len(ids) > maxServers || len(slices.Compact(slices.Sorted(slices.Values(ids)))) < len(ids),
		slices.ContainsFunc(ids, func(id string) bool {
			return !slices.ContainsFunc(own, func(r plex.Resource) bool { return r.ID == id })
		}):
		return "One of these is no server of yours."
	}
	return ""
}

// name finds the names of servers; one that is not the account's own has none.
func name(ids []string, own []plex.Resource) []Server {
	var all []Server
	for _, id := range ids {
		s := Server{ID: id}
		if i := slices.IndexFunc(own, func(r plex.Resource) bool { return r.ID == id }); i >= 0 {
			s.Name = short(own[i].Name)
		}
		all = append(all, s)
	}
	return all
}

// Choice is one answer to who may pass, and whom that lets in.
type Choice struct {
	Allow string   // a policy
	Names []string // everybody by name whom it lets in
}

func (d *Desk) foresee(people []plex.Foreseen, policies ...string) (all []Choice) {
	return Foresee(d.cfg.Person, people, policies...)
}

// Foresee says whom each policy lets in of the people on an owner's list, by
// name.
func Foresee(person func(*plex.Answer) policy.Person, people []plex.Foreseen, policies ...string) (all []Choice) {
	for _, text := range policies {
		c := Choice{Allow: text}
		p, err := policy.Parse(text)
		for i := range people {
			if a := &people[i].Answer; err == nil && p.Decide(person(a)).Allowed {
				c.Names = append(c.Names, short(cmp.Or(a.Account.Name(), "somebody without a name")))
			}
		}
		all = append(all, c)
	}
	return all
}

// Invited are those who have been invited to an allowed server and whom a
// policy for those it is shared with would not let in yet.
func Invited(people []plex.Foreseen) (names []string) {
	for _, p := range people {
		if p.Invited && len(p.Servers) == 0 && !p.Home {
			names = append(names, short(cmp.Or(p.Account.Name(), "somebody without a name")))
		}
	}
	return names
}

// peoplePage has the owner choose, by name.
func (d *Desk) peoplePage(w http.ResponseWriter, r *http.Request, v Visit, now *run) {
	if now.done || now.ticked == nil {
		see(w, v.Base+path)
		return
	}
	if now.people == nil {
		ctx, cancel := plexContext(r)
		defer cancel()
		users, err := d.cfg.Plex.Users(ctx, now.token)
		if err != nil {
			d.stuck(w, err, v, now, "/people")
			return
		}
		var ids []string
		for _, s := range now.ticked {
			ids = append(ids, s.ID)
		}
		now.people = plex.Foresee(now.account, users, ids)
	}
	d.writePeople(w, http.StatusOK, v, now, "", "")
}

// stuck is trouble with a question that needs the token.
func (d *Desk) stuck(w http.ResponseWriter, err error, v Visit, now *run, again string) {
	if isRejected(err) {
		now.forget()
		d.write(w, http.StatusGone, templates.Expired{Again: v.Base + path})
		return
	}
	d.trouble(w, err, v, again)
}

func (d *Desk) writePeople(w http.ResponseWriter, status int, v Visit, now *run, chosen, problem string) {
	page := templates.SetupPeople{Action: v.Base + path + "/finish", Back: v.Base + path + "/servers", Fixed: d.cfg.Fixed.Allow, Problem: problem}
	left := namesRoom
	page.Invited = bounded(Invited(now.people), maxNames, &left)
	if page.Fixed != "" {
		for _, c := range d.foresee(now.people, page.Fixed) {
			page.Choices = append(page.Choices, templates.SetupChoice{Value: c.Allow, Count: len(c.Names), Names: bounded(c.Names, maxAll, &left)})
		}
		d.write(w, status, page)
		return
	}
	chosen = cmp.Or(chosen, d.cfg.InForce().Allow, "shared")
	for _, c := range d.foresee(now.people, Tiers()...) {
		choice := templates.SetupChoice{Value: c.Allow, Count: len(c.Names), Chosen: c.Allow == chosen}
		if c.Allow != "anyone" { // whose list would be of those who happen to be known
			choice.Names = bounded(c.Names, maxAll, &left)
		}
		page.Choices = append(page.Choices, choice)
	}
	d.write(w, status, page)
}

// bounded are at most so many names, as far as there is room for them on the page.
func bounded(names []string, most int, left *int) templates.Names {
	n, room := 0, min(*left, listRoom)
	for ; n < min(len(names), most); n++ {
		if room -= weight(names[n]); room < 0 {
			break
		}
		*left -= weight(names[n])
	}
	first := min(n, maxNames)
	return templates.Names{Names: names[:first], Rest: names[first:n], More: len(names) - n}
}

// weight is how many bytes a name takes on a page at most.
func weight(name string) int {
	n := len("<bdi>…</bdi>, ") + len(name)
	for _, sign := range `&<>"'+` {
		n += len("&#34;") * strings.Count(name, string(sign))
	}
	return n
}

// finish stores everything and puts it in force.
func (d *Desk) finish(w http.ResponseWriter, r *http.Request, v Visit, now *run) {
	if now.done || now.people == nil || r.ParseForm() != nil {
		see(w, v.Base+path)
		return
	}
	allow, ids := r.PostForm.Get("allow"), []string{}
	for _, s := range now.ticked {
		ids = append(ids, s.ID)
	}
	set, err := d.cfg.Fixed.Choose(now.account, now.token, now.servers, ids, allow)
	if err != nil || len(r.PostForm["allow"]) > 1 {
		d.writePeople(w, http.StatusBadRequest, v, now, "", "Choose one of these.")
		return
	}
	if err := d.cfg.Apply(set); err != nil {
		d.cfg.Log.Error("set-up could not be finished", "problem", err)
		d.writePeople(w, http.StatusConflict, v, now, allow, "Nothing has been changed: "+sentence(err))
		return
	}
	d.cfg.Log.Info("set up", "owner", now.account.ID, "servers", len(now.ticked), "allow", d.cfg.InForce().Allow)
	d.audit(v, session.ResultDone, "", now.account)
	d.mu.Lock()
	d.code = code{} // one that was printed meanwhile
	d.mu.Unlock()
	now.forget()
	now.done = true
	see(w, v.Base+path+"/done")
}

// short bounds a name that anybody can choose.
func short(name string) string {
	runes := []rune(strings.ToValidUTF8(name, " "))
	return string(runes[:min(len(runes), 80)])
}

// sentence is an error for a page.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
