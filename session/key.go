package session

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// KeyPrefix begins every key, so that one is known for what it is, by us and by
// programs that look for secrets in the wrong places.
const KeyPrefix = "usher_"

const (
	maxKeys     = 50                       // of one person
	maxKeyHosts = 100                      // of one key
	maxKeyName  = 60                       // bytes
	maxKeyLife  = 3 * 366 * 24 * time.Hour // 3 years, leap day or not
)

// Why [Store.MakeKey] made none.
var (
	ErrTooManyKeys = errors.New("this person has as many keys as one may have")
	ErrKeyName     = errors.New("this person has a key of that name")
)

// KeySecret is a key as a client gives it: [KeyPrefix] and 260 random bits. It never
// prints.
type KeySecret string

// Format hides the key from every verb of package fmt.
func (KeySecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue hides the key from slog.
func (KeySecret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the key from JSON.
func (KeySecret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Key lets a client that cannot sign in pass as a person. Only LastUsed and
// LastAddress ever change.
type Key struct {
	ID          string     `json:"id"`           // random; no secret, for it opens nothing
	Account     int64      `json:"account"`      // numeric Plex id, above 0
	Name        string     `json:"name"`         // 1 to 60 bytes, printable; of this person's keys the only one
	Hosts       []string   `json:"hosts"`        // host names in the caller's normal form, or "*." and one; nil: every host
	Made        time.Time  `json:"made"`         // given by the store
	Ends        time.Time  `json:"ends"`         // the first instant at which it is over; at most three years after Made
	LastUsed    time.Time  `json:"last_used"`    // on disk up to five minutes late; zero: never
	LastAddress netip.Addr `json:"last_address"` // from where it was used last or, before that, made; zero: unknown
}

// keyHash is all that is kept of a key's secret. It is quick to compute: that is no
// weakness where the secret is random and too long to be guessed, unlike a password.
type keyHash [sha256.Size]byte

func hashKey(secret KeySecret) keyHash { return sha256.Sum256([]byte(secret)) }

// keyEntry is a key in memory.
type keyEntry struct {
	Key   // never changes
	hash  keyHash
	use   atomic.Pointer[keyUse]
	saved *keyUse // use as it is on disk; under Store.writing
}

type keyUse struct {
	at   time.Time
	from netip.Addr
}

func newKeyEntry(hash keyHash, k Key) *keyEntry {
	e := &keyEntry{Key: k, hash: hash, saved: &keyUse{k.LastUsed, k.LastAddress}}
	e.use.Store(e.saved)
	return e
}

// now is e's key with its latest use.
func (e *keyEntry) now() Key {
	k, use := e.Key, e.use.Load()
	k.LastUsed, k.LastAddress = use.at, use.from
	return k
}

// live reports whether k counts at now, like [Session.live].
func (k *Key) live(now time.Time) bool {
	return now.Before(k.Ends) && !k.Made.After(now.Add(skew))
}

// MakeKey makes a key, and returns when it is on disk. The secret is told this once.
// Account, Name and Ends must be set; LastAddress may be. Errors are
// [ErrTooManyKeys], [ErrKeyName], or a caller's or the disk's fault.
func (s *Store) MakeKey(in Key) (KeySecret, Key, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := time.Now().UTC().Round(0)
	in.Name = strings.TrimSpace(clean(in.Name, maxKeyName))
	if in.Account <= 0 || in.Name == "" || !now.Before(in.Ends) || in.Ends.After(now.Add(maxKeyLife)) || len(in.Hosts) > maxKeyHosts {
		return "", Key{}, errors.New("a key needs a Plex id, a name, an end within three years and at most 100 hosts")
	}
	all := s.Keys(in.Account)
	switch {
	case slices.ContainsFunc(all, func(k Key) bool { return k.Name == in.Name }):
		return "", Key{}, ErrKeyName
	case len(all) >= maxKeys:
		return "", Key{}, ErrTooManyKeys
	}
	in.ID, in.Made, in.Ends, in.LastUsed = rand.Text(), now, in.Ends.UTC().Round(0), time.Time{}
	in.Hosts = append([]string(nil), in.Hosts...)
	secret := KeySecret(KeyPrefix + rand.Text() + rand.Text())
	e := newKeyEntry(hashKey(secret), in)
	if err := s.write(func(tx *bbolt.Tx) error { return putKey(tx, e.hash, in) }); err != nil {
		return "", Key{}, err
	}
	s.mu.Lock()
	s.keys[e.hash] = e
	s.mu.Unlock()
	return secret, in, nil
}

// OpenKey finds the key of a secret, if it is not over. It asks memory alone.
func (s *Store) OpenKey(secret KeySecret) (Key, bool) {
	hash := hashKey(secret)
	s.mu.RLock()
	e := s.keys[hash]
	s.mu.RUnlock()
	if e == nil || subtle.ConstantTimeCompare(e.hash[:], hash[:]) != 1 || !e.live(time.Now()) {
		return Key{}, false
	}
	return e.now(), true
}

// Keys lists a person's keys that are not over, the newest in front.
func (s *Store) Keys(account int64) []Key {
	var all []Key
	now := time.Now()
	s.mu.RLock()
	for _, e := range s.keys {
		if e.Account == account && e.live(now) {
			all = append(all, e.now())
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b Key) int {
		if c := b.Made.Compare(a.Made); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// TouchKey notes that a key was used, and from where. It is in memory at once and on
// disk within five minutes.
func (s *Store) TouchKey(secret KeySecret, now time.Time, from netip.Addr) {
	s.mu.RLock()
	e := s.keys[hashKey(secret)]
	s.mu.RUnlock()
	if e == nil {
		return
	}
	next := &keyUse{now.UTC().Round(0), from}
	for was := e.use.Load(); !next.at.Before(was.at) && !e.use.CompareAndSwap(was, next); was = e.use.Load() {
	}
}

// EndKey revokes a key of this person's, at once, and reports whether there was one.
// After an error it is over in this process, and may come back with the next.
func (s *Store) EndKey(account int64, id string) (bool, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	var ended *keyEntry
	for hash, e := range s.keys {
		if e.Account == account && e.ID == id {
			ended = e
			delete(s.keys, hash)
		}
	}
	s.mu.Unlock()
	if ended == nil {
		return false, nil
	}
	return true, s.write(func(tx *bbolt.Tx) error { return dropKeys(tx, ended) })
}

// dropKeys deletes the rows of keys, and keeps when they were last used.
func dropKeys(tx *bbolt.Tx, all ...*keyEntry) error {
	for _, e := range all {
		if err := tx.Bucket(keysBucket).Delete(e.hash[:]); err != nil {
			return err
		}
		if err := sawLast(tx, e.Account, e.now().LastUsed); err != nil {
			return err
		}
	}
	return nil
}

// pruneKeys forgets the keys that are over at now, for [Store.Prune]. Those that are
// on disk and not in memory any more are over, too.
func (s *Store) pruneKeys(now time.Time) (over []*keyEntry, rows []keyHash, err error) {
	s.mu.Lock()
	for hash, e := range s.keys {
		if !now.Before(e.Ends) {
			over = append(over, e)
			delete(s.keys, hash)
		}
	}
	s.mu.Unlock()
	err = s.db.View(func(tx *bbolt.Tx) error {
		for k := range pairs(tx.Bucket(keysBucket)) {
			if hash := keyHash(k); s.keys[hash] == nil {
				rows = append(rows, hash)
			}
		}
		return nil
	})
	return over, rows, err
}

// usedKeys are the keys whose last use is not on disk yet. The caller holds writing.
func (s *Store) usedKeys() map[*keyEntry]*keyUse {
	used := make(map[*keyEntry]*keyUse)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.keys {
		if use := e.use.Load(); use != e.saved {
			used[e] = use
		}
	}
	return used
}

// keyRow is a key in the file. All says that it is for every host, so that a row
// that has lost its hosts opens nothing.
type keyRow struct {
	Key
	All bool `json:"all"`
}

func putKey(tx *bbolt.Tx, hash keyHash, k Key) error {
	v, err := json.Marshal(keyRow{k, k.Hosts == nil})
	if err != nil {
		return err
	}
	return tx.Bucket(keysBucket).Put(hash[:], v)
}

// readKey is the entry of a row, or says what is wrong with it.
func readKey(hash, v []byte) (*keyEntry, error) {
	var row keyRow
	if err := json.Unmarshal(v, &row); err != nil {
		return nil, err
	}
	if len(hash) != sha256.Size || row.ID == "" || row.Account <= 0 || row.Name == "" || row.All != (len(row.Hosts) == 0) || row.Ends.After(row.Made.Add(maxKeyLife)) {
		return nil, errors.New("it is none of ours")
	}
	if row.All {
		row.Hosts = nil
	}
	return newKeyEntry(keyHash(hash), row.Key), nil
}
