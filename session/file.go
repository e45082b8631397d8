package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"

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

	errIrregular = fmt.Errorf("%w: it is no regular file", ErrUnwritable)
)

// Summary is what a store holds, by number.
type Summary struct {
	Schema   int // of the file, at most that of this version; 0: there is no store yet
	Sessions int // begun and not ended, some of them perhaps over by now
	Keys     int
}

// Inspect reads a store that no process writes to, whole, and changes nothing. Its
// errors are those of [Open].
func Inspect(path string) (found Summary, err error) {
	if err = guarded(func() error { found, err = inspect(path); return err }); err != nil {
		return Summary{}, explain(path, err)
	}
	return found, nil
}

// inspect looks at a file before anything may write to it. Opened for reading, bbolt
// touches its two meta pages and no other, so a damaged tree harms nothing here.
func inspect(path string) (found Summary, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found, nil
	case err != nil:
		return found, err
	case !info.Mode().IsRegular():
		return found, errIrregular
	case info.Size() == 0: // a first start was killed between making and filling it
		return found, nil
	}
	var file *os.File
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait, OpenFile: keeping(&file)})
	if err != nil {
		var sys *fs.PathError
		if !errors.Is(err, bolterrors.ErrTimeout) && !errors.As(err, &sys) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return found, err
	}
	defer db.Close()
	if err := checkTree(file); err != nil {
		return found, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		of, err := schemaOf(tx)
		if err != nil || of == 0 {
			return err
		}
		c, err := read(tx, of)
		found = Summary{of, len(c.sessions), len(c.keys)}
		return err
	})
	return found, err
}

// keeping opens for bbolt, and keeps what it opened.
func keeping(file **os.File) func(string, int, fs.FileMode) (*os.File, error) {
	return func(name string, flag int, mode fs.FileMode) (_ *os.File, err error) {
		*file, err = os.OpenFile(name, flag, mode)
		return *file, err
	}
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
		return fmt.Errorf("%s: %w; put a backup in its place (usher restore), or move it away and start with an empty one, where everybody signs in again", path, err)
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("%[1]s: %[2]w; run the newer version, or put back the copy that it set aside (%[1]s.schema-…), or a backup", path, err)
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w by another process; stop that one, or give each a data folder of its own", path, ErrLocked)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%s: %w: %w; make room on the disk", path, ErrUnwritable, err)
	case errors.As(err, &sys):
		err = fmt.Errorf("%w: %w", ErrUnwritable, sys.Err)
		fallthrough
	case errors.Is(err, ErrUnwritable):
		return fmt.Errorf("%s: %w; it must be a plain file in a folder (%s) that exists, both writable for the user that Usher runs as (uid %d)", path, err, filepath.Dir(path), os.Getuid())
	}
	return fmt.Errorf("opening %s: %w", path, err)
}
