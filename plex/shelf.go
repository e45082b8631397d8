package plex

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// shelf is what the owner's token shows of the libraries of an allowed server. It is guarded by Directory.mu.
type shelf struct {
	libs *libraries // as last got; nil: never
	ask  asking
}

// libraries are those of one server, and who has which. They are replaced, never changed.
type libraries struct {
	All    []string           `json:"all"`    // titles, sorted
	People map[int64][]string `json:"people"` // whoever is not in it had no accepted share when plex.tv was asked
	At     time.Time          `json:"at"`
}

func (l *libraries) same(m *libraries) bool {
	return m != nil && slices.Equal(l.All, m.All) && maps.EqualFunc(l.People, m.People, slices.Equal)
}

// shelfServes reports whether they are young enough to be used.
func (d *Directory) shelfServes(l *libraries, now time.Time) bool {
	return l != nil && now.Sub(l.At) < d.cfg.Grace
}

// addLibraries says which libraries the servers of an answer give. Somebody whose share plex.tv had not shown yet when it was asked
// for the libraries may have any. The caller holds mu.
func (d *Directory) addLibraries(a *Answer, now time.Time) {
	a.LibrariesKnown = true
	for i, server := range a.Servers {
		l := d.shelves[server].libs
		if !d.shelfServes(l, now) {
			a.LibrariesKnown = false
			continue
		}
		titles, ok := l.People[a.Account.ID]
		if a.Owner {
			titles, ok = l.All, true
		}
		a.LibrariesKnown = a.LibrariesKnown && ok
		if i == 0 {
			a.Libraries = titles
		} else {
			a.Libraries = union(a.Libraries, titles)
		}
	}
}

// Libraries are the titles of all libraries of the allowed servers, sorted, each once; nil where plex.tv has not said, or not
// within the grace, or where there is no owner's token to ask with.
func (d *Directory) Libraries() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.view == nil {
		return nil
	}
	all := []string{}
	for _, server := range only(d.view.Servers, d.allowed) {
		l := d.shelves[server].libs
		if !d.shelfServes(l, time.Now()) {
			return nil
		}
		all = union(all, l.All)
	}
	return all
}

// askShelves asks about the libraries of those allowed servers that are the owner's and that which picks, unless plex.tv is being
// left alone about one. The caller holds mu.
func (d *Directory) askShelves(now time.Time, which func(*shelf) bool) {
	if d.view == nil {
		return
	}
	for _, server := range only(d.view.Servers, d.allowed) {
		s, people := d.shelves[server], d.view.People
		if which(s) && s.ask.due(now, 0, 0) {
			d.start(&s.ask, func(ctx context.Context) { d.askShelf(ctx, server, people) })
		}
	}
}

// awaitShelves waits for what is being asked about libraries: on a page always, else where there is nothing to go on with; but not
// where plex.tv has failed to answer.
func (d *Directory) awaitShelves(ctx context.Context, page bool) {
	var under []<-chan struct{}
	d.mu.Lock()
	for _, s := range d.shelves {
		if s.ask.done != nil && s.ask.failures == 0 && (page || !d.shelfServes(s.libs, time.Now())) {
			under = append(under, s.ask.done)
		}
	}
	d.mu.Unlock()
	for _, done := range under {
		wait(ctx, done)
	}
}

// askShelf renews what is known of a server's libraries. people are the owner's as plex.tv has just shown them.
func (d *Directory) askShelf(ctx context.Context, server string, people map[int64]member) {
	l, err := d.fetchLibraries(ctx, server, people)
	d.disk.Lock()
	defer d.disk.Unlock()
	d.mu.Lock()
	s, changed := d.shelves[server], false
	failures := s.ask.failures
	switch {
	case err != nil:
		s.ask.failed(time.Now(), err)
	case d.view == nil: // they turn out not to be the owner's
		s.ask.answered()
	default:
		changed = !l.same(s.libs)
		l.At, s.libs = time.Now(), l
		s.ask.answered()
	}
	d.epoch.Add(1)
	d.mu.Unlock()
	switch {
	case err != nil:
		level := slog.LevelDebug
		if failures == 0 && ctx.Err() == nil {
			level = slog.LevelWarn
		}
		d.log.Log(ctx, level, "plex.tv does not show a server's libraries; what it last said of them serves", "server", server, "err", err)
		return
	case failures > 0:
		d.log.Info("plex.tv shows a server's libraries", "server", server)
	}
	d.keep(changed)
}

// fetchLibraries asks for all libraries of a server and for its shares, at once.
func (d *Directory) fetchLibraries(ctx context.Context, server string, people map[int64]member) (*libraries, error) {
	var (
		c, t   = d.cfg.Client, d.cfg.OwnerToken
		all    sync.WaitGroup
		titles []string
		shares []Share
		errs   [2]error
	)
	all.Go(func() { titles, errs[0] = c.Libraries(ctx, t, server) })
	all.Go(func() { shares, errs[1] = c.SharedServers(ctx, t, server) })
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	l := &libraries{All: titles, People: make(map[int64][]string, len(shares))}
	for _, s := range shares {
		switch {
		case s.Pending || s.UserID <= 0:
		case s.All:
			l.People[s.UserID] = titles
		default:
			l.People[s.UserID] = s.Libraries
		}
	}
	// Whoever has the server and no row has no library of it.
	for id, m := range people {
		if _, ok := l.People[id]; !ok && slices.Contains(m.Servers, server) {
			l.People[id] = []string{}
		}
	}
	return l, nil
}
