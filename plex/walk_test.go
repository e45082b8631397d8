package plex_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"usher/plex"
	"usher/plex/plextest"
)

// TestWalk leads a house through days in which shares come and go, plex.tv fails and heals, tokens die and Usher
// restarts, all at random, while people are checked every minute. Whatever has happened:
//
//   - somebody who never had a share, and an impostor, is never let in;
//   - a share that is gone ends when plex.tv was there to be asked for long enough, and past the grace in any case;
//   - somebody with a share passes when plex.tv was there for long enough, and goes on to pass while it is silent.
func TestWalk(t *testing.T) {
	const seed = 0 // finds rules that were broken on purpose; others look further
	inHouse(t, []option{withToken("robin"), func(h *house) { h.cfg.Grace = 2 * time.Hour }}, func(t *testing.T, h *house) {
		w := &walk{house: h, r: rand.New(rand.NewPCG(seed, 7)), ownerLives: true, changed: time.Now(),
			people: map[string]*walker{"casey": {shared: true}, "sam": {shared: true}, "otto": {}}}
		for _, name := range everybody {
			_, _ = h.signIn(name)
		}
		for _, p := range w.people {
			p.tokenLives, p.since, p.passed = true, time.Now(), p.shared
		}
		h.dir.Start()
		for n := range 40 {
			did := w.step()
			w.strangers()
			for range w.r.IntN(40) {
				time.Sleep(time.Minute)
				w.look(fmt.Sprintf("step %d, last %s", n, did))
			}
		}
	})
}

type walker struct {
	shared     bool
	since      time.Time // when shared last changed
	tokenLives bool
	passed     bool // at the last look at which plex.tv was settled
}

type walk struct {
	*house
	r          *rand.Rand
	silent     bool
	changed    time.Time // when plex.tv, a token or the directory last changed
	silentAt   time.Time
	ownerLives bool
	people     map[string]*walker
}

// settled is long enough for what plex.tv says to be known: an answer's time, a pause after a failure, some checks.
const settled = recheck + 5*time.Minute

// step changes something and says what.
func (w *walk) step() string {
	name := []string{"casey", "sam", "otto"}[w.r.IntN(3)]
	p, now := w.people[name], time.Now()
	switch w.r.IntN(6) {
	case 0:
		if p.shared = !p.shared; p.shared {
			w.Share(name, plextest.Attic)
		} else {
			w.Unshare(name, plextest.Attic)
		}
		if name == "sam" { // of the Home all the same
			w.Share(name, plextest.Attic)
			p.shared = true
		}
		p.since = now
		return fmt.Sprint(name, " has the share: ", p.shared)
	case 1:
		if w.silent = !w.silent; w.silent {
			w.Fail(plextest.Any, plextest.Outages()[w.r.IntN(5)])
			w.silentAt = now
		} else {
			w.Heal()
		}
		w.changed = now
		return fmt.Sprint("silent: ", w.silent)
	case 2:
		w.RevokeTokens(name)
		p.tokenLives, w.changed = false, now
		return name + "'s token dies"
	case 3:
		if w.silent {
			return "nothing"
		}
		_, _ = w.signIn(name)
		p.tokenLives, w.changed = true, now
		return name + " signs in"
	case 4:
		if w.ownerLives = !w.ownerLives; w.ownerLives {
			w.cfg.OwnerToken = plex.Token(w.Token("robin", "owners-client"))
			w.restart()
			w.dir.Start()
		} else {
			w.RevokeTokens("robin")
		}
		w.changed = now
		return fmt.Sprint("the owner's token lives: ", w.ownerLives)
	}
	w.restart()
	w.dir.Start()
	w.changed = now
	return "restart"
}

// strangers checks those whom nothing ever lets in.
func (w *walk) strangers() {
	w.t.Helper()
	for _, name := range []string{"mallory", "pat", "ivan", "frankie"} {
		if got := says(w.check(name)); strings.Contains(got, "server") || strings.Contains(got, "home") || strings.Contains(got, "owner ") {
			w.t.Errorf("%s is let in: %q", name, got)
		}
	}
}

// look checks those to whom shares come and go, and compares.
func (w *walk) look(when string) {
	w.t.Helper()
	for _, name := range []string{"casey", "sam", "otto"} {
		p := w.people[name]
		start := time.Now()
		a, err := w.check(name)
		in := err == nil && len(a.Servers) > 0
		got := says(a, err)
		if time.Since(start) > 0 {
			w.t.Errorf("%s: %s waited", when, name)
		}
		quiet, steady := time.Since(w.changed), time.Since(p.since)
		asked := !w.silent && (w.ownerLives || p.tokenLives) && quiet > settled
		switch {
		case in && !p.shared && steady > 2*time.Hour+settled:
			w.t.Errorf("%s: %s passes by a share of %v ago: %q", when, name, steady, got)
		case in && !p.shared && asked && steady > settled:
			w.t.Errorf("%s: %s passes without a share: %q", when, name, got)
		case !in && p.shared && asked && steady > settled:
			w.t.Errorf("%s: %s is kept out: %q", when, name, got)
		case !in && p.shared && p.passed && w.silent && p.tokenLives && time.Since(w.silentAt) < 2*time.Hour-settled:
			w.t.Errorf("%s: %s is kept out by silence: %q", when, name, got)
		}
		if asked && steady > settled {
			p.passed = in
		} else if !in || !p.shared {
			p.passed = false
		}
	}
}
