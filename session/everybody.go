package session

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Sessions lists everybody's live sessions, the one seen last in front.
func (s *Store) Sessions() []Session {
	var all []Session
	now := time.Now()
	s.mu.RLock()
	for _, e := range s.sessions {
		if e.live(now, s.signedOut[e.Account]) {
			all = append(all, e.now())
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b Session) int {
		if c := b.LastSeen.Compare(a.LastSeen); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// Presence is what there is of a person.
type Presence struct {
	Seen           time.Time // when a session of theirs was last seen, or a key last used; zero: never
	Sessions, Keys int       // that are not over
}

// Presences sums up everybody's sessions and keys.
func (s *Store) Presences() (map[int64]Presence, error) {
	all := make(map[int64]Presence)
	err := s.db.View(func(tx *bbolt.Tx) error {
		for k, v := range pairs(tx.Bucket(seenBucket)) {
			if len(k) == 8 && len(v) == 8 {
				all[int64(binary.BigEndian.Uint64(k))] = Presence{Seen: timeOf(v)}
			}
		}
		return nil
	})
	seen := func(p *Presence, t time.Time) {
		if t.After(p.Seen) {
			p.Seen = t
		}
	}
	now := time.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.sessions {
		if e.live(now, s.signedOut[e.Account]) {
			p := all[e.Account]
			p.Sessions++
			seen(&p, time.Unix(0, e.seen.Load()).UTC())
			all[e.Account] = p
		}
	}
	for _, e := range s.keys {
		if e.live(now) {
			p := all[e.Account]
			p.Keys++
			seen(&p, e.use.Load().at)
			all[e.Account] = p
		}
	}
	return all, err
}

// sawLast keeps when somebody was last seen by what is over now.
func sawLast(tx *bbolt.Tx, account int64, at time.Time) error {
	b, key := tx.Bucket(seenBucket), idKey(account)
	if was := b.Get(key); at.IsZero() || len(was) == 8 && !timeOf(was).Before(at) {
		return nil
	}
	return errors.Join(dropRows(b, [][]byte{key}), b.Put(key, timeValue(at))) // also what damage has put in its place
}

// AllKeys lists everybody's keys that are not over, the one used last in front.
func (s *Store) AllKeys() []Key {
	var all []Key
	now := time.Now()
	s.mu.RLock()
	for _, e := range s.keys {
		if e.live(now) {
			all = append(all, e.now())
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b Key) int {
		if c := b.LastUsed.Compare(a.LastUsed); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// EndSessions signs out sessions in one go, whosever they are, like [Store.End], and
// says how many there were.
func (s *Store) EndSessions(ids []string) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	var ended []*entry
	s.mu.Lock()
	for _, id := range ids {
		if e := s.sessions[id]; e != nil {
			ended = append(ended, e)
			delete(s.sessions, id)
		}
	}
	s.mu.Unlock()
	if len(ended) == 0 {
		return 0, nil
	}
	return len(ended), s.write(func(tx *bbolt.Tx) error { return end(tx, ended...) })
}

// EndKeys revokes keys in one go, whosever they are, like [Store.EndKey], and says how
// many there were.
func (s *Store) EndKeys(ids []string) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	over := make(map[string]bool, len(ids))
	for _, id := range ids {
		over[id] = true
	}
	var ended []*keyEntry
	s.mu.Lock()
	for hash, e := range s.keys {
		if over[e.ID] {
			ended = append(ended, e)
			delete(s.keys, hash)
		}
	}
	s.mu.Unlock()
	if len(ended) == 0 {
		return 0, nil
	}
	return len(ended), s.write(func(tx *bbolt.Tx) error { return dropKeys(tx, ended...) })
}

// Accounts lists everybody of whom an answer of plex.tv or a token is kept: who has
// signed in and whom plex.tv has not disowned since.
func (s *Store) Accounts() ([]int64, error) {
	seen := make(map[int64]bool)
	err := s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{answersBucket, tokensBucket} {
			for k := range pairs(tx.Bucket(name)) {
				if len(k) == 8 {
					seen[int64(binary.BigEndian.Uint64(k))] = true
				}
			}
		}
		return nil
	})
	all := make([]int64, 0, len(seen))
	for id := range seen {
		all = append(all, id)
	}
	slices.Sort(all)
	return all, err
}

// Size is how large the file is, in bytes.
func (s *Store) Size() (int64, error) {
	var size int64
	err := s.db.View(func(tx *bbolt.Tx) error {
		size = tx.Size()
		return nil
	})
	return size, err
}
