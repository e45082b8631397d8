package session_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"usher/session"
)

const year = 365 * 24 * hour

var home = netip.MustParseAddr("203.0.113.7")

func makeKey(t testing.TB, store *session.Store, in session.Key) (session.KeySecret, session.Key) {
	t.Helper()
	if in.Ends.IsZero() {
		in.Ends = time.Now().Add(year)
	}
	secret, key, err := store.MakeKey(in)
	if err != nil {
		t.Fatal(err)
	}
	return secret, key
}

func opensKey(store *session.Store, secret session.KeySecret) bool {
	_, ok := store.OpenKey(secret)
	return ok
}

func TestKeysThatOpenNothing(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	secret, key := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
	text := string(secret)
	hash := sha256.Sum256([]byte(text))
	bad := map[string]string{
		"none": "", "the prefix": session.KeyPrefix, "without the prefix": text[len(session.KeyPrefix):], "truncated": text[:len(text)-1], "longer": text + "A",
		"small letters": strings.ToLower(text), "capitals": strings.ToUpper(text), "space in front": " " + text, "space behind": text + " ", "a line break": text + "\n",
		"NUL": text + "\x00", "in quotes": `"` + text + `"`, "twice": text + text, "twice, joined": text + "," + text, "a megabyte": text + strings.Repeat("A", 1<<20),
		"its id": key.ID, "its id as a key": session.KeyPrefix + key.ID + key.ID, "its hash": string(hash[:]), "its hash in hex": fmt.Sprintf("%s%x", session.KeyPrefix, hash),
		"its name": "phone", "what is printed": fmt.Sprint(secret),
	}
	for i := range text {
		b := []byte(text)
		b[i] ^= 1
		bad[fmt.Sprintf("byte %d changed", i)] = string(b)
		bad[fmt.Sprintf("cut after %d", i)] = text[:i]
	}
	for why, b := range bad {
		if got, ok := store.OpenKey(session.KeySecret(b)); ok || !cmp.Equal(got, session.Key{}, cmpopts.EquateComparable(netip.Addr{})) {
			t.Errorf("%s: opens %+v", why, got)
		}
	}
	if got, ok := store.OpenKey(secret); !ok || got.Account != casey || got.ID != key.ID {
		t.Errorf("itself: %v, %+v", ok, got)
	}
}

func TestKeysAreRandom(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	seen := make(map[string]bool)
	for i := range 20 {
		secret, key := makeKey(t, store, session.Key{Account: int64(1 + i), Name: "phone"})
		random := strings.TrimPrefix(string(secret), session.KeyPrefix)
		if len(random) != 52 || strings.Trim(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" { // 52 × 5 bits
			t.Errorf("%q", random)
		}
		for _, s := range []string{random[:26], random[26:], key.ID} {
			if seen[s] {
				t.Errorf("%q once more", s)
			}
			seen[s] = true
		}
	}
}

func TestKeysNeverPrint(t *testing.T) {
	t.Parallel()
	secret, _ := makeKey(t, newStore(t), session.Key{Account: casey, Name: "phone"})
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", secret, []session.KeySecret{secret}, struct{ K session.KeySecret }{secret})
	}
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "key", secret, "keys", map[string]session.KeySecret{"k": secret})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", secret)
	if err := json.NewEncoder(&out).Encode([]any{secret, &secret}); err != nil {
		t.Error(err)
	}
	if random := string(secret)[len(session.KeyPrefix):]; strings.Contains(out.String(), random[:8]) || strings.Contains(out.String(), fmt.Sprintf("%x", random[:8])) {
		t.Error(out.String())
	}
	if n := strings.Count(out.String(), "REDACTED"); n < 20 {
		t.Errorf("printed %d times", n)
	}
}

func TestKeysAtRest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	secret, _ := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	hash := sha256.Sum256([]byte(secret))
	if err != nil || bytes.Contains(b, []byte(secret)[len(session.KeyPrefix):][:8]) || !bytes.Contains(b, hash[:]) {
		t.Errorf("%v, or the file has the key itself, or not its hash", err)
	}
}

func TestKeysHaveTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		secret, _ := makeKey(t, store, session.Key{Account: casey, Name: "phone", Ends: time.Now().Add(hour)})
		time.Sleep(hour - time.Second)
		if !opensKey(store, secret) || len(store.Keys(casey)) != 1 {
			t.Error("over before its end")
		}
		time.Sleep(time.Second)
		for range 2 {
			if opensKey(store, secret) || len(store.Keys(casey)) != 0 {
				t.Error("opens at its end")
			}
			store = reopen(t, store, path)
		}
	})
}

func TestKeysMadeInTheFuture(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	secret, _ := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		store := openStore(t, path, newKeys(t, secretA))
		if opensKey(store, secret) {
			t.Error("opens")
		}
	})
	if !opensKey(openStore(t, path, newKeys(t, secretA)), secret) {
		t.Error("lost when the clock was right again")
	}
}

func TestRevokedKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	store := openStore(t, path, newKeys(t, secretA))
	revoked, key := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
	kept, other := makeKey(t, store, session.Key{Account: casey, Name: "script"})
	sams, _ := makeKey(t, store, session.Key{Account: sam, Name: "phone"})
	end := func(account int64, id string, want bool) {
		t.Helper()
		if ok, err := store.EndKey(account, id); ok != want || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
	}
	end(mallory, key.ID, false)
	end(sam, other.ID, false)
	end(0, key.ID, false)
	end(casey, "", false)
	end(casey, string(revoked), false)
	if !opensKey(store, revoked) {
		t.Error("somebody else has revoked it")
	}
	end(casey, key.ID, true)
	end(casey, key.ID, false)
	store.TouchKey(revoked, time.Now().Add(time.Second), home)
	for range 2 {
		if opensKey(store, revoked) || !opensKey(store, kept) || !opensKey(store, sams) {
			t.Error("not this one, or not this one alone")
		}
		if all := store.Keys(casey); len(all) != 1 || all[0].ID != other.ID {
			t.Errorf("%+v", all)
		}
		store = reopen(t, store, path)
	}
}

func TestKeysOutliveSignOut(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	secret, _ := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
	if err := errors.Join(store.EndAll(casey), store.ForgetAccount(casey)); err != nil {
		t.Fatal(err)
	}
	if !opensKey(store, secret) {
		t.Error("it has ended")
	}
}

func TestKeysThatAreNotMade(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	soon := time.Now().Add(hour)
	hosts := make([]string, 101)
	for why, in := range map[string]session.Key{
		"nobody's":                  {Name: "phone", Ends: soon},
		"of a negative person":      {Account: -1, Name: "phone", Ends: soon},
		"no name":                   {Account: casey, Ends: soon},
		"a name of nothing":         {Account: casey, Name: " \t\x00\u202e ", Ends: soon},
		"no end":                    {Account: casey, Name: "phone"},
		"an end that is past":       {Account: casey, Name: "phone", Ends: time.Now()},
		"for more than three years": {Account: casey, Name: "phone", Ends: time.Now().Add(3*366*24*hour + time.Minute)},
		"for 101 hosts":             {Account: casey, Name: "phone", Ends: soon, Hosts: hosts},
	} {
		if secret, key, err := store.MakeKey(in); err == nil || secret != "" || key.ID != "" {
			t.Errorf("%s: made, %v", why, err)
		}
	}
	if n := len(bucketOf(t, store, "keys")); n != 0 {
		t.Errorf("%d are stored", n)
	}
}

func TestOnePersonsKeysAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		for i := range 50 {
			makeKey(t, store, session.Key{Account: casey, Name: fmt.Sprint(i), Ends: time.Now().Add(hour)})
		}
		in := session.Key{Account: casey, Name: "one more", Ends: time.Now().Add(2 * hour)}
		if _, _, err := store.MakeKey(in); !errors.Is(err, session.ErrTooManyKeys) {
			t.Errorf("number 51: %v", err)
		}
		in.Name = " 7\n"
		if _, _, err := store.MakeKey(in); !errors.Is(err, session.ErrKeyName) {
			t.Errorf("a name once more: %v", err)
		}
		makeKey(t, store, session.Key{Account: sam, Name: "7"})
		time.Sleep(hour) // the old ones are over
		makeKey(t, store, session.Key{Account: casey, Name: "7"})
	})
}

func TestWhatAKeyHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		all, _ := makeKey(t, store, session.Key{Account: casey, Name: "all", Hosts: []string{}})
		made, ends := time.Now().UTC(), time.Now().UTC().Add(year)
		hosts := []string{"app.example.com", "*.media.example.com"}
		secret, _ := makeKey(t, store, session.Key{ID: "mine", Account: casey, Name: " my\r\nphone\x1b[31m" + strings.Repeat("é", 60), Hosts: hosts, Made: made.Add(-hour), Ends: ends.Local(), LastUsed: made, LastAddress: home})
		hosts[0] = "changed by the caller"
		want := session.Key{Account: casey, Name: "myphone[31m" + strings.Repeat("é", 24), Hosts: []string{"app.example.com", "*.media.example.com"}, Made: made, Ends: ends, LastAddress: home}
		for range 2 {
			got, ok := store.OpenKey(secret)
			if got.ID == "" || got.ID == "mine" {
				t.Errorf("id %q", got.ID)
			}
			got.ID = ""
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); !ok || diff != "" {
				t.Errorf("%v %s", ok, diff)
			}
			if got, ok := store.OpenKey(all); !ok || got.Hosts != nil {
				t.Errorf("for all hosts: %v %q", ok, got.Hosts)
			}
			store = reopen(t, store, path)
		}
	})
}

func TestLastUseOfKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "usher.db")
		store := openStore(t, path, newKeys(t, secretA))
		made := time.Now()
		secret, _ := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
		revoked, gone := makeKey(t, store, session.Key{Account: casey, Name: "gone"})
		away := netip.MustParseAddr("2001:db8::7")
		used := func(after time.Duration, from netip.Addr) {
			t.Helper()
			if got, _ := store.OpenKey(secret); got.LastUsed.Sub(made) != after || got.LastAddress != from {
				t.Errorf("used after %v from %v, want %v from %v", got.LastUsed.Sub(made), got.LastAddress, after, from)
			}
		}
		if got, _ := store.OpenKey(secret); !got.LastUsed.IsZero() {
			t.Errorf("used at %v before it was", got.LastUsed)
		}
		time.Sleep(time.Minute)
		store.TouchKey(secret, time.Now(), home)
		store.TouchKey(secret, time.Now().Add(-time.Second), away)
		store.TouchKey("nobody's", time.Now(), away)
		used(time.Minute, home)
		store.TouchKey(secret, time.Now(), away)
		used(time.Minute, away)
		store.TouchKey(revoked, time.Now(), home)
		time.Sleep(10 * time.Minute) // the background flush has run
		if rows := bucketOf(t, store, "keys"); !strings.Contains(fmt.Sprint(rows), away.String()) {
			t.Error("not on disk after ten minutes")
		}
		store.TouchKey(revoked, time.Now(), home)
		if _, err := store.EndKey(casey, gone.ID); err != nil {
			t.Fatal(err)
		}
		store.TouchKey(secret, time.Now(), home)
		store = reopen(t, store, path) // Close flushes
		used(11*time.Minute, home)
		if opensKey(store, revoked) {
			t.Error("the flush brought a revoked key back")
		}
	})
}

func TestPruneKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		makeKey(t, store, session.Key{Account: casey, Name: "short", Ends: time.Now().Add(hour)})
		long, _ := makeKey(t, store, session.Key{Account: casey, Name: "long"})
		time.Sleep(3 * hour) // the background pruning has run
		if n := len(bucketOf(t, store, "keys")); n != 1 || !opensKey(store, long) {
			t.Errorf("%d are left", n)
		}
	})
}

// A check asks memory alone: it works where there is no file any more.
func TestKeysNeedNoDisk(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	secret, key := makeKey(t, store, session.Key{Account: casey, Name: "phone"})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store.TouchKey(secret, time.Now(), home)
	if got, ok := store.OpenKey(secret); !ok || got.LastAddress != home {
		t.Errorf("%v, %+v", ok, got)
	}
	if _, _, err := store.MakeKey(session.Key{Account: casey, Name: "script", Ends: key.Ends}); err == nil {
		t.Error("a key that reached no disk was shown")
	}
	if ok, err := store.EndKey(casey, key.ID); !ok || err == nil {
		t.Errorf("a revocation that reached no disk was acknowledged: %v, %v", ok, err)
	}
	if opensKey(store, secret) {
		t.Error("still good here")
	}
}
