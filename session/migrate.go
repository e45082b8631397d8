package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// migrate brings the store at path up to date, and logs where its old file is.
func (s *Store) migrate(path string) error {
	var from int
	var aside string
	err := guarded(func() (err error) {
		from, aside, err = migrate(path, migrations)
		return err
	})
	if err != nil {
		return fmt.Errorf("the store of an older version is as it was, but could not be brought up to date: %w", explain(path, err))
	}
	if aside != "" {
		s.log.Info("the store of an older version was brought up to date", "path", path, "schema", schema, "was", from, "kept", aside)
	}
	return nil
}

// migrate runs the steps on a copy and puts that in the place of the file, which
// stays beside it, as it was, under the name that it returns. Whatever fails, and
// whenever it is killed, path is either the old file or the whole new one. The name
// is "" where another process was faster.
func migrate(path string, steps []func(*bbolt.Tx) error) (from int, aside string, err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return 0, "", err
	}
	file, err := lock(path, lockWait)
	if err != nil {
		return 0, "", err
	}
	defer file.Close()
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".next")
	defer os.Remove(next) // in vain where it has become path
	if err := copyTo(next, file); err != nil {
		return 0, "", err
	}
	if from, err = upgradeFile(next, steps); err != nil || from == len(steps)-1 {
		return from, "", err
	}
	aside = fmt.Sprintf("%s.schema-%d-%s", path, from, Stamp(time.Now()))
	if err := SetAside(path, aside); err != nil {
		return from, "", err
	}
	if err := os.Rename(next, path); err != nil {
		return from, "", errors.Join(err, os.Remove(aside))
	}
	return from, aside, SyncDir(filepath.Dir(path))
}

// upgradeFile upgrades a file that is nobody else's, and checks what came of it.
func upgradeFile(path string, steps []func(*bbolt.Tx) error) (from int, err error) {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return 0, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		if from, err = schemaOf(tx); err != nil {
			return err
		}
		return upgrade(tx, from, steps)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return from, err
	}
	_, err = inspect(path)
	return from, err
}
