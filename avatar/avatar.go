// Package avatar fetches the pictures of Plex accounts, so that a page can carry one inside of itself and no browser asks
// another site for it.
//
// A picture is fetched once, by the address that plex.tv gave with the account, made small, encoded anew and kept in memory.
// Nobody waits long for one: a page that cannot have it within a moment does without.
//
// It refuses every address but https on plex.tv and the few hosts to which plex.tv sends on, also behind a redirect; every
// answer from a private, local or otherwise not public address; more than 256 kB, more than 2000 pixels a side, and
// whatever is no PNG, JPEG or GIF. What leaves it is its own encoding of pixels: no byte of the original, no metadata.
//
// It trusts nobody. Where plex.tv has a stand-in, that one origin is asked and no other, wherever it may be.
package avatar

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	patience    = 300 * time.Millisecond // of a page
	fetchTime   = 3 * time.Second
	keep        = 12 * time.Hour // an address names another version of the picture when that changes
	keepFailure = 5 * time.Minute
	maxFaces    = 512
	maxAddress  = 512 // bytes
	atOnce      = 4   // fetches
)

// Config says where pictures may come from.
type Config struct {
	// Plex is the address of plex.tv. Any other than https://plex.tv is a stand-in: it alone is asked then.
	Plex string
	// Transport carries the requests; nil: one of the package's own, which reaches public addresses only.
	Transport http.RoundTripper
}

// Faces has the pictures. It is safe for concurrent use; a nil *Faces has none.
type Faces struct {
	client   http.Client
	standIn  *url.URL // nil: plex.tv itself
	fetching chan struct{}
	decoding sync.Mutex // one at a time: a picture of 2000 pixels a side takes 16 MB and more

	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	faces map[string]*face // by address, at most maxFaces
}

// face is a picture, or that there is none. done is closed once the rest is known.
type face struct {
	done  chan struct{}
	jpeg  []byte
	until time.Time
}

func (f *face) finished() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// New fetches nothing yet. Close ends what it will have begun.
func New(cfg Config) (*Faces, error) {
	standIn, err := standIn(cfg.Plex)
	if err != nil {
		return nil, err
	}
	f := &Faces{standIn: standIn, fetching: make(chan struct{}, atOnce), faces: make(map[string]*face)}
	f.ctx, f.stop = context.WithCancel(context.Background())
	f.client = http.Client{Transport: cfg.Transport, CheckRedirect: f.checkRedirect}
	if f.client.Transport == nil {
		f.client.Transport = newTransport(standIn)
	}
	return f, nil
}

// Close ends the fetches under way and waits for them.
func (f *Faces) Close() {
	if f == nil {
		return
	}
	f.mu.Lock() // whoever fetches now is counted, or finds it closed
	f.stop()
	f.mu.Unlock()
	f.work.Wait()
	f.client.CloseIdleConnections()
}

// Of is the picture at an address, a JPEG of 64 pixels a side and at most 1280 bytes, or nil where there is none or it takes longer than a moment.
func (f *Faces) Of(ctx context.Context, address string) []byte {
	one := f.begin(address)
	if one == nil {
		return nil
	}
	if !one.finished() {
		wait := time.NewTimer(patience)
		defer wait.Stop()
		select {
		case <-one.done:
		case <-wait.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return one.jpeg
}

// Known is Of without waiting: what is not here yet is fetched for the next time.
func (f *Faces) Known(address string) []byte {
	if one := f.begin(address); one != nil && one.finished() {
		return one.jpeg
	}
	return nil
}

// begin finds the picture at an address, or begins to fetch it: once, however many ask. It is nil where nothing is fetched.
func (f *Faces) begin(address string) *face {
	if f == nil || len(address) > maxAddress {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || !f.allows(u) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if one := f.faces[address]; one != nil && (!one.finished() || time.Now().Before(one.until)) {
		return one
	}
	if f.ctx.Err() != nil || !f.makeRoom() {
		return nil
	}
	one := &face{done: make(chan struct{})}
	f.faces[address] = one
	f.work.Go(func() {
		defer close(one.done)
		one.jpeg = f.fetch(u)
		one.until = time.Now().Add(keepFailure)
		if one.jpeg != nil {
			one.until = time.Now().Add(keep)
		}
	})
	return one
}

// makeRoom reports whether one more fits, once what would go first is gone. mu is held.
func (f *Faces) makeRoom() bool {
	if len(f.faces) < maxFaces {
		return true
	}
	var first string
	var until time.Time
	for address, one := range f.faces {
		if one.finished() && (first == "" || one.until.Before(until)) {
			first, until = address, one.until
		}
	}
	delete(f.faces, first)
	return first != ""
}
