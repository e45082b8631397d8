package auth

import (
	"context"
	"slices"
	"sync"
	"time"

	"usher/plex"
	"usher/session"
	"usher/templates"
)

// maxHomes bounds how many lists of members are remembered.
const maxHomes = 1000

// homes remember for a moment who is in a Plex Home, by its admin, or that
// plex.tv did not say: a page that is loaded again and again, or often at once,
// asks plex.tv once.
type homes struct {
	mu sync.Mutex
	m  map[int64]*home
}

// home is an answer. ready is closed once the rest is known.
type home struct {
	token   plex.Token // that asked: a newer one asks anew
	from    time.Time
	ready   chan struct{}
	members []plex.HomeUser
	err     error
}

func newHomes() *homes { return &homes{m: map[int64]*home{}} }

func (h *homes) of(ctx context.Context, client *plex.Client, account int64, token plex.Token) ([]plex.HomeUser, error) {
	h.mu.Lock()
	one, ok := h.m[account]
	if ok = ok && one.token == token && time.Since(one.from) < anew; !ok {
		if len(h.m) >= maxHomes {
			clear(h.m)
		}
		one = &home{token: token, from: time.Now(), ready: make(chan struct{})}
		h.m[account] = one
	}
	h.mu.Unlock()
	if !ok {
		one.members, one.err = client.HomeUsers(context.WithoutCancel(ctx), token)
		close(one.ready)
	}
	select {
	case <-one.ready:
		return one.members, one.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *homes) forget(account int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.m, account)
}

// shut says why nobody becomes a member of a Plex Home by being chosen, "" where
// they may be. Who has a Plex account of their own signs in with that: else the
// admin of a Home, who may be anybody, would be any member of it here, the owner
// and administrators among them.
func (s *Server) shut(m plex.HomeUser) templates.Shut {
	if !m.Managed {
		return templates.OwnAccount
	}
	if ruling, ok := s.cfg.Store.Ruling(m.ID); ok && !ruling.In {
		return templates.ShutOut
	}
	listed := &plex.Answer{Account: m.Account} // the owner's list has no uuids, and may not have them
	if who, err := s.cfg.Directory.Peek(m.ID); err == nil && s.above(who) || s.above(listed) {
		return templates.Above
	}
	return ""
}

// above reports whether somebody may do more here than anybody is let do who did
// not sign in themselves.
func (s *Server) above(who *plex.Answer) bool { return who.Owner || s.isAdmin(who) }

// isMember reports whether an account is the managed member who was chosen.
func isMember(a plex.Account, m plex.HomeUser) bool {
	return a.ID == m.ID && a.UUID == m.UUID && a.Username == "" && a.Email == ""
}

// eventOf begins an event about a member who was chosen.
func eventOf(m plex.HomeUser, result, reason string) session.Event {
	return about(&plex.Answer{Account: m.Account}, session.EventSignIn, result, reason)
}

// isHomeAdmin reports whether an account is the admin in a list of members.
func isHomeAdmin(account int64, members []plex.HomeUser) bool {
	return slices.ContainsFunc(members, func(m plex.HomeUser) bool { return m.ID == account && m.Admin })
}
