package auth

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"usher/plex"
	"usher/policy"
)

// adminsSetting is the setting under which it is kept whom the names among the
// administrators have meant so far.
const adminsSetting = "administrators by name"

// admins are those who administer besides the owner. Names pass from one
// account to another: a term by name goes on to mean the account that it meant
// first, for as long as that has the name and the term is in the list.
type admins struct {
	terms []policy.Policy // of one term each
	mu    sync.Mutex
	meant map[string]int64 // term → Plex id
	save  func(value []byte) error
}

// newAdmins reads a policy of user: terms, and the store for whom they meant.
func newAdmins(p policy.Policy, stored []byte, save func([]byte) error) (*admins, error) {
	a := &admins{meant: map[string]int64{}, save: save}
	if p.String() == "" {
		return a, nil
	}
	before := map[string]int64{}
	_ = json.Unmarshal(stored, &before) // what cannot be read is found out anew
	for word := range strings.SplitSeq(p.String(), ",") {
		one, err := policy.ParseAdmins(word)
		if err != nil {
			return nil, err
		}
		a.terms = append(a.terms, one)
		if id := before[one.String()]; id > 0 {
			a.meant[one.String()] = id
		}
	}
	return a, nil
}

// has reports whether a person is one of them. A term that now describes
// another account than before is told to other.
func (a *admins) has(who policy.Person, other func(term string, meant int64)) (bool, error) {
	for _, one := range a.terms {
		if !one.Decide(who).Allowed {
			continue
		}
		term := one.String()
		if strings.TrimSpace(term) == "user:"+strconv.FormatInt(who.ID, 10) {
			return true, nil
		}
		meant, err := a.means(term, who.ID)
		switch {
		case err != nil:
			return false, err
		case meant == who.ID:
			return true, nil
		}
		other(term, meant)
	}
	return false, nil
}

// means is whom a term means: the account that had the name first, now this one
// where none had.
func (a *admins) means(term string, id int64) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if meant := a.meant[term]; meant > 0 {
		return meant, nil
	}
	a.meant[term] = id
	value, err := json.Marshal(a.meant)
	if err == nil {
		err = a.save(value)
	}
	if err != nil {
		delete(a.meant, term)
	}
	return id, err
}

// isAdmin reports whether a person administers this Usher: the owner does, and
// whom USHER_ADMINS names and nobody keeps out.
func (s *Server) isAdmin(who *plex.Answer) bool {
	if who.Owner {
		return true
	}
	is, err := s.admins.has(s.personOf(who), func(term string, meant int64) {
		s.warn(s.badChecks, "a name in USHER_ADMINS has changed hands, and does not count for its new account", "term", term, "user_id", who.Account.ID, "meant", meant,
			"fix", "name the administrator by id, user:"+strconv.FormatInt(meant, 10))
	})
	if err != nil {
		s.log.Error("whom USHER_ADMINS means could not be stored, so nobody new administers", "problem", err)
	}
	return is
}
