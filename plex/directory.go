package plex

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"
)

var (
	// ErrOwnerUnknown: there is an owner's token, but plex.tv has not yet said whose.
	ErrOwnerUnknown = fmt.Errorf("plex: plex.tv has not said whose the owner's token is: %w", ErrUnavailable)
	// ErrMisconfigured: nothing can be decided until the owner's token or id is put right; see [Directory.Problems].
	ErrMisconfigured = fmt.Errorf("plex: the owner's token or id is wrong: %w", ErrUnavailable)
)

const (
	minAge    = 10 * time.Second // nobody's doubt asks again about an answer younger than this
	maxPeople = 10_000           // in memory
	reuse     = time.Second      // for which checks share a decision, unless an answer of plex.tv comes in between
	idlePrune = 24 * time.Hour
)

// Store keeps answers and tokens across restarts. What is not there is empty, and no error. Answers
// hold names and e-mail addresses; tokens are secrets, to be sealed.
type Store interface {
	Person(id int64) (newest Token, answer []byte, err error)
	SavePerson(id int64, answer []byte) error
	SaveToken(id int64, newest Token) error
	ForgetPerson(id int64) error // the token and the answer

	// Owner is what the owner's token showed, and how fresh it is: the latter is stored apart, for it changes every few minutes
	// and the former seldom.
	Owner() (view, fresh []byte, err error)
	SaveOwner(view []byte) error
	SaveOwnerFresh(fresh []byte) error
}

// DirectoryConfig says whose servers count and for how long an answer does.
type DirectoryConfig struct {
	Client     *Client
	Store      Store
	Servers    []string      // allowed machine identifiers; at least one
	Owner      int64         // Plex id of their owner; 0: whoever the owner's token or the store says
	OwnerToken Token         // empty: there is no owner's view
	Recheck    time.Duration // how long an answer is fresh; required
	Grace      time.Duration // how long the last good answer serves while plex.tv is silent; less than Recheck counts as Recheck
	Log        *slog.Logger  // nil: none

	// Rejected, where not nil, is told of a person whose newest token plex.tv has rejected while nothing else vouches for
	// them: their sessions are to end. Nobody can sign in until it returns, so it ends no session begun afterwards. It must
	// not call the Directory, which holds a lock meanwhile.
	Rejected func(id int64)
}

// Directory answers who somebody is and what they may see.
//
// With the owner's token the owner's view decides. A person's own view is asked about those whom the owner's list does not
// let in, and about everybody while the owner's view cannot be had: from when the owner's token is rejected, or the view is
// older than twice Recheck and cannot be renewed. What the person's view says after the owner's view then
//   - adds to the owner's view, while that can be renewed;
//   - replaces it, once it cannot, if it is unambiguous; but whether somebody is a friend only the owner's view can say.
//
// Who has which library only the owner's view says. It is asked for apart, for each server, and serves for Grace since it was got.
//
// The owner's view goes on to serve those whose own view cannot be had, until Grace after it was got. After that the person's
// view stands alone, and for somebody who was no more than a friend there is no answer rather than a "no".
type Directory struct {
	cfg     DirectoryConfig
	allowed map[string]bool
	log     *slog.Logger
	people  *cache.Cache  // of *person, by id
	epoch   atomic.Uint64 // counts changes of the owner's view: answers of an earlier one are made anew

	disk sync.Mutex // serialises the store and what must agree with it; taken before mu
	rev  string     // of the stored owner's view, if it says what the one in memory says; guarded by disk
	mu   sync.Mutex // guards what follows, and every person; held for moments only

	view    *ownerView        // nil: none that may be used
	pinned  int64             // the owner's id as last proved by a token; 0: never
	trouble trouble           // with the owner's token
	ask     asking            // for the owner's view
	shelves map[string]*shelf // by allowed server
	names   map[int64]Account // of people in the store, for Everybody
	closed  bool

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// person is somebody in memory. All but cur and used are guarded by Directory.mu; to change rec one holds disk as well.
type person struct {
	id   int64
	cur  atomic.Pointer[decided]
	used atomic.Int64 // Unix seconds

	token Token // the newest; empty: none, or it is dead
	rec   record
	ask   *asking // replaced at each sign-in: what an older token said then no longer counts
}

// decided is an answer for the checks of the next moment: most come in bursts, and making one costs a lock.
type decided struct {
	answer *Answer
	epoch  uint64
	until  time.Time
}

// NewDirectory reads the owner's view from the store. It asks plex.tv nothing. Without any way to know the owner it is an error.
func NewDirectory(cfg DirectoryConfig) (*Directory, error) {
	switch {
	case cfg.Client == nil || cfg.Store == nil:
		return nil, errors.New("plex: a directory needs a client and a store")
	case len(cfg.Servers) == 0:
		return nil, errors.New("plex: no allowed server")
	case cfg.Recheck <= 0:
		return nil, errors.New("plex: the time after which an answer is rechecked must be more than nothing")
	case cfg.Owner < 0:
		return nil, errors.New("plex: the owner's id must be a positive number")
	}
	cfg.Grace = max(cfg.Grace, cfg.Recheck)
	d := &Directory{cfg: cfg, allowed: map[string]bool{}, shelves: map[string]*shelf{}, log: cfg.Log,
		people: cache.New(cache.NoExpiration, 0)}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	for _, s := range cfg.Servers {
		if s == "" {
			return nil, errors.New("plex: an allowed server with an empty machine identifier")
		}
		d.allowed[s], d.shelves[s] = true, &shelf{}
	}
	if err := d.load(); err != nil {
		return nil, err
	}
	if d.ownerID() == 0 && cfg.OwnerToken == "" {
		return nil, errors.New("plex: allowed servers, but neither their owner's id nor their owner's token")
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

// Start asks for the owner's view at once, renews it before it is older than Recheck whether or not anybody is checked, so that a
// share taken away ends in time, and forgets idle people. Checks work without it. Call it once.
func (d *Directory) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	if d.cfg.OwnerToken != "" {
		d.start(&d.ask, d.askOwner)
	}
	d.work.Go(d.run)
}

func (d *Directory) run() {
	tick := time.NewTicker(max(min(minBackoff, d.cfg.Recheck/10), time.Millisecond))
	defer tick.Stop()
	pruned := time.Now()
	for {
		select {
		case <-d.ctx.Done():
			return
		case now := <-tick.C:
			d.renew(now)
			if now.Sub(pruned) >= time.Hour {
				pruned = now
				d.prune(now)
			}
		}
	}
}

// renew asks for what will soon be old, and again for what could not be had.
func (d *Directory) renew(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cfg.OwnerToken == "" {
		return
	}
	if d.ask.failures > 0 && d.ask.due(now, 0, 0) || d.ask.failures == 0 && d.ask.due(now, d.viewAge(now), d.cfg.Recheck*4/5) {
		d.start(&d.ask, d.askOwner)
	}
	d.askShelves(now, func(s *shelf) bool { return s.ask.failures > 0 })
}

// Close cancels what is being asked and waits for it. Answers in memory go on to be given.
func (d *Directory) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.work.Wait()
}

// Lookup is for checks. It answers from memory and refreshes in the background. It waits for plex.tv only where nothing that
// may be used is in memory and plex.tv has not failed to answer: a person's first check, or one after a pause longer than
// Grace. Errors: [ErrUnauthorized], the person must sign in again; [ErrUnavailable], it cannot be decided now.
func (d *Directory) Lookup(ctx context.Context, id int64) (*Answer, error) {
	if v, ok := d.people.Get(strconv.FormatInt(id, 10)); ok {
		p, now := v.(*person), time.Now()
		p.used.Store(now.Unix())
		if c := p.cur.Load(); c != nil && c.epoch == d.epoch.Load() && now.Before(c.until) {
			return c.answer, nil
		}
	}
	p, err := d.person(id)
	if err != nil {
		return nil, err
	}
	return d.look(ctx, p, nil)
}

// Refresh is for pages. It waits for plex.tv where the answer is older than maxAge, or than 10 s where maxAge is less, but not
// while plex.tv is being left alone after a failure. Errors as of [Directory.Lookup].
func (d *Directory) Refresh(ctx context.Context, id int64, maxAge time.Duration) (*Answer, error) {
	p, err := d.person(id)
	if err != nil {
		return nil, err
	}
	maxAge = max(maxAge, minAge)
	return d.look(ctx, p, &maxAge)
}

// Doubt is for whoever refuses somebody by an answer of [Directory.Lookup]: plex.tv is asked again at once, or when its answer is
// 10 s old, so that a new share, a library or a place in the Home works at the next try. It waits for nothing, and however many
// are refused, plex.tv is not asked more often.
func (d *Directory) Doubt(id int64) {
	p, err := d.person(id)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now, age := time.Now(), minAge
	d.doubt(&d.ask, d.viewAge(now), func() { d.wakeOwner(time.Now(), &age) })
	d.doubt(p.ask, now.Sub(p.rec.At), func() { d.wakePerson(p, time.Now(), &age, false) })
}

// SignedIn is for somebody who has just proved who they are: account is what plex.tv said about this very token. The token
// becomes their newest, plex.tv is asked at once, and what is under way with an older token no longer counts. Errors as of
// [Directory.Lookup]; another one means that the store failed and that they are not signed in.
func (d *Directory) SignedIn(ctx context.Context, account Account, t Token) (*Answer, error) {
	if account.ID <= 0 || !t.usable() {
		return nil, ErrUnauthorized
	}
	p, err := d.person(account.ID)
	if err != nil {
		return nil, err
	}
	if err := d.adopt(p, account, t); err != nil {
		return nil, err
	}
	maxAge := minAge
	return d.look(ctx, p, &maxAge)
}

// look asks what must be asked, waits for what must be waited for, and decides. maxAge is nil for a check.
func (d *Directory) look(ctx context.Context, p *person, maxAge *time.Duration) (*Answer, error) {
	p.used.Store(time.Now().Unix())
	d.mu.Lock()
	owner := d.wakeOwner(time.Now(), maxAge)
	d.mu.Unlock()
	wait(ctx, owner)
	d.awaitShelves(ctx, maxAge != nil)
	d.awaitPerson(ctx, p, maxAge, owner != nil)

	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	a, err := d.decide(p, now)
	if err != nil {
		return nil, err
	}
	p.cur.Store(&decided{a, d.epoch.Load(), now.Add(reuse)})
	return a, nil
}

// awaitPerson asks for the person's view where it is due. A newer token sets aside what is asked with an older one; whoever
// waited for that waits for the newer answer, for a bounded number of sign-ins at the same moment.
func (d *Directory) awaitPerson(ctx context.Context, p *person, maxAge *time.Duration, waited bool) {
	for range 10 {
		d.mu.Lock()
		a, own := p.ask, d.wakePerson(p, time.Now(), maxAge, waited)
		d.mu.Unlock()
		wait(ctx, own)
		d.mu.Lock()
		newer := p.ask != a
		d.mu.Unlock()
		if own == nil || !newer || ctx.Err() != nil {
			return
		}
	}
}

// prune forgets, in memory only, people who have not been looked up for a day.
func (d *Directory) prune(now time.Time) {
	before := now.Add(-idlePrune).Unix()
	for key, item := range d.people.Items() {
		if p := item.Object.(*person); p.used.Load() <= before {
			d.people.Delete(key)
		}
	}
}
