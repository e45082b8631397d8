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

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"usher/session"
)

// bucketOf is what the file of an open store holds in a bucket.
func bucketOf(t *testing.T, store *session.Store, bucket string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := session.DB(store).View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(k, v []byte) error {
			all[string(k)] = string(v)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// refused opens path and wants the error, with the path and a remedy in it.
func refused(t *testing.T, path string, want error) {
	t.Helper()
	store, err := session.Open(path, newKeys(t, secretA), slog.New(slog.DiscardHandler))
	if err == nil {
		_ = store.Close()
		t.Errorf("%s opened; wanted: %v", path, want)
		return
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "; ") {
		t.Errorf("got: %v; wanted: %v, the path and a remedy", err, want)
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	want := func(id int64, want session.Account, found bool) {
		t.Helper()
		got, ok, err := store.Account(id)
		want.ID = id
		if diff := cmp.Diff(want, got); err != nil || ok != found || diff != "" {
			t.Error(err, ok, diff)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want(casey, session.Account{}, false)
	do(store.SaveToken(casey, "test-token-casey"))
	want(casey, session.Account{Token: "test-token-casey"}, true)
	do(store.SaveAnswer(casey, []byte("answer")))
	do(store.SaveToken(casey, "test-token-casey-2"))
	want(casey, session.Account{Token: "test-token-casey-2", Answer: []byte("answer")}, true)
	want(sam, session.Account{}, false)
	do(store.EndAll(casey))
	do(store.ForgetAccount(casey))
	a, ok, err := store.Account(casey)
	if err != nil || !ok || a.Token != "" || a.Answer != nil || a.SignedOut.IsZero() {
		t.Errorf("forgotten: %+v, %v, %v", a, ok, err)
	}
	do(store.SaveToken(sam, "test-token-sam"))
	do(store.SaveToken(sam, ""))
	do(store.SaveAnswer(sam, nil))
	want(sam, session.Account{}, false)
}

func TestTokensAtRest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	if err := store.SaveToken(casey, "test-token-casey"); err != nil {
		t.Fatal(err)
	}
	t.Run("moved to another person", func(t *testing.T) {
		err := session.DB(store).Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("tokens"))
			k, v := b.Cursor().First()
			moved := bytes.Clone(k)
			moved[7] += sam - casey
			return b.Put(moved, bytes.Clone(v))
		})
		if err != nil {
			t.Fatal(err)
		}
		if a, ok, err := store.Account(sam); err != nil || !ok || a.Token != "" {
			t.Errorf("%v, %v, opened: %v", err, ok, a.Token != "")
		}
	})
	for _, c := range []struct {
		name    string
		secrets []string
		want    session.Token
	}{
		{"a new secret in front", []string{secretB, secretA}, "test-token-casey"},
		{"the old secret retired", []string{secretB}, ""},
	} {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || bytes.Contains(b, []byte("test-token")) {
			t.Fatalf("%v, or the token can be read in the file", err)
		}
		store = openStore(t, path, newKeys(t, c.secrets...))
		if a, _, err := store.Account(casey); err != nil || a.Token != c.want {
			t.Errorf("%s: %v, opened: %v", c.name, err, a.Token != "")
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	want := func(value []byte) {
		t.Helper()
		got, err := store.Setting("servers")
		if diff := cmp.Diff(value, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
	want(nil)
	for _, v := range [][]byte{[]byte("one"), []byte("two"), nil} {
		if err := store.SetSetting("servers", v); err != nil {
			t.Fatal(err)
		}
		want(v)
		store = reopen(t, store, path)
		want(v)
	}
}

func TestTheStoreIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	mode := func() os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
	store := openStore(t, path, newKeys(t, secretA))
	if mode() != 0o600 {
		t.Errorf("made with %v", mode())
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	reopen(t, store, path)
	if mode() != 0o600 {
		t.Errorf("left with %v", mode())
	}
	if _, err := session.Open(path, session.Keys{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("opened without keys")
	}
}

func TestStoresThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, session.ErrUnwritable)
	refused(t, filepath.Join(dir, "absent", "usher.db"), session.ErrUnwritable)
	refused(t, filepath.Join(dir, "file", "usher.db"), session.ErrUnwritable)
	refused(t, os.DevNull, session.ErrUnwritable)
}

func TestAStoreInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // so that the wait for the lock takes no time
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		s := begin(t, store, casey)
		refused(t, path, session.ErrLocked)
		if store = reopen(t, store, path); !live(store, s) {
			t.Error("the second start harmed the first")
		}
	})
}

func TestClosingTwice(t *testing.T) {
	t.Parallel()
	store := newStore(t) // the test's end closes it once more
	s := begin(t, store, casey)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.End(s.ID); err == nil {
		t.Error("a sign-out that reached no disk was acknowledged")
	}
	if live(store, s) {
		t.Error("still signed in here")
	}
	if _, err := store.Begin(s); err == nil {
		t.Error("a sign-in that reached no disk was acknowledged")
	}
}
