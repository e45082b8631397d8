package desk

import (
	"strings"
	"time"

	"usher/plex"
	"usher/session"
	"usher/templates"
)

const (
	chartDays  = 30
	maxRulings = 20 // shown on the front page
)

func (o *Office) front(v *visit) {
	everybody, err := o.everybody()
	if err != nil {
		v.failed(err)
		return
	}
	counts, err := o.cfg.Store.EventCounts()
	if err != nil {
		v.failed(err)
		return
	}
	page := templates.OfficeFront{Office: v.desk(""), People: len(everybody)}
	if _, owner := o.owner(v); owner {
		page.SetUp = v.Base + v.at
	}
	seen, err := o.cfg.Store.Presences()
	if err != nil {
		v.failed(err)
		return
	}
	for _, p := range seen {
		page.Devices += p.Sessions
		page.Keys += p.Keys
	}
	page.Problems, _ = o.cfg.Health()
	page.Asks = len(o.cfg.Store.Asks())
	page.Days, page.Most = chart(counts, time.Now().UTC())
	for _, r := range o.cfg.Store.Rulings() {
		if len(page.Kept) == maxRulings {
			break
		}
		page.Kept = append(page.Kept, o.shownRuling(r))
	}
	v.write(page)
}

// owner is whoever asks, where that is the owner.
func (o *Office) owner(v *visit) (plex.Account, bool) {
	who, err := o.cfg.Directory.Peek(v.Account)
	if err != nil || !who.Owner {
		return plex.Account{}, false
	}
	return who.Account, true
}

// changeFront begins a set-up once more. That is for the owner: it says who that is.
func (o *Office) changeFront(v *visit) {
	account, owner := o.owner(v)
	if !owner || v.r.PostForm.Get("do") != "set-up" {
		v.back("nothing")
		return
	}
	o.cfg.Setup.Again(v.w, Visit{Base: v.Base, Host: v.host, HTTPS: strings.HasPrefix(v.Base, "https:"), Client: v.Client}, account, v.Session)
}

// chart is the last days, today in the end, and the height of their bars in hundredths.
func chart(counts []session.EventCount, now time.Time) (days []templates.OfficeDay, most int) {
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	first := today.AddDate(0, 0, 1-chartDays)
	for i := range chartDays {
		days = append(days, templates.OfficeDay{Day: first.AddDate(0, 0, i), X: i * 10})
	}
	for _, c := range counts {
		i := int(c.Day.Sub(first) / (24 * time.Hour))
		if c.Day.Before(first) || i >= chartDays {
			continue
		}
		switch {
		case c.Kind == session.EventSignIn && c.Result == "ok":
			days[i].SignIns += int(c.N)
		case c.Result == "refused":
			days[i].Refusals += int(c.N)
		}
		most = max(most, days[i].SignIns, days[i].Refusals)
	}
	for i := range days {
		days[i].In, days[i].Out = bar(days[i].SignIns, most), bar(days[i].Refusals, most)
	}
	return days, most
}

// bar is a height of 0 to 100 that shows even one of very many.
func bar(n, most int) int {
	if n == 0 {
		return 0
	}
	return max(2, n*100/most)
}
