package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"usher/backup"
	"usher/session"
)

// restore puts a backup in the place of what the data folder has. It wants Usher to
// be stopped: one that serves holds sessions in memory that the file would not know,
// and would go on with a secret and a client id that are no longer those of the store.
func restore(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) error {
	name, anySecret, err := oneFile("restore", "other-secret", "restore although the secret is another: everybody signs in again", args, stdout, stderr)
	if err != nil {
		return err
	}
	set, err := folderSettings()
	if err != nil {
		return err
	}
	in, err := openBackup(name, stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(set.dataDir, 0o700); err != nil {
		return fmt.Errorf("USHER_DATA_DIR: %w", err)
	}
	done, err := backup.Restore(set.dataDir, interruptible{ctx, in}, set.keysWith, anySecret, ctx.Err)
	switch {
	case errors.Is(err, session.ErrLocked):
		return errors.New("an Usher runs on this data folder, and nothing was changed: stop it, restore, and start it again. " +
			"With Docker: docker compose stop usher; docker compose run --rm -T usher restore - <FILE; docker compose start usher")
	case errors.Is(err, backup.ErrOtherKeys):
		return fmt.Errorf("%s: %w, and nothing was changed: %s; or let everybody sign in again, with --other-secret", name, err, set.howToKeys(done.Manifest))
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(stdout, "Restored: %s.\n", contentOf(done.Manifest, done.Summary))
	for _, kept := range done.KeptAs {
		fmt.Fprintln(stdout, "What was there is kept as", kept)
	}
	fmt.Fprintf(stdout, "Start Usher. Who was signed out, and which keys were revoked, after %s is not known to it: look at who is signed in.\n", done.Made.Format(time.DateTime+" UTC"))
	return nil
}

// openBackup opens a plain file, or the standard input.
func openBackup(name string, stdin *os.File) (*os.File, error) {
	if name == "-" {
		if isTerminal(stdin) {
			return nil, fmt.Errorf("a backup does not come from a terminal: write usher restore - <FILE: %w", errUsage)
		}
		return stdin, nil
	}
	info, err := os.Stat(name) // before it is opened: a pipe would keep us waiting
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no plain file; for a pipe write usher restore - <%s", name, name)
	}
	return os.Open(name)
}

// keysWith are the keys that will be in force with a backup's secret; "": it has none.
func (s settings) keysWith(secret string) (session.Keys, error) {
	if len(s.secrets) == 0 {
		s.secrets = list(secret)
	}
	if err := s.readSecret(); err != nil {
		return session.Keys{}, fmt.Errorf("the backup was made with the secret in USHER_SECRET, which is not in it; set the same here (%w)", err)
	}
	return session.NewKeys(s.secrets...)
}

// howToKeys says what brings a backup and its secret together.
func (s settings) howToKeys(m backup.Manifest) string {
	switch {
	case !m.Has(backup.Secret):
		return "it was made with the secret in USHER_SECRET; set the same here"
	case len(s.secrets) > 0:
		return "it brings its own, so unset USHER_SECRET"
	}
	return "its secret was changed since it was made; take another backup"
}

// interruptible ends with ctx, if only between two reads.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
