package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Why [Open] did not open a store. Each error names the path and the remedy; the
// file is left as it was.
var (
	ErrLocked     = errors.New("the store is in use")
	ErrDamaged    = errors.New("the store is damaged")
	ErrNewer      = errors.New("the store is from a newer Usher")
	ErrUnwritable = errors.New("the store cannot be written")
)

// inspect looks at a file before anything may write to it. Opened for reading, bbolt
// touches its two meta pages and no other, so a damaged tree harms nothing here.
func inspect(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: it is no regular file", ErrUnwritable)
	case info.Size() == 0: // a first start was killed between making and filling it
		return nil
	}
	var file *os.File
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait,
		OpenFile: func(name string, flag int, mode fs.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		}})
	if err != nil {
		var sys *fs.PathError
		if !errors.Is(err, bolterrors.ErrTimeout) && !errors.As(err, &sys) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return err
	}
	defer db.Close()
	if err := checkTree(file); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db.View(func(tx *bbolt.Tx) error {
		if empty(tx) {
			return nil
		}
		_, err := read(tx)
		return err
	})
}

// guarded turns a panic of bbolt, and a fault in the file's mapping, into damage.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return f()
}

// explain adds the path and what a person can do.
func explain(path string, err error) error {
	var sys *fs.PathError
	switch {
	case errors.Is(err, ErrDamaged):
		return fmt.Errorf("%s: %w; put a backup in its place, or move it away and start with an empty one, where everybody signs in again", path, err)
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("%s: %w; run the newer version, or put back a copy from before the update", path, err)
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w by another process; stop that one, or give each a data folder of its own", path, ErrLocked)
	case errors.As(err, &sys):
		err = fmt.Errorf("%w: %w", ErrUnwritable, sys.Err)
		fallthrough
	case errors.Is(err, ErrUnwritable):
		return fmt.Errorf("%s: %w; it must be a plain file in a folder (%s) that exists, both writable for the user that Usher runs as (uid %d)", path, err, filepath.Dir(path), os.Getuid())
	}
	return fmt.Errorf("opening %s: %w", path, err)
}
