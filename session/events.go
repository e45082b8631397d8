package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// What an [Event] is about. Its result and reason are words of whoever adds it.
const (
	EventSignIn     = "sign_in"
	EventSignOut    = "sign_out"
	EventAccess     = "access"
	EventKey        = "key"
	EventRedeem     = "redeem"
	EventRules      = "rules"
	EventSessionEnd = "session_end"
	EventDesk       = "desk" // an administrator did it
	EventAsk        = "ask"  // somebody who was refused asks to be let in
	EventSetUp      = "set_up"
)

// Results of events that more than one package writes.
const (
	// Of EventAsk.
	ResultSent   = "sent"
	ResultClosed = "closed"
	// Of EventDesk and EventAsk.
	ResultLetIn = "let_in"
	// Of EventDesk: what an administrator did to a person.
	ResultKeptOut    = "kept_out"
	ResultTakenBack  = "taken_back" // what was decided by hand
	ResultSignedOut  = "signed_out" // from one device, or everywhere
	ResultKeyRevoked = "key_revoked"
	// Of EventSetUp.
	ResultBegun     = "begun"
	ResultWrongCode = "wrong_code"
	ResultDone      = "done"
)

const (
	maxEvents     = 100_000         // kept
	eventDays     = 90              // kept, in days
	eventDelay    = 3 * time.Second // from an event of a known person to the disk; a stranger's waits for flushEvery
	maxPending    = 1000            // not on disk yet; beyond it they are only counted
	perSource     = 40              // kept in a day of one person's, or of all strangers', for each kind
	perProgram    = 10              // of those that no person saw
	maxSources    = 10_000          // told apart in a day
	maxEventPage  = 500             // of one answer
	maxEventText  = 256             // bytes
	eventAhead    = 24 * time.Hour  // an event that is further in the future was dated by a wrong clock
	eventsKeptFor = eventDays * 24 * time.Hour
)

// Event is something that happened to a person, or that somebody did.
type Event struct {
	ID        uint64     // given by the store: a later event has a higher one
	At        time.Time  // given by the store
	Kind      string     // EventSignIn and so on
	Result    string     // how it went
	Account   int64      // numeric Plex id; 0: nobody is known
	User      string     // what apps call the person; may be "" where there is an Account
	App       string     // the host that was asked for
	Address   netip.Addr // where it came from; the zero value: unknown
	Reason    string
	RequestID string // of a refusal
	Program   bool   // it answered a program, and nobody saw it: fewer of these are kept; not stored
}

// EventFilter chooses events; what is zero is not looked at.
type EventFilter struct {
	Account int64
	App     string
	Kind    string
	Before  uint64 // ID of the last event of the page before
	Limit   int    // of the page; 0 or more than 500 means 500
}

// EventCount is how many events of a kind and result there were on a day.
type EventCount struct {
	Day          time.Time // its first instant, in UTC
	Kind, Result string
	N            uint64
}

// history is what of the events is not on disk yet.
type history struct {
	mu      sync.Mutex
	pending []Event
	counts  map[string]uint64 // by countKey
	day     time.Time         // that sources is about
	sources map[eventSource]int
	wake    chan struct{} // of one place: something should be written soon
}

// eventSource is what has a share of the history of its own, so that nobody can push
// out what others did, nor a page that asks in the background the one refusal that its
// person asks about. A person can cause six kinds of events at will, and refusals of
// programs, and strangers four: three people and all strangers, who use up every share
// each day, fill (3*(6*40+10)+4*40)*90 = 81,900 rows in 90 days, and leave the others 201 a day.
type eventSource struct {
	account int64
	kind    string
	program bool
}

func newHistory() history {
	return history{counts: make(map[string]uint64), sources: make(map[eventSource]int), wake: make(chan struct{}, 1)}
}

// AddEvent keeps an event for 90 days, among the latest 100,000. It is in memory when
// this returns, and on disk within a few seconds; where there is no Account, within
// five minutes, so that no stranger makes the disk write. Of very many a day it
// keeps some and counts all. A kill loses what is not on disk.
func (s *Store) AddEvent(e Event) {
	e.At = time.Now().UTC().Round(0)
	for _, text := range []*string{&e.Kind, &e.Result, &e.User, &e.App, &e.Reason, &e.RequestID} {
		*text = clean(*text, maxEventText)
	}
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[countKey(e)]++
	if !h.share(e) || len(h.pending) >= maxPending {
		return
	}
	h.pending = append(h.pending, e)
	if e.Account != 0 {
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
}

// share spends one event of its source's share of this day.
func (h *history) share(e Event) bool {
	if day := e.At.Truncate(24 * time.Hour); day != h.day {
		h.day = day
		clear(h.sources)
	}
	from, most := eventSource{e.Account, e.Kind, e.Program}, perSource
	if e.Program {
		most = perProgram
	}
	if _, known := h.sources[from]; !known && len(h.sources) >= maxSources {
		from = eventSource{}
	}
	h.sources[from]++
	return h.sources[from] <= most
}

// flushEvents writes what is not on disk yet, and forgets the oldest beyond 100,000.
func (s *Store) flushEvents() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	h := &s.history
	h.mu.Lock()
	pending, counts := h.pending, h.counts
	h.pending, h.counts = nil, make(map[string]uint64)
	h.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	err := s.write(func(tx *bbolt.Tx) error { return errors.Join(putEvents(tx, pending), putCounts(tx, counts)) })
	if err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pending = append(pending, h.pending...)
		h.pending = h.pending[:min(len(h.pending), maxPending)]
		for key, n := range counts {
			h.counts[key] += n
		}
	}
	return err
}

func putEvents(tx *bbolt.Tx, all []Event) error {
	b := tx.Bucket(eventsBucket)
	b.FillPercent = 0.95 // each is put behind the last
	for _, e := range all {
		id, err := b.NextSequence()
		if err != nil {
			return err
		}
		if err := b.Put(eventKey(id), eventRow(e)); err != nil {
			return err
		}
	}
	var over [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil && bytes.Compare(k, eventKey(b.Sequence()-min(b.Sequence(), maxEvents))) <= 0; k, _ = c.Next() {
		over = append(over, bytes.Clone(k))
	}
	return dropRows(b, over)
}

func putCounts(tx *bbolt.Tx, counts map[string]uint64) error {
	b := tx.Bucket(countsBucket)
	for key, n := range counts {
		if v := b.Get([]byte(key)); len(v) == 8 {
			n += binary.BigEndian.Uint64(v)
		}
		if err := b.Put([]byte(key), binary.BigEndian.AppendUint64(nil, n)); err != nil {
			return err
		}
	}
	return nil
}

// dropRows deletes rows, and buckets that damage has put in their place.
func dropRows(b *bbolt.Bucket, keys [][]byte) error {
	for _, k := range keys {
		err := b.Delete(k)
		if errors.Is(err, bolterrors.ErrIncompatibleValue) {
			err = b.DeleteBucket(k)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Events lists what happened, the newest first. A page that is not full is the last.
func (s *Store) Events(f EventFilter) ([]Event, error) {
	if err := s.flushEvents(); err != nil {
		return nil, err
	}
	if f.Limit <= 0 || f.Limit > maxEventPage {
		f.Limit = maxEventPage
	}
	var all []Event
	var damaged [][]byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(eventsBucket).Cursor()
		k, v := c.Last()
		if f.Before != 0 {
			if at, _ := c.Seek(eventKey(f.Before)); at != nil {
				k, v = c.Prev()
			} else {
				k, v = c.Last()
			}
		}
		for ; k != nil && len(all) < f.Limit; k, v = c.Prev() {
			if row, ok := readEvent(k, v); !ok {
				damaged = append(damaged, bytes.Clone(k))
			} else if f.wants(row) {
				all = append(all, row.event())
			}
		}
		return nil
	})
	if err == nil && len(damaged) > 0 {
		err = s.dropDamaged(damaged)
	}
	return all, err
}

// dropDamaged forgets what cannot be read: it is no reason to do without the rest.
func (s *Store) dropDamaged(keys [][]byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.warnDamaged(len(keys))
	return s.write(func(tx *bbolt.Tx) error { return dropRows(tx.Bucket(eventsBucket), keys) })
}

func (s *Store) warnDamaged(events int) {
	if events > 0 {
		s.log.Warn("a part of the history is damaged and is dropped", "events", events)
	}
}

// EventCounts counts what happened in the last 90 days, day by day, the oldest first.
func (s *Store) EventCounts() ([]EventCount, error) {
	if err := s.flushEvents(); err != nil {
		return nil, err
	}
	var all []EventCount
	err := s.db.View(func(tx *bbolt.Tx) error {
		for k, v := range pairs(tx.Bucket(countsBucket)) {
			if c, ok := readCount(k, v); ok {
				all = append(all, c)
			}
		}
		return nil
	})
	return all, err
}

// pruneEvents forgets what is older than 90 days, for [Store.Prune]. Rows are in the
// order in which they happened, so it looks at those that are over and one more.
func (s *Store) pruneEvents(now time.Time) error {
	var events, counts [][]byte
	from, damaged := now.Add(-eventsKeptFor), 0
	err := s.db.View(func(tx *bbolt.Tx) error {
		for k, v := range pairs(tx.Bucket(eventsBucket)) {
			row, ok := readEvent(k, v)
			if ok && row.at.After(from) && row.at.Before(now.Add(eventAhead)) {
				break
			}
			if !ok {
				damaged++
			}
			events = append(events, bytes.Clone(k))
		}
		for k, v := range pairs(tx.Bucket(countsBucket)) {
			if c, ok := readCount(k, v); !ok || c.Day.Before(from.Add(-24*time.Hour)) || c.Day.After(now.Add(eventAhead)) {
				counts = append(counts, bytes.Clone(k))
			}
		}
		return nil
	})
	if err != nil || len(events)+len(counts) == 0 {
		return err
	}
	s.warnDamaged(damaged)
	return s.write(func(tx *bbolt.Tx) error {
		return errors.Join(dropRows(tx.Bucket(eventsBucket), events), dropRows(tx.Bucket(countsBucket), counts))
	})
}
