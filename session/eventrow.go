package session

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
)

const (
	eventForm  = 1            // of a row
	eventTexts = 7            // in a row
	dayForm    = "2006-01-02" // of a day, in UTC
)

func eventKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// eventRow is an event in the file: its form, its time, the person, and texts, each
// behind its length. Looking through 100,000 of them takes milliseconds, for none is
// taken apart that is not asked for.
func eventRow(e Event) []byte {
	address := ""
	if e.Address.IsValid() {
		address = e.Address.String()
	}
	b := binary.BigEndian.AppendUint64([]byte{eventForm}, uint64(e.At.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Account))
	for _, text := range [eventTexts]string{e.Kind, e.Result, e.User, e.App, address, e.Reason, e.RequestID} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}

// storedEvent is a row, with the bytes of the file.
type storedEvent struct {
	id      uint64
	at      time.Time
	account int64
	texts   [eventTexts][]byte // in the order of eventRow
	address netip.Addr
}

// readEvent reports false for what is no row of ours.
func readEvent(k, v []byte) (e storedEvent, ok bool) {
	if len(k) != 8 || len(v) < 17 || v[0] != eventForm {
		return e, false
	}
	e.id, e.at, e.account = binary.BigEndian.Uint64(k), timeOf(v[1:9]), int64(binary.BigEndian.Uint64(v[9:17]))
	rest := v[17:]
	for i := range e.texts {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > maxEventText || int(n) > len(rest)-size {
			return e, false
		}
		e.texts[i], rest = rest[size:size+int(n)], rest[size+int(n):]
	}
	if address := e.texts[4]; len(address) > 0 {
		var err error
		if e.address, err = netip.ParseAddr(string(address)); err != nil {
			return e, false
		}
	}
	return e, len(rest) == 0 && len(e.texts[0]) > 0 && e.account >= 0
}

func (f *EventFilter) wants(e storedEvent) bool {
	return (f.Account == 0 || f.Account == e.account) && (f.Kind == "" || f.Kind == string(e.texts[0])) && (f.App == "" || f.App == string(e.texts[3]))
}

func (e *storedEvent) event() Event {
	var texts [eventTexts]string
	for i, text := range e.texts {
		texts[i] = string(text)
	}
	return Event{ID: e.id, At: e.at, Kind: texts[0], Result: texts[1], Account: e.account, User: texts[2], App: texts[3], Address: e.address, Reason: texts[5], RequestID: texts[6]}
}

// countKey is a day, a kind and a result. There are few: kinds and results are not
// up to those who cause them.
func countKey(e Event) string {
	return strings.Join([]string{e.At.Format(dayForm), e.Kind, e.Result}, " ")
}

func readCount(k, v []byte) (c EventCount, ok bool) {
	words := strings.Split(string(k), " ")
	if len(words) != 3 || len(v) != 8 {
		return c, false
	}
	day, err := time.Parse(dayForm, words[0])
	return EventCount{day, words[1], words[2], binary.BigEndian.Uint64(v)}, err == nil
}
