package session_test

import (
	"net/netip"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"usher/session"
)

// When somebody was last seen is known also after what they were seen by is over,
// however it ended, and across a restart.
func TestLastSeenOutlivesWhatEnds(t *testing.T) {
	t.Parallel()
	const frankie = 70010004
	for name, end := range map[string]func(*session.Store, session.Session, session.Key) error{
		"nothing ends": func(*session.Store, session.Session, session.Key) error { return nil },
		"signed out":   func(s *session.Store, one session.Session, _ session.Key) error { return s.End(one.ID) },
		"everywhere":   func(s *session.Store, _ session.Session, _ session.Key) error { return s.EndAll(casey) },
		"kept out": func(s *session.Store, _ session.Session, _ session.Key) error {
			return s.Rule(session.Ruling{Account: casey, By: sam})
		},
		"from the desk": func(s *session.Store, one session.Session, _ session.Key) error {
			_, err := s.EndSessions([]string{one.ID})
			return err
		},
		"the key is revoked": func(s *session.Store, _ session.Session, k session.Key) error {
			_, err := s.EndKey(casey, k.ID)
			return err
		},
		"all keys are": func(s *session.Store, _ session.Session, k session.Key) error {
			_, err := s.EndKeys([]string{k.ID})
			return err
		},
		"it ends by itself": func(s *session.Store, _ session.Session, _ session.Key) error {
			time.Sleep(100 * 24 * time.Hour)
			return s.Prune(time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "usher.db")
				store := openStore(t, path, newKeys(t, secretA))
				defer func() { _ = store.Close() }()
				one := begin(t, store, casey)
				secret, key, err := store.MakeKey(session.Key{Account: casey, Name: "phone", Ends: time.Now().Add(24 * time.Hour)})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				store.TouchKey(secret, time.Now(), netip.MustParseAddr("203.0.113.7"))
				want := time.Now().UTC()
				time.Sleep(time.Hour)
				if err := end(store, one, key); err != nil {
					t.Fatal(err)
				}
				if name != "the key is revoked" && name != "all keys are" && name != "it ends by itself" && name != "nothing ends" {
					if _, err := store.EndKey(casey, key.ID); err != nil {
						t.Fatal(err)
					}
				}
				for range 2 {
					all, err := store.Presences()
					if err != nil || !all[casey].Seen.Equal(want) || !all[frankie].Seen.IsZero() {
						t.Errorf("%v, want %v, %v", all, want, err)
					}
					store = reopen(t, store, path)
				}
			})
		})
	}
}
