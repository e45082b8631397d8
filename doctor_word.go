package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// wordName is the file in the data folder by which a doctor at work is known.
const wordName = "doctor-word"

// wordLife is how long a word opens the echo, if its doctor does not end
// before. A file that says more is not believed.
const wordLife = 10 * time.Minute

// wordFile holds the SHA-256 of the word that opens Usher's echo, and when it
// ends. The doctor writes it, the server reads it: both must be able to write,
// or read, the data folder, which nobody else can. The store could not be
// used, for the server holds its lock.
type wordFile string

// write makes a word for one run. It takes the place of another doctor's.
func (f wordFile) write() (word string, err error) {
	word = rand.Text()
	return word, writeNew(string(f), hashWord(word)+" "+strconv.FormatInt(time.Now().Add(wordLife).Unix(), 10)+"\n")
}

// remove ends the word, unless the file is another doctor's by now.
func (f wordFile) remove(word string) error {
	content, err := readSmall(string(f), maxFile)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !strings.HasPrefix(content, hashWord(word)) {
		return nil
	}
	if err = os.Remove(string(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; remove it, or let it be: it ends by itself within %v", err, wordLife)
	}
	return nil
}

// opens reports whether a word opens the echo now. It refuses whatever is not
// as the doctor writes it: a link, a file that others may read or write, a
// word that has ended or never would.
func (f wordFile) opens(word string) bool {
	info, err := os.Lstat(string(f))
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	content, err := readSmall(string(f), maxFile)
	if err != nil {
		return false
	}
	hash, end, ok := strings.Cut(strings.TrimSuffix(content, "\n"), " ")
	seconds, err := strconv.ParseInt(end, 10, 64)
	left := time.Until(time.Unix(seconds, 0))
	return ok && err == nil && left > 0 && left <= wordLife && subtle.ConstantTimeCompare([]byte(hash), []byte(hashWord(word))) == 1
}

func hashWord(word string) string {
	sum := sha256.Sum256([]byte(word))
	return hex.EncodeToString(sum[:])
}
