package desk_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"usher/plex/plextest"
	"usher/session"
)

// With very many people each page is made at once, and leaves nothing behind.
func TestTenThousandPeople(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector would be measured")
	}
	const (
		people = 10_000
		budget = 50 * time.Millisecond
	)
	w := newOfficeWorld(t)
	w.plex.AddPeople(people/2, plextest.Shared)
	w.fill(people / 2)
	paths := []string{"/admin", "/admin/people", "/admin/people?page=150", "/admin/people?q=stranger", "/admin/people?q=nobody-at-all", "/admin/people/80000000", "/admin/devices", "/admin/devices?q=curl&page=10", "/admin/keys", "/admin/events", "/admin/health"}
	for _, path := range paths {
		best := time.Hour
		for range 10 { // the machine may be busy, but it never makes a slow page fast
			began := time.Now()
			if res, found := w.do(http.MethodGet, path, nil); !found || res.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s", path, res.Status)
			}
			best = min(best, time.Since(began))
		}
		t.Logf("%s: %v", path, best)
		if best > budget {
			t.Errorf("%s took %v, want at most %v", path, best, budget)
		}
	}
	if page := text(w.get("/admin")); !strings.Contains(page, fmt.Sprintf("%d people", people+6)) && !strings.Contains(page, fmt.Sprintf("%d people", people+7)) {
		t.Error(page)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 110 {
		w.do(http.MethodGet, paths[i%len(paths)], nil)
	}
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("110 pages left %d kB", grown>>10)
	}
}

// fill writes strangers to the owner into the store, who have all signed in.
func (w *officeWorld) fill(n int) {
	t := w.t
	t.Helper()
	w.dir.Close()
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(w.file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	err = db.Update(func(tx *bbolt.Tx) error {
		for i := range n {
			id, name := int64(80_000_000+i), fmt.Sprintf("stranger-%d", i)
			answer, err := json.Marshal(map[string]any{"account": map[string]any{"id": id, "username": name, "title": name, "email": name + "@example.org"}, "account_at": now, "at": now})
			if err != nil {
				return err
			}
			sess, err := json.Marshal(session.Session{Account: id, Audience: "example.com", Device: "curl/8", Address: "192.0.2.7", SignedIn: now, LastSeen: now, Expires: now.Add(time.Hour)})
			if err != nil {
				return err
			}
			if err := errors.Join(tx.Bucket([]byte("answers")).Put(binary.BigEndian.AppendUint64(nil, uint64(id)), answer), tx.Bucket([]byte("sessions")).Put([]byte(name), sess)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	w.start()
}
