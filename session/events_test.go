package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.etcd.io/bbolt"

	"usher/session"
)

var (
	sameEvent = cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreFields(session.Event{}, "ID", "At")}
	refusal   = session.Event{Kind: session.EventAccess, Result: "refused", Account: casey, User: "casey", App: "app.example.com", Address: home, Reason: "needs_owner", RequestID: "7F3K-Q2"}
	guess     = session.Event{Kind: session.EventKey, Result: "wrong", App: "app.example.com", Address: home, Reason: "unknown"}
)

func events(t testing.TB, store *session.Store, f session.EventFilter) []session.Event {
	t.Helper()
	all, err := store.Events(f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func counts(t testing.TB, store *session.Store) map[string]uint64 {
	t.Helper()
	all, err := store.EventCounts()
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]uint64{}
	for _, c := range all {
		n[c.Day.Format(time.DateOnly)+" "+c.Kind+" "+c.Result] = c.N
	}
	return n
}

// of gives n events of as many people, so that each is kept.
func of(e session.Event, n int) (all []session.Event) {
	for i := range n {
		e.Account = int64(1_000_000 + i)
		all = append(all, e)
	}
	return all
}

// rows puts events into the file of an open store without waiting for their time.
func rows(t testing.TB, store *session.Store, all ...session.Event) {
	t.Helper()
	for len(all) > 0 {
		part := all[:min(len(all), 1000)]
		for _, e := range part {
			store.AddEvent(e)
		}
		events(t, store, session.EventFilter{Limit: 1})
		all = all[len(part):]
	}
}

// copied is what a kill at this moment would leave of a store.
func copied(t testing.TB, store *session.Store) *session.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usher.db")
	if err := session.DB(store).View(func(tx *bbolt.Tx) error { return tx.CopyFile(path, 0o600) }); err != nil {
		t.Fatal(err)
	}
	return openStore(t, path, newKeys(t, secretA))
}

func writes(store *session.Store) int64 {
	stats := session.DB(store).Stats()
	return stats.TxStats.GetWrite()
}

func TestEventsSurviveAKillButForTheLastSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		before := writes(store)
		for range 30 { // without a person
			store.AddEvent(guess)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := writes(store) - before; n != 0 {
			t.Errorf("strangers made the disk write, %d times within a minute", n)
		}
		for range 5000 {
			store.AddEvent(refusal)
		}
		synctest.Wait()
		if got := events(t, copied(t, store), session.EventFilter{}); len(got) != 0 {
			t.Errorf("%d events were written at once", len(got))
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		after := copied(t, store)
		if got := events(t, after, session.EventFilter{Limit: 1}); !cmp.Equal(got, []session.Event{refusal}, sameEvent) || time.Since(got[0].At) > 5*time.Second {
			t.Errorf("after a kill: %+v", got)
		}
		if n := len(events(t, after, session.EventFilter{Kind: session.EventKey})); n != 30 {
			t.Errorf("%d events of strangers", n)
		}
		before = writes(store)
		store.AddEvent(guess)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := len(events(t, copied(t, store), session.EventFilter{Kind: session.EventKey})); n != 31 || writes(store) == before {
			t.Errorf("%d events of strangers after five minutes", n)
		}
	})
}

// Whoever causes very many has a share of the history, and no more; all are counted.
func TestNobodyPushesOutWhatOthersDid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		sam := refusal
		sam.Account, sam.User = 70010003, "sam"
		store.AddEvent(sam)
		for i := range 10_000 {
			e := refusal
			e.App, e.RequestID = fmt.Sprint(i, ".example.com"), fmt.Sprint(i)
			store.AddEvent(e)
			e = guess
			e.Address = netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
			store.AddEvent(e)
		}
		signIn := session.Event{Kind: session.EventSignIn, Result: "ok", Account: casey}
		store.AddEvent(signIn)
		if n := len(events(t, store, session.EventFilter{Kind: session.EventAccess, Account: casey})); n != 40 {
			t.Errorf("%d refusals of one person are kept in a day", n)
		}
		if n := len(events(t, store, session.EventFilter{Kind: session.EventKey})); n != 40 {
			t.Errorf("%d wrong keys are kept in a day", n)
		}
		if got := events(t, store, session.EventFilter{Account: sam.Account}); !cmp.Equal(got, []session.Event{sam}, sameEvent) {
			t.Errorf("of sam: %+v", got)
		}
		if got := events(t, store, session.EventFilter{Kind: session.EventSignIn}); !cmp.Equal(got, []session.Event{signIn}, sameEvent) {
			t.Errorf("the sign-in: %+v", got)
		}
		today := time.Now().UTC().Format(time.DateOnly)
		if diff := cmp.Diff(map[string]uint64{today + " access refused": 10_001, today + " key wrong": 10_000, today + " sign_in ok": 1}, counts(t, store)); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Hour)
		store.AddEvent(refusal)
		if n := len(events(t, store, session.EventFilter{Kind: session.EventAccess, Account: casey})); n != 40 {
			t.Errorf("%d refusals an hour later", n)
		}
		time.Sleep(23 * time.Hour)
		store.AddEvent(refusal)
		if n := len(events(t, store, session.EventFilter{Kind: session.EventAccess, Account: casey})); n != 41 {
			t.Errorf("%d refusals a day later", n)
		}
		// So many people that they are not told apart any more.
		rows(t, store, of(signIn, 12_000)...)
		if n := len(pages(t, store, session.EventFilter{Kind: session.EventSignIn})); n < 9_000 || n > 10_041 {
			t.Errorf("%d sign-ins of 12000 people are kept", n)
		}
	})
}

// A page that asks in the background again and again does not use up what its person
// sees, and asks about.
func TestProgramsLeaveRoomForPages(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	program := refusal
	program.Program = true
	for range 1000 {
		store.AddEvent(program)
	}
	if n := len(events(t, store, session.EventFilter{})); n != 10 {
		t.Errorf("%d refusals of a program are kept", n)
	}
	seen := refusal
	seen.RequestID = "SEEN-IT"
	store.AddEvent(seen)
	if got := events(t, store, session.EventFilter{Limit: 1}); !cmp.Equal(got, []session.Event{seen}, sameEvent) {
		t.Errorf("the latest is %+v", got)
	}
}

// As docs/audit.md promises: three people and all strangers who do all they can each
// day push out nothing of the others for 90 days.
func TestNobodyPushesOutWhatOthersDidInMonths(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 100,000 rows")
	}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		first := refusal
		first.Account, first.App = 70010003, "first.example.com"
		store.AddEvent(first)
		byPeople := []string{session.EventSignIn, session.EventSignOut, session.EventAccess, session.EventKey, session.EventRedeem, session.EventSessionEnd}
		byStrangers := []string{session.EventSignIn, session.EventAccess, session.EventKey, session.EventRedeem}
		abuse := func(account int64, kinds []string) {
			for _, kind := range kinds {
				for range 41 {
					store.AddEvent(session.Event{Kind: kind, Result: "ok", Account: account})
				}
			}
			for range 11 {
				store.AddEvent(session.Event{Kind: session.EventAccess, Result: "refused", Account: account, Program: account != 0})
			}
		}
		for range 89 { // days
			rows(t, store, of(refusal, 200)...)
			for range 2 {
				for account := int64(1); account <= 3; account++ {
					abuse(account, byPeople)
				}
				abuse(0, byStrangers)
				time.Sleep(12 * time.Hour)
			}
		}
		if got := events(t, store, session.EventFilter{App: first.App}); !cmp.Equal(got, []session.Event{first}, sameEvent) {
			t.Errorf("after 89 days: %+v", got)
		}
		if n := len(pages(t, store, session.EventFilter{})); n < 98_000 || n > 100_000 {
			t.Errorf("%d rows", n)
		}
	})
}

// pages is all that a filter finds, page by page.
func pages(t testing.TB, store *session.Store, f session.EventFilter) (all []session.Event) {
	t.Helper()
	for {
		page := events(t, store, f)
		for _, e := range page {
			if n := len(all); n > 0 && e.ID >= all[n-1].ID {
				t.Fatalf("event %d is behind %d", e.ID, all[n-1].ID)
			}
			all = append(all, e)
		}
		if len(page) == 0 {
			return all
		}
		f.Before = page[len(page)-1].ID
	}
}

func TestEventFilters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		var all []session.Event
		for i := range 90 {
			e := session.Event{Kind: session.EventAccess, Result: "refused", Account: casey, User: "casey", App: "a.example.com", Address: home}
			if i%2 == 1 {
				e.Account, e.User, e.Address = 70010003, "sam", netip.MustParseAddr("2001:db8::1")
			}
			if i%3 == 1 {
				e.App = "b.example.com"
			}
			if i%5 == 1 {
				e.Kind, e.Result, e.Address = session.EventSignOut, "ok", netip.Addr{}
			}
			all = append([]session.Event{e}, all...)
			store.AddEvent(e)
		}
		for name, f := range map[string]session.EventFilter{
			"all": {}, "a person": {Account: casey}, "an app": {App: "b.example.com"}, "a kind": {Kind: session.EventSignOut}, "all three": {Account: casey, App: "b.example.com", Kind: session.EventAccess},
			"nobody": {Account: 1}, "a part of an app's name": {App: "example.com"}, "a kind that there is not": {Kind: "a"}, "a person's name": {App: "casey"},
		} {
			var want []session.Event
			for _, e := range all {
				if (f.Account == 0 || f.Account == e.Account) && (f.App == "" || f.App == e.App) && (f.Kind == "" || f.Kind == e.Kind) {
					want = append(want, e)
				}
			}
			for _, limit := range []int{0, 1, 7, 500, 501, -1} {
				f.Limit = limit
				if diff := cmp.Diff(want, pages(t, store, f), sameEvent); diff != "" {
					t.Errorf("%s, pages of %d: %s", name, limit, diff)
				}
			}
		}
		for _, before := range []uint64{1, 2, 90, 91, 1 << 63, ^uint64(0)} {
			want := min(before-1, 90)
			if got := events(t, store, session.EventFilter{Before: before}); uint64(len(got)) != want || want > 0 && got[0].ID != want {
				t.Errorf("before %d: %d events", before, len(got))
			}
		}
		rows(t, store, of(refusal, 600)...)
		if n := len(events(t, store, session.EventFilter{Limit: 1 << 30})); n != 500 {
			t.Errorf("a page of %d", n)
		}
	})
}

func TestEventTextsAreClean(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	const evil = "x\r\n\x00\x1b[2J\u2028\u202e\xff"
	long := strings.Repeat("é", 5000)
	store.AddEvent(session.Event{Kind: session.EventAccess, Result: "refused" + evil, Account: casey, User: evil, App: evil + long, Reason: long, RequestID: evil})
	got := events(t, store, session.EventFilter{})
	if len(got) != 1 || got[0].Result != "refusedx[2J" || got[0].User != "x[2J" || got[0].RequestID != "x[2J" || got[0].Reason != strings.Repeat("é", 128) || len(got[0].App) > 256 {
		t.Errorf("%+v", got)
	}
}

func TestOldEventsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		first := time.Now()
		for range 100 { // days
			store.AddEvent(refusal)
			store.AddEvent(guess)
			time.Sleep(24 * time.Hour)
		}
		check := func(when string) {
			t.Helper()
			all := pages(t, store, session.EventFilter{})
			if len(all) < 178 || len(all) > 182 || time.Since(all[len(all)-1].At) > 90*24*time.Hour+time.Hour {
				t.Errorf("%s: %d events, the oldest of %v", when, len(all), all[len(all)-1].At)
			}
			days := counts(t, store)
			if _, there := days[first.UTC().Format(time.DateOnly)+" access refused"]; there || len(days) < 178 || len(days) > 184 {
				t.Errorf("%s: %d days", when, len(days))
			}
		}
		check("while it runs")
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		store = openStore(t, path, newKeys(t, secretA))
		check("after a restart")
		time.Sleep(91 * 24 * time.Hour)
		if n := len(pages(t, store, session.EventFilter{})) + len(counts(t, store)); n != 0 {
			t.Errorf("%d rows after 91 days", n)
		}
		// What a clock wrote that was years ahead does not stay for years.
		time.Sleep(2 * 365 * 24 * time.Hour)
		store.AddEvent(refusal)
		events(t, store, session.EventFilter{})
		if err := store.Prune(first); err != nil {
			t.Error(err)
		}
		if n := len(events(t, store, session.EventFilter{})) + len(counts(t, store)); n != 0 {
			t.Errorf("%d rows of a wrong clock", n)
		}
	})
}

// Damage in the history is no reason to refuse a start: it is dropped, and told once.
func TestDamagedEventsAreDropped(t *testing.T) {
	t.Parallel()
	id := func(n byte) string { return string([]byte{0, 0, 0, 0, 0, 0, 0, n}) }
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	for range 8 {
		store.AddEvent(refusal)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	var good []byte
	if err := db.View(func(tx *bbolt.Tx) error {
		good = bytes.Clone(tx.Bucket([]byte("events")).Get([]byte(id(1))))
		return nil
	}); err != nil || len(good) == 0 {
		t.Fatal(err, len(good))
	}
	noAddress := bytes.Replace(good, []byte("203.0.113.7"), []byte("203.0.113.x"), 1)
	tooLong := bytes.Clone(good)
	tooLong[17] = 0xff
	for i, row := range [][]byte{nil, []byte("{"), good[:17], good[:len(good)-1], append(bytes.Clone(good), 0), append([]byte{2}, good[1:]...), noAddress, tooLong} {
		if err := db.Update(bucket("events", id(byte(2+i)), string(row))); err != nil {
			t.Fatal(err)
		}
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		if err := tx.Bucket([]byte("counts")).Put([]byte("soon"), []byte("many")); err != nil {
			return err
		}
		if err := tx.Bucket([]byte("events")).Put([]byte("a key"), good); err != nil {
			return err
		}
		_, err := tx.Bucket([]byte("events")).CreateBucket([]byte(id(99)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	store, err = session.Open(path, newKeys(t, secretA), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	store.AddEvent(guess)
	for range 3 {
		if got := events(t, store, session.EventFilter{}); !cmp.Equal(got, []session.Event{guess, refusal}, sameEvent) {
			t.Errorf("%+v", got)
		}
	}
	if n := strings.Count(log.String(), "history is damaged"); n != 1 || !strings.Contains(log.String(), "events=9") {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
	if n := len(counts(t, store)); n != 2 {
		t.Errorf("%d counts", n)
	}
}

// A file of a version before there was a history gains one.
func TestAFileWithoutHistory(t *testing.T) {
	t.Parallel()
	path, _ := oldStore(t)
	store := openStore(t, path, newKeys(t, secretA))
	store.AddEvent(refusal)
	if got := events(t, store, session.EventFilter{}); !cmp.Equal(got, []session.Event{refusal}, sameEvent) {
		t.Errorf("%+v", got)
	}
}

// A history that is lost is begun anew.
func TestAHistoryThatIsLost(t *testing.T) {
	t.Parallel()
	path := put(t, fullStore(t))
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("events")), tx.DeleteBucket([]byte("counts")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	store := openStore(t, path, newKeys(t, secretA))
	store.AddEvent(refusal)
	if got := events(t, store, session.EventFilter{}); !cmp.Equal(got, []session.Event{refusal}, sameEvent) {
		t.Errorf("%+v", got)
	}
}

// A disk that takes nothing costs no memory, and what it missed is written later.
func TestEventsOnADiskThatIsFull(t *testing.T) {
	t.Parallel()
	store, err := session.Open(filepath.Join(t.TempDir(), "usher.db"), newKeys(t, secretA), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := session.DB(store).Close(); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	signIn := session.Event{Kind: session.EventSignIn, Result: "ok"}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 200_000 {
		signIn.Account = int64(1 + i%5000)
		store.AddEvent(signIn)
		if i%1000 == 0 {
			if _, err := store.Events(session.EventFilter{}); err == nil {
				t.Fatal("no error")
			}
		}
	}
	if _, err := store.EventCounts(); err == nil {
		t.Error("no error")
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d bytes more", grown)
	}
}

func TestEventsOfManyAtOnce(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			e := refusal
			e.Account = int64(1 + i)
			for range 40 {
				store.AddEvent(e)
				if _, err := store.Events(session.EventFilter{Account: e.Account, Limit: 3}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := len(pages(t, store, session.EventFilter{})); n != 320 {
		t.Errorf("%d of 320", n)
	}
}

// The history is bounded, and its size costs neither the start nor memory.
func TestAFullHistory(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 101,000 rows")
	}
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	all := of(refusal, 101_000)
	for i := range all {
		all[i].Account = int64(1 + i%2525) // the share of each in a day
	}
	rows(t, store, all...)
	got := events(t, store, session.EventFilter{Limit: 1})
	if len(got) != 1 {
		t.Fatal("nothing is kept")
	}
	if n := len(pages(t, store, session.EventFilter{})); n != 100_000 {
		t.Errorf("%d rows", n)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begun := time.Now()
	store = openStore(t, path, newKeys(t, secretA))
	opened := time.Since(begun)
	runtime.GC()
	runtime.ReadMemStats(&after)
	begun = time.Now()
	none := events(t, store, session.EventFilter{Account: 99_999_999})
	scanned := time.Since(begun)
	t.Logf("%d bytes, opened in %v, %d bytes of heap, looked through in %v", info.Size(), opened, int64(after.HeapAlloc)-int64(before.HeapAlloc), scanned)
	if len(none) != 0 || int64(after.HeapAlloc)-int64(before.HeapAlloc) > 4<<20 {
		t.Errorf("%d events of nobody; %d bytes of heap", len(none), int64(after.HeapAlloc)-int64(before.HeapAlloc))
	}
}
