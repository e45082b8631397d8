package session

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"
)

// Token is a person's Plex token. It never prints.
type Token string

// Format hides the token from every verb of package fmt.
func (Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue hides the token from slog.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the token from JSON.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Account is what is kept of a person across restarts.
type Account struct {
	ID        int64     // numeric Plex id
	Token     Token     // their newest; "" where there is none, or none that a listed secret opens
	Answer    []byte    // plex.tv's last good answer, in its owner's own form; nil: none
	SignedOut time.Time // sessions begun at or before it are over; zero: never signed out everywhere
}

// Account reads a person from the file; false means that nothing is kept of them.
func (s *Store) Account(id int64) (Account, bool, error) {
	a, found := Account{ID: id}, false
	err := s.db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket(tokensBucket).Get(idKey(id)); v != nil {
			a.Token, found = s.openToken(id, v), true
		}
		if v := tx.Bucket(answersBucket).Get(idKey(id)); v != nil {
			a.Answer, found = bytes.Clone(v), true
		}
		if v := tx.Bucket(signedOutBucket).Get(idKey(id)); v != nil {
			a.SignedOut, found = timeOf(v), true
		}
		return nil
	})
	if err != nil {
		return Account{}, false, fmt.Errorf("reading account %d: %w", id, err)
	}
	return a, found, nil
}

// SaveToken replaces a person's token; "" removes it.
func (s *Store) SaveToken(id int64, token Token) error {
	if token == "" {
		return s.set(tokensBucket, idKey(id), nil)
	}
	return s.set(tokensBucket, idKey(id), s.tokens[0].Seal(nil, nil, []byte(token), idKey(id)))
}

// openToken gives "" for a token that no listed secret opens, or that was sealed for
// somebody else: the person signs in again.
func (s *Store) openToken(id int64, sealed []byte) Token {
	for _, aead := range s.tokens {
		if token, err := aead.Open(nil, nil, sealed, idKey(id)); err == nil {
			return Token(token)
		}
	}
	return ""
}

// SaveAnswer replaces plex.tv's last good answer about a person; nil removes it.
func (s *Store) SaveAnswer(id int64, answer []byte) error {
	return s.set(answersBucket, idKey(id), answer)
}

// ForgetAccount removes a person's token and answer. Their sessions, and that they
// were signed out everywhere, stay.
func (s *Store) ForgetAccount(id int64) error {
	return s.write(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(tokensBucket).Delete(idKey(id)); err != nil {
			return err
		}
		return tx.Bucket(answersBucket).Delete(idKey(id))
	})
}

// Setting reads a value that set-up has stored; nil means that there is none.
func (s *Store) Setting(key string) ([]byte, error) {
	var value []byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket(settingsBucket).Get([]byte(key)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading setting %s: %w", key, err)
	}
	return value, nil
}

// SetSetting stores a value, or removes it where it is nil.
func (s *Store) SetSetting(key string, value []byte) error {
	return s.set(settingsBucket, []byte(key), value)
}

func (s *Store) set(bucket, key, value []byte) error {
	return s.write(func(tx *bbolt.Tx) error {
		if value == nil {
			return tx.Bucket(bucket).Delete(key)
		}
		return tx.Bucket(bucket).Put(key, value)
	})
}

func idKey(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func timeValue(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano()))
}

func timeOf(v []byte) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(v))).UTC()
}
