package plex

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Answer is what plex.tv last said about a person: facts, not tiers; an owner is not marked Home or Friend besides. It is
// shared between callers: read it, never change it.
type Answer struct {
	Account Account
	Owner   bool
	Home    bool     // member of the owner's Plex Home
	Friend  bool     // on the owner's list and not merely invited; only the owner's view can tell
	Servers []string // allowed machine identifiers, the owner's, that the person owns or has accepted a share of

	// Libraries are the titles of the libraries of Servers that are shared with the person, as Plex has them, sorted, each once;
	// for the owner, all. Two libraries of one title are one. Where LibrariesKnown is false there may be others as well: plex.tv
	// has not said, or not within the grace. Only the owner's view can tell.
	Libraries      []string
	LibrariesKnown bool

	View View      // what it was decided by
	At   time.Time // when plex.tv gave that; the older of two
}

// View is by which of plex.tv's views an [Answer] was decided.
type View int

const (
	OwnersView  View = iota + 1 // what the owner's token shows
	PersonsView                 // what the person's own token shows
	BothViews                   // the owner's view, and what the person's has added or replaced
)

func (v View) String() string {
	switch v {
	case OwnersView:
		return "the owner's view"
	case PersonsView:
		return "the person's own view"
	case BothViews:
		return "the owner's view and the person's own"
	}
	return "no view"
}

// access reports whether the person is anything at all to the owner.
func (a *Answer) access() bool { return a.Owner || a.Home || a.Friend || len(a.Servers) > 0 }

// record is what is stored of a person: what plex.tv said, not what followed from it, so that a change of the allowed
// servers or of the owner counts for old answers too.
type record struct {
	Account   Account   `json:"account"`
	AccountAt time.Time `json:"account_at"`
	Grants    []grant   `json:"grants,omitempty"`
	At        time.Time `json:"at"` // when plex.tv gave the list of servers; zero: never
}

// grant is an allowed server on the person's own list.
type grant struct {
	Server string `json:"server"`
	Owner  int64  `json:"owner,omitempty"` // 0: not said
	Owned  bool   `json:"owned,omitempty"`
	Home   bool   `json:"home,omitempty"`
}

// read is the person's view: what the list makes the person with this id to this owner. A machine identifier is no secret and
// any server can claim it, so an entry counts only if its owner is the owner. Where plex.tv does not say whose it is the
// entry lets nobody in, but sure is false: such a list does not prove that there is no share either.
func (r *record) read(id, owner int64, allowed map[string]bool) (a Answer, sure bool) {
	a, sure = Answer{Account: r.Account, View: PersonsView, At: r.At}, true
	a.Account.ID = id
	for _, g := range r.Grants {
		switch {
		case !allowed[g.Server]:
			continue
		case g.Owned && id == owner && (g.Owner == 0 || g.Owner == owner):
			a.Owner = true
		case g.Owned:
			continue // somebody's own server under that identifier
		case g.Owner == 0:
			sure = false
			continue
		case g.Owner != owner:
			continue
		case g.Home:
			a.Home = true
		}
		a.Servers = append(a.Servers, g.Server)
	}
	a.Servers = union(a.Servers, nil)
	return a, sure
}

// ownerView is what the owner's token showed: one answer for everybody.
type ownerView struct {
	Owner   Account          `json:"owner"`
	Servers []string         `json:"servers,omitempty"` // all that the owner owns, allowed or not
	People  map[int64]member `json:"people,omitempty"`
	At      time.Time        `json:"at"` // zero: only the owner's id is known
}

type member struct {
	Account Account  `json:"account"`
	Home    bool     `json:"home,omitempty"`
	Friend  bool     `json:"friend,omitempty"`
	Servers []string `json:"servers,omitempty"` // of the owner's, shared and accepted, allowed or not
}

// same reports whether two views say the same, whenever they were got.
func (v *ownerView) same(w *ownerView) bool {
	return w != nil && v.Owner == w.Owner && slices.Equal(v.Servers, w.Servers) && maps.EqualFunc(v.People, w.People, func(a, b member) bool {
		return a.Account == b.Account && a.Home == b.Home && a.Friend == b.Friend && slices.Equal(a.Servers, b.Servers)
	})
}

// newMember reads a row of the owner's list. Shares count if they are accepted and the owner's. Somebody who is not in
// the Home and has accepted nothing of what is offered has been invited and may not know of it: no friend yet.
func newMember(u User) member {
	m := member{Home: u.Home, Friend: true,
		Account: Account{ID: u.ID, Username: u.Username, Email: u.Email, Title: u.Title, Thumb: u.Thumb}}
	if !u.Home && len(u.Servers) > 0 {
		m.Friend = slices.ContainsFunc(u.Servers, func(s UserServer) bool { return !s.Pending })
	}
	for _, s := range u.Servers {
		if !s.Pending && s.Owned {
			m.Servers = append(m.Servers, s.MachineID)
		}
	}
	return m
}

// read is the owner's view of a person, of whom own is what is known besides.
func (v *ownerView) read(id int64, own *record, allowed map[string]bool) Answer {
	a := Answer{Account: own.Account, View: OwnersView, At: v.At}
	a.Account.ID = id
	if id == v.Owner.ID {
		if v.At.After(own.AccountAt) {
			a.Account = v.Owner
		}
		a.Owner, a.Servers = true, only(v.Servers, allowed)
		return a
	}
	m, ok := v.People[id]
	if !ok {
		return a
	}
	a.Home, a.Friend, a.Servers = m.Home, m.Friend, only(m.Servers, allowed)
	if v.At.After(own.AccountAt) {
		a.Account.Username, a.Account.Title, a.Account.Thumb = m.Account.Username, m.Account.Title, m.Account.Thumb
		if v.newEmail(id, own) {
			a.Account.Email = ""
		}
	}
	return a
}

// newEmail reports whether the owner's list has another e-mail than the person's own profile. The list does not say whether
// an e-mail is confirmed and the profile does, so one that only the list has is not believed: anybody can type one.
func (v *ownerView) newEmail(id int64, own *record) bool {
	email := v.People[id].Account.Email
	return email != "" && v.At.After(own.AccountAt) && !strings.EqualFold(email, own.Account.Email)
}

func only(servers []string, allowed map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(servers), func(s string) bool { return !allowed[s] })
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
