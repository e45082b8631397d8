package plex

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// kept is what is stored of what the owner's token showed.
type kept struct {
	ownerView
	Libraries map[string]*libraries `json:"libraries,omitempty"` // by server
	Rev       string                `json:"rev"`                 // another at each change
}

// fresh is when what is stored was last seen to be so.
type fresh struct {
	Rev       string               `json:"rev"` // of the view that it is about
	At        time.Time            `json:"at"`
	Libraries map[string]time.Time `json:"libraries,omitempty"`
}

// keep stores what the owner's token showed, or, unless it has changed, only when. The caller holds disk.
func (d *Directory) keep(changed bool) {
	k, f := kept{Libraries: map[string]*libraries{}}, fresh{Libraries: map[string]time.Time{}}
	d.mu.Lock()
	k.Owner.ID = d.pinned
	if d.view != nil {
		k.ownerView = *d.view
	}
	for server, s := range d.shelves {
		if s.libs != nil {
			k.Libraries[server], f.Libraries[server] = s.libs, s.libs.At
		}
	}
	d.mu.Unlock()
	var err error
	if changed || d.rev == "" {
		d.rev, k.Rev = "", rand.Text()
		if err = save(k, d.cfg.Store.SaveOwner); err == nil {
			d.rev = k.Rev
		}
	} else {
		f.Rev, f.At = d.rev, k.At
		err = save(f, d.cfg.Store.SaveOwnerFresh)
	}
	if err != nil {
		d.log.Error("the owner's view cannot be stored", "err", err)
	}
}

func save(v any, to func([]byte) error) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return to(b)
}

// load reads what the owner's token showed before a restart. It counts only for the owner and the servers of today.
func (d *Directory) load() error {
	view, times, err := d.cfg.Store.Owner()
	if err != nil {
		return fmt.Errorf("plex: the owner's view cannot be read from the store: %w", err)
	}
	if len(view) == 0 {
		return nil
	}
	var k kept
	var f fresh
	if err := json.Unmarshal(view, &k); err != nil || k.Owner.ID <= 0 {
		d.log.Warn("the stored owner's view cannot be read and is ignored")
		return nil
	}
	if d.cfg.Owner != 0 && d.cfg.Owner != k.Owner.ID {
		return nil
	}
	d.pinned = k.Owner.ID
	if k.Rev == "" || json.Unmarshal(times, &f) != nil || f.Rev != k.Rev {
		f = fresh{At: k.At}
	}
	k.At = f.At
	if d.cfg.OwnerToken == "" || len(only(k.Servers, d.allowed)) == 0 || d.fromTheFuture(k.At) {
		return nil
	}
	d.view, d.rev = &k.ownerView, k.Rev
	for server, l := range k.Libraries {
		if l == nil {
			continue
		}
		if at, ok := f.Libraries[server]; ok {
			l.At = at
		}
		if d.allowed[server] && !d.fromTheFuture(l.At) {
			d.shelves[server].libs = l
		}
	}
	return nil
}

// fromTheFuture reports whether a stored time is so far ahead that the clock must have been set back: such an answer could serve for ever.
func (d *Directory) fromTheFuture(t time.Time) bool { return t.After(time.Now().Add(d.cfg.Recheck)) }
