package desk

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"usher/plex"
	"usher/session"
	"usher/templates"
)

// everybody is who is on the owner's list, who has signed in, and who was decided about by hand.
func (o *Office) everybody() (map[int64]plex.Account, error) {
	ids, err := o.cfg.Store.Accounts()
	if err != nil {
		return nil, err
	}
	all, err := o.cfg.Directory.Everybody(ids)
	if err != nil {
		return nil, err
	}
	for _, r := range o.cfg.Store.Rulings() {
		if _, ok := all[r.Account]; !ok {
			all[r.Account] = plex.Account{ID: r.Account}
		}
	}
	return all, nil
}

func (o *Office) people(v *visit) {
	everybody, err := o.everybody()
	if err != nil {
		v.failed(err)
		return
	}
	seen, err := o.cfg.Store.Presences()
	if err != nil {
		v.failed(err)
		return
	}
	q := v.query("q")
	text := strings.ToLower(q)
	type row struct {
		id, seen int64
		name     string // in lower case
	}
	found := make([]row, 0, len(everybody))
	for id, a := range everybody {
		if text == "" || describes(text, a.Title, a.FriendlyName, a.Username, a.Email, strconv.FormatInt(id, 10)) {
			found = append(found, row{id, seen[id].Seen.Unix(), strings.ToLower(a.Name())})
		}
	}
	slices.SortFunc(found, func(a, b row) int {
		switch {
		case a.seen != b.seen:
			return cmp.Compare(b.seen, a.seen)
		case a.name != b.name:
			return strings.Compare(a.name, b.name)
		}
		return cmp.Compare(a.id, b.id)
	})
	page := templates.OfficePeople{Office: v.desk("people"), Query: q}
	found, page.Pager = pageOf(v, found, "q", q)
	for _, r := range found {
		a, at := everybody[r.id], seen[r.id]
		a.ID = r.id
		row := templates.OfficePersonRow{Who: called(a.ID, a), LastSeen: at.Seen, Devices: at.Sessions, Keys: at.Keys}
		row.Tier, row.Libraries, _ = o.standing(a.ID)
		if ruling, ok := o.cfg.Store.Ruling(a.ID); ok {
			row.Ruling = "kept out"
			if ruling.In {
				row.Ruling = "let in"
			}
		}
		page.Rows = append(page.Rows, row)
	}
	v.write(page)
}

// standing is a person's tier and libraries in words, by what is known now.
func (o *Office) standing(id int64) (tier, libraries string, who *plex.Answer) {
	who, err := o.cfg.Directory.Peek(id)
	switch {
	case errors.Is(err, plex.ErrUnauthorized):
		return "not known: they have to sign in", "", nil
	case err != nil:
		return "not known now", "", nil
	}
	tier = o.cfg.Person(who).Tier.String()
	switch {
	case who.Owner:
		libraries = "all"
	case !who.LibrariesKnown && len(who.Servers) > 0:
		libraries = "not known now"
	default:
		libraries = strings.Join(who.Libraries, ", ")
	}
	return tier, libraries, who
}

// whose finds people's names. Only a search needs everybody's.
type whose struct {
	dir *plex.Directory
	all map[int64]plex.Account
}

func (o *Office) names(q string) (w whose, err error) {
	w.dir = o.cfg.Directory
	if q != "" {
		w.all, err = o.everybody()
	}
	return w, err
}

func (w whose) name(id int64) templates.OfficeName { return called(id, w.dir.Named(id)) }

func (w whose) fields(id int64) []string {
	a := w.all[id]
	return []string{a.Title, a.FriendlyName, a.Username, a.Email, strconv.FormatInt(id, 10)}
}

// event is what is written down about something that an administrator did to a person.
func (o *Office) event(v *visit, account int64, result string) {
	a := o.cfg.Directory.Named(account)
	o.cfg.Audit(session.Event{Kind: session.EventDesk, Result: result, Account: account, User: cmp.Or(a.Username, "plex-"+strconv.FormatInt(account, 10)),
		Address: v.Client, Reason: "by_" + strconv.FormatInt(v.Account, 10)})
}
