package desk

import (
	"cmp"
	"errors"
	"net/url"
	"strconv"

	"usher/session"
	"usher/templates"
)

// asks lists who asks to be let in. What has answered itself is closed on the way.
func (o *Office) asks(v *visit) {
	page := templates.OfficeAsks{Office: v.desk("asks"), Post: v.Base + v.at}
	for _, a := range o.cfg.Store.Asks() {
		settled, err := o.settle(a)
		switch {
		case err != nil:
			v.failed(err)
			return
		case settled:
			page.Settled++
		default:
			page.Rows = append(page.Rows, o.shownAsk(a, v))
		}
	}
	v.write(page)
}

func (o *Office) shownAsk(a session.Ask, v *visit) templates.OfficeAsk {
	account := o.cfg.Directory.Named(a.Account)
	who := called(a.Account, account)
	shown := templates.OfficeAsk{Who: who, At: a.At, Message: a.Message, Host: a.Host, RequestID: a.Request, Helps: a.Guests,
		Person: templates.Person{Name: who.Name, Username: account.Username, Email: account.Email, Detail: "Plex id " + strconv.FormatInt(a.Account, 10)}}
	shown.Tier, _, _ = o.standing(a.Account)
	if a.Request != "" {
		shown.Explain = v.Base + officePath + "/explain?request=" + url.QueryEscape(a.Request)
	}
	return shown
}

// settle closes what somebody has asked who passes by now, or is kept out since.
func (o *Office) settle(a session.Ask) (bool, error) {
	result, reason := session.AskPasses, "passes"
	if ruling, ok := o.cfg.Store.Ruling(a.Account); ok && !ruling.In {
		result, reason = session.AskNo, "kept_out"
	} else if !o.cfg.Passes(a) {
		return false, nil
	}
	closed, err := o.cfg.Store.CloseAsk(a.Account, result)
	if closed && err == nil {
		o.cfg.Audit(o.ofAsk(a, session.ResultClosed, reason))
	}
	return true, err
}

func (o *Office) ofAsk(a session.Ask, result, reason string) session.Event {
	named := o.cfg.Directory.Named(a.Account)
	return session.Event{Kind: session.EventAsk, Result: result, Account: a.Account, User: cmp.Or(named.Username, "plex-"+strconv.FormatInt(a.Account, 10)), App: a.Host, Reason: reason, RequestID: a.Request}
}

// changeAsks answers what somebody has asked.
func (o *Office) changeAsks(v *visit) {
	form := v.r.PostForm
	a, ok := o.cfg.Store.AskOf(number(form.Get("id")))
	if !ok || !a.Closed.IsZero() {
		v.back("gone")
		return
	}
	switch settled, err := o.settle(a); {
	case err != nil:
		v.failed(err)
		return
	case settled:
		v.back("gone")
		return
	}
	switch form.Get("do") {
	case "let-in":
		v.id = a.Account
		if !o.mayRule(v) {
			v.back("never")
			return
		}
		switch err := o.cfg.Store.Rule(session.Ruling{Account: a.Account, By: v.Account, In: true, Reason: "asked to be let in"}); {
		case errors.Is(err, session.ErrTooManyRulings):
			v.back("full")
			return
		case err != nil:
			v.failed(err)
			return
		}
		o.event(v, a.Account, session.ResultLetIn)
		o.answer(v, a, session.AskLetIn, session.ResultLetIn, "let-in")
	case "no":
		o.answer(v, a, session.AskNo, session.ResultClosed, "no")
	default:
		v.back("nothing")
	}
}

// answer closes what somebody has asked, and says so with a word of done.
func (o *Office) answer(v *visit, a session.Ask, result, event, word string) {
	closed, err := o.cfg.Store.CloseAsk(a.Account, result)
	switch {
	case err != nil:
		v.failed(err)
		return
	case !closed:
		v.back("gone")
		return
	}
	e := o.ofAsk(a, event, "by_"+strconv.FormatInt(v.Account, 10))
	e.Address = v.Client
	o.cfg.Audit(e)
	v.back(word)
}
