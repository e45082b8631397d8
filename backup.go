package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"usher/auth"
	"usher/backup"
	"usher/session"
)

// makeBackup puts the store, and the secret and the client id that were made in the
// data folder, into one file. While Usher serves it asks that for a copy of the store;
// else it copies the file, which it does not change.
func makeBackup(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	name, force, err := oneFile("backup", "force", "replace a file that is there", args, stdout, stderr)
	if err != nil {
		return err
	}
	set, err := folderSettings()
	if err != nil {
		return err
	}
	decided, err := backup.Decided(set.dataDir)
	if err != nil {
		return fmt.Errorf("%w; give the data folder (USHER_DATA_DIR) of the Usher that serves, as a user who may read it", err)
	}
	if decided != "" {
		return errors.New("a restore was cut off: run usher restore again, or start Usher, which finishes it; then make the backup")
	}
	out, err := newTarget(name, force, stdout, set)
	if err != nil {
		return err
	}
	store, err := os.CreateTemp(out.folder, ".usher-backup-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(store.Close(), os.Remove(store.Name())) }()
	src, err := set.source(ctx, store)
	if err != nil {
		return err
	}
	found, err := session.Inspect(store.Name())
	if err != nil {
		return fmt.Errorf("the copy that was to become the backup was read back: %w", err)
	}
	if src.Schema = found.Schema; found.Schema == 0 {
		return fmt.Errorf("there is nothing in %s yet", set.dataFile(backup.Store))
	}
	m, err := out.write(ctx, src)
	if err != nil {
		return err
	}
	out.tell(stdout, stderr, m, found)
	return nil
}

// oneFile reads the arguments of backup and restore: a file, or "-", and a flag.
func oneFile(command, name, about string, args []string, stdout, stderr io.Writer) (file string, on bool, err error) {
	flags := flag.NewFlagSet("usher "+command, flag.ContinueOnError)
	flags.BoolVar(&on, name, false, about)
	if err := readFlags(flags, helpOf(command), args, stdout, stderr); errors.Is(err, flag.ErrHelp) {
		return "", false, err
	} else if err != nil || flags.NArg() != 1 || flags.Arg(0) == "" {
		return "", false, fmt.Errorf("usher %s [--%s] FILE, or - for a pipe: %w", command, name, errUsage)
	}
	return flags.Arg(0), on, nil
}

// folderSettings is what is needed to get at the data folder and at the Usher that
// serves. What else may be wrong with the environment keeps nobody from a backup.
func folderSettings() (settings, error) {
	env, _, err := readEnvironment()
	set := settings{dataDir: env.DataDir, listen: env.Listen, clientID: env.ClientID}
	var p problems
	set.readSecrets(env, &p)
	if err := errors.Join(err, errors.Join(p...)); err != nil {
		return set, fmt.Errorf("each line names a variable and what to do:\n%w\n%w", err, errUsage)
	}
	return set, nil
}

// source gathers what goes into a backup, and fills the file with the store.
func (s settings) source(ctx context.Context, store *os.File) (src backup.Source, err error) {
	locked, err := session.Lock(s.dataFile(backup.Store), 0)
	if err == nil { // no Usher serves, nor starts while we copy
		defer locked.Close()
	} else if !errors.Is(err, session.ErrLocked) {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("there is no store at %s: give the data folder (USHER_DATA_DIR) of the Usher that serves", s.dataFile(backup.Store))
		}
		return src, err
	}
	inForce := s
	if err := inForce.readSecret(); err != nil {
		return src, err
	}
	src = backup.Source{Version: buildVersion(), Store: store}
	if src.Keys, err = session.NewKeys(inForce.secrets...); err != nil {
		return src, fmt.Errorf("%s: %w", s.dataFile(backup.Secret), err)
	}
	if len(s.secrets) == 0 {
		if src.Secret, err = readSmall(s.dataFile(backup.Secret), maxFile); err != nil {
			return src, err
		}
	}
	if s.clientID == "" {
		if src.ClientID, err = readSmall(s.dataFile(backup.ClientID), maxFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return src, err
		}
	}
	if locked != nil {
		_, err = io.Copy(store, locked)
	} else {
		err = inForce.copyRunning(ctx, store)
	}
	if err == nil {
		_, err = store.Seek(0, io.SeekStart)
	}
	return src, err
}

// copyRunning copies the store of the Usher that serves.
func (s settings) copyRunning(ctx context.Context, to io.Writer) error {
	resp, err := askRunning(ctx, s, auth.Control{Backup: true})
	if errors.Is(err, syscall.ECONNREFUSED) {
		err = fmt.Errorf("%w; if it listens elsewhere, say so in USHER_LISTEN", err)
	}
	if err != nil {
		return fmt.Errorf("an Usher uses this data folder, and has to be asked for a copy: %w", err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(to, io.LimitReader(resp.Body, backup.MaxStore+1)); err != nil || n != resp.ContentLength {
		return errors.Join(errors.New("the copy of the store broke off; try again"), err)
	}
	return nil
}

// target is where a backup goes: a new file, or the standard output.
type target struct {
	name   string // "-": stream
	force  bool
	stream io.Writer
	folder string // for what lies beside it while it is made
}

// ownFiles are names in the data folder that a backup must never take.
var ownFiles = []string{backup.Store, backup.Secret, backup.ClientID, wordName}

func newTarget(name string, force bool, stdout io.Writer, set settings) (target, error) {
	t := target{name: name, force: force, stream: stdout, folder: filepath.Dir(name)}
	if name == "-" {
		t.folder = set.dataDir
		if f, ok := stdout.(*os.File); ok && isTerminal(f) {
			return t, fmt.Errorf("a backup is not for a terminal: write usher backup - > FILE: %w", errUsage)
		}
		return t, nil
	}
	data, _ := os.Stat(set.dataDir)
	if into, err := os.Stat(t.folder); err != nil {
		return t, err
	} else if os.SameFile(data, into) && slices.Contains(ownFiles, filepath.Base(name)) {
		return t, fmt.Errorf("%s is Usher's own: give the backup another name", name)
	}
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t, nil
	case err != nil:
		return t, err
	case !info.Mode().IsRegular():
		return t, fmt.Errorf("%s is there and no plain file; for a pipe write usher backup - > %s", name, name)
	case !force:
		return t, errThere(name)
	}
	return t, nil
}

func errThere(name string) error {
	return fmt.Errorf("%s is there; give another name, or --force to replace it", name)
}

// write makes the backup. A file is there whole and read back, or not at all.
func (t target) write(ctx context.Context, src backup.Source) (m backup.Manifest, err error) {
	if t.name == "-" {
		return backup.Write(t.stream, src)
	}
	f, err := os.CreateTemp(t.folder, ".usher-backup-*")
	if err != nil {
		return m, err
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }() // in vain where it has become the backup
	if m, err = backup.Write(f, src); err != nil {
		return m, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return m, err
	}
	if _, err := backup.Read(f, func(string) (io.WriteCloser, error) { return discard{io.Discard}, nil }); err != nil {
		return m, fmt.Errorf("what was written was not what was read back: %w", err)
	}
	if err := errors.Join(f.Sync(), ctx.Err()); err != nil {
		return m, err
	}
	if t.force {
		err = os.Rename(f.Name(), t.name)
	} else {
		err = renameNew(f.Name(), t.name)
	}
	if err != nil {
		return m, err
	}
	return m, session.SyncDir(t.folder)
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }

// renameNew is os.Rename to a name that is free.
func renameNew(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return errThere(to)
	}
	if err == nil {
		return nil // the caller removes from
	}
	if _, err := os.Lstat(to); err == nil { // there are file systems without links
		return errThere(to)
	}
	return os.Rename(from, to)
}

// tell says what was made, and what that means.
func (t target) tell(stdout, stderr io.Writer, m backup.Manifest, found session.Summary) {
	out, name := stdout, t.name
	if name == "-" {
		out, name = stderr, "The backup"
	}
	fmt.Fprintf(out, "%s holds %s.\n", name, contentOf(m, found))
	if m.Has(backup.Secret) {
		fmt.Fprintln(out, "It holds the secret: whoever has this file can sign in as anybody. Keep it as you would a key.")
	} else {
		fmt.Fprintln(out, "It does not hold the secret, which is in USHER_SECRET: keep that elsewhere, for without it everybody signs in again. Keep the file as you would a key.")
	}
	if !m.Has(backup.ClientID) {
		fmt.Fprintln(out, "It does not hold the client id, by which Plex knows this installation: it is in USHER_CLIENT_ID.")
	}
}

// contentOf is what a backup holds, in words.
func contentOf(m backup.Manifest, found session.Summary) string {
	others := ""
	for _, name := range []string{backup.Secret, backup.ClientID} {
		if m.Has(name) {
			others += ", the " + strings.ReplaceAll(name, "-", " ")
		}
	}
	return fmt.Sprintf("the store of %s (schema %d; sessions: %d, keys: %d)%s", m.Made.Format(time.DateTime+" UTC"), found.Schema, found.Sessions, found.Keys, others)
}

// isTerminal reports whether a file is one that people look at, or type into.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
