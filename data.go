package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"usher/backup"
	"usher/session"
)

// dataFile is the path of a file in the data folder.
func (s settings) dataFile(name string) string { return filepath.Join(s.dataDir, name) }

// generate fills in the secret and the client id that the environment does not
// give. They are made on the first start and kept in the data folder: with a
// new secret everybody would sign in again, with a new client id Plex would
// list another device. A file that is there but no good is never replaced.
func (s *settings) generate(log *slog.Logger) error {
	if err := os.MkdirAll(s.dataDir, 0o700); err != nil {
		return fmt.Errorf("USHER_DATA_DIR: %w; name a folder that the user whom Usher runs as (uid %d) may write", err, os.Getuid())
	}
	if len(s.secrets) == 0 {
		secret, err := s.kept("secret", func() string { return hex.EncodeToString(random(32)) }, log)
		if err != nil {
			return err
		}
		s.secrets = list(secret)
		if _, err := session.NewKeys(s.secrets...); err != nil {
			return fmt.Errorf("%s: %w; put the right secret back, or remove the file and let everybody sign in again", s.dataFile("secret"), err)
		}
	}
	if s.clientID == "" {
		id, err := s.kept("client-id", func() string { return "usher-" + hex.EncodeToString(random(16)) }, log)
		if err != nil {
			return err
		}
		if s.clientID = id; id == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("%s: is no client id; put the right one back, or remove the file", s.dataFile("client-id"))
		}
	}
	return nil
}

// stillHas wants the data folder to be the one that the secret and the client id were
// read from, which the environment had only given in part: until the store was locked
// another could be restored.
func (s settings) stillHas(given settings) error {
	decided, err := backup.Decided(given.dataDir)
	if err == nil {
		err = given.generate(slog.New(slog.DiscardHandler))
	}
	if err == nil && (decided != "" || !slices.Equal(given.secrets, s.secrets) || given.clientID != s.clientID) {
		err = errors.New("its files were replaced while Usher started; start it again")
	}
	if err != nil {
		return fmt.Errorf("the data folder %s: %w", s.dataDir, err)
	}
	return nil
}

// readKept fills in what the Usher that serves has made; it makes nothing.
func (s *settings) readKept() error {
	if err := s.readSecret(); err != nil || s.clientID != "" {
		return err
	}
	id, err := readSmall(s.dataFile("client-id"), maxFile)
	if err != nil {
		return fmt.Errorf("%w; give the data folder (USHER_DATA_DIR) of the Usher that serves, as a user who may read it", err)
	}
	s.clientID = strings.TrimSpace(id)
	return nil
}

// readSecret fills in the secret that generate has made before; it makes none.
func (s *settings) readSecret() error {
	if len(s.secrets) > 0 {
		return nil
	}
	secret, err := readSmall(s.dataFile("secret"), maxFile)
	if err != nil {
		return fmt.Errorf("%w; give the data folder (USHER_DATA_DIR) of the Usher that serves, as a user who may read it", err)
	}
	s.secrets = list(secret)
	return nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// kept reads a file of the data folder, or makes it with what fresh returns.
// It is whole or not there: it is written aside, synced, and then renamed.
func (s settings) kept(name string, fresh func() string, log *slog.Logger) (string, error) {
	path := s.dataFile(name)
	content, err := readSmall(path, maxFile)
	if err == nil {
		return strings.TrimSpace(content), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w; the user whom Usher runs as (uid %d) must be able to read it", err, os.Getuid())
	}
	value := fresh()
	if err := writeNew(path, value+"\n"); err != nil {
		return "", fmt.Errorf("USHER_DATA_DIR: %w; name a folder that the user whom Usher runs as (uid %d) may write", err, os.Getuid())
	}
	log.Info("made on this first start", "file", path)
	return value, nil
}

// ownedAsItsFolder gives a file that root has made, as by usher setup, to whom its folder belongs: Usher runs as that user.
func ownedAsItsFolder(path string) error {
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	return session.SameOwner(path, folder)
}

func writeNew(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = ownedAsItsFolder(f.Name())
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
