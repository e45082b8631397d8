package session_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/session"
)

// writerPath, in the environment, makes this binary the writer of TestKill.
const writerPath = "USHER_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerPath); path != "" {
		fmt.Println("stopped", writer(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writer signs people in and out for ever, and says each thing before and after.
func writer(path string) error {
	keys, err := session.NewKeys(secretA)
	if err != nil {
		return err
	}
	store, err := session.Open(path, keys, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		account := int64(1 + rand.IntN(5))
		s, err := store.Begin(session.Session{Account: account, Audience: "example.com", Expires: time.Now().Add(hour)})
		if err != nil {
			return err
		}
		fmt.Println("began", account, s.ID)
		store.AddEvent(session.Event{Kind: session.EventSignIn, Result: "ok", Account: account})
		if i%10 == 9 { // which writes
			all, err := store.Events(session.EventFilter{Limit: 1})
			if err != nil {
				return err
			}
			fmt.Println("listed", all[0].Account, all[0].ID)
		}
		switch all := store.ByAccount(account); {
		case i%20 == 19:
			fmt.Println("ending-all", account, "-")
			if err := store.EndAll(account); err != nil {
				return err
			}
			fmt.Println("ended-all", account, "-")
		case i%2 == 0:
			id := all[rand.IntN(len(all))].ID
			fmt.Println("ending", account, id)
			if err := store.End(id); err != nil {
				return err
			}
			fmt.Println("ended", account, id)
		case i%4 == 1:
			if keys := store.Keys(account); len(keys) > 1 {
				id := keys[rand.IntN(len(keys))].ID
				fmt.Println("revoking", account, id)
				if _, err := store.EndKey(account, id); err != nil {
					return err
				}
				fmt.Println("revoked", account, id)
			}
			secret, key, err := store.MakeKey(session.Key{Account: account, Name: fmt.Sprint(time.Now().UnixNano()), Ends: time.Now().Add(hour)})
			if err != nil {
				return err
			}
			fmt.Println("made", account, key.ID+"/"+string(secret))
		default:
			token := fmt.Sprintf("test-token-%d", i)
			fmt.Println("saving", account, token)
			if err := store.SaveToken(account, session.Token(token)); err != nil {
				return err
			}
			fmt.Println("saved", account, token)
		}
	}
}

// state is what the acknowledgements of writers add up to.
type state struct {
	sessions map[string]int64    // id → account: acknowledged, and nobody began to end it
	ending   []string            // of the sign-out everywhere that was begun last
	ended    map[string]bool     // acknowledged
	keys     map[string]string   // id → secret: acknowledged
	revoking map[string]bool     // id: begun
	revoked  map[string]bool     // id: acknowledged
	tokens   map[int64][2]string // the acknowledged one, and one that may have replaced it
	event    uint64              // acknowledged last
}

func (s *state) note(line string) error {
	var did, rest string
	var account int64
	if _, err := fmt.Sscan(line, &did, &account, &rest); err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	switch did {
	case "began":
		s.sessions[rest] = account
	case "ending":
		delete(s.sessions, rest)
	case "ended":
		s.ended[rest] = true
	case "ending-all":
		s.ending = nil
		for id, of := range s.sessions {
			if of == account {
				delete(s.sessions, id)
				s.ending = append(s.ending, id)
			}
		}
	case "ended-all":
		for _, id := range s.ending {
			s.ended[id] = true
		}
	case "made":
		id, secret, _ := strings.Cut(rest, "/")
		s.keys[id] = secret
	case "revoking":
		s.revoking[rest] = true
	case "revoked":
		s.revoked[rest] = true
	case "listed":
		_, err := fmt.Sscan(rest, &s.event)
		return err
	case "saving":
		s.tokens[account] = [2]string{s.tokens[account][0], rest}
	case "saved":
		s.tokens[account] = [2]string{rest, rest}
	}
	return nil
}

// A kill -9 at any moment loses nothing that was acknowledged.
func TestKill(t *testing.T) {
	// Not parallel: until it has become the writer, a new process holds the locks of all stores that are open here,
	// and a test whose clock stands still cannot wait for that.
	path := filepath.Join(t.TempDir(), "usher.db")
	want := state{sessions: make(map[string]int64), ended: make(map[string]bool),
		keys: make(map[string]string), revoking: make(map[string]bool), revoked: make(map[string]bool), tokens: make(map[int64][2]string)}
	for round := range 5 {
		acknowledged := runAndKill(t, path, 20+rand.IntN(60), want.note)
		if t.Failed() {
			return
		}
		store := openStore(t, path, newKeys(t, secretA))
		for id, account := range want.sessions {
			if s, ok := store.Live(id); !ok || s.Account != account {
				t.Errorf("round %d: session %s of %d is lost", round, id, account)
			}
		}
		for id := range want.ended {
			if _, ok := store.Live(id); ok {
				t.Errorf("round %d: session %s is back", round, id)
			}
		}
		for id, secret := range want.keys {
			if opensKey(store, session.KeySecret(secret)) != !want.revoked[id] && (want.revoked[id] || !want.revoking[id]) {
				t.Errorf("round %d: key %s is lost, or back", round, id)
			}
		}
		for id, tokens := range want.tokens {
			a, _, err := store.Account(id)
			if got := string(a.Token); err != nil || (got != tokens[0] && got != tokens[1]) {
				t.Errorf("round %d: %v, token %q, want one of %q", round, err, got, tokens)
			}
			want.tokens[id] = [2]string{string(a.Token), string(a.Token)}
		}
		if all, err := store.Events(session.EventFilter{Limit: 1}); err != nil || want.event != 0 && (len(all) == 0 || all[0].ID < want.event) {
			t.Errorf("round %d: %v, the latest event is %+v, want %d or later", round, err, all, want.event)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d lines, %d sessions live, %d ended, %d keys", round, acknowledged, len(want.sessions), len(want.ended), len(want.keys))
	}
}

// runAndKill lets a writer say so many lines, kills it a moment later, and notes all
// that it had said by then.
func runAndKill(t *testing.T, path string, lines int, note func(string) error) (n int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), writerPath+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := make(chan struct{})
	for in := bufio.NewScanner(out); in.Scan(); n++ {
		if strings.HasPrefix(in.Text(), "stopped") {
			t.Error(in.Text())
			break
		}
		if err := note(in.Text()); err != nil {
			t.Error(err)
		}
		if n == lines {
			go func() {
				defer close(killed)
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond) // any moment
				_ = cmd.Process.Kill()
			}()
		}
	}
	if n > lines {
		<-killed
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the writer ended by itself after %d lines: %v", n, err)
	}
	return n
}
