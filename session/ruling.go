package session

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

const (
	maxRulings    = 10_000
	maxRulingText = 200 // bytes
)

// ErrTooManyRulings: [Store.Rule] keeps 10,000.
var ErrTooManyRulings = errors.New("there are as many rulings as are kept")

// Ruling is what an administrator has decided about one person by hand. It stays until
// another takes its place or [Store.Unrule].
type Ruling struct {
	Account int64     `json:"account"` // numeric Plex id, above 0
	In      bool      `json:"in"`      // let in; false: kept out
	By      int64     `json:"by"`      // who decided; 0: the row is damaged, so it keeps out
	At      time.Time `json:"at"`      // given by the store
	Reason  string    `json:"reason"`  // at most 200 bytes; may be ""
	Tell    bool      `json:"tell"`    // the person is shown the reason
}

// Rule keeps a person out or lets them in, and returns when that is on disk. Keeping
// out signs them out everywhere besides. After an error a person is kept out in this
// process only, and is not let in.
func (s *Store) Rule(r Ruling) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if r.Account <= 0 || r.By <= 0 {
		return errors.New("a ruling needs two Plex ids: whom it is about, and whose it is")
	}
	if _, known := s.Ruling(r.Account); !known && len(s.rulings) >= maxRulings {
		return ErrTooManyRulings
	}
	r.At, r.Reason = time.Now().UTC().Round(0), clean(r.Reason, maxRulingText)
	row, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if !r.In {
		s.setRuling(r)
	}
	if err := s.write(func(tx *bbolt.Tx) error { return putRuling(tx, r.Account, row) }); err != nil {
		return err
	}
	s.setRuling(r)
	if r.In {
		return nil
	}
	return s.endAll(r.Account)
}

// Unrule takes back what was ruled about a person, and reports whether there was
// anything. After an error it still holds.
func (s *Store) Unrule(account int64) (bool, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, known := s.Ruling(account); !known {
		return false, nil
	}
	if err := s.write(func(tx *bbolt.Tx) error { return dropRuling(tx, account) }); err != nil {
		return true, err
	}
	s.mu.Lock()
	delete(s.rulings, account)
	s.mu.Unlock()
	return true, nil
}

// Ruling is what was ruled about a person. It asks memory alone.
func (s *Store) Ruling(account int64) (Ruling, bool) {
	s.mu.RLock()
	r, ok := s.rulings[account]
	s.mu.RUnlock()
	return r, ok
}

// Rulings lists all, the newest in front.
func (s *Store) Rulings() []Ruling {
	var all []Ruling
	s.mu.RLock()
	for _, r := range s.rulings {
		all = append(all, r)
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b Ruling) int { return b.At.Compare(a.At) })
	return all
}

func (s *Store) setRuling(r Ruling) {
	s.mu.Lock()
	s.rulings[r.Account] = r
	s.mu.Unlock()
}

func putRuling(tx *bbolt.Tx, account int64, row []byte) error {
	if err := dropRuling(tx, account); err != nil {
		return err
	}
	return tx.Bucket(rulingsBucket).Put(idKey(account), row)
}

// dropRuling deletes a row, and what damage has put in its place.
func dropRuling(tx *bbolt.Tx, account int64) error {
	return dropRows(tx.Bucket(rulingsBucket), [][]byte{idKey(account)})
}

// readRulings reads a row of the file into all. One that is damaged keeps out whomever
// it may have been about: it must not become a way in. It reports false for a row of
// nobody.
func readRulings(all map[int64]Ruling, k, v []byte) bool {
	if len(k) != 8 || int64(binary.BigEndian.Uint64(k)) <= 0 {
		return false
	}
	account := int64(binary.BigEndian.Uint64(k))
	var r Ruling
	if err := json.Unmarshal(v, &r); err != nil || r.Account != account || r.By <= 0 || len(r.Reason) > maxRulingText {
		if r.Account > 0 {
			all[r.Account] = Ruling{Account: r.Account}
		}
		r = Ruling{Account: account}
	}
	if was, twice := all[account]; !twice || was.In { // a damaged row of another key was about them
		all[account] = r
	}
	return true
}
