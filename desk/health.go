package desk

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"usher/templates"
)

// PlexLog remembers how plex.tv last answered each kind of question. The zero PlexLog is ready. It may be used by several
// goroutines at once.
type PlexLog struct {
	mu   sync.Mutex
	last map[string]templates.OfficePlex // there are a handful of questions
}

// Observe takes note of an answer: the question, its outcome in a word, and how long it took.
func (l *PlexLog) Observe(endpoint, outcome string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = make(map[string]templates.OfficePlex)
	}
	asked := l.last[endpoint].Asked + 1
	l.last[endpoint] = templates.OfficePlex{Endpoint: endpoint, Outcome: outcome, Good: outcome == "ok", Took: took.Round(time.Millisecond).String(), At: time.Now().UTC(), Asked: asked}
}

func (l *PlexLog) rows() []templates.OfficePlex {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.last), func(a, b templates.OfficePlex) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
}

func (o *Office) health(v *visit) {
	page := templates.OfficeHealth{Office: v.desk("health"), Plex: o.cfg.Plex.rows()}
	page.Problems, page.Facts = o.cfg.Health()
	view := o.cfg.Directory.View()
	fact := func(name, text string) { page.Facts = append(page.Facts, templates.OfficeFact{Name: name, Text: text}) }
	switch {
	case view.TokenOK:
		fact("The owner’s token", "works, as far as plex.tv has said")
	default:
		fact("The owner’s token", "there is none that works: each person’s own account is asked")
	}
	if !view.At.IsZero() {
		fact("The owner’s list", fmt.Sprintf("%d people, shown by plex.tv %s ago", view.People, time.Since(view.At).Round(time.Second)))
	}
	fact("People in memory", fmt.Sprint(o.cfg.Directory.Remembered()))
	size, err := o.cfg.Store.Size()
	if err != nil {
		v.failed(err)
		return
	}
	fact("The store", fmt.Sprintf("%.1f MB", float64(size)/(1<<20)))
	v.write(page)
}
