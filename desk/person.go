package desk

import (
	"errors"
	"strconv"

	"usher/session"
	"usher/templates"
)

// Bounds of what a person's own page shows.
const (
	lastEvents = 8
	maxOwn     = 7 // devices, and keys; the others are a page away
)

// person shows somebody: anybody with an id, known here or not.
func (o *Office) person(v *visit) {
	account := o.cfg.Directory.Named(v.id)
	who := called(v.id, account)
	page := templates.OfficePerson{Office: v.desk("people"), Post: v.Base + v.at,
		Person:     templates.Person{Name: who.Name, Username: account.Username, Email: account.Email, Detail: "Plex id " + strconv.FormatInt(v.id, 10), Face: o.cfg.Faces.Of(v.r.Context(), account.Thumb)},
		MoreEvents: v.Base + officePath + "/events?who=" + strconv.FormatInt(v.id, 10)}
	tier, libraries, answer := o.standing(v.id)
	page.Tier, page.Libraries = tier, libraries
	if answer != nil {
		verdict := o.cfg.Allow().Decide(o.cfg.Person(answer))
		page.Allowed = verdict.Allowed
		page.Why = verdict.Term
		if (verdict.Allowed || o.cfg.Person(answer).KeptOut) && verdict.Term == "" {
			page.Why = "decided by hand"
		}
	}
	page.MayRule = o.mayRule(v)
	if ruling, ok := o.cfg.Store.Ruling(v.id); ok {
		shown := o.shownRuling(ruling)
		page.Ruling = &shown
	}
	devices, keys := o.cfg.Store.ByAccount(v.id), o.cfg.Store.Keys(v.id)
	whose := "?q=" + strconv.FormatInt(v.id, 10)
	if page.MoreDevices = max(0, len(devices)-maxOwn); page.MoreDevices > 0 {
		page.AllDevices = v.Base + officePath + "/devices" + whose
	}
	if page.MoreKeys = max(0, len(keys)-maxOwn); page.MoreKeys > 0 {
		page.AllKeys = v.Base + officePath + "/keys" + whose
	}
	for _, s := range devices[:len(devices)-page.MoreDevices] {
		page.Devices = append(page.Devices, o.shownDevice(s, v, templates.OfficeName{}))
	}
	for _, k := range keys[:len(keys)-page.MoreKeys] {
		page.Keys = append(page.Keys, shownKey(k, templates.OfficeName{}))
	}
	events, err := o.cfg.Store.Events(session.EventFilter{Account: v.id, Limit: lastEvents})
	if err != nil {
		v.failed(err)
		return
	}
	for _, e := range events {
		page.Events = append(page.Events, o.shownEvent(e, v, who))
	}
	v.write(page)
}

// mayRule reports whether a person can be kept out or let in: not the owner, and not whoever would do it.
func (o *Office) mayRule(v *visit) bool {
	if v.id == v.Account {
		return false
	}
	who, err := o.cfg.Directory.Peek(v.id)
	return err != nil || !who.Owner
}

func (o *Office) shownRuling(r session.Ruling) templates.OfficeRuling {
	shown := templates.OfficeRuling{Who: called(r.Account, o.cfg.Directory.Named(r.Account)), In: r.In, At: r.At, Reason: r.Reason, Tell: r.Tell}
	if r.By > 0 {
		shown.By = called(r.By, o.cfg.Directory.Named(r.By)).Name
	}
	return shown
}

// changePerson does what one of the forms on a person's page asks for.
func (o *Office) changePerson(v *visit) {
	form := v.r.PostForm
	switch form.Get("do") {
	case "keep-out":
		o.rule(v, session.Ruling{Account: v.id, By: v.Account, Reason: form.Get("reason"), Tell: form.Get("tell") == "1"})
	case "let-in":
		o.rule(v, session.Ruling{Account: v.id, By: v.Account, Reason: form.Get("reason"), In: true})
	case "take-back":
		o.takeBack(v)
	case "sign-out":
		if err := o.cfg.Store.EndAll(v.id); err != nil {
			v.failed(err)
			return
		}
		o.event(v, v.id, session.ResultSignedOut)
		v.back("signed-out")
	case "end-device":
		if s, ok := o.cfg.Store.Live(form.Get("id")); !ok || s.Account != v.id {
			v.back("gone")
			return
		}
		o.endSessions(v, []string{form.Get("id")}, map[int64]bool{v.id: true})
	case "end-key":
		o.endKeys(v, ownKeys(o.cfg.Store.Keys(v.id), form.Get("id")))
	case "end-keys":
		o.endKeys(v, o.cfg.Store.Keys(v.id))
	default:
		v.back("nothing")
	}
}

// ownKeys is the one key that is meant, if it is among them.
func ownKeys(all []session.Key, id string) []session.Key {
	for _, k := range all {
		if k.ID == id {
			return []session.Key{k}
		}
	}
	return nil
}

func (o *Office) rule(v *visit, r session.Ruling) {
	if !o.mayRule(v) {
		v.back("never")
		return
	}
	err := o.cfg.Store.Rule(r)
	switch {
	case errors.Is(err, session.ErrTooManyRulings):
		v.back("full")
	case err != nil:
		v.failed(err)
	case r.In:
		o.event(v, r.Account, session.ResultLetIn)
		v.back("let-in")
	default:
		o.event(v, r.Account, session.ResultKeptOut)
		v.back("kept-out")
	}
}

func (o *Office) takeBack(v *visit) {
	if v.id == v.Account { // nobody lets themselves in
		v.back("never")
		return
	}
	there, err := o.cfg.Store.Unrule(v.id)
	switch {
	case err != nil:
		v.failed(err)
	case !there:
		v.back("gone")
	default:
		o.event(v, v.id, session.ResultTakenBack)
		v.back("taken-back")
	}
}
