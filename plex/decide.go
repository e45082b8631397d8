package plex

import (
	"context"
	"math"
	"time"
)

// The methods in this file decide from memory alone. Their caller holds mu.

// ownerID is whose servers count: as configured, else as a token proved, 0 where neither.
func (d *Directory) ownerID() int64 {
	if d.cfg.Owner != 0 {
		return d.cfg.Owner
	}
	return d.pinned
}

// viewAge is the age of the owner's view. No view is older than any.
func (d *Directory) viewAge(now time.Time) time.Duration {
	if d.view == nil {
		return math.MaxInt64
	}
	return now.Sub(d.view.At)
}

// viewServes reports whether the owner's view is young enough to be used, and healthy whether it can be renewed as well. One
// failure does not make it unhealthy: plex.tv would then be asked about everybody at once.
func (d *Directory) viewServes(now time.Time) (serves, healthy bool) {
	age := d.viewAge(now)
	serves = age < d.cfg.Grace
	return serves, serves && d.trouble.kind == fine && (d.ask.failures == 0 || age < 2*d.cfg.Recheck)
}

// decide is the answer to "who is this, what may they see", or why there is none.
func (d *Directory) decide(p *person, now time.Time) (*Answer, error) {
	switch d.state() {
	case Misconfigured:
		return nil, ErrMisconfigured
	case Silent:
		return nil, ErrOwnerUnknown
	}
	own, sure := p.rec.read(p.id, d.ownerID(), d.allowed)
	ownServes := p.token != "" && now.Sub(p.rec.At) < d.cfg.Grace
	serves, healthy := d.viewServes(now)
	if !serves {
		return d.decideAlone(p, own, ownServes)
	}
	a := d.view.read(p.id, &p.rec, d.allowed)
	switch {
	case !ownServes || !p.rec.At.After(d.view.At):
	case !healthy && sure:
		a.Owner, a.Home, a.Servers, a.View = own.Owner, own.Home, own.Servers, BothViews
	case own.access():
		a.Owner, a.Home, a.Servers, a.View = a.Owner || own.Owner, a.Home || own.Home, union(a.Servers, own.Servers), BothViews
	}
	if !a.access() && p.token == "" {
		return nil, ErrUnauthorized
	}
	d.addLibraries(&a, now)
	return &a, nil
}

// decideAlone decides without the owner's view.
func (d *Directory) decideAlone(p *person, own Answer, ownServes bool) (*Answer, error) {
	var was Answer
	if d.view != nil {
		was = d.view.read(p.id, &p.rec, d.allowed)
	}
	switch {
	case ownServes && (own.access() || !was.Friend):
		return &own, nil
	case p.token != "":
		return nil, ErrUnavailable
	case d.cfg.OwnerToken != "" && d.trouble.kind == fine && (was.access() || d.view == nil):
		return nil, ErrUnavailable // the owner's view may vouch for them once it can be had
	}
	return nil, ErrUnauthorized
}

// needed reports whether a person's own view is. While the owner's view is healthy it is not, but for strangers and for those
// whose e-mail has changed: only their own token shows their profile.
func (d *Directory) needed(p *person, now time.Time) bool {
	if p.token == "" {
		return false
	}
	if _, healthy := d.viewServes(now); !healthy {
		return true
	}
	a := d.view.read(p.id, &p.rec, d.allowed)
	return !a.access() || d.view.newEmail(p.id, &p.rec)
}

// cold reports whether an answer is so old, and plex.tv so far from having failed, that it is worth waiting for a new one.
func (d *Directory) cold(a *asking, age time.Duration) bool {
	return age >= d.cfg.Recheck && !a.asked || age >= d.cfg.Grace && a.failures == 0
}

// wakeOwner asks for the owner's view where it is due and returns what to wait for, nil for nothing.
func (d *Directory) wakeOwner(now time.Time, maxAge *time.Duration) <-chan struct{} {
	if d.cfg.OwnerToken == "" {
		return nil
	}
	age, ttl := d.viewAge(now), d.cfg.Recheck
	if maxAge != nil {
		ttl = min(ttl, *maxAge)
	}
	if !d.ask.due(now, age, ttl) {
		return nil
	}
	cold := d.cold(&d.ask, age)
	done := d.start(&d.ask, d.askOwner)
	if maxAge != nil || cold {
		return done
	}
	return nil
}

// wakePerson asks for the person's view where it is needed and due and returns what to wait for, nil for nothing. waited says
// that the owner's view has been waited for: a check that can be answered does not wait twice.
func (d *Directory) wakePerson(p *person, now time.Time, maxAge *time.Duration, waited bool) <-chan struct{} {
	if !d.needed(p, now) {
		return nil
	}
	a, age, ttl := p.ask, now.Sub(p.rec.At), d.cfg.Recheck
	if maxAge != nil {
		ttl = min(ttl, *maxAge)
		if !a.asked {
			ttl = 0 // a new token
		}
	}
	if !a.due(now, age, ttl) {
		return nil
	}
	cold, token := d.cold(a, age), p.token
	done := d.start(a, func(ctx context.Context) { d.askPerson(ctx, p, a, token) })
	switch vouched, healthy := d.vouched(p, now); {
	case vouched && healthy:
		return nil
	case maxAge != nil:
		return done
	case vouched || healthy || !cold:
		return nil // a check has an answer to go on with
	}
	if _, err := d.decide(p, now); err == nil && waited {
		return nil
	}
	return done
}

// vouched reports whether the owner's view lets the person in, and whether it is healthy.
func (d *Directory) vouched(p *person, now time.Time) (vouched, healthy bool) {
	serves, healthy := d.viewServes(now)
	if !serves {
		return false, false
	}
	a := d.view.read(p.id, &p.rec, d.allowed)
	return a.access(), healthy
}
