//go:build !windows && !plan9 && !solaris && !aix && !android

package session

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// flock locks a file as bbolt does, if no other process has.
func flock(f *os.File) (held bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// SameOwner gives the file at path the owner of another, where root has made it:
// Usher runs as a user of its own.
func SameOwner(path string, as fs.FileInfo) error {
	owner, ok := as.Sys().(*syscall.Stat_t)
	if !ok || os.Getuid() != 0 {
		return nil
	}
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

func syncDir(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, syscall.EINVAL) { // a file system that does not know it
		return nil
	}
	return err
}
