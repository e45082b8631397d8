package desk

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"usher/session"
	"usher/templates"
)

// kinds are the kinds of events in words, in the order in which the filter offers them.
var kinds = []templates.OfficeChoice{
	{Value: "", Text: "Everything"}, {Value: session.EventSignIn, Text: "Sign-ins"}, {Value: session.EventAccess, Text: "Refusals"},
	{Value: session.EventSignOut, Text: "Sign-outs"}, {Value: session.EventKey, Text: "Keys"}, {Value: session.EventRedeem, Text: "Tokens redeemed"},
	{Value: session.EventSessionEnd, Text: "Sessions ended"}, {Value: session.EventAsk, Text: "Asked to be let in"}, {Value: session.EventDesk, Text: "The desk"}, {Value: session.EventSetUp, Text: "Set-up"}, {Value: session.EventRules, Text: "Rules"},
}

// happened are events in words, by kind and result.
var happened = map[string]string{
	"sign_in ok": "Signed in", "sign_in refused": "Signed in, and may not pass", "sign_in failed": "A sign-in failed", "sign_in expired": "A sign-in was not finished",
	"sign_in too_many": "Too many sign-ins", "sign_out ok": "Signed out", "access refused": "Refused", "access undecided": "Neither let in nor refused",
	"key made": "A key was made", "key revoked": "A key was revoked", "key wrong": "A wrong key", "key slowed": "Too many wrong keys",
	"redeem ok": "Signed in by a token", "redeem refused": "A token was redeemed, and they may not pass", "redeem rejected": "A token that Plex rejects", "redeem too_many": "Too many tokens",
	"rules reloaded": "The rules were read again", "rules bad": "The rules cannot be used; the old ones serve", "session_end ended": "Signed out everywhere by Usher",
	"ask sent": "Asked to be let in", "ask let_in": "Let in, as they had asked", "ask closed": "What they had asked was closed",
	"set_up begun": "Set-up was begun", "set_up wrong_code": "A wrong code for set-up", "set_up done": "Set up",
	"desk kept_out": "Kept out by hand", "desk let_in": "Let in by hand", "desk taken_back": "No longer decided by hand", "desk signed_out": "Signed out from the desk", "desk key_revoked": "A key was revoked from the desk",
}

// good are the results that are no refusal and no trouble.
var good = []string{"ok", "made", "revoked", "reloaded", "expired", "kept_out", "let_in", "taken_back", "signed_out", "key_revoked", "sent", "closed", "begun", "done"}

// shownEvent is an event in words. What is not known by its words is shown as it is.
func (o *Office) shownEvent(e session.Event, v *visit, who templates.OfficeName) templates.OfficeEvent {
	text := cmp.Or(happened[e.Kind+" "+e.Result], e.Kind+" "+e.Result)
	switch by, done := strings.CutPrefix(e.Reason, "by_"); {
	case (e.Kind == session.EventDesk || e.Kind == session.EventAsk) && done && number(by) > 0:
		text += ", by " + called(number(by), o.cfg.Directory.Named(number(by))).Name
	case e.Reason != "":
		text += ": " + strings.ReplaceAll(e.Reason, "_", " ")
	}
	shown := templates.OfficeEvent{At: e.At, Text: text, Bad: !slices.Contains(good, e.Result), Who: who, App: e.App, RequestID: e.RequestID}
	if e.Address.IsValid() {
		shown.Address = e.Address.String()
	}
	if e.RequestID != "" {
		shown.Explain = v.Base + officePath + "/explain?request=" + url.QueryEscape(e.RequestID)
	}
	return shown
}

// events lists what happened. Without numbers of all that there is, it has a cursor: the last event of the page before.
func (o *Office) events(v *visit) {
	page := templates.OfficeEvents{Office: v.desk("events"), Person: v.query("who"), App: strings.ToLower(v.query("app")), Kind: v.query("kind")}
	for _, k := range kinds {
		k.Chosen = k.Value == page.Kind
		page.Kinds = append(page.Kinds, k)
	}
	f := session.EventFilter{App: page.App, Kind: page.Kind, Before: uint64(number(v.query("before"))), Limit: pageSize + 1}
	if page.Person != "" {
		if f.Account, page.Problem = o.find(page.Person); page.Problem != "" {
			v.write(page)
			return
		}
	}
	all, err := o.cfg.Store.Events(f)
	if err != nil {
		v.failed(err)
		return
	}
	if len(all) > pageSize {
		all = all[:pageSize]
		q := url.Values{"before": {strconv.FormatUint(all[pageSize-1].ID, 10)}}
		for name, value := range map[string]string{"who": page.Person, "app": page.App, "kind": page.Kind} {
			if value != "" {
				q.Set(name, value)
			}
		}
		page.Pager.After = v.Base + v.at + "?" + q.Encode()
	}
	for _, e := range all {
		who := templates.OfficeName{}
		if e.Account > 0 {
			a := o.cfg.Directory.Named(e.Account)
			if a.Name() == "" { // gone since: the name that they had then
				a.Username = e.User
			}
			who = called(e.Account, a)
		}
		page.Rows = append(page.Rows, o.shownEvent(e, v, who))
	}
	v.write(page)
}

// find is the one person who is meant, or a sentence on why there is none.
func (o *Office) find(text string) (id int64, problem string) {
	found := o.cfg.Directory.Find(text)
	switch {
	case len(found) == 1:
		return found[0].ID, ""
	case len(found) > 1:
		return 0, fmt.Sprintf("More than one person is called %q. Give the Plex id.", text)
	case number(text) > 0:
		return number(text), ""
	}
	return 0, fmt.Sprintf("Nobody known here is called %q. Give the whole name, the e-mail address or the Plex id.", text)
}
