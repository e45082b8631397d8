package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/gorilla/securecookie"
)

const (
	minSecret   = 32 // bytes of a secret
	minDistinct = 8  // different bytes of a secret: "aaaa…" is long and worthless
	keySize     = 32 // AES-256, and the whole of an HMAC-SHA-256 key
)

// Keys are the secrets of an installation. The first seals, all of them open, so a
// new secret is put in front and the old one removed a session's lifetime later.
// The zero Keys seal and open nothing. Keys never print.
type Keys struct {
	roots [][]byte // HKDF's pseudorandom keys, one a secret
}

// NewKeys refuses no secrets, one below 32 bytes, and one of fewer than eight
// different bytes. Its errors count secrets and never quote them.
func NewKeys(secrets ...string) (Keys, error) {
	if len(secrets) == 0 {
		return Keys{}, errors.New("there is no secret")
	}
	var k Keys
	for i, secret := range secrets {
		distinct := make(map[byte]bool)
		for _, b := range []byte(secret) {
			distinct[b] = true
		}
		switch {
		case len(secret) < minSecret:
			return Keys{}, fmt.Errorf("secret %d of %d has %d bytes, fewer than %d", i+1, len(secrets), len(secret), minSecret)
		case len(distinct) < minDistinct:
			return Keys{}, fmt.Errorf("secret %d of %d is made of %d different bytes, fewer than %d: take a random one", i+1, len(secrets), len(distinct), minDistinct)
		}
		root, err := hkdf.Extract(sha256.New, []byte(secret), []byte("usher"))
		if err != nil {
			return Keys{}, fmt.Errorf("deriving keys: %w", err)
		}
		k.roots = append(k.roots, root)
	}
	return k, nil
}

// derive makes the key of one root for one purpose. The error of hkdf is only for
// keys of more than 8 kB.
func derive(root []byte, purpose string) (key [keySize]byte) {
	b, err := hkdf.Expand(sha256.New, root, purpose, keySize)
	if err != nil {
		panic(err)
	}
	copy(key[:], b)
	return key
}

// codecs are securecookies for a purpose, one a secret. securecookie itself accepts
// a hash key of five bytes and, without a block key, does not encrypt; keys from
// derive have one size. Its age counts whole seconds, and 0 would mean for ever.
func (k Keys) codecs(purpose string, maxAge time.Duration, maxLength int, sz securecookie.Serializer) []securecookie.Codec {
	var all []securecookie.Codec
	for _, root := range k.roots {
		hash, block := derive(root, purpose+" hash"), derive(root, purpose+" block")
		seconds := int((maxAge + time.Second - 1) / time.Second)
		all = append(all, securecookie.New(hash[:], block[:]).
			MaxAge(max(1, seconds)).MaxLength(maxLength).SetSerializer(sz))
	}
	return all
}

// aeads seal what is at rest: AES-256-GCM, the random nonce in front.
func (k Keys) aeads(purpose string) ([]cipher.AEAD, error) {
	var all []cipher.AEAD
	for _, root := range k.roots {
		key := derive(root, purpose)
		block, err := aes.NewCipher(key[:])
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		all = append(all, aead)
	}
	return all, nil
}

const redacted = "REDACTED"

// Format hides the keys from every verb of package fmt.
func (Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue hides the keys from slog.
func (Keys) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the keys from JSON.
func (Keys) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Names are one word a secret by which it is known again. They reveal nothing of it.
func (k Keys) Names() []string {
	var all []string
	for _, root := range k.roots {
		key := derive(root, "name")
		all = append(all, hex.EncodeToString(key[:8]))
	}
	return all
}
