//go:build windows || plan9 || solaris || aix || android

package session

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

func flock(*os.File) (bool, error) {
	return false, fmt.Errorf("a store can be locked on Linux, macOS and the BSDs, not on %s: stop Usher and copy its data folder", runtime.GOOS)
}

// SameOwner does nothing where files have no numeric owner.
func SameOwner(string, fs.FileInfo) error { return nil }

func syncDir(*os.File) error { return nil }
