package plex

import (
	"slices"
	"strings"
)

// Foreseen is what somebody would be to an owner.
type Foreseen struct {
	Answer
	Invited bool // to an allowed server, and has not accepted: that is no share yet
}

// Foresee says what the owner and everybody on their list would be if these servers of the owner's were the allowed ones. The
// owner comes first. Libraries are not looked at.
func Foresee(owner Account, users []User, servers []string) []Foreseen {
	allowed := map[string]bool{}
	for _, s := range servers {
		allowed[s] = true
	}
	all := []Foreseen{{Answer: Answer{Account: owner, Owner: true, Servers: servers, View: OwnersView}}}
	for _, u := range users {
		m := newMember(u)
		f := Foreseen{Answer: Answer{Account: m.Account, Home: m.Home, Friend: m.Friend, Servers: only(m.Servers, allowed), View: OwnersView}}
		for _, s := range u.Servers {
			f.Invited = f.Invited || s.Pending && s.Owned && allowed[s.MachineID]
		}
		all = append(all, f)
	}
	slices.SortStableFunc(all[1:], func(a, b Foreseen) int {
		return strings.Compare(strings.ToLower(a.Account.Name()), strings.ToLower(b.Account.Name()))
	})
	return all
}

// OwnedServers are the servers in a list of resources that are the account's own, online or not, each once. A player, and a
// server that only claims to be owned, is none.
func OwnedServers(account Account, list []Resource) []Resource {
	var own []Resource
	seen := map[string]bool{}
	for _, r := range list {
		if r.ID != "" && !seen[r.ID] && r.Server() && r.Owned && (r.OwnerID == 0 || r.OwnerID == account.ID) {
			seen[r.ID] = true
			own = append(own, r)
		}
	}
	return own
}
