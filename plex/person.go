package plex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
)

// person is somebody in memory, read from the store where they are not. The error is ErrUnavailable: the store did not answer.
func (d *Directory) person(id int64) (*person, error) {
	if id <= 0 {
		return nil, ErrUnauthorized
	}
	key := strconv.FormatInt(id, 10)
	if v, ok := d.people.Get(key); ok {
		return v.(*person), nil
	}
	d.disk.Lock()
	defer d.disk.Unlock()
	if v, ok := d.people.Get(key); ok {
		return v.(*person), nil
	}
	p, err := d.stored(id)
	if err != nil {
		return nil, err
	}
	if d.people.ItemCount() >= maxPeople {
		d.people.Flush() // everybody is in the store
	}
	d.people.Set(key, p, cache.NoExpiration)
	return p, nil
}

// stored reads somebody from the store.
func (d *Directory) stored(id int64) (*person, error) {
	t, b, err := d.cfg.Store.Person(id)
	if err != nil {
		return nil, fmt.Errorf("plex: person %d cannot be read from the store: %w", id, errors.Join(ErrUnavailable, err))
	}
	p := &person{id: id, token: t, ask: &asking{}}
	p.used.Store(time.Now().Unix())
	if len(b) > 0 {
		if err := json.Unmarshal(b, &p.rec); err != nil {
			d.log.Warn("a stored answer cannot be read and is ignored", "person", id)
			p.rec = record{}
		}
	}
	for _, at := range []*time.Time{&p.rec.At, &p.rec.AccountAt} {
		if d.fromTheFuture(*at) {
			*at = time.Time{}
		}
	}
	return p, nil
}

// adopt makes t the person's newest token.
func (d *Directory) adopt(p *person, account Account, t Token) error {
	d.disk.Lock()
	defer d.disk.Unlock()
	d.mu.Lock()
	rec := p.rec
	d.mu.Unlock()
	rec.Account, rec.AccountAt = account, time.Now()
	if err := d.cfg.Store.SaveToken(p.id, t); err != nil {
		return fmt.Errorf("plex: the token of person %d cannot be stored: %w", p.id, err)
	}
	if err := d.save(p.id, rec); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p.token, p.rec, p.ask = t, rec, &asking{}
	p.cur.Store(nil)
	return nil
}

func (d *Directory) save(id int64, rec record) error {
	d.renamed(id)
	b, err := json.Marshal(rec)
	if err == nil {
		err = d.cfg.Store.SavePerson(id, b)
	}
	if err != nil {
		return fmt.Errorf("plex: the answer about person %d cannot be stored: %w", id, err)
	}
	return nil
}

// said is what plex.tv answered to a person's token.
type said struct {
	account  Account
	servers  []Resource
	err      error // about the servers: what decides
	profile  error
	rejected bool // the token is dead, or somebody else's
}

// fetchPerson asks for the profile and the servers at once. The answer about the servers decides; only where there is none
// does it count that plex.tv rejects the token when asked for the profile.
func (d *Directory) fetchPerson(ctx context.Context, id int64, t Token) said {
	var s said
	var all sync.WaitGroup
	all.Go(func() { s.account, s.profile = d.cfg.Client.Account(ctx, t) })
	all.Go(func() { s.servers, s.err = d.cfg.Client.Resources(ctx, t) })
	all.Wait()
	s.rejected = errors.Is(s.err, ErrUnauthorized) ||
		s.err != nil && errors.Is(s.profile, ErrUnauthorized) ||
		s.profile == nil && s.account.ID != id
	return s
}

// askPerson renews the person's view with the token that was the newest when a was started.
func (d *Directory) askPerson(ctx context.Context, p *person, a *asking, t Token) {
	s := d.fetchPerson(ctx, p.id, t)
	d.disk.Lock()
	defer d.disk.Unlock()
	if s.rejected {
		d.reject(p, a, t)
		return
	}
	d.mu.Lock()
	if p.ask != a {
		d.mu.Unlock()
		return // they have signed in again meanwhile
	}
	now, rec := time.Now(), p.rec
	p.cur.Store(nil)
	if s.err != nil && !errors.Is(s.err, ErrForbidden) {
		level := slog.LevelDebug
		if a.failures == 0 && ctx.Err() == nil {
			level = slog.LevelWarn
		}
		a.failed(now, s.err)
		d.mu.Unlock()
		d.log.Log(ctx, level, "plex.tv does not say what a person may see; the last answer serves", "person", p.id, "err", s.err)
		return
	}
	a.answered()
	if s.profile == nil {
		rec.Account, rec.AccountAt = s.account, now
	}
	rec.Grants, rec.At = d.grants(s.servers), now
	p.rec = rec
	owner := d.ownerID()
	d.mu.Unlock()
	d.warnForeign(p.id, owner, rec.Grants)
	if err := d.save(p.id, rec); err != nil {
		d.log.Error("an answer of plex.tv is kept in memory only", "err", err)
	}
}

// grants are the allowed servers in a person's list.
func (d *Directory) grants(list []Resource) []grant {
	var out []grant
	for _, r := range list {
		if r.Server() && d.allowed[r.ID] {
			out = append(out, grant{Server: r.ID, Owner: r.OwnerID, Owned: r.Owned, Home: r.Home})
		}
	}
	return out
}

// warnForeign tells of a server that has an allowed identifier and is not the owner's: an impostor's, or the owner's where
// their id is mistyped, so that nobody passes.
func (d *Directory) warnForeign(id, owner int64, grants []grant) {
	for _, g := range grants {
		if g.Owned {
			g.Owner = id
		}
		if owner != 0 && g.Owner != 0 && g.Owner != owner {
			d.log.Warn("a server with an allowed identifier is not the owner's and does not count; if that account is yours, correct the owner's id",
				"server", g.Server, "account", g.Owner, "owner", owner)
		}
	}
}

// reject drops a token that plex.tv rejects, if it still is the person's newest. Where the owner's view does not vouch for
// them, everything is forgotten and their sessions end. The caller holds disk.
func (d *Directory) reject(p *person, a *asking, t Token) {
	stored, _, err := d.cfg.Store.Person(p.id)
	d.mu.Lock()
	if p.ask != a {
		d.mu.Unlock()
		return // they have signed in again meanwhile
	}
	p.cur.Store(nil)
	if err == nil && stored != "" && stored != t { // signed in again elsewhere, over the same store
		p.token, p.ask = stored, &asking{asked: true} // no cold start: no check waits for its answer
		d.mu.Unlock()
		return
	}
	a.answered()
	vouched, _ := d.vouched(p, time.Now())
	p.token, p.rec.Grants, p.rec.At = "", nil, time.Time{}
	if !vouched {
		p.rec = record{}
	}
	d.mu.Unlock()
	if vouched {
		return
	}
	d.renamed(p.id)
	if err := d.cfg.Store.ForgetPerson(p.id); err != nil {
		d.log.Error("a person whose token is dead cannot be forgotten", "person", p.id, "err", err)
	}
	if d.cfg.Rejected != nil {
		d.cfg.Rejected(p.id)
	}
}
