package session_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"usher/session"
)

func TestSealedSettingIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	s := openStore(t, path, newKeys(t, secretA))
	if v, err := s.SealedSetting("set-up"); v != nil || err != nil {
		t.Errorf("none: %q, %v", v, err)
	}
	if err := s.SetSealedSetting("set-up", []byte("test-token-robin")); err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Setting("set-up")
	if err != nil || bytes.Contains(sealed, []byte("test-token")) {
		t.Errorf("it lies open: %v", err)
	}
	for name, value := range map[string][]byte{"bent": append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), "cut": sealed[:len(sealed)-1], "in clear": []byte("test-token-robin"), "empty": {}} {
		if err := s.SetSetting("other", value); err != nil {
			t.Fatal(err)
		}
		if v, err := s.SealedSetting("other"); v != nil || !errors.Is(err, session.ErrSealedOtherwise) {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
	if err := s.SetSetting("other", sealed); err != nil { // moved under another name
		t.Fatal(err)
	}
	if v, err := s.SealedSetting("other"); v != nil || !errors.Is(err, session.ErrSealedOtherwise) {
		t.Errorf("another setting's: %q, %v", v, err)
	}
	if v, err := s.SealedSetting("set-up"); string(v) != "test-token-robin" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if err := s.SetSealedSetting("set-up", nil); err != nil {
		t.Fatal(err)
	}
	if v, err := s.SealedSetting("set-up"); v != nil || err != nil {
		t.Errorf("removed: %q, %v", v, err)
	}
}

// TestSealedSettingFollowsTheSecret: once read with both, the older may go.
func TestSealedSettingFollowsTheSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	read := func(want error, secrets ...string) {
		t.Helper()
		s := openStore(t, path, newKeys(t, secrets...))
		defer s.Close()
		if v, err := s.SealedSetting("set-up"); !errors.Is(err, want) || want == nil && string(v) != "value" {
			t.Errorf("%q, %v", v, err)
		}
	}
	s := openStore(t, path, newKeys(t, secretB))
	if err := s.SetSealedSetting("set-up", []byte("value")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	read(session.ErrSealedOtherwise, secretA)
	read(nil, secretA, secretB)
	read(nil, secretA)
	read(session.ErrSealedOtherwise, secretB)
}

// TestPeek: it reads what nobody has open, and changes not a byte.
func TestPeek(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usher.db")
	keys := newKeys(t, secretA)
	if v, err := session.Peek(path, keys, "set-up"); v != nil || err != nil {
		t.Errorf("no file: %q, %v", v, err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made")
	}
	s := openStore(t, path, newKeys(t, secretA))
	if err := s.SetSealedSetting("set-up", []byte("value")); err != nil {
		t.Fatal(err)
	}
	if v, err := session.Peek(path, keys, "set-up"); v != nil || !errors.Is(err, session.ErrLocked) {
		t.Errorf("in use: %q, %v", v, err)
	}
	s.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := session.Peek(path, keys, "set-up"); string(v) != "value" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if v, err := session.Peek(path, keys, "other"); v != nil || err != nil {
		t.Errorf("another: %q, %v", v, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
	if v, err := session.Peek(path, newKeys(t, secretB), "set-up"); v != nil || !errors.Is(err, session.ErrSealedOtherwise) {
		t.Errorf("another secret: %q, %v", v, err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("damaged "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := session.Peek(path, keys, "set-up"); v != nil || !errors.Is(err, session.ErrDamaged) {
		t.Errorf("damaged: %q, %v", v, err)
	}
}
