package session

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// maxPerAccount bounds one person's sessions; beyond it the one not seen for longest
// ends.
const maxPerAccount = 50

// entry is a session in memory.
type entry struct {
	Session              // never changes
	seen    atomic.Int64 // LastSeen in Unix nanoseconds
	saved   int64        // seen as it is on disk; under Store.writing
}

func newEntry(s Session) *entry {
	e := &entry{Session: s, saved: s.LastSeen.UnixNano()}
	e.seen.Store(e.saved)
	return e
}

// now is e's session with its latest LastSeen.
func (e *entry) now() Session {
	s := e.Session
	s.LastSeen = time.Unix(0, e.seen.Load()).UTC()
	return s
}

// Begin signs a person in: it gives s an id and its times, and returns when that is
// on disk. Account, Audience and Expires must be set; where they are not, nothing
// begins.
func (s *Store) Begin(in Session) (Session, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := time.Now().UTC().Round(0)
	if in.Account <= 0 || in.Audience == "" || !now.Before(in.Expires) {
		return Session{}, errors.New("a session needs a Plex id, an audience and an end that is to come")
	}
	in.ID, in.SignedIn, in.LastSeen = rand.Text(), now, now
	in.Expires = in.Expires.UTC().Round(0)
	in.Device, in.Address = clean(in.Device, 200), clean(in.Address, 64)

	over := s.overflow(in.Account)
	// A clock that was ahead at the sign-out everywhere, or stands still, must not
	// keep the person out now. The sessions that the mark was for are gone with it.
	mark, marked := s.signedOut[in.Account]
	late := marked && !mark.Before(now)
	if late {
		mark = now.Add(-1)
	}
	err := s.write(func(tx *bbolt.Tx) error {
		if late {
			if err := tx.Bucket(signedOutBucket).Put(idKey(in.Account), timeValue(mark)); err != nil {
				return err
			}
		}
		if err := end(tx, over...); err != nil {
			return err
		}
		return put(tx, in)
	})
	if err != nil {
		return Session{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if late {
		s.signedOut[in.Account] = mark
	}
	for _, e := range over {
		delete(s.sessions, e.ID)
	}
	s.sessions[in.ID] = newEntry(in)
	return in, nil
}

// overflow is what must end before one more session of account begins.
func (s *Store) overflow(account int64) []*entry {
	all := s.of(account)
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.seen.Load(), b.seen.Load()) })
	return all[:max(0, len(all)-maxPerAccount+1)]
}

// of lists the sessions of account, over or not.
func (s *Store) of(account int64) []*entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*entry
	for _, e := range s.sessions {
		if e.Account == account {
			all = append(all, e)
		}
	}
	return all
}

// Live finds a session that is not over. It asks memory alone.
func (s *Store) Live(id string) (Session, bool) { return s.live(id, time.Now()) }

func (s *Store) live(id string, now time.Time) (Session, bool) {
	s.mu.RLock()
	e := s.sessions[id]
	var mark time.Time
	if e != nil {
		mark = s.signedOut[e.Account]
	}
	s.mu.RUnlock()
	if e == nil || !e.live(now, mark) {
		return Session{}, false
	}
	return e.now(), true
}

// ByAccount lists a person's live sessions, the one seen last in front.
func (s *Store) ByAccount(account int64) []Session {
	var all []Session
	for _, e := range s.of(account) {
		if live, ok := s.Live(e.ID); ok {
			all = append(all, live)
		}
	}
	slices.SortFunc(all, func(a, b Session) int { return b.LastSeen.Compare(a.LastSeen) })
	return all
}

// Touch notes that a session was seen. It is in memory at once and on disk within
// five minutes.
func (s *Store) Touch(id string, now time.Time) {
	s.mu.RLock()
	e := s.sessions[id]
	s.mu.RUnlock()
	if e == nil {
		return
	}
	for at, was := now.UnixNano(), e.seen.Load(); at > was && !e.seen.CompareAndSwap(was, at); was = e.seen.Load() {
	}
}

// End signs a session out, at once; one that there is not has ended already. After
// an error it is over in this process, and may come back with the next.
func (s *Store) End(id string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	e := s.sessions[id]
	delete(s.sessions, id)
	s.mu.Unlock()
	if e == nil {
		return nil
	}
	return s.write(func(tx *bbolt.Tx) error { return end(tx, e) })
}

// EndAll signs a person out everywhere, at once: every session that has begun until
// now. After an error it holds for this process only.
func (s *Store) EndAll(account int64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.endAll(account)
}

// endAll is EndAll for a caller that holds writing.
func (s *Store) endAll(account int64) error {
	all, mark := s.of(account), time.Now().UTC().Round(0)
	s.mu.Lock()
	s.signedOut[account] = mark
	for _, e := range all {
		delete(s.sessions, e.ID)
	}
	s.mu.Unlock()
	return s.write(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(signedOutBucket).Put(idKey(account), timeValue(mark)); err != nil {
			return err
		}
		return end(tx, all...)
	})
}

// Prune removes sessions and keys that are over at now, events that are too old, and
// the marks of signed-out sessions that would be over by themselves.
func (s *Store) Prune(now time.Time) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.pruneEvents(now); err != nil {
		return err
	}
	var over []*entry
	s.mu.Lock()
	for id, e := range s.sessions {
		if !now.Before(e.Expires) || !e.SignedIn.After(s.signedOut[e.Account]) {
			over = append(over, e)
			delete(s.sessions, id)
		}
	}
	s.mu.Unlock()
	usedUp, keys, err := s.pruneKeys(now)
	if err != nil {
		return err
	}

	var sessions, marks, devices [][]byte
	err = s.db.View(func(tx *bbolt.Tx) error {
		for k := range pairs(tx.Bucket(sessionsBucket)) {
			if s.sessions[string(k)] == nil {
				sessions = append(sessions, slices.Clone(k))
			}
		}
		for k, v := range pairs(tx.Bucket(endedBucket)) {
			if !now.Before(timeOf(v)) {
				marks = append(marks, slices.Clone(k))
			}
		}
		devices = oldDevices(tx, now)
		return nil
	})
	if err != nil || len(sessions)+len(marks)+len(keys)+len(devices) == 0 {
		return err
	}
	return s.write(func(tx *bbolt.Tx) error {
		for _, e := range over {
			if err := sawLast(tx, e.Account, e.now().LastSeen); err != nil {
				return err
			}
		}
		if err := dropKeys(tx, usedUp...); err != nil {
			return err
		}
		for _, k := range keys {
			if err := tx.Bucket(keysBucket).Delete(k[:]); err != nil {
				return err
			}
		}
		for _, k := range sessions {
			if err := tx.Bucket(sessionsBucket).Delete(k); err != nil {
				return err
			}
		}
		for _, k := range marks {
			if err := tx.Bucket(endedBucket).Delete(k); err != nil {
				return err
			}
		}
		return dropRows(tx.Bucket(devicesBucket), devices)
	})
}

// flush writes the last-seen times and last uses that have changed, in one
// transaction. What has ended cannot come back by it: it has left its map, and
// writing keeps it so.
func (s *Store) flush() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var changed []Session
	s.mu.RLock()
	for _, e := range s.sessions {
		if now := e.now(); now.LastSeen.UnixNano() != e.saved {
			changed = append(changed, now)
		}
	}
	s.mu.RUnlock()
	used := s.usedKeys()
	if len(changed)+len(used) == 0 {
		return nil
	}
	err := s.write(func(tx *bbolt.Tx) error {
		for _, c := range changed {
			if err := put(tx, c); err != nil {
				return err
			}
		}
		for e, use := range used {
			k := e.Key
			k.LastUsed, k.LastAddress = use.at, use.from
			if err := putKey(tx, e.hash, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for e, use := range used {
		e.saved = use
	}
	for _, c := range changed {
		s.sessions[c.ID].saved = c.LastSeen.UnixNano()
	}
	return nil
}

func put(tx *bbolt.Tx, s Session) error {
	v, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.Bucket(sessionsBucket).Put([]byte(s.ID), v)
}

// end removes sessions and marks them until they would have ended by themselves.
func end(tx *bbolt.Tx, all ...*entry) error {
	for _, e := range all {
		if err := sawLast(tx, e.Account, e.now().LastSeen); err != nil {
			return err
		}
		if err := tx.Bucket(sessionsBucket).Delete([]byte(e.ID)); err != nil {
			return err
		}
		if err := tx.Bucket(endedBucket).Put([]byte(e.ID), timeValue(e.Expires)); err != nil {
			return err
		}
	}
	return nil
}

// pairs iterates over a bucket, in a transaction.
func pairs(b *bbolt.Bucket) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if !yield(k, v) {
				return
			}
		}
	}
}
