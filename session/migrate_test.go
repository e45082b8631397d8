package session_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"usher/session"
)

// oldStore is a full store as a version before keys left it, and its bytes.
func oldStore(t testing.TB) (path string, b []byte) {
	t.Helper()
	path = put(t, fullStore(t))
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("keys")), tx.DeleteBucket([]byte("events")), tx.DeleteBucket([]byte("counts")), tx.DeleteBucket([]byte("rulings")), tx.DeleteBucket([]byte("asks")), tx.Bucket([]byte("usher")).Put([]byte("schema"), []byte("1")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return path, b
}

// beside lists what lies beside a store, but for itself.
func beside(t testing.TB, path string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Name() != filepath.Base(path) {
			names = append(names, e.Name())
		}
	}
	return names
}

// kept wants the one file beside a store to be what the store was before.
func kept(t testing.TB, path string, before []byte) {
	t.Helper()
	names := beside(t, path)
	if len(names) != 1 || !strings.HasPrefix(names[0], filepath.Base(path)+".schema-1-") {
		t.Fatalf("beside the store: %q", names)
	}
	aside := filepath.Join(filepath.Dir(path), names[0])
	after, err := os.ReadFile(aside)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("what was set aside is not what was there (%v)", err)
	}
	if info, err := os.Stat(aside); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAnOlderStoreIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path, before := oldStore(t)
	was, err := session.Inspect(path)
	if err != nil || was.Schema != 1 || was.Sessions == 0 || was.Keys != 0 {
		t.Fatalf("%+v, %v", was, err)
	}
	store := openStore(t, path, newKeys(t, secretA))
	kept(t, path, before)
	s := begin(t, store, casey)
	secret, _ := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
	store = reopen(t, store, path)
	if !live(store, s) || !opensKey(store, secret) {
		t.Error("what was done since is lost")
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if is, err := session.Inspect(path); err != nil || is.Schema != 3 || is.Sessions != was.Sessions+1 || is.Keys != 1 {
		t.Errorf("%+v, %v; was %+v", is, err, was)
	}
	kept(t, path, before) // once

	// Going back: the older version's file is put in place again.
	if err := os.Rename(filepath.Join(filepath.Dir(path), beside(t, path)[0]), path); err != nil {
		t.Fatal(err)
	}
	if is, err := session.Inspect(path); err != nil || is != was {
		t.Errorf("gone back: %+v, %v", is, err)
	}
}

// Versions that were never published made keys in stores of schema 1.
func TestKeysAheadOfTheirSchema(t *testing.T) {
	t.Parallel()
	path := put(t, fullStore(t))
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(bucket("usher", "schema", "1")), db.Close()); err != nil {
		t.Fatal(err)
	}
	was, err := session.Inspect(path)
	if err != nil || was.Keys == 0 {
		t.Fatalf("%+v, %v", was, err)
	}
	if err := openStore(t, path, newKeys(t, secretA)).Close(); err != nil {
		t.Fatal(err)
	}
	if is, err := session.Inspect(path); err != nil || is.Schema != 3 || is.Keys != was.Keys {
		t.Errorf("%+v, %v; was %+v", is, err, was)
	}
}

func TestAMigrationThatFails(t *testing.T) {
	t.Parallel()
	nothing := func(*bbolt.Tx) error { return nil }
	for name, step := range map[string]func(*bbolt.Tx) error{
		"an error": func(tx *bbolt.Tx) error {
			return errors.Join(tx.DeleteBucket([]byte("sessions")), errors.New("this step fails"))
		},
		"a result that is no store": func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("sessions")) },
		"a result that is damaged":  bucket("sessions", "AAAA", "{"),
	} {
		path, _ := oldStore(t)
		untouched(t, path, func() {
			if _, _, err := session.Migrate(path, []func(*bbolt.Tx) error{nothing, nothing, step}); err == nil {
				t.Errorf("%s: no error", name)
			}
		})
		if names := beside(t, path); len(names) > 0 {
			t.Errorf("%s left %q", name, names)
		}
	}
}

func TestNoMigrationOfAStoreInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // so that the wait for the lock takes no time
		path, before := oldStore(t)
		f, err := session.Lock(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		untouched(t, path, func() { refused(t, path, session.ErrLocked) })
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := openStore(t, path, newKeys(t, secretA)).Close(); err != nil {
			t.Fatal(err)
		}
		kept(t, path, before)
	})
}

func TestLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "usher.db")
		if _, err := session.Lock(path, 0); !errors.Is(err, os.ErrNotExist) && !errors.Is(err, session.ErrUnwritable) {
			t.Errorf("of nothing: %v", err)
		}
		if names := beside(t, path); len(names) > 0 {
			t.Errorf("it made %q", names)
		}
		if _, err := session.Lock(filepath.Dir(path), 0); !errors.Is(err, session.ErrUnwritable) {
			t.Errorf("of a folder: %v", err)
		}
		store := openStore(t, path, newKeys(t, secretA))
		if _, err := session.Lock(path, time.Second); !errors.Is(err, session.ErrLocked) {
			t.Errorf("of a store in use: %v", err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := session.Lock(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, path, session.ErrLocked)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Who waits for a store while another is put in its place gets that, or nothing: it
// never writes to the one that was taken away.
func TestAStoreThatIsReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path, next := filepath.Join(t.TempDir(), "usher.db"), put(t, fullStore(t))
		store := openStore(t, path, newKeys(t, secretA))
		begin(t, store, casey)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := session.Lock(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		waiting := make(chan error, 2)
		go func() {
			store, err := session.Open(path, newKeys(t, secretA), slog.New(slog.DiscardHandler))
			if err == nil {
				if len(store.ByAccount(3)) == 0 {
					err = errors.New("it opened the store that was taken away")
				}
				err = errors.Join(err, store.Close())
			} else if errors.Is(err, session.ErrLocked) {
				err = nil
			}
			waiting <- err
		}()
		go func() {
			g, err := session.Lock(path, 2*time.Second)
			if err == nil {
				now, _ := os.Stat(path)
				locked, _ := g.Stat()
				if !os.SameFile(now, locked) {
					err = errors.New("it locked the store that was taken away")
				}
				err = errors.Join(err, g.Close())
			} else if errors.Is(err, session.ErrLocked) {
				err = nil
			}
			waiting <- err
		}()
		time.Sleep(time.Second)
		aside := path + ".aside"
		if err := errors.Join(session.SetAside(path, aside), os.Rename(next, path)); err != nil {
			t.Fatal(err)
		}
		untouched(t, aside, func() {
			if err := errors.Join(f.Close(), <-waiting, <-waiting); err != nil {
				t.Error(err)
			}
		})
	})
}

// A snapshot is one moment's store, however much is written while it is made.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	path := put(t, fullStore(t))
	store := openStore(t, path, newKeys(t, secretA))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			s := begin(t, store, casey)
			if err := errors.Join(store.SaveAnswer(casey, []byte(s.ID)), store.SaveAnswer(sam, []byte(s.ID)), store.End(s.ID)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 20 {
		f, err := store.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		b := new(bytes.Buffer)
		if _, err := b.ReadFrom(f); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		copied := put(t, b.Bytes())
		if found, err := session.Inspect(copied); err != nil || found.Schema != 3 || found.Sessions < 50 {
			t.Errorf("%+v, %v", found, err)
		}
	}
	close(stop)
	<-stopped
	if names := beside(t, path); len(names) > 0 {
		t.Errorf("left beside the store: %q", names)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err := store.Snapshot(); err == nil {
		t.Errorf("a copy of a closed store: %v", f.Close())
	}
}

// A command that was stopped while it reads its copy keeps nobody from signing in.
func TestASnapshotThatNobodyReads(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	f, err := store.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 40 { // so much that the store has to grow its mapping several times
		if err := store.SaveAnswer(casey, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if err := store.SaveAnswer(sam, make([]byte, 2<<20)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSecretsAreKnownAgainByName(t *testing.T) {
	t.Parallel()
	both, one := newKeys(t, secretA, secretB).Names(), newKeys(t, secretB).Names()
	if len(both) != 2 || len(one) != 1 || both[1] != one[0] || both[0] == both[1] || len(one[0]) != 16 || strings.Contains(secretB, one[0]) {
		t.Errorf("%q, %q", both, one)
	}
}
