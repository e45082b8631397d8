package session

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
)

// maxSealed bounds a sealed text in bytes: what a browser takes as one cookie.
const maxSealed = 4096

// ErrBadSeal is all that [Sealer.Open] says of a text that does not open, so that
// whoever sent it learns nothing from the answer.
var ErrBadSeal = errors.New("not sealed here for this purpose, or too old")

// Sealer encrypts and signs small values that pass through a browser.
// It may be used by several goroutines at once.
type Sealer struct {
	purpose string
	maxAge  time.Duration
	codecs  []securecookie.Codec
}

type sealed struct {
	At    time.Time       `json:"t"`
	Value json.RawMessage `json:"v"`
}

// Sealer makes the sealer of one purpose. What one purpose sealed never opens for
// another. A value opens while it is younger than maxAge; with a maxAge of 0 or less
// none does.
func (k Keys) Sealer(purpose string, maxAge time.Duration) *Sealer {
	return &Sealer{purpose, maxAge, k.codecs("sealed "+purpose, maxAge, maxSealed, securecookie.JSONEncoder{})}
}

// Seal turns v, by its JSON, into text that is safe in a cookie and in a URL. It
// fails where that would exceed 4096 bytes: about 2200 bytes of JSON.
func (s *Sealer) Seal(v any) (string, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("sealing for %s: %w", s.purpose, err)
	}
	text, err := securecookie.EncodeMulti(s.purpose, sealed{time.Now().UTC(), value}, s.codecs...)
	if err != nil {
		return "", fmt.Errorf("sealing for %s: %w", s.purpose, err)
	}
	return text, nil
}

// Open fills v with what [Sealer.Seal] was given, or says [ErrBadSeal] and leaves v
// alone.
func (s *Sealer) Open(text string, v any) error {
	if !canonical(text, maxSealed) {
		return ErrBadSeal
	}
	var in sealed
	if securecookie.DecodeMulti(s.purpose, text, &in, s.codecs...) != nil {
		return ErrBadSeal
	}
	// securecookie has no upper limit for its timestamp.
	if age := time.Since(in.At); age < -skew || age >= s.maxAge {
		return ErrBadSeal
	}
	if json.Unmarshal(in.Value, v) != nil {
		return ErrBadSeal
	}
	return nil
}

// canonical reports whether text is the one base64 form of what it holds.
// securecookie would also open a text with other unused bits at its end, or with
// line breaks in it: texts that we never sealed.
func canonical(text string, most int) bool {
	if len(text) > most || strings.ContainsAny(text, "\r\n") {
		return false
	}
	var buf [maxSealed]byte
	_, err := base64.URLEncoding.Strict().Decode(buf[:], []byte(text))
	return err == nil
}
