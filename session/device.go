package session

import (
	"bytes"
	"time"

	"go.etcd.io/bbolt"
)

const (
	deviceKnownFor = 90 * 24 * time.Hour
	maxDeviceText  = 64  // bytes of what a device is, in words
	maxDevicesOf   = 200 // remembered of one person
)

// SeeDevice remembers that a person has signed in with a device, by what it is in
// words, and reports whether that was new: not seen in 90 days. Of somebody with very
// many none is new. After an error it is not known whether it was.
func (s *Store) SeeDevice(account int64, words string) (fresh bool, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := time.Now()
	of := idKey(account)
	key := append(of[:len(of):len(of)], clean(words, maxDeviceText)...)
	fresh = true
	err = s.write(func(tx *bbolt.Tx) error {
		b := tx.Bucket(devicesBucket)
		if at := b.Get(key); len(at) == 8 {
			fresh = now.Sub(timeOf(at)) >= deviceKnownFor
			return b.Put(key, timeValue(now))
		}
		if err := dropRows(b, [][]byte{key}); err != nil { // what damage has put in its place
			return err
		}
		n, c := 0, b.Cursor()
		for k, _ := c.Seek(of); bytes.HasPrefix(k, of); k, _ = c.Next() {
			n++
		}
		if fresh = n < maxDevicesOf; fresh {
			return b.Put(key, timeValue(now))
		}
		return nil
	})
	return fresh && err == nil, err
}

// oldDevices are the rows of devices that are no longer known, for [Store.Prune].
func oldDevices(tx *bbolt.Tx, now time.Time) (old [][]byte) {
	for k, v := range pairs(tx.Bucket(devicesBucket)) {
		if len(v) != 8 || now.Sub(timeOf(v)) >= deviceKnownFor {
			old = append(old, bytes.Clone(k))
		}
	}
	return old
}
