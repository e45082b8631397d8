package session

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

// schema is the form of the file that this version writes.
const schema = 1

var (
	usherBucket     = []byte("usher")      // "schema" → its number in decimal
	settingsBucket  = []byte("settings")   // name → whatever set-up stored
	tokensBucket    = []byte("tokens")     // account → sealed token
	answersBucket   = []byte("answers")    // account → plex.tv's last good answer
	signedOutBucket = []byte("signed out") // account → time
	sessionsBucket  = []byte("sessions")   // session id → its JSON
	endedBucket     = []byte("ended")      // session id → time at which it would have ended by itself
)

// contents is what of a store is held in memory.
type contents struct {
	sessions  map[string]*entry
	signedOut map[int64]time.Time
}

// initialize fills a store that is still empty.
func initialize(tx *bbolt.Tx) error {
	if empty(tx) {
		for _, name := range [][]byte{usherBucket, settingsBucket, tokensBucket, answersBucket, signedOutBucket, sessionsBucket, endedBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(usherBucket).Put([]byte("schema"), []byte(strconv.Itoa(schema)))
	}
	return nil
}

func empty(tx *bbolt.Tx) bool {
	k, _ := tx.Cursor().First()
	return k == nil
}

// read takes a store into memory, or says why it is none of ours.
func read(tx *bbolt.Tx) (contents, error) {
	c := contents{make(map[string]*entry), make(map[int64]time.Time)}
	usher := tx.Bucket(usherBucket)
	if usher == nil {
		return c, fmt.Errorf("%w: it belongs to another program", ErrDamaged)
	}
	switch v, err := strconv.Atoi(string(usher.Get([]byte("schema")))); {
	case err != nil || v < 1:
		return c, fmt.Errorf("%w: it has no schema version", ErrDamaged)
	case v > schema:
		return c, fmt.Errorf("%w: schema %d, this one reads %d", ErrNewer, v, schema)
	}
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
	return c, nil
}
