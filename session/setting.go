package session

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrSealedOtherwise: a sealed setting that none of the listed secrets opens.
var ErrSealedOtherwise = errors.New("sealed with a secret that is not listed")

// SetSealedSetting stores a value as tokens are stored, or removes it where it is nil.
func (s *Store) SetSealedSetting(key string, value []byte) error {
	if value == nil {
		return s.SetSetting(key, nil)
	}
	return s.SetSetting(key, s.tokens[0].Seal(nil, nil, value, settingData(key)))
}

// SealedSetting reads such a value; nil means that there is none. One that an older of the listed secrets sealed is
// sealed anew, so that the secret may be retired. The error is [ErrSealedOtherwise] or the file's.
func (s *Store) SealedSetting(key string) ([]byte, error) {
	sealed, err := s.Setting(key)
	if err != nil || sealed == nil {
		return nil, err
	}
	for i, aead := range s.tokens {
		value, err := aead.Open(nil, nil, sealed, settingData(key))
		if err != nil {
			continue
		}
		if i > 0 {
			err = s.SetSealedSetting(key, value)
		}
		return value, err
	}
	return nil, fmt.Errorf("setting %s: %w", key, ErrSealedOtherwise)
}

// Peek reads a sealed setting of a store that nobody has open, and changes nothing. Without a file there is none. Errors
// are [ErrLocked], [ErrDamaged], [ErrSealedOtherwise] or the system's.
func Peek(path string, keys Keys, key string) (value []byte, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	aeads, err := keys.aeads("token at rest")
	if err != nil {
		return nil, err
	}
	var sealed []byte
	err = guarded(func() error {
		if _, err := inspect(path); err != nil {
			return err
		}
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
		if err != nil {
			return err
		}
		defer db.Close()
		return db.View(func(tx *bbolt.Tx) error {
			if b := tx.Bucket(settingsBucket); b != nil {
				sealed = bytes.Clone(b.Get([]byte(key)))
			}
			return nil
		})
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	case err != nil || sealed == nil:
		return nil, err
	}
	for _, aead := range aeads {
		if value, err := aead.Open(nil, nil, sealed, settingData(key)); err == nil {
			return value, nil
		}
	}
	return nil, fmt.Errorf("setting %s: %w", key, ErrSealedOtherwise)
}

// settingData binds what is sealed to its name, and apart from a person's token, whose binding has eight bytes.
func settingData(key string) []byte { return []byte("setting " + key) }
