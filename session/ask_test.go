package session_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"usher/session"
)

func TestMessagesOfAsks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, want string
		err        error
	}{
		"nothing":            {"", "", nil},
		"white space":        {" \r\n\t \n", "", nil},
		"plain":              {" Hello robin, it is me. ", "Hello robin, it is me.", nil},
		"one line break":     {"Hello\r\nrobin", "Hello\nrobin", nil},
		"an empty line":      {"Hello\n\n\nrobin", "Hello\nrobin", nil},
		"many line breaks":   {"a\nb\rc\r\nd\u2028e", "a\nb c de", nil},
		"control characters": {"a\x00\x1b[31mb\u202ec\u200bd", "a[31mbcd", nil},
		"no UTF-8":           {"a\xffb", "ab", nil},
		"markup stays text":  {"<b>hi</b>", "<b>hi</b>", nil},
		"300 bytes":          {strings.Repeat("é", 150), strings.Repeat("é", 150), nil},
		"301 bytes":          {strings.Repeat("é", 150) + "x", "", session.ErrAskLong},
		"10 kB":              {strings.Repeat("hello ", 1700), "", session.ErrAskLong},
	} {
		if got, err := session.AskMessage(c.text); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestWhoMayNotAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		ask := func(who string, account int64, want error) {
			t.Helper()
			may := store.MayAsk(account)
			if err := store.Ask(session.Ask{Account: account, Message: "please"}); !errors.Is(err, want) || account > 0 && !errors.Is(may, want) {
				t.Errorf("%s: %v, and may: %v; want %v", who, err, may, want)
			}
		}
		if err := store.Ask(session.Ask{}); err == nil || len(store.Asks()) != 0 {
			t.Error("nobody asked")
		}
		ask("casey", casey, nil)
		ask("casey again", casey, session.ErrAsked)
		for i := range int64(9) {
			ask("another", 100+i, nil)
		}
		ask("the eleventh", sam, session.ErrTooManyAsks)
		if closed, err := store.CloseAsk(casey, session.AskNo); !closed || err != nil {
			t.Error(closed, err)
		}
		if closed, err := store.CloseAsk(casey, session.AskLetIn); closed || err != nil {
			t.Error("closed twice", err)
		}
		ask("the eleventh, after one was closed", sam, session.ErrTooManyAsks)
		time.Sleep(24*time.Hour + time.Second)
		ask("sam, a day later", sam, nil)
		ask("casey, a day after the no", casey, session.ErrAskedLately)
		if last, ok := store.AskOf(casey); !ok || last.Result != session.AskNo || time.Until(last.AgainFrom()) > 6*24*time.Hour {
			t.Errorf("%+v", last)
		}
		time.Sleep(6 * 24 * time.Hour)
		ask("casey, a week after the no", casey, nil)
		if closed, err := store.CloseAsk(casey, session.AskPasses); !closed || err != nil {
			t.Error(closed, err)
		}
		ask("casey, who passed in between", casey, nil)
		if last, ok := store.AskOf(casey); !ok || !last.Closed.IsZero() || !last.AgainFrom().IsZero() {
			t.Errorf("%+v", last)
		}
		ask("who asked first, still open", 100, session.ErrAsked)
		time.Sleep(23 * 24 * time.Hour)
		ask("who asked a month ago", 100, nil)
	})
}

func TestAsksSurviveARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	for i := range int64(3) {
		if err := store.Ask(session.Ask{Account: casey + i, Message: fmt.Sprint("please\n", i), Host: "sonarr.example.com", Policy: "shared", Request: "7F3K-Q2", Result: "no", Closed: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.CloseAsk(casey+1, session.AskNo); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		all := store.Asks()
		if len(all) != 2 || all[0].Account != casey+2 || all[1].Account != casey {
			t.Fatalf("%+v", all)
		}
		if a := all[1]; a.Message != "please\n0" || a.Host != "sonarr.example.com" || a.Policy != "shared" || a.Request != "7F3K-Q2" || a.Result != "" || time.Since(a.At) > time.Minute {
			t.Errorf("%+v", a)
		}
		if err := store.MayAsk(casey + 1); !errors.Is(err, session.ErrAskedLately) {
			t.Error(err)
		}
		store = reopen(t, store, path)
	}
}

// Damage never refuses the start, nor makes an ask of nobody's or a long one.
func TestDamagedAsks(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]string{
		"empty":           "",
		"cut short":       `[{"account":70010001,"at":"2026-`,
		"of nobody":       `[{"at":"2026-11-22T00:00:00Z"}]`,
		"long":            `[{"account":70010001,"at":"2026-11-22T00:00:00Z","message":"` + strings.Repeat("x", 301) + `"}]`,
		"without a time":  `[{"account":70010001}]`,
		"a far-off clock": `[{"account":70010001,"at":"2999-11-22T00:00:00Z"}]`,
		"null":            `null`,
	} {
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(bucket("asks", "asks", row)), db.Close()); err != nil {
			t.Fatal(err)
		}
		store = openStore(t, path, newKeys(t, secretA))
		if all := store.Asks(); len(all) != 0 {
			t.Errorf("%s: %+v", name, all)
		}
		if err := store.Ask(session.Ask{Account: casey}); err != nil || len(store.Asks()) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDevicesThatAreNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		see := func(account int64, words string, want bool) {
			t.Helper()
			if fresh, err := store.SeeDevice(account, words); fresh != want || err != nil {
				t.Errorf("%d, %s: %v, %v", account, words, fresh, err)
			}
		}
		see(casey, "Firefox on Linux", true)
		see(casey, "Firefox on Linux", false)
		see(casey, "Safari on iPhone", true)
		see(sam, "Firefox on Linux", true)
		time.Sleep(60 * 24 * time.Hour)
		see(casey, "Firefox on Linux", false)
		time.Sleep(60 * 24 * time.Hour)
		see(casey, "Firefox on Linux", false) // seen in between
		see(casey, "Safari on iPhone", true)
		if err := store.Prune(time.Now().Add(91 * 24 * time.Hour)); err != nil {
			t.Fatal(err)
		}
		see(casey, "Firefox on Linux", true)
		for i := range 199 {
			see(casey, fmt.Sprint("device ", i), true)
		}
		see(casey, "one too many", false)
		see(casey, "Firefox on Linux", false)
		see(sam, "Firefox on Linux", true)
	})
}

// A store that an older version made gains what asks and devices need.
func TestStoresFromBeforeAsks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	one := begin(t, store, casey)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	drop := func(tx *bbolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("asks")), tx.DeleteBucket([]byte("devices")))
	}
	if err := errors.Join(db.Update(drop), db.Close()); err != nil {
		t.Fatal(err)
	}
	store = openStore(t, path, newKeys(t, secretA))
	fresh, seeErr := store.SeeDevice(casey, "Firefox on Linux")
	if err := errors.Join(store.Ask(session.Ask{Account: casey}), seeErr); err != nil || !fresh || !live(store, one) {
		t.Error(fresh, err)
	}
}
