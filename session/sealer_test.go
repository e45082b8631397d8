package session_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/session"
)

const hour = time.Hour

// opens reports whether text opens, and fails the test where a refusal still wrote.
func opens(t *testing.T, s *session.Sealer, text string) bool {
	t.Helper()
	v := "untouched"
	err := s.Open(text, &v)
	if err != nil && (v != "untouched" || !errors.Is(err, session.ErrBadSeal)) {
		t.Errorf("refused with %v and %q", err, v)
	}
	return err == nil
}

func TestSealedValues(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, secretA)
	pin := keys.Sealer("pin", hour)
	text, err := pin.Seal("value")
	if err != nil {
		t.Fatal(err)
	}
	if !opens(t, pin, text) {
		t.Fatal("its own value does not open")
	}
	if strings.Contains(text, "value") {
		t.Error("the value can be read")
	}
	t.Run("for another purpose", func(t *testing.T) {
		for _, purpose := range []string{"", "pi", "pin2", "notice", "session cookie", "__Secure-usher"} {
			if opens(t, keys.Sealer(purpose, hour), text) {
				t.Errorf("opens for %q", purpose)
			}
		}
	})
	t.Run("by another installation", func(t *testing.T) {
		if opens(t, newKeys(t, secretB).Sealer("pin", hour), text) {
			t.Error("opens")
		}
	})
	t.Run("after rotation", func(t *testing.T) {
		if !opens(t, newKeys(t, secretB, secretA).Sealer("pin", hour), text) {
			t.Error("a listed secret does not open")
		}
	})
	t.Run("no maximum age means none", func(t *testing.T) {
		never := keys.Sealer("pin", 0)
		text, err := never.Seal("value")
		if err != nil {
			t.Fatal(err)
		}
		if opens(t, never, text) || opens(t, keys.Sealer("pin", -1), text) {
			t.Error("opens")
		}
	})
	t.Run("changed", func(t *testing.T) {
		for _, bad := range changed(text) {
			if opens(t, pin, bad) {
				t.Errorf("opens: %q", bad)
			}
		}
	})
	t.Run("too long", func(t *testing.T) {
		if _, err := pin.Seal(strings.Repeat("a", 3000)); err == nil {
			t.Error("sealed what no browser would keep")
		}
	})
}

func TestSealedValuesHaveTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newKeys(t, secretA).Sealer("pin", hour)
		text, err := s.Seal("value")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(hour - time.Second)
		if !opens(t, s, text) {
			t.Error("refused before its end")
		}
		time.Sleep(time.Second)
		if opens(t, s, text) {
			t.Error("opens at its end")
		}
	})
}

func TestSealedInTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	s := newKeys(t, secretA).Sealer("pin", hour)
	text, err := s.Seal("value")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		if opens(t, s, text) {
			t.Error("opens")
		}
	})
}

// changed is text with each byte flipped in several ways, cut short at each length,
// and dressed up in ways that decoders are known to overlook.
func changed(text string) []string {
	bad := []string{"", " " + text, text + " ", text + "=", text + "\n", text[:9] + "\r\n" + text[9:], text + text, strings.ToLower(text), strings.TrimRight(text, "=")}
	for i := range text {
		for _, mask := range []byte{1, 2, 4, 8, 0x20, 0x80} {
			b := []byte(text)
			b[i] ^= mask
			bad = append(bad, string(b))
		}
		bad = append(bad, text[:i])
	}
	var out []string
	for _, b := range bad {
		if b != text { // it may have had no padding
			out = append(out, b)
		}
	}
	return out
}

// A value that opens was sealed by us.
func FuzzSealerOpen(f *testing.F) {
	s := newKeys(f, secretA).Sealer("pin", 1000*hour)
	text, err := s.Seal("value")
	if err != nil {
		f.Fatal(err)
	}
	addPatches(f)
	f.Fuzz(func(t *testing.T, at, cut uint16, with string) {
		if in := patched(text, at, cut, with); opens(t, s, in) != (in == text) {
			t.Errorf("%q", in)
		}
	})
}

// patched is text with cut bytes at some place replaced. Fuzzing patches, because
// each of its processes seals a text of its own.
func patched(text string, at, cut uint16, with string) string {
	from := int(at) % (len(text) + 1)
	return text[:from] + with + text[min(len(text), from+int(cut)):]
}

func addPatches(f *testing.F) {
	f.Add(uint16(0), uint16(0), "")
	f.Add(uint16(0), uint16(9999), "MTcwMDAwMDAwMHw=")
	f.Add(uint16(7), uint16(1), "A")
	f.Add(uint16(0), uint16(0), "=; __Secure-usher=")
	f.Add(uint16(100), uint16(0), "\n")
}
