package session_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/session"
)

func live(store *session.Store, s session.Session) bool {
	_, ok := store.Live(s.ID)
	return ok
}

// reopen closes a store and opens it again, as a restart does.
func reopen(t *testing.T, store *session.Store, path string) *session.Store {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return openStore(t, path, newKeys(t, secretA))
}

func TestSessionsThatDoNotBegin(t *testing.T) {
	t.Parallel()
	store, later := newStore(t), time.Now().Add(hour)
	for why, s := range map[string]session.Session{
		"nobody":      {Audience: "example.com", Expires: later},
		"negative id": {Account: -1, Audience: "example.com", Expires: later},
		"no audience": {Account: casey, Expires: later},
		"no end":      {Account: casey, Audience: "example.com"},
		"over":        {Account: casey, Audience: "example.com", Expires: time.Now()},
	} {
		if got, err := store.Begin(s); err == nil || got != (session.Session{}) {
			t.Errorf("%s: began %+v", why, got)
		}
	}
	if store.ByAccount(casey) != nil {
		t.Error("something began")
	}
}

func TestSessionsSurviveARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	one, two, three := begin(t, store, casey), begin(t, store, casey), begin(t, store, sam)
	if one.ID == two.ID || len(one.ID) < 26 {
		t.Errorf("ids %q and %q", one.ID, two.ID)
	}
	if err := store.End(two.ID); err != nil {
		t.Fatal(err)
	}
	store = reopen(t, store, path)
	got, ok := store.Live(one.ID)
	if diff := cmp.Diff(one, got); !ok || diff != "" {
		t.Error(ok, diff)
	}
	if live(store, two) || !live(store, three) || len(store.ByAccount(casey)) != 1 {
		t.Error("the restart changed who is signed in")
	}
	if err := store.EndAll(casey); err != nil {
		t.Fatal(err)
	}
	store = reopen(t, store, path)
	if live(store, one) || !live(store, three) {
		t.Error("the restart undid the sign-out everywhere")
	}
}

func TestWhatBrowsersSayIsCleaned(t *testing.T) {
	t.Parallel()
	s, err := newStore(t).Begin(session.Session{
		Account: casey, Audience: "example.com", Expires: time.Now().Add(hour),
		Device:  "Mozilla\r\n{\"level\":1}\x1b[31m\x00\xff\u202e" + strings.Repeat("é", 1000),
		Address: strings.Repeat("1", 1000),
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "Mozilla{\"level\":1}[31m"; !strings.HasPrefix(s.Device, want+"é") || len(s.Device) > 200 || len(s.Device) < 199 || strings.Trim(s.Device[len(want):], "é") != "" {
		t.Errorf("%d bytes: %q", len(s.Device), s.Device)
	}
	if len(s.Address) != 64 {
		t.Errorf("address: %d bytes", len(s.Address))
	}
}

func TestOnePersonsSessionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		other := begin(t, store, sam)
		var all []session.Session
		for range 50 {
			all = append(all, begin(t, store, casey))
			time.Sleep(time.Second)
		}
		store.Touch(all[0].ID, time.Now())
		last := begin(t, store, casey)
		for range 2 {
			if !live(store, all[0]) || live(store, all[1]) || !live(store, all[2]) || !live(store, last) || !live(store, other) {
				t.Error("not the one unseen for longest has ended")
			}
			if n := len(store.ByAccount(casey)); n != 50 {
				t.Errorf("%d sessions", n)
			}
			store = reopen(t, store, path)
		}
	})
}

func TestLastSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		s, ended := begin(t, store, casey), begin(t, store, casey)
		seen := func() time.Duration {
			got, _ := store.Live(s.ID)
			return got.LastSeen.Sub(s.SignedIn)
		}
		time.Sleep(time.Minute)
		store.Touch(s.ID, time.Now())
		store.Touch(s.ID, time.Now().Add(-time.Second))
		store.Touch("nobody's", time.Now())
		if seen() != time.Minute {
			t.Errorf("seen after %v", seen())
		}
		if all := store.ByAccount(casey); all[0].ID != s.ID {
			t.Error("not in the order of last seen")
		}
		store.Touch(ended.ID, time.Now())
		if err := store.End(ended.ID); err != nil {
			t.Fatal(err)
		}
		store.Touch(ended.ID, time.Now())
		time.Sleep(10 * time.Minute) // the background flush has run
		if live(store, ended) {
			t.Error("the flush brought an ended session back")
		}
		store.Touch(s.ID, time.Now())
		store = reopen(t, store, path) // Close flushes
		if seen() != 11*time.Minute {
			t.Errorf("after a restart: seen after %v", seen())
		}
		if live(store, ended) {
			t.Error("the restart brought an ended session back")
		}
	})
}

func TestSignOutEverywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where time stands still: the worst case
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		old := begin(t, store, casey)
		if err := store.EndAll(casey); err != nil {
			t.Fatal(err)
		}
		a, ok, err := store.Account(casey)
		if err != nil || !ok || a.SignedOut.Before(old.SignedIn) {
			t.Errorf("mark: %v, %v, %v", a.SignedOut, ok, err)
		}
		fresh := begin(t, store, casey)
		for range 2 {
			if live(store, old) || !live(store, fresh) {
				t.Error("sign-out everywhere and a sign-in at the same instant are mixed up")
			}
			store = reopen(t, store, path)
		}
	})
}

func TestSignOutEverywhereWhileTheClockWasAhead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	old := begin(t, store, casey)
	if err := store.EndAll(casey); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // the year 2000: the mark is in the future
		store := openStore(t, path, newKeys(t, secretA))
		fresh := begin(t, store, casey)
		for range 2 {
			if !live(store, fresh) || live(store, old) {
				t.Error("the mark locks its person out")
			}
			store = reopen(t, store, path)
		}
	})
}

func TestAMarkedSessionIsNeverLive(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	s := begin(t, store, casey)
	record := bucketOf(t, store, "sessions")[s.ID]
	if err := store.End(s.ID); err != nil {
		t.Fatal(err)
	}
	if err := session.DB(store).Update(bucket("sessions", s.ID, record)); err != nil {
		t.Fatal(err)
	}
	store = reopen(t, store, path)
	if live(store, s) || len(bucketOf(t, store, "sessions")) != 0 {
		t.Error("the record outlived the mark of its sign-out")
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		short, err := store.Begin(session.Session{Account: casey, Audience: "example.com", Expires: time.Now().Add(hour)})
		if err != nil {
			t.Fatal(err)
		}
		long, ended := begin(t, store, casey), begin(t, store, casey)
		if err := store.End(ended.ID); err != nil {
			t.Fatal(err)
		}
		count := func(bucket string, want int) {
			t.Helper()
			if got := len(bucketOf(t, store, bucket)); got != want {
				t.Errorf("%s holds %d, not %d", bucket, got, want)
			}
		}
		count("sessions", 2)
		count("ended", 1)
		time.Sleep(3 * hour) // the background pruning has run
		count("sessions", 1)
		count("ended", 1)
		if live(store, short) || !live(store, long) || live(store, ended) {
			t.Error("pruning changed who is signed in")
		}
		if err := store.Prune(time.Now().Add(720 * hour)); err != nil {
			t.Fatal(err)
		}
		count("sessions", 0)
		count("ended", 0)
	})
}
