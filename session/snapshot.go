package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// Snapshot copies the store, as it is at one moment, to a file that has no name and
// is gone when it is closed. Only while that is written does the store hold still,
// and only where it would have to grow: whoever reads the copy may be as slow as they
// like. The file stands at its beginning.
func (s *Store) Snapshot() (_ *os.File, err error) {
	f, err := os.CreateTemp(filepath.Dir(s.db.Path()), ".snapshot-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("a copy of %s: %w", s.db.Path(), err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("a copy of %s: %w", s.db.Path(), err), f.Close())
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	if err != nil {
		return nil, err
	}
	_, err = f.Seek(0, 0)
	return f, err
}
