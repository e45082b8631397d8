package session

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

// migrations[n] makes schema n out of the one before. Schema 0 is an empty file. A
// step never changes once a version with it was published: there are files of it.
var migrations = []func(*bbolt.Tx) error{
	1: addBuckets(usherBucket, settingsBucket, tokensBucket, answersBucket, signedOutBucket, sessionsBucket, endedBucket),
	2: addBuckets(keysBucket, eventsBucket, countsBucket),
	3: addBuckets(rulingsBucket, asksBucket, devicesBucket, seenBucket),
}

// schema is the form of the file that this version writes.
var schema = len(migrations) - 1

var (
	usherBucket     = []byte("usher")      // "schema" → its number in decimal
	settingsBucket  = []byte("settings")   // name → whatever set-up stored
	tokensBucket    = []byte("tokens")     // account → sealed token
	answersBucket   = []byte("answers")    // account → plex.tv's last good answer
	signedOutBucket = []byte("signed out") // account → time
	sessionsBucket  = []byte("sessions")   // session id → its JSON
	endedBucket     = []byte("ended")      // session id → time at which it would have ended by itself
	keysBucket      = []byte("keys")       // SHA-256 of a key → its JSON; since schema 2
	eventsBucket    = []byte("events")     // number of an event → [eventRow]; since schema 2; not held in memory, and damage in it refuses no start
	countsBucket    = []byte("counts")     // day, kind and result of events → how many; since schema 2
	rulingsBucket   = []byte("rulings")    // account → JSON of its [Ruling]; since schema 3: a version without them would let in whom it keeps out
	asksBucket      = []byte("asks")       // "asks" → JSON of all [Ask]s; since schema 3; damage in it refuses no start
	devicesBucket   = []byte("devices")    // account and what its device is, in words → when it signed in last; since schema 3; damage in it refuses no start
	seenBucket      = []byte("seen")       // account → when a session or key that is over was seen last; since schema 3; damage in it refuses no start
)

// contents is what of a store is held in memory.
type contents struct {
	sessions  map[string]*entry
	signedOut map[int64]time.Time
	keys      map[keyHash]*keyEntry
	rulings   map[int64]Ruling
	asks      []Ask // the oldest first; never changed in place
}

// addBuckets is a migration that adds what is not there: versions before the first
// published one made some ahead of their schema.
func addBuckets(names ...[]byte) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		for _, name := range names {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	}
}

// upgrade runs the steps that a file of schema from has not had yet.
func upgrade(tx *bbolt.Tx, from int, steps []func(*bbolt.Tx) error) error {
	for to := from + 1; to < len(steps); to++ {
		if err := steps[to](tx); err != nil {
			return fmt.Errorf("from schema %d to %d: %w", to-1, to, err)
		}
	}
	return tx.Bucket(usherBucket).Put([]byte("schema"), []byte(strconv.Itoa(len(steps)-1)))
}

// initialize fills a store that is still empty, and one that has lost its history:
// that is not worth refusing a start.
func initialize(tx *bbolt.Tx) error {
	if empty(tx) {
		return upgrade(tx, 0, migrations)
	}
	return addBuckets(eventsBucket, countsBucket, asksBucket, devicesBucket, seenBucket)(tx)
}

func empty(tx *bbolt.Tx) bool {
	k, _ := tx.Cursor().First()
	return k == nil
}

// schemaOf is the schema of a file, 0 where it is empty, or says why it is none of
// ours.
func schemaOf(tx *bbolt.Tx) (int, error) {
	if empty(tx) {
		return 0, nil
	}
	usher := tx.Bucket(usherBucket)
	if usher == nil {
		return 0, fmt.Errorf("%w: it belongs to another program", ErrDamaged)
	}
	v, err := strconv.Atoi(string(usher.Get([]byte("schema"))))
	switch {
	case err != nil || v < 1:
		return 0, fmt.Errorf("%w: it has no schema version", ErrDamaged)
	case v > schema:
		return 0, fmt.Errorf("%w: schema %d, this one reads %d", ErrNewer, v, schema)
	}
	return v, nil
}

// read takes a store of some schema into memory, or says why it is none of ours.
func read(tx *bbolt.Tx, of int) (contents, error) {
	c := contents{make(map[string]*entry), make(map[int64]time.Time), make(map[keyHash]*keyEntry), make(map[int64]Ruling), nil}
	for _, name := range [][]byte{settingsBucket, tokensBucket, answersBucket, signedOutBucket, sessionsBucket, endedBucket} {
		if tx.Bucket(name) == nil {
			return c, fmt.Errorf("%w: %q is missing", ErrDamaged, name)
		}
	}
	ended := tx.Bucket(endedBucket)
	for k, v := range pairs(ended) {
		if len(v) != 8 {
			return c, fmt.Errorf("%w: sign-out %q", ErrDamaged, k)
		}
	}
	for k, v := range pairs(tx.Bucket(signedOutBucket)) {
		if len(k) != 8 || len(v) != 8 {
			return c, fmt.Errorf("%w: sign-out everywhere %q", ErrDamaged, k)
		}
		c.signedOut[int64(binary.BigEndian.Uint64(k))] = timeOf(v)
	}
	for k, v := range pairs(tx.Bucket(sessionsBucket)) {
		s := Session{ID: string(k)}
		if err := json.Unmarshal(v, &s); err != nil {
			return c, fmt.Errorf("%w: session %q: %w", ErrDamaged, k, err)
		}
		if ended.Get(k) == nil {
			c.sessions[s.ID] = newEntry(s)
		}
	}
	keys := tx.Bucket(keysBucket)
	if keys == nil && of >= 2 {
		return c, fmt.Errorf("%w: %q is missing", ErrDamaged, keysBucket)
	}
	if keys != nil {
		for k, v := range pairs(keys) {
			e, err := readKey(k, v)
			if err != nil {
				return c, fmt.Errorf("%w: a key: %w", ErrDamaged, err)
			}
			c.keys[e.hash] = e
		}
	}
	rulings := tx.Bucket(rulingsBucket)
	if rulings == nil && of >= 3 {
		return c, fmt.Errorf("%w: %q is missing", ErrDamaged, rulingsBucket)
	}
	if rulings != nil {
		for k, v := range pairs(rulings) {
			if !readRulings(c.rulings, k, v) {
				return c, fmt.Errorf("%w: ruling %q", ErrDamaged, k)
			}
		}
	}
	if asks := tx.Bucket(asksBucket); asks != nil {
		c.asks = readAsks(asks.Get(asksKey))
	}
	return c, nil
}
