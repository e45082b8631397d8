package plex

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxFound bounds what [Directory.Find] returns.
const maxFound = 20

// Peek is what a check of the person would now be decided by, from memory and the store alone: it asks plex.tv nothing and leaves no
// trace. Somebody who has never signed in is shown as the owner's view would let them in if they did. The error is
// [ErrUnauthorized] where nobody could say before they have signed in, and otherwise as of [Directory.Lookup]. Where Lookup
// would first wait for plex.tv, it may come to another answer.
func (d *Directory) Peek(id int64) (*Answer, error) {
	if id <= 0 {
		return nil, ErrUnauthorized
	}
	p, err := d.known(id)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.decide(p, time.Now())
}

// known is somebody in memory, or read from the store and not kept.
func (d *Directory) known(id int64) (*person, error) {
	if v, ok := d.people.Get(strconv.FormatInt(id, 10)); ok {
		return v.(*person), nil
	}
	return d.stored(id)
}

// Find lists who may be meant by a Plex id, a uuid, a username or an e-mail address, letter case ignored, or by a title: first
// whose id it is, then the other unique names, then titles, which anybody can choose; at most 20. It knows the owner, the owner's
// list, and people in memory. It is for showing: the e-mail addresses on the owner's list may be unconfirmed.
func (d *Directory) Find(text string) []Account {
	text = lower(strings.TrimSpace(text))
	if text == "" {
		return nil
	}
	type found struct {
		Account
		rank int
	}
	var list []found
	for _, a := range d.accounts() {
		if rank := a.match(text); rank > 0 {
			list = append(list, found{a, rank})
		}
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Or(a.rank-b.rank, cmp.Compare(a.ID, b.ID)) })
	var out []Account
	for _, f := range list[:min(len(list), maxFound)] {
		out = append(out, f.Account)
	}
	return out
}

// accounts are the people that the directory has at hand.
func (d *Directory) accounts() map[int64]Account {
	items := d.people.Items()
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[int64]Account{}
	if d.view != nil {
		for id, m := range d.view.People {
			all[id] = m.Account
		}
		all[d.view.Owner.ID] = d.view.Owner
	}
	for _, item := range items {
		p := item.Object.(*person)
		if p.rec.Account.ID != p.id {
			continue // plex.tv has rejected their token
		}
		a := p.rec.Account
		if d.view != nil {
			a = d.view.read(p.id, &p.rec, d.allowed).Account
		}
		a.Email = cmp.Or(a.Email, all[p.id].Email)
		all[p.id] = a
	}
	return all
}

// match is 1 for an account whose id the text is, 2 or 3 where it is another name of theirs, 0 where it is none.
func (a Account) match(text string) int {
	same := func(name string) bool { return lower(name) == text }
	switch {
	case text == strconv.FormatInt(a.ID, 10):
		return 1
	case same(a.UUID), same(a.Username), same(a.Email):
		return 2
	case same(a.Title), same(a.FriendlyName):
		return 3
	}
	return 0
}

// lower folds ASCII letters alone: with all of Unicode "ſam" and "sam" would be one.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// Named is the account with an id, as far as anything is known of it; for showing, as [Directory.Find] is.
func (d *Directory) Named(id int64) Account {
	p, err := d.known(id)
	if err != nil {
		return Account{ID: id}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	a := p.rec.Account
	if d.view != nil {
		a = d.view.read(id, &p.rec, d.allowed).Account
		a.Email = cmp.Or(a.Email, d.view.People[id].Account.Email)
	}
	a.ID = id
	return a
}

// Everybody is who has these ids, who is on the owner's list, the owner, and who is in memory; of an id about which plex.tv has said
// nothing there is nothing. For showing, as [Directory.Find] is. Whom it had to look for in the store it remembers by name.
func (d *Directory) Everybody(ids []int64) (map[int64]Account, error) {
	all := d.accounts()
	d.mu.Lock()
	var unread []int64
	for _, id := range ids {
		if _, ok := all[id]; ok || id <= 0 {
			continue
		}
		if a, ok := d.names[id]; ok {
			all[id] = a
		} else {
			unread = append(unread, id)
		}
	}
	d.mu.Unlock()
	for _, id := range unread {
		a, err := d.storedName(id)
		if err != nil {
			return nil, err
		}
		if a.ID == id {
			all[id] = a
		}
	}
	return all, nil
}

// maxNames bounds whom Everybody remembers.
const maxNames = 20_000

// storedName reads an account from the store. disk is held, so that nobody stores another meanwhile.
func (d *Directory) storedName(id int64) (Account, error) {
	d.disk.Lock()
	defer d.disk.Unlock()
	p, err := d.stored(id)
	if err != nil {
		return Account{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names == nil || len(d.names) >= maxNames {
		d.names = map[int64]Account{}
	}
	d.names[id] = p.rec.Account
	return p.rec.Account, nil
}

// renamed forgets what Everybody remembers of somebody whose row in the store is to change. The caller holds disk.
func (d *Directory) renamed(id int64) {
	d.mu.Lock()
	delete(d.names, id)
	d.mu.Unlock()
}

// Remembered is how many people are in memory.
func (d *Directory) Remembered() int { return d.people.ItemCount() }
