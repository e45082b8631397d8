package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newWord(t *testing.T) (wordFile, string) {
	t.Helper()
	f := wordFile(filepath.Join(t.TempDir(), wordName))
	word, err := f.write()
	if err != nil {
		t.Fatal(err)
	}
	return f, word
}

func TestWordOpensNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string){
		"no file":              func(t *testing.T, path string) { os.Remove(path) },
		"readable by a group":  func(t *testing.T, path string) { os.Chmod(path, 0o640) },
		"readable by everyone": func(t *testing.T, path string) { os.Chmod(path, 0o604) },
		"writable by a group":  func(t *testing.T, path string) { os.Chmod(path, 0o620) },
		"writable by everyone": func(t *testing.T, path string) { os.Chmod(path, 0o602) },
		"a link to a good one": func(t *testing.T, path string) { os.Rename(path, path+"2"); os.Symlink(path+"2", path) },
		"a folder":             func(t *testing.T, path string) { os.Remove(path); os.Mkdir(path, 0o700) },
		"no time": func(t *testing.T, path string) {
			rewrite(t, path, func(s string) string { return strings.Fields(s)[0] })
		},
		"a time that is none": func(t *testing.T, path string) {
			rewrite(t, path, func(s string) string { return strings.Fields(s)[0] + " soon" })
		},
		"a time far ahead": func(t *testing.T, path string) {
			rewrite(t, path, func(s string) string { return strings.Fields(s)[0] + " 99999999999" })
		},
		"something behind": func(t *testing.T, path string) { rewrite(t, path, func(s string) string { return s + "x" }) },
		"a larger file": func(t *testing.T, path string) {
			rewrite(t, path, func(s string) string { return strings.Repeat(s, 2000) })
		},
		"another run's word": func(t *testing.T, path string) { wordFile(path).write() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, word := newWord(t)
			if !f.opens(word) {
				t.Fatal("a fresh word does not open")
			}
			change(t, string(f))
			if f.opens(word) {
				t.Error("opens")
			}
		})
	}
	f, word := newWord(t)
	content, err := os.ReadFile(string(f))
	if err != nil || strings.Contains(string(content), word) {
		t.Errorf("the word stands in the file: %v", err)
	}
	if info, err := os.Stat(string(f)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, wrong := range []string{"", word[1:], word + "A", strings.ToLower(word), strings.Fields(string(content))[0]} {
		if f.opens(wrong) {
			t.Errorf("%q opens", wrong)
		}
	}
}

func rewrite(t *testing.T, path string, change func(string) string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(change(string(content))), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWordEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, word := newWord(t)
		time.Sleep(wordLife - time.Second)
		if !f.opens(word) {
			t.Error("ended early")
		}
		time.Sleep(time.Second)
		if f.opens(word) {
			t.Error("opens past its end")
		}
	})
}

func TestWordIsRemoved(t *testing.T) {
	t.Parallel()
	f, first := newWord(t)
	second, err := f.write()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.remove(first); err != nil || !f.opens(second) {
		t.Errorf("the end of one doctor ended another: %v", err)
	}
	if err := f.remove(second); err != nil || f.opens(second) {
		t.Errorf("replayed after the run: %v", err)
	}
	if _, err := os.Lstat(string(f)); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
	if err := f.remove(second); err != nil {
		t.Errorf("removed already: %v", err)
	}
}
