package session

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	lockWait   = 2 * time.Second // a process that is being replaced lets go within it
	flushEvery = 5 * time.Minute // rare, so that a disk may sleep
	pruneEvery = time.Hour
)

// Store keeps sessions in memory and, with accounts and settings, in a file. What
// returned without an error survives a kill at any moment, except for LastSeen and
// the latest events.
// Its methods may be used by several goroutines at once.
type Store struct {
	db     *bbolt.DB
	log    *slog.Logger
	tokens []cipher.AEAD

	writing sync.Mutex // held over a change of file and memory together, so that they agree
	mu      sync.RWMutex
	contents
	history history

	stop   context.CancelFunc
	done   chan struct{}
	closed func() error
}

// Open opens the store at path, or makes one with mode 0600 in a folder that exists.
// One of an older version is brought up to date, and its file kept beside it. Errors
// are [ErrLocked], [ErrDamaged], [ErrNewer], [ErrUnwritable] or the system's.
// [Store.Close] ends it.
func Open(path string, keys Keys, log *slog.Logger) (*Store, error) {
	tokens, err := keys.aeads("token at rest")
	if err != nil || len(tokens) == 0 {
		return nil, errors.Join(errors.New("a store needs keys"), err)
	}
	found, err := Inspect(path)
	if err != nil {
		return nil, err
	}
	s := &Store{log: log, tokens: tokens, history: newHistory(), done: make(chan struct{})}
	if 0 < found.Schema && found.Schema < schema {
		if err := s.migrate(path); err != nil {
			return nil, err
		}
	}
	if err := guarded(func() error { return s.open(path) }); err != nil {
		return nil, explain(path, err)
	}
	if err := s.Prune(time.Now()); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.closed = sync.OnceValue(func() error {
		s.stop()
		<-s.done
		return errors.Join(s.flush(), s.flushEvents(), s.db.Close())
	})
	go s.run(ctx)
	return s, nil
}

// Close writes what is still to be written and closes the file. Further calls do
// nothing.
func (s *Store) Close() error { return s.closed() }

// run writes last-seen times and events, and clears away what is over until ctx ends.
func (s *Store) run(ctx context.Context) {
	defer close(s.done)
	flush, prune := time.NewTicker(flushEvery), time.NewTicker(pruneEvery)
	defer flush.Stop()
	defer prune.Stop()
	var soon <-chan time.Time
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-flush.C:
			err = errors.Join(s.flush(), s.flushEvents())
		case <-s.history.wake:
			if soon == nil {
				soon = time.After(eventDelay)
			}
		case <-soon:
			soon = nil
			err = s.flushEvents()
		case now := <-prune.C:
			err = s.Prune(now)
		}
		if err != nil {
			s.log.Error("the store could not be written", "path", s.db.Path(), "err", err)
		}
	}
}

func (s *Store) open(path string) (err error) {
	var file *os.File
	if s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, OpenFile: keeping(&file)}); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.db.Close())
		}
	}()
	// A restore may have put another file in its place while this one waited for the lock.
	if !still(file, path) {
		return bolterrors.ErrTimeout
	}
	// Made by an older Usher, a backup or a copy, it may be open to others.
	if err := os.Chmod(path, 0o600); err != nil {
		s.log.Warn("the store's mode could not be set to 0600", "path", path, "err", err)
	}
	if err := s.db.Update(initialize); err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) (err error) {
		s.contents, err = read(tx, schema)
		return err
	})
}

// write is one transaction, on disk when it returns.
func (s *Store) write(f func(*bbolt.Tx) error) error {
	if err := s.db.Update(f); err != nil {
		return fmt.Errorf("writing %s: %w", s.db.Path(), err)
	}
	return nil
}
