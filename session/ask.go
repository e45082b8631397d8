package session

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

const (
	maxAsks    = 10 // in a day, of all together
	maxAskText = 300
	maxAskWord = 256                 // bytes of what else an ask has
	askOpenFor = 30 * 24 * time.Hour // an ask that nobody answers is over then
	askNoFor   = 7 * 24 * time.Hour  // in which a person whose ask was closed does not ask again
	askDay     = 24 * time.Hour
)

// Why somebody may not ask now: [Store.MayAsk].
var (
	ErrAsked       = errors.New("they have asked already")
	ErrAskedLately = errors.New("their last ask was closed less than seven days ago")
	ErrTooManyAsks = errors.New("ten have asked in a day")
	ErrAskLong     = errors.New("a message has at most 300 bytes")
)

// How an ask ended.
const (
	AskLetIn  = "let_in" // an administrator let them in
	AskNo     = "no"     // an administrator did not
	AskPasses = "passes" // they pass by now: something was shared with them, perhaps
)

// Ask is what somebody who was refused asks of the administrators.
type Ask struct {
	Account int64     `json:"account"` // numeric Plex id
	At      time.Time `json:"at"`      // given by the store
	Message string    `json:"message"` // as [AskMessage] makes it; may be ""
	Host    string    `json:"host"`    // that was asked for
	Policy  string    `json:"policy"`  // that refused
	Guests  bool      `json:"guests"`  // it lets in who is let in by hand
	Request string    `json:"request"` // id of the refusal
	Closed  time.Time `json:"closed"`  // zero: open
	Result  string    `json:"result"`  // AskLetIn, AskNo or AskPasses, once it is closed
}

func (a *Ask) open(now time.Time) bool { return a.Closed.IsZero() && !a.over(now) }

// over reports whether an ask needs to be known no longer, or was dated by a wrong clock.
func (a *Ask) over(now time.Time) bool {
	switch {
	case a.At.After(now.Add(askDay)) || a.Closed.After(now.Add(askDay)):
		return true
	case a.Closed.IsZero():
		return now.Sub(a.At) >= askOpenFor
	}
	return now.Sub(a.Closed) >= askNoFor
}

// AskMessage makes a message fit to be shown: no control or invisible characters, no
// more than one line break. One of more than 300 bytes is [ErrAskLong].
func AskMessage(text string) (string, error) {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")) {
		if line = strings.TrimSpace(clean(strings.ReplaceAll(line, "\t", " "), len(line))); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) > 2 {
		lines = []string{lines[0], strings.Join(lines[1:], " ")}
	}
	message := strings.Join(lines, "\n")
	if len(message) > maxAskText {
		return "", ErrAskLong
	}
	return message, nil
}

// Ask keeps what somebody asks, and returns when that is on disk, or one of the errors
// of [Store.MayAsk], or [ErrAskLong].
func (s *Store) Ask(a Ask) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var err error
	if a.Message, err = AskMessage(a.Message); err != nil {
		return err
	}
	if a.Account <= 0 {
		return errors.New("an ask needs a Plex id")
	}
	if err := s.MayAsk(a.Account); err != nil {
		return err
	}
	now := time.Now().UTC().Round(0)
	a.At, a.Closed, a.Result = now, time.Time{}, ""
	for _, text := range []*string{&a.Host, &a.Policy, &a.Request} {
		*text = clean(*text, maxAskWord)
	}
	return s.setAsks(append(s.keptAsks(now), a))
}

// MayAsk says whether a person may ask now: nil, [ErrAsked], [ErrAskedLately] or
// [ErrTooManyAsks].
func (s *Store) MayAsk(account int64) error {
	now := time.Now()
	lately := 0
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.asks {
		switch a := &s.asks[i]; {
		case a.over(now):
		case a.Account == account && a.Closed.IsZero():
			return ErrAsked
		case a.Account == account && a.Result == AskNo:
			return ErrAskedLately
		case now.Sub(a.At) < askDay:
			lately++
		}
	}
	if lately >= maxAsks {
		return ErrTooManyAsks
	}
	return nil
}

// AskOf is what a person asked last, open or closed in the last seven days.
func (s *Store) AskOf(account int64) (last Ask, ok bool) {
	now := time.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.asks {
		if a := &s.asks[i]; a.Account == account && !a.over(now) {
			last, ok = *a, true
		}
	}
	return last, ok
}

// Asks lists what is open, the newest in front.
func (s *Store) Asks() []Ask {
	now := time.Now()
	var all []Ask
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.asks {
		if a := &s.asks[i]; a.open(now) {
			all = append(all, *a)
		}
	}
	slices.Reverse(all)
	return all
}

// AgainFrom is when a person whose ask was closed may ask again; the zero time: now.
func (a Ask) AgainFrom() time.Time {
	if a.Result != AskNo {
		return time.Time{}
	}
	return a.Closed.Add(askNoFor)
}

// CloseAsk closes what a person has asked, with AskLetIn, AskNo or AskPasses, and
// reports whether there was anything open.
func (s *Store) CloseAsk(account int64, result string) (bool, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := time.Now().UTC().Round(0)
	all, found := s.keptAsks(now), false
	for i := range all {
		if a := &all[i]; a.Account == account && a.open(now) {
			a.Closed, a.Result, found = now, result, true
		}
	}
	if !found {
		return false, nil
	}
	return true, s.setAsks(all)
}

// keptAsks is a copy of the asks without those that are over.
func (s *Store) keptAsks(now time.Time) []Ask {
	return slices.DeleteFunc(slices.Clone(s.asks), func(a Ask) bool { return a.over(now) })
}

var asksKey = []byte("asks")

// setAsks writes all asks as one row: they are no more than ten for each of 37 days.
func (s *Store) setAsks(all []Ask) error {
	row, err := json.Marshal(all)
	if err != nil {
		return err
	}
	err = s.write(func(tx *bbolt.Tx) error {
		b := tx.Bucket(asksBucket)
		return errors.Join(dropRows(b, [][]byte{asksKey}), b.Put(asksKey, row)) // also what damage has put in its place
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.asks = all
	s.mu.Unlock()
	return nil
}

// readAsks reads the row. What is damaged is forgotten: whoever asked can ask again.
func readAsks(row []byte) []Ask {
	var all []Ask
	if json.Unmarshal(row, &all) != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(a Ask) bool {
		return a.Account <= 0 || a.At.IsZero() || len(a.Message) > maxAskText || max(len(a.Host), len(a.Policy), len(a.Request), len(a.Result)) > maxAskWord
	})
}
