package desk

import (
	"maps"
	"slices"
	"strings"

	"usher/session"
	"usher/templates"
)

func (o *Office) shownDevice(s session.Session, v *visit, who templates.OfficeName) templates.OfficeDevice {
	return templates.OfficeDevice{ID: s.ID, Who: who, Name: o.cfg.Device(s.Device), Address: s.Address, Since: s.SignedIn, LastSeen: s.LastSeen, Host: s.Audience, This: s.ID == v.Session}
}

func shownKey(k session.Key, who templates.OfficeName) templates.OfficeKey {
	shown := templates.OfficeKey{ID: k.ID, Who: who, Name: k.Name, Hosts: k.Hosts, Made: k.Made, LastUsed: k.LastUsed, Ends: k.Ends}
	if k.LastAddress.IsValid() {
		shown.Address = k.LastAddress.String()
	}
	return shown
}

// foundDevices are everybody's sessions that a search describes.
func (o *Office) foundDevices(q string, names whose) (found []session.Session) {
	text := strings.ToLower(q)
	for _, s := range o.cfg.Store.Sessions() {
		if text == "" || describes(text, append(names.fields(s.Account), o.cfg.Device(s.Device), s.Address, s.Audience)...) {
			found = append(found, s)
		}
	}
	return found
}

func (o *Office) devices(v *visit) {
	q := v.query("q")
	names, err := o.names(q)
	if err != nil {
		v.failed(err)
		return
	}
	page := templates.OfficeDevices{Office: v.desk("devices"), Post: v.Base + v.at, Query: q}
	found, pager := pageOf(v, o.foundDevices(q, names), "q", q)
	page.Pager = pager
	for _, s := range found {
		page.Rows = append(page.Rows, o.shownDevice(s, v, names.name(s.Account)))
	}
	v.write(page)
}

func (o *Office) changeDevices(v *visit) {
	q := v.formQuery()
	switch form := v.r.PostForm; {
	case form.Get("do") == "end-device":
		s, ok := o.cfg.Store.Live(form.Get("id"))
		if !ok {
			v.back("gone", "q", q)
			return
		}
		o.endSessions(v, []string{s.ID}, map[int64]bool{s.Account: true}, "q", q)
	case form.Get("do") == "end-devices" && form.Get("sure") != "1":
		v.back("unsure", "q", q)
	case form.Get("do") == "end-devices":
		names, err := o.names(q)
		if err != nil {
			v.failed(err)
			return
		}
		var ids []string
		whose := map[int64]bool{}
		for _, s := range o.foundDevices(q, names) {
			if s.ID != v.Session {
				ids = append(ids, s.ID)
				whose[s.Account] = true
			}
		}
		o.endSessions(v, ids, whose)
	default:
		v.back("nothing")
	}
}

func (v *visit) formQuery() string {
	return strings.ToValidUTF8(strings.TrimSpace(v.r.PostForm.Get("q")), "")
}

// endSessions signs out sessions of these people, and says so.
func (o *Office) endSessions(v *visit, ids []string, whose map[int64]bool, keep ...string) {
	n, err := o.cfg.Store.EndSessions(ids)
	switch {
	case err != nil:
		v.failed(err)
		return
	case n == 0:
		v.back("gone", keep...)
		return
	}
	for _, account := range slices.Sorted(maps.Keys(whose)) {
		o.event(v, account, session.ResultSignedOut)
	}
	v.back("signed-out", keep...)
}

// foundKeys are everybody's keys that a search describes.
func (o *Office) foundKeys(q string, names whose) (found []session.Key) {
	text := strings.ToLower(q)
	for _, k := range o.cfg.Store.AllKeys() {
		if describes(text, append(append(names.fields(k.Account), k.Hosts...), k.Name, shownKey(k, templates.OfficeName{}).Address)...) {
			found = append(found, k)
		}
	}
	return found
}

func (o *Office) keys(v *visit) {
	q := v.query("q")
	names, err := o.names(q)
	if err != nil {
		v.failed(err)
		return
	}
	page := templates.OfficeKeys{Office: v.desk("keys"), Post: v.Base + v.at, Query: q}
	found, pager := pageOf(v, o.foundKeys(q, names), "q", q)
	page.Pager = pager
	for _, k := range found {
		page.Rows = append(page.Rows, shownKey(k, names.name(k.Account)))
	}
	v.write(page)
}

func (o *Office) changeKeys(v *visit) {
	q := v.formQuery()
	switch form := v.r.PostForm; {
	case form.Get("do") == "end-key":
		o.endKeys(v, ownKeys(o.cfg.Store.AllKeys(), form.Get("id")), "q", q)
	case form.Get("do") == "end-keys" && form.Get("sure") != "1":
		v.back("unsure", "q", q)
	case form.Get("do") == "end-keys":
		names, err := o.names(q)
		if err != nil {
			v.failed(err)
			return
		}
		o.endKeys(v, o.foundKeys(q, names))
	default:
		v.back("nothing")
	}
}

// endKeys revokes keys, and says so.
func (o *Office) endKeys(v *visit, all []session.Key, keep ...string) {
	var ids []string
	whose := map[int64]bool{}
	for _, k := range all {
		ids = append(ids, k.ID)
		whose[k.Account] = true
	}
	n, err := o.cfg.Store.EndKeys(ids)
	switch {
	case err != nil:
		v.failed(err)
		return
	case n == 0:
		v.back("gone", keep...)
		return
	}
	for _, account := range slices.Sorted(maps.Keys(whose)) {
		o.event(v, account, session.ResultKeyRevoked)
	}
	v.back("revoked", keep...)
}
