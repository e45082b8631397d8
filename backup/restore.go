package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"usher/session"
)

const (
	// stagingName is the folder in which a restore is prepared.
	stagingName = ".restoring"
	// decidedPrefix begins its name from when it counts. The time follows that the
	// names of what is set aside bear.
	decidedPrefix = ".restore-"
)

// lockWait is how long an Usher that is being stopped may take to let go.
const lockWait = 2 * time.Second

// Restored is what a restore has done.
type Restored struct {
	Manifest
	session.Summary
	KeptAs []string // where the files are that were there before
}

// Restore puts a backup into a data folder, which must be there. Until it is decided
// nothing but a folder of its own is written, which is removed where it is refused.
// keys are those that will be in force, given the backup's secret, or "" where that
// has none; where they are not the backup's, it is refused unless anyKeys. proceed
// is asked at the last moment before it is decided.
//
// Errors are [ErrBad], those of [session.Inspect] and [session.Lock], or the system's.
func Restore(dir string, in io.Reader, keys func(secret string) (session.Keys, error), anyKeys bool, proceed func() error) (done Restored, err error) {
	if _, err := Finish(dir); err != nil {
		return done, err
	}
	folder, err := take(dir)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, folder.release()) }()
	staging := filepath.Join(dir, stagingName)
	if err := errors.Join(os.RemoveAll(staging), os.Mkdir(staging, 0o700)); err != nil {
		return done, err
	}
	defer os.RemoveAll(staging) // in vain where it was decided
	if done.Manifest, err = Read(in, func(name string) (io.WriteCloser, error) { return create(filepath.Join(staging, name)) }); err != nil {
		return done, err
	}
	if done.Summary, err = inspect(staging, done.Manifest, keys, anyKeys); err != nil {
		return done, err
	}
	if err := errors.Join(folder.own(staging), session.SyncDir(staging), proceed()); err != nil {
		return done, err
	}
	decided := filepath.Join(dir, decidedPrefix+session.Stamp(time.Now()))
	if err := os.Rename(staging, decided); err != nil {
		return done, err
	}
	if done.KeptAs, err = folder.put(decided); err != nil {
		err = fmt.Errorf("the restore is decided but not done: %w; run usher restore again, or start Usher, and it goes on", err)
	}
	return done, err
}

// inspect looks at what was unpacked, as Usher will when it starts.
func inspect(staging string, m Manifest, keys func(string) (session.Keys, error), anyKeys bool) (session.Summary, error) {
	found, err := session.Inspect(filepath.Join(staging, Store))
	switch {
	case errors.Is(err, session.ErrNewer):
		return found, fmt.Errorf("%w: the backup was made by version %.40q; restore it with that version", session.ErrNewer, m.Version)
	case errors.Is(err, session.ErrDamaged):
		return found, fmt.Errorf("%w: it was so when the backup was made, or was changed since; take another backup", session.ErrDamaged)
	case err != nil:
		return found, err
	case found.Schema == 0:
		return found, bad("its store is empty")
	}
	var secret []byte
	if m.Has(Secret) {
		if secret, err = os.ReadFile(filepath.Join(staging, Secret)); err != nil {
			return found, err
		}
	}
	inForce, err := keys(string(secret))
	if err != nil {
		return found, err
	}
	if !anyKeys && !slices.Contains(inForce.Names(), m.Key) {
		return found, ErrOtherKeys
	}
	return found, nil
}

// ErrOtherKeys: what the backup holds was sealed by a secret that will not be in force.
var ErrOtherKeys = errors.New("the backup is of an installation with another secret")

func create(path string) (io.WriteCloser, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return synced{f}, err
}

// synced is on the disk when it is closed.
type synced struct{ *os.File }

func (f synced) Close() error { return errors.Join(f.Sync(), f.File.Close()) }

// Finish does what is left of a restore that was decided and then cut off, and clears
// away one that was not decided. Whatever reads a data folder calls it first. It says
// where the files are that were there before, if it has done anything.
func Finish(dir string) (keptAs []string, err error) {
	staging := filepath.Join(dir, stagingName)
	_, none := os.Lstat(staging)
	decided, err := Decided(dir)
	if err != nil || decided == "" && none != nil {
		return nil, err
	}
	folder, err := take(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, folder.release()) }()
	if err := os.RemoveAll(staging); err != nil || decided == "" {
		return nil, err
	}
	return folder.put(decided)
}

// Decided is the folder of a restore that is not done yet; "": there is none.
func Decided(dir string) (string, error) {
	all, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) { // whoever needs the folder will say so
		return "", err
	}
	for _, e := range all {
		if strings.HasPrefix(e.Name(), decidedPrefix) && e.IsDir() {
			return filepath.Join(dir, e.Name()), nil
		}
	}
	return "", nil
}

// folder is a data folder that no process uses.
type folder struct {
	dir   string
	store *os.File // locked
	made  bool     // the store's file is ours, and empty, so that there was something to lock
	owner fs.FileInfo
}

// take locks a data folder: the file of its store, as a starting Usher does.
func take(dir string) (*folder, error) {
	f := &folder{dir: dir}
	path := filepath.Join(dir, Store)
	made, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		f.made, err = true, made.Close()
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if f.store, err = session.Lock(path, lockWait); err != nil {
		return nil, err
	}
	if f.owner, err = f.store.Stat(); err == nil && f.owner.Size() == 0 {
		if f.owner, err = os.Stat(dir); err == nil {
			err = session.SameOwner(path, f.owner)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.release())
	}
	return f, nil
}

// release lets others have the folder, without the file that was made to lock it.
func (f *folder) release() error {
	var err error
	if info, statErr := os.Stat(filepath.Join(f.dir, Store)); f.made && statErr == nil && info.Size() == 0 {
		err = os.Remove(filepath.Join(f.dir, Store))
	}
	return errors.Join(err, f.store.Close())
}

// own gives a folder and what is in it to the user that Usher runs as.
func (f *folder) own(dir string) error {
	err := session.SameOwner(dir, f.owner)
	for _, name := range []string{Store, Secret, ClientID} {
		if _, statErr := os.Stat(filepath.Join(dir, name)); statErr == nil {
			err = errors.Join(err, session.SameOwner(filepath.Join(dir, name), f.owner))
		}
	}
	return err
}

// put moves what was prepared into the data folder, the store last: who opens that
// finds the others in place. It may be called again at every point.
func (f *folder) put(decided string) (keptAs []string, err error) {
	stamp := strings.TrimPrefix(filepath.Base(decided), decidedPrefix)
	if err := session.SyncDir(f.dir); err != nil { // it is decided on the disk, too
		return nil, err
	}
	for _, name := range []string{Secret, ClientID, Store} {
		from, to := filepath.Join(decided, name), filepath.Join(f.dir, name)
		if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return keptAs, err
		}
		if old, err := differ(to, from, name == Store); err != nil {
			return keptAs, err
		} else if old {
			aside := to + ".before-restore-" + stamp
			if err := session.SetAside(to, aside); err != nil {
				return keptAs, err
			}
			keptAs = append(keptAs, aside)
		}
		if err := os.Rename(from, to); err != nil {
			return keptAs, err
		}
	}
	if err := session.SyncDir(f.dir); err != nil {
		return keptAs, err
	}
	return keptAs, errors.Join(os.Remove(decided), session.SyncDir(f.dir))
}

// differ reports whether there is a file at old that new would replace by something
// else. A store always is something else, unless there was none.
func differ(old, new string, store bool) (bool, error) {
	info, err := os.Stat(old)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case store:
		return info.Size() > 0, nil
	}
	a, err := os.ReadFile(old)
	if err != nil {
		return false, err
	}
	b, err := os.ReadFile(new)
	return !bytes.Equal(a, b), err
}
