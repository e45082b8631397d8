package plex

import (
	"context"
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

// askOwner renews the owner's view.
func (d *Directory) askOwner(ctx context.Context) {
	v, err := d.fetchOwner(ctx)
	d.disk.Lock()
	defer d.disk.Unlock()
	d.mu.Lock()
	before, failures, pinned := d.trouble, d.ask.failures, d.pinned
	changed := d.settleOwner(v, err)
	if err == nil {
		d.askShelves(time.Now(), func(*shelf) bool { return true })
	}
	after := d.trouble
	d.mu.Unlock()

	if changed || err == nil {
		d.keep(changed)
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

// settleOwner takes over what plex.tv said and reports whether that is more than a later time. The caller holds mu.
func (d *Directory) settleOwner(v *ownerView, err error) (changed bool) {
	defer d.epoch.Add(1)
	now := time.Now()
	if err == nil {
		changed = !v.same(d.view)
		if d.pinned != v.Owner.ID {
			d.dropView()
		}
		v.At = now
		d.view, d.pinned, d.trouble = v, v.Owner.ID, trouble{}
		d.ask.answered()
		return changed
	}
	d.ask.failed(now, err)
	var t trouble
	switch {
	case errors.As(err, &t):
		d.trouble, changed = t, d.view != nil
		d.dropView()
	case v != nil: // the owner's it is, though their list cannot be had
		d.trouble = trouble{}
		if changed = d.pinned != v.Owner.ID; changed {
			d.pinned = v.Owner.ID
			d.dropView()
		}
	case errors.Is(err, ErrUnauthorized):
		d.trouble = trouble{rejected, "plex.tv rejects the owner's token: give Usher a new one"}
	}
	return changed
}

// dropView forgets what an account showed that is not the owner's.
func (d *Directory) dropView() {
	d.view = nil
	for _, s := range d.shelves {
		s.libs = nil
	}
}

// ViewState is how the owner's view stands.
type ViewState struct {
	TokenOK bool      // there is an owner's token, and plex.tv has said nothing against it
	At      time.Time // when plex.tv last showed the view; zero: never
	People  int       // on the owner's list
}

// View says how the owner's view stands, for metrics.
func (d *Directory) View() ViewState {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := ViewState{TokenOK: d.cfg.OwnerToken != "" && d.trouble.kind == fine}
	if d.view != nil {
		s.At, s.People = d.view.At, len(d.view.People)
	}
	return s
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
	for _, r := range OwnedServers(owner, list) {
		v.Servers = append(v.Servers, r.ID)
	}
	if len(only(v.Servers, d.allowed)) == 0 {
		return nil, trouble{notTheOwner, fmt.Sprintf("the owner's token belongs to Plex account %d, which owns none of the allowed servers: use the token of the account that does", owner.ID)}
	}
	for _, u := range users {
		v.People[u.ID] = newMember(u)
	}
	return v, errs[2]
}
