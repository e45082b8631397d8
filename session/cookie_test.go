package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/session"
)

func allow(t *testing.T, d desk, r *http.Request) {
	t.Helper()
	s, ok := d.cookies.Read(r, attic)
	if !ok || s.ID != d.casey.ID || s.Account != casey {
		t.Errorf("not casey: %v, %+v", ok, s)
	}
}

func deny(t *testing.T, d desk, why string, r *http.Request) {
	t.Helper()
	if s, ok := d.cookies.Read(r, attic); ok || s != (session.Session{}) {
		t.Errorf("%s: signed in as %+v", why, s)
	}
}

func TestCookiesThatAreNotOurs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	name := d.cookie.Name + "="
	deny(t, d, "none", carrying())
	deny(t, d, "empty", carrying(""))
	deny(t, d, "another name", carrying("usher="+d.cookie.Value))
	deny(t, d, "a name in other case", carrying(strings.ToUpper(name)+d.cookie.Value))
	deny(t, d, "the name alone", carrying("__Secure-usher"))
	deny(t, d, "in quotes", carrying(name+`"`+d.cookie.Value+`"`))
	for _, size := range []int{8 << 10, 64 << 10, 1 << 20} {
		deny(t, d, "huge", carrying(name+strings.Repeat("a", size)))
		deny(t, d, "huge, all separators", carrying(strings.Repeat(";", size)))
		deny(t, d, "huge, all names", carrying(strings.Repeat(name+"a;", size/10)))
		deny(t, d, "ours, with a huge tail", carrying(name+d.cookie.Value+strings.Repeat("A", size)))
	}
	for _, bad := range changed(d.cookie.Value) {
		if strings.Trim(bad, " ;") == d.cookie.Value {
			continue // space around a cookie is no part of it
		}
		deny(t, d, "changed", carrying(name+bad))
	}
	allow(t, d, carrying(pair(d.cookie)))
	// Once more, now that the good one is remembered.
	deny(t, d, "changed", carrying(name+d.cookie.Value[1:]))
	deny(t, d, "remembered, under another name", carrying("__Host-usher="+d.cookie.Value))
}

func TestCookiesSealedForSomethingElse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	keys := newKeys(t, secretA)
	host := session.Scope{Host: "example.com"}
	name := d.cookie.Name + "="

	for _, purpose := range []string{"session cookie", d.cookie.Name, "sealed session cookie"} {
		text, err := keys.Sealer(purpose, hour).Seal(map[string]any{"s": d.casey.ID, "p": casey, "a": "example.com"})
		if err != nil {
			t.Fatal(err)
		}
		deny(t, d, "sealed for "+purpose, carrying(name+text))
		if opens(t, keys.Sealer(purpose, hour), d.cookie.Value) {
			t.Errorf("the session cookie opens for %s", purpose)
		}
	}

	other := d.casey
	other.Audience = "example.net"
	deny(t, d, "for another domain", carrying(name+issue(t, d.cookies, session.Scope{Domain: "example.net"}, other).Value))
	deny(t, d, "host-only, under the domain's name", carrying(name+issue(t, d.cookies, host, d.casey).Value))
	if _, ok := d.cookies.Read(carrying("__Host-usher="+d.cookie.Value), host); ok {
		t.Error("a domain's cookie counts as a host's")
	}
	allow(t, d, carrying(pair(d.cookie)))
	if _, ok := d.cookies.Read(carrying("__Host-usher="+d.cookie.Value), host); ok {
		t.Error("a domain's remembered cookie counts as a host's")
	}
	if _, ok := d.cookies.Read(carrying(pair(d.cookie)), session.Scope{Domain: "example.net"}); ok {
		t.Error("a remembered cookie counts for another domain")
	}
	if _, ok := d.cookies.Read(carrying(pair(d.cookie)), session.Scope{}); ok {
		t.Error("it counts for no scope at all")
	}

	for why, change := range map[string]func(*session.Session){
		"another person's id":   func(s *session.Session) { s.Account = mallory },
		"another session's id":  func(s *session.Session) { s.ID = "AAAAAAAAAAAAAAAAAAAAAAAAAA" },
		"a later end":           func(s *session.Session) { s.Expires = s.Expires.Add(hour) },
		"another sign-in time":  func(s *session.Session) { s.SignedIn = s.SignedIn.Add(-hour) },
		"a sign-in still to be": func(s *session.Session) { s.SignedIn = s.SignedIn.Add(hour) },
	} {
		lie := d.casey
		change(&lie)
		deny(t, d, why, carrying(name+issue(t, d.cookies, attic, lie).Value))
	}

	stranger := newCookies(t, newKeys(t, secretB), d.store)
	deny(t, d, "sealed by another installation", carrying(pair(issue(t, stranger, attic, d.casey))))
}

func TestPlantedCookiesDoNotHideOurs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ours, name := pair(d.cookie), d.cookie.Name+"="
	elsewhere := newDesk(t) // same secret, another store: opens, and is live nowhere here
	bad := name + "planted"
	fifty := strings.Repeat(name+d.cookie.Value[:200]+"; ", 50)
	for range 2 { // the second time it is remembered
		allow(t, d, carrying(bad+"; "+ours))
		allow(t, d, carrying(ours+"; "+bad))
		allow(t, d, carrying(bad, ours))
		allow(t, d, carrying(pair(elsewhere.cookie)+"; "+ours))
		allow(t, d, carrying("theme=dark;"+bad+";;\t"+ours+" ;x"))
		allow(t, d, carrying(name+strings.Repeat("a", 1<<20)+"; "+ours))
		allow(t, d, carrying(fifty+ours))
		allow(t, d, carrying(ours+"; "+fifty))
	}
	t.Run("more than a request may have us open", func(t *testing.T) {
		fresh, hundred := pair(issue(t, d.cookies, attic, d.casey)), strings.Repeat(bad+"; ", 100)
		deny(t, d, "unseen, behind a hundred", carrying(hundred+fresh))
		allow(t, d, carrying(fresh))
		allow(t, d, carrying(hundred+fresh))
	})
	t.Run("a live session of the planter's comes first", func(t *testing.T) {
		// Nothing tells the two apart; what must not be is a mixture of both.
		theirs := begin(t, d.store, mallory)
		s, ok := d.cookies.Read(carrying(pair(issue(t, d.cookies, attic, theirs))+"; "+ours), attic)
		if diff := cmp.Diff(theirs, s); !ok || diff != "" {
			t.Error(ok, diff)
		}
	})
}

func TestReplayAfterSignOut(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(desk) error{
		"here":       func(d desk) error { return d.store.End(d.casey.ID) },
		"everywhere": func(d desk) error { return d.store.EndAll(casey) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			fresh := pair(issue(t, d.cookies, attic, d.casey))
			allow(t, d, carrying(pair(d.cookie)))
			other := begin(t, d.store, sam)
			if err := end(d); err != nil {
				t.Fatal(err)
			}
			deny(t, d, "remembered", carrying(pair(d.cookie)))
			deny(t, d, "once more", carrying(pair(d.cookie)))
			deny(t, d, "never read before", carrying(fresh))
			if _, ok := d.cookies.Read(carrying(pair(issue(t, d.cookies, attic, other))), attic); !ok {
				t.Error("another person was signed out too")
			}
			d.casey = begin(t, d.store, casey)
			allow(t, d, carrying(pair(d.cookie)+"; "+pair(issue(t, d.cookies, attic, d.casey))))
		})
	}
}

func TestCookiesHaveTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		cookies := newCookies(t, newKeys(t, secretA), store)
		s, err := store.Begin(session.Session{Account: casey, Audience: "example.com", Expires: time.Now().Add(hour)})
		if err != nil {
			t.Fatal(err)
		}
		d := desk{store, cookies, s, issue(t, cookies, attic, s)}
		unread := pair(issue(t, cookies, attic, s))
		time.Sleep(hour - time.Second)
		allow(t, d, carrying(pair(d.cookie)))
		time.Sleep(time.Second)
		deny(t, d, "remembered, at its end", carrying(pair(d.cookie)))
		deny(t, d, "unread, at its end", carrying(unread))
		if err := cookies.Set(httptest.NewRecorder(), attic, s); err == nil {
			t.Error("a cookie was made for a session that is over")
		}
	})
}

func TestAShorterLifetimeReachesOldCookies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t) // 720 hours
		shorter, err := session.NewCookies(newKeys(t, secretA), d.store, session.CookieConfig{Lifetime: 2 * hour})
		if err != nil {
			t.Fatal(err)
		}
		d.cookies = shorter
		allow(t, d, carrying(pair(d.cookie)))
		time.Sleep(2 * hour)
		deny(t, d, "remembered", carrying(pair(d.cookie)))
	})
}

func TestCookiesFromTheFuture(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	keys := newKeys(t, secretA)
	store := openStore(t, path, keys)
	s := begin(t, store, casey)
	cookie := pair(issue(t, newCookies(t, keys, store), attic, s))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		store := openStore(t, path, keys)
		deny(t, desk{store: store, cookies: newCookies(t, keys, store)}, "from the future", carrying(cookie))
		if live := store.ByAccount(casey); live != nil {
			t.Errorf("live: %+v", live)
		}
	})
	// The clock is right again, and nobody was signed out for it.
	store = openStore(t, path, keys)
	allow(t, desk{store: store, cookies: newCookies(t, keys, store), casey: s}, carrying(cookie))
}

func TestRestartAndRotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	keys := newKeys(t, secretA)
	store := openStore(t, path, keys)
	s := begin(t, store, casey)
	ended := begin(t, store, casey)
	cookies := newCookies(t, keys, store)
	cookie, endedCookie := pair(issue(t, cookies, attic, s)), pair(issue(t, cookies, attic, ended))
	if err := store.End(ended.ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		secrets []string
		ok      bool
	}{
		{"the same secret", []string{secretA}, true},
		{"a new one in front", []string{secretB, secretA}, true},
		{"the old one retired", []string{secretB}, false},
	} {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		keys := newKeys(t, c.secrets...)
		store = openStore(t, path, keys)
		d := desk{store: store, cookies: newCookies(t, keys, store), casey: s}
		if c.ok {
			allow(t, d, carrying(cookie))
		} else {
			deny(t, d, c.name, carrying(cookie))
		}
		deny(t, d, "ended before the restart", carrying(endedCookie))
	}
	// What is sealed after the rotation does not open with the old secret alone.
	d := desk{store: store, cookies: newCookies(t, newKeys(t, secretA), store)}
	both := newCookies(t, newKeys(t, secretB, secretA), store)
	deny(t, d, "sealed with the new secret", carrying(pair(issue(t, both, attic, s))))
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	keys := newKeys(t, secretA)
	for _, c := range []struct {
		name           string
		scope          session.Scope
		insecure, keep bool
		want           http.Cookie
	}{
		{"a domain", attic, false, true, http.Cookie{Name: "__Secure-usher", Domain: "example.com", Secure: true, MaxAge: 3599}},
		{"until the browser closes", attic, false, false, http.Cookie{Name: "__Secure-usher", Domain: "example.com", Secure: true}},
		{"one host", session.Scope{Host: "app.example.com"}, false, false, http.Cookie{Name: "__Host-usher", Secure: true}},
		{"insecure", attic, true, false, http.Cookie{Name: "usher", Domain: "example.com"}},
		{"insecure, one host", session.Scope{Host: "localhost"}, true, true, http.Cookie{Name: "usher", MaxAge: 3599}},
	} {
		cookies, err := session.NewCookies(keys, store, session.CookieConfig{Lifetime: hour, Insecure: c.insecure})
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Begin(session.Session{Account: casey, Audience: c.scope.Audience(), Keep: c.keep, Expires: time.Now().Add(hour)})
		if err != nil {
			t.Fatal(err)
		}
		got := issue(t, cookies, c.scope, s)
		if _, ok := cookies.Read(carrying(pair(got)), c.scope); !ok {
			t.Errorf("%s: not read back", c.name)
		}
		if len(got.Value) < 200 || len(got.Value) > 900 {
			t.Errorf("%s: %d bytes", c.name, len(got.Value))
		}
		for _, plain := range []string{s.ID, "70010001", "example"} {
			if strings.Contains(got.Value, plain) {
				t.Errorf("%s: %q can be read in it", c.name, plain)
			}
		}
		compare := func(what string, got *http.Cookie, want http.Cookie) {
			want.Path, want.HttpOnly, want.SameSite = "/", true, http.SameSiteLaxMode
			got.Value, got.Raw, got.RawExpires, got.Expires = "", "", "", time.Time{}
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("%s: %s: %s", c.name, what, diff)
			}
		}
		compare("set", got, c.want)
		w := httptest.NewRecorder()
		cookies.Clear(w, c.scope)
		c.want.MaxAge = -1
		compare("cleared", w.Result().Cookies()[0], c.want)
	}
}

func TestCookiesThatAreNotMade(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for why, scope := range map[string]session.Scope{
		"no scope":           {},
		"another domain":     {Domain: "example.net"},
		"another host":       {Host: "app.example.com"},
		"a domain that lies": {Domain: "example.com; Secure"},
	} {
		w, s := httptest.NewRecorder(), d.casey
		if strings.Contains(scope.Domain, ";") {
			s.Audience = scope.Domain
		}
		if err := d.cookies.Set(w, scope, s); err == nil || len(w.Header()) != 0 {
			t.Errorf("%s: %v, %v", why, err, w.Header())
		}
	}
	for why, cfg := range map[string]session.CookieConfig{
		"no lifetime":       {},
		"negative lifetime": {Lifetime: -1},
		"negative cache":    {Lifetime: hour, CacheSize: -1},
	} {
		if _, err := session.NewCookies(newKeys(t, secretA), d.store, cfg); err == nil {
			t.Errorf("%s: accepted", why)
		}
	}
	if _, err := session.NewCookies(session.Keys{}, d.store, session.CookieConfig{Lifetime: hour}); err == nil {
		t.Error("no keys: accepted")
	}
}

func TestBadCookiesLeaveNothingBehind(t *testing.T) {
	d := newDesk(t) // not parallel: it measures the heap
	send := func(n int) {
		for i := range n {
			text := fmt.Sprintf("%s%08d", d.cookie.Value[:len(d.cookie.Value)-8], i)
			if _, ok := d.cookies.Read(carrying(d.cookie.Name+"="+text), attic); ok {
				t.Fatal("signed in")
			}
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	send(100)
	before := heap()
	send(20_000) // remembered, they would take 6 MB
	if after := heap(); after > before+1<<20 {
		t.Errorf("the heap grew from %d to %d", before, after)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	d := newDesk(t) // not parallel: it measures the heap
	small, err := session.NewCookies(newKeys(t, secretA), d.store, session.CookieConfig{Lifetime: 720 * hour, CacheSize: 4})
	if err != nil {
		t.Fatal(err)
	}
	d.cookies = small
	var all []string
	for range 20 {
		all = append(all, pair(issue(t, small, attic, d.casey)))
	}
	for range 3 {
		for _, c := range all {
			allow(t, d, carrying(c))
			allow(t, d, carrying(all[0]))
		}
	}
	if err := d.store.End(d.casey.ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		deny(t, d, "ended", carrying(c))
	}
}

func TestTwoPeopleAreNeverCrossed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			account := []int64{casey, sam}[i%2]
			s := begin(t, d.store, account)
			c := pair(issue(t, d.cookies, attic, s))
			for range 5 {
				got, ok := d.cookies.Read(carrying(c), attic)
				if ok && (got.Account != account || got.ID != s.ID) {
					t.Errorf("%d became %d", account, got.Account)
				}
				d.store.Touch(s.ID, time.Now())
			}
			if i%3 == 0 {
				if err := d.store.End(s.ID); err != nil {
					t.Error(err)
				}
				if _, ok := d.cookies.Read(carrying(c), attic); ok {
					t.Error("read after its end")
				}
			}
		})
	}
	wg.Wait()
	for _, account := range []int64{casey, sam} {
		if n := len(d.store.ByAccount(account)); n == 0 || n > 50 {
			t.Errorf("%d has %d sessions", account, n)
		}
	}
}

// A cookie that opens was sealed by us.
func FuzzRead(f *testing.F) {
	d := newDesk(f)
	addPatches(f)
	f.Fuzz(func(t *testing.T, at, cut uint16, with string) {
		in := patched(pair(d.cookie), at, cut, with)
		if s, ok := d.cookies.Read(carrying(in), attic); ok && (s != d.casey || !strings.Contains(in, pair(d.cookie))) {
			t.Errorf("%q signs in as %+v", in, s)
		}
	})
}

// A check may allocate 20 times in all; what it spends here it lacks elsewhere.
func TestReadingASeenCookieAllocatesNothing(t *testing.T) {
	d := newDesk(t) // not parallel: it counts allocations
	r := carrying("theme=dark; " + pair(d.cookie))
	allow(t, d, r)
	if n := testing.AllocsPerRun(100, func() { d.cookies.Read(r, attic) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Measured on a Xeon: 0.2 µs and no allocation where the cookie was seen before,
// 4.2 µs and 22 allocations where it is opened, 1.5 µs where it is refused.
func BenchmarkRead(b *testing.B) {
	d := newDesk(b)
	tail := "; theme=dark; grafana_session=0123456789abcdef"
	b.Run("seen", func(b *testing.B) {
		r := carrying("_ga=1.2.3; " + pair(d.cookie) + tail)
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := d.cookies.Read(r, attic); !ok {
				b.Fatal("not signed in")
			}
		}
	})
	b.Run("opened", func(b *testing.B) {
		var rs []*http.Request
		for range 64 {
			rs = append(rs, carrying("_ga=1.2.3; "+pair(issue(b, d.cookies, attic, d.casey))+tail))
		}
		one, err := session.NewCookies(newKeys(b, secretA), d.store, session.CookieConfig{Lifetime: 720 * hour, CacheSize: 1})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, ok := one.Read(rs[i%len(rs)], attic); !ok {
				b.Fatal("not signed in")
			}
		}
	})
	b.Run("refused", func(b *testing.B) {
		r := carrying(d.cookie.Name + "=" + d.cookie.Value[:len(d.cookie.Value)-8] + "AAAAAAAA")
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := d.cookies.Read(r, attic); ok {
				b.Fatal("signed in")
			}
		}
	})
}
