package policy

import "fmt"

// Tier is how close a person is to the Plex server. Each tier contains the
// ones above it in this list's order: an owner is also home, shared, friend
// and anyone. The zero value is the weakest, [Anyone].
type Tier uint8

const (
	Anyone Tier = iota // any Plex account
	Friend             // on the owner's friends list
	Shared             // has accepted a share of an allowed server
	Home               // a member of the owner's Plex Home
	Owner              // the account that owns the Plex server
)

var tierNames = [...]string{"anyone", "friend", "shared", "home", "owner"}

func (t Tier) String() string {
	if int(t) < len(tierNames) {
		return tierNames[t]
	}
	return fmt.Sprintf("Tier(%d)", uint8(t))
}

// parseTier knows a tier by the word that policies and groups use.
func parseTier(word string) (Tier, bool) {
	for i, name := range tierNames {
		if word == name {
			return Tier(i), true
		}
	}
	return Anyone, false
}
