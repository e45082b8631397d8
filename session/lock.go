package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolterrors "go.etcd.io/bbolt/errors"
)

// lockRetry is how often a lock that another process has is tried again.
const lockRetry = 50 * time.Millisecond

// Lock opens the file of a store, which must be there, and keeps every Usher from it
// until the file is closed: another file may then take its place. [ErrLocked] where a
// process has it, and does not let go while we wait.
func Lock(path string, wait time.Duration) (*os.File, error) {
	f, err := lock(path, wait)
	if err != nil {
		return nil, explain(path, err)
	}
	return f, nil
}

func lock(path string, wait time.Duration) (*os.File, error) {
	for end := time.Now().Add(wait); ; time.Sleep(lockRetry) {
		if info, err := os.Stat(path); err != nil {
			return nil, err
		} else if !info.Mode().IsRegular() {
			return nil, errIrregular
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0) // some network file systems lock no file that is open for reading
		if err != nil {
			if f, err = os.Open(path); err != nil {
				return nil, err
			}
		}
		held, err := flock(f)
		if held && still(f, path) {
			return f, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		if !time.Now().Before(end) {
			return nil, bolterrors.ErrTimeout
		}
	}
}

// still reports whether an open file is the one at path. Who has waited for a lock
// may have got that of a file which was replaced meanwhile.
func still(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(opened, now)
}

// Stamp is t as the names of files that were set aside end.
func Stamp(t time.Time) string { return t.UTC().Format("20060102T150405.000Z") }

// SetAside keeps the file at path under another name, too, so that it outlives what
// will be put in its place. A file that has that name is taken for it: kept by a
// process that was then killed.
func SetAside(path, aside string) error {
	err := os.Link(path, aside)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil { // there are file systems without links
		f, openErr := os.Open(path)
		if openErr != nil {
			return openErr
		}
		defer f.Close()
		temp := filepath.Join(filepath.Dir(aside), "."+filepath.Base(aside))
		if err = copyTo(temp, f); err == nil {
			err = os.Rename(temp, aside)
		}
		if err != nil {
			return errors.Join(err, os.Remove(temp))
		}
	}
	return SyncDir(filepath.Dir(aside))
}

// copyTo writes the whole of f, from where it stands, to a file of mode 0600 and the
// same owner, and to the disk.
func copyTo(path string, f *os.File) (err error) {
	to, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if _, err = to.ReadFrom(f); err != nil {
		return fmt.Errorf("copying %s: %w", f.Name(), err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return errors.Join(SameOwner(path, info), to.Sync())
}

// SyncDir brings the names in a folder to the disk.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(d), d.Close())
}
