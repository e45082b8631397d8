package session_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"usher/session"
)

// The tests may run as root, to whom every folder is writable.
func TestAFolderOfSomebodyElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	begin(t, openStore(t, filepath.Join(dir, "old.db"), newKeys(t, secretA)), casey)
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o500)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Getuid() == 0 {
			runtime.LockOSThread() // never let go: the thread ends with this goroutine
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0); errno != 0 {
				t.Error(errno)
			}
			refused(t, filepath.Join(dir, "old.db"), session.ErrUnwritable)
		}
		refused(t, filepath.Join(dir, "new.db"), session.ErrUnwritable)
	}()
	<-done
}
