// Package axe gives a test the script of axe-core, which finds in a page what keeps people out.
//
// It comes from npm, is kept in .build beside what else the tests need, and is never a part of the program. Only the
// release whose checksum stands here is run. Where it cannot be had the test is skipped, but fails where CI=true: a
// test that silently stays away proves nothing.
package axe

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	version   = "4.14.1"
	integrity = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
	largest   = 8 << 20 // of the script; it has half a megabyte
)

// Script is what defines window.axe.
func Script(t *testing.T) string {
	t.Helper()
	script, err := script()
	if err != nil {
		missing := "no axe-core here, whose checks npm fetches (apt-get install npm): " + err.Error()
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip("SKIPPED: " + missing)
	}
	return script
}

func script() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	packed := filepath.Join(root, ".build", "axe-core-"+version+".tgz")
	data, err := os.ReadFile(packed)
	if err != nil || !isRelease(data) {
		if data, err = fetch(packed); err != nil {
			return "", err
		}
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	for files := tar.NewReader(unzipped); ; {
		file, err := files.Next()
		if err != nil {
			return "", fmt.Errorf("axe.min.js is not in %s: %w", packed, err)
		}
		if file.Name == "package/axe.min.js" {
			text, err := io.ReadAll(io.LimitReader(files, largest))
			return string(text), err
		}
	}
}

// fetch asks npm for the release and keeps it.
func fetch(packed string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(packed), 0o755); err != nil {
		return nil, err
	}
	// A folder of its own, and a rename: two packages may ask at the same time.
	dir, err := os.MkdirTemp(filepath.Dir(packed), "axe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	npm := exec.Command("npm", "pack", "--silent", "--pack-destination", ".", "axe-core@"+version)
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	fetched := filepath.Join(dir, filepath.Base(packed))
	data, err := os.ReadFile(fetched)
	if err != nil {
		return nil, err
	}
	if !isRelease(data) {
		return nil, errors.New("what came is not axe-core " + version + " by its checksum")
	}
	return data, os.Rename(fetched, packed)
}

func isRelease(data []byte) bool {
	sum := sha512.Sum512(data)
	return "sha512-"+base64.StdEncoding.EncodeToString(sum[:]) == integrity
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("no go.mod above")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}
