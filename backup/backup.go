// Package backup puts what an installation needs to go on elsewhere into one file,
// and puts it back.
//
// The file is a tar: one file can be copied, moved and piped as a whole, everybody
// has what opens it, and so it can be looked into, or unpacked by hand where no Usher
// is. Its first part, backup.json, says what follows, how long it is, and its
// SHA-256; then come the store and, where the data folder has them, the secret and
// the client id. It is not encrypted: a passphrase to forget would be one more thing
// to lose with the disk. Who has the file can sign in as anybody.
//
// Refused, with nothing changed: a file that is no backup, is cut short, or differs
// from what its first part says by one bit; parts of other names, kinds, or sizes
// beyond [MaxStore]; a store that is damaged or from a newer Usher; a secret other
// than the one that sealed the tokens inside; a data folder that a process is using.
//
// A restore is prepared in a folder of its own, and one rename decides it. Killed
// before, nothing has changed; killed after, [Finish] does what is left before
// anything is read. What was there stays beside it.
//
// Trusted: whoever can write the data folder, the file system to rename at once or
// not at all, and the file's maker. It bears no signature: restore none of a stranger's.
package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"usher/session"
)

// Names of the parts, which are those of the files in the data folder.
const (
	Store    = "usher.db"
	Secret   = "secret"
	ClientID = "client-id"

	manifestName = "backup.json"
)

// MaxStore bounds a store in a backup, in bytes: a household's has a few million.
const MaxStore = 1 << 30

const maxSmall = 64 << 10 // of every other part

// form is what a backup of this version says in backup.json.
const form = 1

// Manifest is backup.json.
type Manifest struct {
	Form    int       `json:"usher_backup"`
	Version string    `json:"version"` // of the Usher that made it
	Schema  int       `json:"schema"`  // of the store
	Made    time.Time `json:"made"`
	Key     string    `json:"key"` // the first of [session.Keys.Names] of the secret in force
	Parts   []Part    `json:"parts"`
}

// Part is a file in a backup.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // in bytes
	SHA256 string `json:"sha256"`
}

// Has reports whether there is a part of that name.
func (m Manifest) Has(name string) bool {
	for _, p := range m.Parts {
		if p.Name == name {
			return true
		}
	}
	return false
}

// Source is what goes into a backup.
type Source struct {
	Version  string
	Keys     session.Keys // in force
	Store    *os.File     // a copy that no process writes to, at its beginning
	Schema   int          // of it
	Secret   string       // as the data folder has it; "": it comes from elsewhere
	ClientID string       // likewise
}

// Write makes a backup.
func Write(w io.Writer, src Source) (Manifest, error) {
	m := Manifest{Form: form, Version: src.Version, Schema: src.Schema, Made: time.Now().UTC().Truncate(time.Second), Key: src.Keys.Names()[0]}
	type content struct {
		name string
		from io.ReadSeeker
	}
	all := []content{{Store, src.Store}}
	if src.Secret != "" {
		all = append(all, content{Secret, strings.NewReader(src.Secret)})
	}
	if src.ClientID != "" {
		all = append(all, content{ClientID, strings.NewReader(src.ClientID)})
	}
	for _, c := range all {
		n, sum, err := measure(c.from, limit(c.name))
		if err != nil {
			return m, fmt.Errorf("%s: %w", c.name, err)
		}
		m.Parts = append(m.Parts, Part{c.name, n, sum})
	}
	head, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, err
	}
	out := tar.NewWriter(w)
	add := func(name string, size int64, from io.Reader) error {
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: m.Made, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		_, err := io.Copy(out, from)
		return err
	}
	if err := add(manifestName, int64(len(head)+1), bytes.NewReader(append(head, '\n'))); err != nil {
		return m, err
	}
	for i, c := range all {
		if err := add(c.name, m.Parts[i].Size, c.from); err != nil {
			return m, err
		}
	}
	return m, out.Close()
}

// measure is the size and the SHA-256 of a part, which it leaves at its beginning.
func measure(from io.ReadSeeker, most int64) (n int64, sum string, err error) {
	if n, err = from.Seek(0, io.SeekEnd); err == nil {
		_, err = from.Seek(0, io.SeekStart)
	}
	if err == nil && n > most {
		err = fmt.Errorf("it has %d bytes, more than the %d that a backup may have", n, most)
	}
	if err != nil {
		return n, "", err
	}
	hash := sha256.New()
	if n, err = io.Copy(hash, from); err == nil {
		_, err = from.Seek(0, io.SeekStart)
	}
	return n, hex.EncodeToString(hash.Sum(nil)), err
}

func limit(name string) int64 {
	switch name {
	case Store:
		return MaxStore
	case Secret, ClientID:
		return maxSmall
	}
	return -1 // no part
}

// ErrBad is what a file that cannot be restored from is, whatever is wrong with it.
var ErrBad = errors.New("it is no backup, or is damaged; take one that usher backup has made, as it was made")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w (%s)", ErrBad, fmt.Sprintf(format, args...))
}

// Read reads a backup to its end and hands each part to what create makes for it.
// It is whole and as it was made only if there is no error: [ErrBad], the reader's,
// or that of create.
func Read(r io.Reader, create func(name string) (io.WriteCloser, error)) (Manifest, error) {
	in := tar.NewReader(r)
	m, err := readManifest(in)
	if err != nil {
		return m, err
	}
	for _, p := range m.Parts {
		if err := next(in, p.Name, p.Size); err != nil {
			return m, err
		}
		to, err := create(p.Name)
		if err != nil {
			return m, err
		}
		hash := sha256.New()
		_, err = io.Copy(io.MultiWriter(to, hash), in)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = bad("%s is cut short", p.Name)
		}
		if err := errors.Join(err, to.Close()); err != nil {
			return m, err
		}
		if hex.EncodeToString(hash.Sum(nil)) != p.SHA256 {
			return m, bad("%s is not what was put in", p.Name)
		}
	}
	if h, err := in.Next(); err == nil {
		return m, bad("it has a part too many, %.100q", h.Name)
	} else if !errors.Is(err, io.EOF) {
		return m, fromTar(err)
	}
	return m, nil
}

// next goes to the part of that name, which must be a plain file of that size.
func next(in *tar.Reader, name string, size int64) error {
	h, err := in.Next()
	switch {
	case errors.Is(err, io.EOF):
		return bad("%s is missing", name)
	case err != nil:
		return fromTar(err)
	case h.Name != name:
		return bad("%.100q is where %s should be", h.Name, name)
	case h.Typeflag != tar.TypeReg || h.PAXRecords != nil:
		return bad("%s is no plain file", name)
	case size >= 0 && h.Size != size || h.Size > max(limit(name), maxSmall):
		return bad("%s has %d bytes", name, h.Size)
	}
	return nil
}

// fromTar tells a form that is wrong from a disk or a pipe that fails.
func fromTar(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return bad("%v", err)
	}
	return err
}

func readManifest(in *tar.Reader) (m Manifest, err error) {
	if err := next(in, manifestName, -1); err != nil {
		return m, err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return m, fromTar(err)
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Form < 1 {
		return m, bad("%s cannot be read", manifestName)
	}
	if m.Form > form {
		return m, fmt.Errorf("it is a backup by a newer Usher (%.40q): restore it with that version", m.Version)
	}
	seen := make(map[string]bool)
	for _, p := range m.Parts {
		if p.Size < 0 || p.Size > limit(p.Name) || seen[p.Name] {
			return m, bad("%s lists %.100q with %d bytes", manifestName, p.Name, p.Size)
		}
		seen[p.Name] = true
	}
	if !seen[Store] {
		return m, bad("it has no store")
	}
	return m, nil
}
