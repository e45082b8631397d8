package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"usher/session"
)

// fullStore makes a store of several levels, with pages that are free and values
// that fill more than one page, and gives its bytes.
func fullStore(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	for i := range int64(100) {
		if _, err := store.Begin(session.Session{Account: 1 + i%9, Audience: "example.com", Device: agent, Expires: time.Now().Add(hour)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(40) {
		makeKey(t, store, session.Key{Account: 1 + i%9, Name: fmt.Sprint(i), Hosts: []string{"app.example.com", "*.media.example.com"}})
	}
	for i := range int64(300) {
		store.AddEvent(session.Event{Kind: session.EventSignIn, Result: "ok", Account: 1 + i%9, App: "auth.example.com"})
	}
	for i := range int64(5) {
		if err := errors.Join(store.SaveToken(1+i, "test-token"), store.SaveAnswer(1+i, make([]byte, 5_000)), store.EndAll(2)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(store.Rule(session.Ruling{Account: 30, By: 1}), store.Rule(session.Ruling{Account: 40, By: 1, In: true})); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put writes b as a store file of its own.
func put(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usher.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// untouched runs f and wants the file at path to be the same afterwards.
func untouched(t *testing.T, path string, f func()) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f()
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%s was changed (%v)", path, err)
	}
}

func bolt(t *testing.T, options *bbolt.Options, fill func(*bbolt.Tx) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usher.db")
	db, err := bbolt.Open(path, 0o600, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fill), db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func bucket(name, key, value string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(name))
		if err != nil {
			return err
		}
		return b.Put([]byte(key), []byte(value))
	}
}

func TestFilesThatAreNoStore(t *testing.T) {
	t.Parallel()
	const goodKey = `{"id":"A","account":1,"name":"phone","hosts":["app.example.com"],"made":"2026-01-01T00:00:00Z","ends":"2027-01-01T00:00:00Z","last_used":"0001-01-01T00:00:00Z","last_address":"","all":false}`
	hash := strings.Repeat("h", 32)
	full := fullStore(t)
	random := make([]byte, 100_000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	files := map[string]string{
		"one byte":                      put(t, []byte("x")),
		"text":                          put(t, bytes.Repeat([]byte("no store\n"), 5000)),
		"zeros":                         put(t, make([]byte, 100_000)),
		"random bytes":                  put(t, random),
		"sqlite":                        put(t, append([]byte("SQLite format 3\x00"), make([]byte, 8192)...)),
		"one page":                      put(t, full[:4096]),
		"two pages":                     put(t, full[:8192]),
		"a third of a file":             put(t, full[:len(full)/3]), // bbolt may not use the second half yet
		"noise over the first page":     put(t, append(bytes.Clone(random[:4096]), full[4096:]...)),
		"noise over the second page":    put(t, slices.Concat(full[:4096], random[:4096], full[8192:])),
		"somebody else's":               bolt(t, nil, bucket("widgets", "a", "b")),
		"somebody else's, no free list": bolt(t, &bbolt.Options{NoFreelistSync: true}, bucket("widgets", "a", "b")),
		"no schema":                     bolt(t, nil, bucket("usher", "a", "b")),
		"schema zero":                   bolt(t, nil, bucket("usher", "schema", "0")),
		"buckets missing":               bolt(t, nil, bucket("usher", "schema", "1")),
		"keys missing": bolt(t, nil, func(tx *bbolt.Tx) error {
			err := bucket("usher", "schema", "2")(tx)
			for _, name := range []string{"settings", "tokens", "answers", "signed out", "sessions", "ended"} {
				err = errors.Join(err, bucket(name, "12345678", "12345678")(tx))
			}
			return errors.Join(err, tx.Bucket([]byte("sessions")).Delete([]byte("12345678")))
		}),
	}
	for name, change := range map[string]func(*bbolt.Tx) error{
		"a session that is no JSON":  bucket("sessions", "AAAA", "{"),
		"a sign-out without a time":  bucket("ended", "AAAA", "soon"),
		"a mark of nobody":           bucket("signed out", "casey", "12345678"),
		"a schema that is no number": bucket("usher", "schema", "x"),
		"a key that is no JSON":      bucket("keys", hash, "{"),
		"a key that is null":         bucket("keys", hash, "null"),
		"a key of no hash":           bucket("keys", "AAAA", goodKey),
		"a key of nobody":            bucket("keys", hash, strings.Replace(goodKey, `"account"`, `"akkount"`, 1)),
		"a key without an id":        bucket("keys", hash, strings.Replace(goodKey, `"id"`, `"jd"`, 1)),
		"a key that lost its hosts":  bucket("keys", hash, strings.Replace(goodKey, `"hosts"`, `"hosus"`, 1)),
		"a key that ends never":      bucket("keys", hash, strings.Replace(goodKey, "2027", "9027", 1)),
		"keys in keys": func(tx *bbolt.Tx) error {
			_, err := tx.Bucket([]byte("keys")).CreateBucket([]byte(hash))
			return err
		},
	} {
		path := put(t, full)
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(change), db.Close()); err != nil {
			t.Fatal(err)
		}
		files[name] = path
	}
	for name, path := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			untouched(t, path, func() { refused(t, path, session.ErrDamaged) })
		})
	}
	t.Run("newer", func(t *testing.T) {
		t.Parallel()
		path := bolt(t, nil, bucket("usher", "schema", "4"))
		untouched(t, path, func() {
			refused(t, path, session.ErrNewer)
			if _, err := session.Inspect(path); !errors.Is(err, session.ErrNewer) {
				t.Errorf("looked into: %v", err)
			}
		})
	})
}

func TestAStoreThatWasJustMade(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"killed after making the file":   put(t, nil),
		"killed after making the format": bolt(t, nil, func(*bbolt.Tx) error { return nil }),
	} {
		begin(t, openStore(t, path, newKeys(t, secretA)), casey)
		if t.Failed() {
			t.Error(name)
		}
	}
}

// Whatever a disk does to a page, the start either refuses and leaves the file as it
// was, or the store that opens works. It never panics, faults or hangs.
func TestDamagedPages(t *testing.T) {
	t.Parallel()
	full := fullStore(t)
	const page = 4096 // what this test takes a page to be; other sizes only blur it
	harms := map[string]func(page []byte, r *rand.Rand){
		"zeros": func(p []byte, _ *rand.Rand) { clear(p) },
		"ones":  func(p []byte, _ *rand.Rand) { copy(p, bytes.Repeat([]byte{0xff}, len(p))) },
		"noise": func(p []byte, r *rand.Rand) {
			for i := range p {
				p[i] = byte(r.Uint32())
			}
		},
		"noise behind the header": func(p []byte, r *rand.Rand) {
			for i := 16; i < len(p); i++ {
				p[i] = byte(r.Uint32())
			}
		},
		"another page":   func(p []byte, r *rand.Rand) { at := r.IntN(len(full)/page) * page; copy(p, full[at:at+page]) },
		"one bit":        func(p []byte, r *rand.Rand) { p[r.IntN(len(p))] ^= 1 << r.IntN(8) },
		"one header bit": func(p []byte, r *rand.Rand) { p[r.IntN(16)] ^= 1 << r.IntN(8) },
		"one element bit": func(p []byte, r *rand.Rand) {
			p[16+r.IntN(64)] ^= 1 << r.IntN(8)
		},
	}
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, refusals := put(t, full), 0
			for n := range len(full) / page {
				b := bytes.Clone(full)
				harm(b[n*page:(n+1)*page], rand.New(rand.NewPCG(1, uint64(n))))
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				if !survives(t, fmt.Sprintf("%s on page %d", name, n), path, b) {
					refusals++
				}
			}
			if refusals == 0 && name != "one bit" { // which mostly falls where nothing is kept
				t.Error("no damage was seen")
			}
		})
	}
}

// survives reports whether the store at path, which holds b, opens.
func survives(t *testing.T, name, path string, b []byte) bool {
	t.Helper()
	keys := newKeys(t, secretA)
	store, err := session.Open(path, keys, slog.New(slog.DiscardHandler))
	if err != nil {
		if after, readErr := os.ReadFile(path); readErr != nil || !bytes.Equal(b, after) || !errors.Is(err, session.ErrDamaged) {
			t.Errorf("%s: refused with %v, and the file was changed: %v", name, err, !bytes.Equal(b, after))
		}
		return false
	}
	s := begin(t, store, casey)
	secret, _ := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
	store.AddEvent(session.Event{Kind: session.EventSignIn, Result: "ok", Account: casey})
	_, eventsErr := store.Events(session.EventFilter{})
	_, countsErr := store.EventCounts()
	if err := errors.Join(eventsErr, countsErr, store.SaveAnswer(casey, make([]byte, 50_000)), asksAndSees(store), store.EndAll(3), store.Prune(time.Now()), store.Close()); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if store, err = session.Open(path, keys, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("%s: it worked, and did not open again: %v", name, err)
		return true
	}
	if !live(store, s) || !opensKey(store, secret) {
		t.Errorf("%s: it lost a session or a key", name)
	}
	if err := store.Close(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return true
}

// The check of the tree knows bbolt's own habits: no file that bbolt writes fails it.
func TestHealthyTreesAreNeverRefused(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		path := filepath.Join(t.TempDir(), "any.db")
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, PageSize: 1024 << (seed % 3)})
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 120 {
			if err := errors.Join(db.Update(func(tx *bbolt.Tx) error { return churn(tx, r) }), session.CheckTree(file)); err != nil {
				t.Errorf("seed %d, transaction %d: %v", seed, n, err)
			}
		}
		if err := errors.Join(file.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// churn puts or deletes many keys, so that pages split, join and become free.
func churn(tx *bbolt.Tx, r *rand.Rand) error {
	b, err := tx.CreateBucketIfNotExists([]byte{byte('a' + r.IntN(3))})
	grow := r.IntN(2) == 0
	for range 1 + r.IntN(60) {
		key := fmt.Appendf(nil, "%x", r.Uint32())
		if grow {
			err = errors.Join(err, b.Put(key, make([]byte, r.IntN(400))))
		} else if next, _ := b.Cursor().Seek(key); next != nil {
			err = errors.Join(err, b.Delete(bytes.Clone(next)))
		}
	}
	return err
}

// A store file of any bytes is refused or works.
func FuzzOpen(f *testing.F) {
	full := fullStore(f)
	f.Add(uint32(0), []byte{0})
	f.Add(uint32(8192+16), []byte{0xff, 0xff, 0xff, 0xff})
	f.Add(uint32(3*4096+8), []byte{1, 0, 1, 0})
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		b := bytes.Clone(full)
		copy(b[int(at)%len(b):], patch)
		survives(t, "patched", put(t, b), b)
	})
}

func asksAndSees(store *session.Store) error {
	err := store.Ask(session.Ask{Account: casey})
	if errors.Is(err, session.ErrAsked) {
		_, err = store.CloseAsk(casey, session.AskPasses)
	}
	_, seeErr := store.SeeDevice(casey, "Firefox on Linux")
	return errors.Join(err, seeErr)
}
