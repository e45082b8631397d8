package session_test

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"usher/session"
)

const robin = 70010009

func TestRulingsThatAreNone(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	for why, r := range map[string]session.Ruling{
		"about nobody":        {By: robin},
		"by nobody":           {Account: casey},
		"about a negative id": {Account: -casey, By: robin, In: true},
	} {
		if err := store.Rule(r); err == nil || len(store.Rulings()) != 0 {
			t.Errorf("%s: %v", why, err)
		}
	}
	if there, err := store.Unrule(casey); there || err != nil {
		t.Error(there, err)
	}
}

func TestKeepOutEndsSessionsAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	one, other := begin(t, store, casey), begin(t, store, sam)
	if err := store.Rule(session.Ruling{Account: casey, By: robin, Reason: strings.Repeat("é", 150) + "\n", Tell: true}); err != nil {
		t.Fatal(err)
	}
	if live(store, one) || !live(store, other) {
		t.Error("who was kept out is signed in, or somebody else is not")
	}
	later := begin(t, store, casey) // kept out, and signs in to read why
	if err := store.Rule(session.Ruling{Account: sam, In: true, By: robin}); err != nil || !live(store, other) {
		t.Error(err)
	}
	store = reopen(t, store, path)
	out, ok := store.Ruling(casey)
	if !ok || out.In || out.By != robin || !out.Tell || len(out.Reason) != 200 || time.Since(out.At) > time.Minute {
		t.Errorf("%+v", out)
	}
	if in, ok := store.Ruling(sam); !ok || !in.In {
		t.Errorf("%+v", in)
	}
	if live(store, one) || !live(store, later) || len(store.Rulings()) != 2 {
		t.Error("the restart changed something")
	}
	if there, err := store.Unrule(casey); !there || err != nil {
		t.Error(there, err)
	}
	store = reopen(t, store, path)
	if _, ok := store.Ruling(casey); ok || len(store.Rulings()) != 1 {
		t.Error("it came back")
	}
}

// Whatever happens to a row, nobody is let in by it who was not, and who was kept out
// stays out.
func TestDamagedRulingsKeepOut(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]string{
		"cut short":               `{"account":70010001,"in":true,"by":700`,
		"empty":                   ``,
		"another person's":        `{"account":70010003,"in":true,"by":70010009,"at":"2026-01-01T00:00:00Z"}`,
		"nobody's":                `{"in":true,"by":70010009}`,
		"without who decided":     `{"account":70010001,"in":true}`,
		"in is another word":      `{"account":70010001,"im":true,"by":70010009}`,
		"in is a text":            `{"account":70010001,"in":"true","by":70010009}`,
		"a reason without an end": `{"account":70010001,"in":true,"by":70010009,"reason":"` + strings.Repeat("a", 300) + `"}`,
	} {
		path := damagedRuling(t, func(b *bbolt.Bucket) error { return b.Put(binary.BigEndian.AppendUint64(nil, casey), []byte(row)) })
		store := openStore(t, path, newKeys(t, secretA))
		r, ok := store.Ruling(casey)
		if !ok || r.In {
			t.Errorf("%s: %+v, %v", name, r, ok)
		}
		if strings.HasPrefix(name, "another") {
			if r, ok := store.Ruling(sam); !ok || r.In {
				t.Errorf("%s: the other is %+v, %v", name, r, ok)
			}
		}
		if there, err := store.Unrule(casey); !there || err != nil {
			t.Errorf("%s: it cannot be taken back: %v %v", name, there, err)
		}
	}
	path := damagedRuling(t, func(b *bbolt.Bucket) error {
		_, err := b.CreateBucket(binary.BigEndian.AppendUint64(nil, casey))
		return err
	})
	store := openStore(t, path, newKeys(t, secretA))
	if r, ok := store.Ruling(casey); !ok || r.In {
		t.Errorf("a bucket: %+v, %v", r, ok)
	}
	if err := store.Rule(session.Ruling{Account: casey, By: robin}); err != nil {
		t.Error(err)
	}
	for name, key := range map[string][]byte{"a short key": []byte("casey"), "an id of zero": make([]byte, 8), "a negative id": {0x80, 0, 0, 0, 0, 0, 0, 1}} {
		path := damagedRuling(t, func(b *bbolt.Bucket) error { return b.Put(key, []byte(`{}`)) })
		t.Run(name, func(t *testing.T) { untouched(t, path, func() { refused(t, path, session.ErrDamaged) }) })
	}
}

func damagedRuling(t *testing.T, change func(*bbolt.Bucket) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usher.db")
	if err := openStore(t, path, newKeys(t, secretA)).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte("rulings"))) }), db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file of a version that knew no rulings gains the place for them; one that has lost them does not open.
func TestAFileWithoutRulings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	s := begin(t, store, casey)
	without := func(schema string) {
		t.Helper()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			return errors.Join(tx.DeleteBucket([]byte("rulings")), tx.DeleteBucket([]byte("asks")), tx.Bucket([]byte("usher")).Put([]byte("schema"), []byte(schema)))
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	without("2")
	store = openStore(t, path, newKeys(t, secretA))
	if err := errors.Join(store.Rule(session.Ruling{Account: sam, By: robin}), store.Ask(session.Ask{Account: casey})); err != nil || !live(store, s) {
		t.Error(err)
	}
	without("3")
	untouched(t, path, func() { refused(t, path, session.ErrDamaged) })
}

func TestEverybody(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	one, two, three := begin(t, store, casey), begin(t, store, casey), begin(t, store, sam)
	if err := store.EndAll(sam); err != nil {
		t.Fatal(err)
	}
	_, phone := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
	_, script := makeKey(t, store, session.Key{Account: sam, Name: "script"})
	if all := store.Sessions(); len(all) != 2 || len(store.AllKeys()) != 2 {
		t.Errorf("%+v %+v", all, store.AllKeys())
	}
	if n, err := store.EndSessions([]string{one.ID, three.ID, "nobody's", one.ID}); n != 1 || err != nil {
		t.Error(n, err)
	}
	if n, err := store.EndKeys([]string{phone.ID, "nobody's"}); n != 1 || err != nil {
		t.Error(n, err)
	}
	store = reopen(t, store, path)
	if live(store, one) || !live(store, two) || live(store, three) {
		t.Error("the restart changed who is signed in")
	}
	if all := store.AllKeys(); len(all) != 1 || all[0].ID != script.ID {
		t.Errorf("%+v", all)
	}
	if err := errors.Join(store.SaveToken(casey, "test-token-casey"), store.SaveAnswer(sam, []byte("{}")), store.SaveAnswer(casey, []byte("{}"))); err != nil {
		t.Fatal(err)
	}
	if all, err := store.Accounts(); err != nil || len(all) != 2 || all[0] != casey || all[1] != sam {
		t.Error(all, err)
	}
	if size, err := store.Size(); err != nil || size < 4096 {
		t.Error(size, err)
	}
}
