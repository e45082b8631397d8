package plex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// trouble is what plex.tv has definitely said against the owner's token.
type trouble struct {
	kind troubleKind
	text string
}

type troubleKind int

const (
	fine          troubleKind = iota
	rejected                  // the token is dead: the last view serves its time
	notTheOwner               // its account owns no allowed server: there is no owner's view
	contradiction             // its account is not the configured owner: nothing is decided
)

func (t trouble) Error() string { return t.text }

// State is whether a Directory can answer at all.
type State int

const (
	Ready         State = iota
	Silent              // plex.tv has not yet said whose token the owner's is, and nothing else tells
	Misconfigured       // the owner's token or id is wrong
)

// State says whether answers can be given, and if not whether it is plex.tv that must speak or the configuration that must change.
func (d *Directory) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state()
}

// state is State for a caller that holds mu.
func (d *Directory) state() State {
	owner := d.ownerID()
	switch {
	case d.trouble.kind == contradiction, owner == 0 && d.trouble.kind != fine:
		return Misconfigured
	case owner == 0:
		return Silent
	}
	return Ready
}

// Problems are sentences for whoever runs this install about what they should put right; plex.tv's silence is none.
func (d *Directory) Problems() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	if d.trouble.kind != fine {
		list = append(list, d.trouble.text)
	}
	if d.view != nil {
		for _, s := range d.cfg.Servers {
			if !slices.Contains(d.view.Servers, s) {
				list = append(list, fmt.Sprintf("the allowed server %q is not one of the owner's: shares of it do not count", s))
			}
		}
	}
	return list
}

// loadOwner reads the owner's view as it was before a restart. It counts only for the owner and the servers of today.
func (d *Directory) loadOwner() error {
	b, err := d.cfg.Store.Owner()
	if err != nil {
		return fmt.Errorf("plex: the owner's view cannot be read from the store: %w", err)
	}
	var v ownerView
	if len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, &v); err != nil || v.Owner.ID <= 0 {
		d.log.Warn("the stored owner's view cannot be read and is ignored")
		return nil
	}
	if d.cfg.Owner != 0 && d.cfg.Owner != v.Owner.ID {
		return nil
	}
	d.pinned = v.Owner.ID
	if d.cfg.OwnerToken != "" && len(only(v.Servers, d.allowed)) > 0 && !d.fromTheFuture(v.At) {
		d.view = &v
	}
	return nil
}

// fromTheFuture reports whether a stored time is so far ahead that the clock must have been set back: such an answer could serve for ever.
func (d *Directory) fromTheFuture(t time.Time) bool { return t.After(time.Now().Add(d.cfg.Recheck)) }

// askOwner renews the owner's view.
func (d *Directory) askOwner(ctx context.Context) {
	v, err := d.fetchOwner(ctx)
	d.disk.Lock()
	defer d.disk.Unlock()
	d.mu.Lock()
	before, failures, pinned := d.trouble, d.ask.failures, d.pinned
	save := d.settleOwner(v, err)
	after := d.trouble
	d.mu.Unlock()

	if save != nil {
		b, e := json.Marshal(save)
		if e == nil {
			e = d.cfg.Store.SaveOwner(b)
		}
		if e != nil {
			d.log.Error("the owner's view cannot be stored", "err", e)
		}
	}
	switch {
	case after.kind != fine && after != before:
		d.log.Error("the owner's token is no good", "problem", after.text)
	case ctx.Err() != nil:
	case err != nil && after.kind == fine && failures == 0:
		d.log.Warn("plex.tv does not show the owner's view; the last one serves", "err", err)
	case err == nil && (failures > 0 || pinned != v.Owner.ID):
		d.log.Info("plex.tv shows the owner's view", "owner", v.Owner.ID, "people", len(v.People))
	}
}

// settleOwner takes over what plex.tv said and returns what to store, nil for nothing. The caller holds mu.
func (d *Directory) settleOwner(v *ownerView, err error) (save *ownerView) {
	defer d.epoch.Add(1)
	now := time.Now()
	if err == nil {
		v.At = now
		d.view, d.pinned, d.trouble = v, v.Owner.ID, trouble{}
		d.ask.answered()
		return v
	}
	d.ask.failed(now, err)
	var t trouble
	switch {
	case errors.As(err, &t):
		d.trouble = t
		if d.view != nil {
			save = &ownerView{Owner: Account{ID: d.pinned}}
		}
		d.view = nil
	case v != nil: // the owner's it is, though their list cannot be had
		d.trouble = trouble{}
		if d.pinned != v.Owner.ID {
			d.view, d.pinned = nil, v.Owner.ID
			save = &ownerView{Owner: Account{ID: d.pinned}}
		}
	case errors.Is(err, ErrUnauthorized):
		d.trouble = trouble{rejected, "plex.tv rejects the owner's token: give Usher a new one"}
	}
	return save
}

// fetchOwner asks whose the token is, that its account owns an allowed server, and who is on its list, all at once. An error is
// an [*Error], or a trouble where plex.tv has answered and the answer will not do. Beside an error about the list alone stands
// whose token it is.
func (d *Directory) fetchOwner(ctx context.Context) (*ownerView, error) {
	var (
		c, t  = d.cfg.Client, d.cfg.OwnerToken
		all   sync.WaitGroup
		owner Account
		list  []Resource
		users []User
		errs  [3]error
	)
	all.Go(func() { owner, errs[0] = c.Account(ctx, t) })
	all.Go(func() { list, errs[1] = c.Resources(ctx, t) })
	all.Go(func() { users, errs[2] = c.Users(ctx, t) })
	all.Wait()
	if errs[0] != nil {
		return nil, errs[0]
	}
	if d.cfg.Owner != 0 && d.cfg.Owner != owner.ID {
		return nil, trouble{contradiction, fmt.Sprintf("the owner's token belongs to Plex account %d, but the owner is configured as %d: one of the two is wrong", owner.ID, d.cfg.Owner)}
	}
	if errs[1] != nil {
		return nil, errs[1]
	}
	v := &ownerView{Owner: owner, People: make(map[int64]member, len(users))}
	for _, r := range list {
		if r.Server() && r.Owned && (r.OwnerID == 0 || r.OwnerID == owner.ID) {
			v.Servers = append(v.Servers, r.ID)
		}
	}
	if len(only(v.Servers, d.allowed)) == 0 {
		return nil, trouble{notTheOwner, fmt.Sprintf("the owner's token belongs to Plex account %d, which owns none of the allowed servers: use the token of the account that does", owner.ID)}
	}
	for _, u := range users {
		v.People[u.ID] = newMember(u)
	}
	return v, errs[2]
}
