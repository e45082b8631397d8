package auth

import (
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Tries at the PIN of a member of a Plex Home, which has four digits. Ten thousand
// take longer than a year.
const (
	pinBurst   = 5               // at once
	pinEachTry = 5 * time.Minute // and then one in this time,
	pinWrong   = 20              // but after so many since the last right one
	pinSlowTry = time.Hour       // one in this time
	maxGuarded = 1000            // members remembered; more share one budget
	forgotten  = 24 * time.Hour  // after the last try, where there are more
)

// pinTries count the tries for each member, whoever makes them and by whichever
// session: signing in again gives nobody more. They are in memory alone: after a
// restart all are counted anew.
type pinTries struct {
	mu sync.Mutex
	m  map[int64]*pinTry
}

// pinTry are the tries at one member's PIN since the last right one. What plex.tv
// did not answer is among them: whether it was wrong is not known.
type pinTry struct {
	budget *rate.Limiter
	n      int
	last   time.Time
}

func newPINTries() *pinTries { return &pinTries{m: map[int64]*pinTry{}} }

// take spends one try at a member's PIN, before it is known whether it is right:
// of many at once no more than the budget are made. Where none is left it says
// how long to wait.
func (t *pinTries) take(member int64) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	one := t.of(member, now)
	try := one.budget.ReserveN(now, 1)
	if wait = try.DelayFrom(now); wait > 0 {
		try.CancelAt(now)
		return wait
	}
	if one.n, one.last = one.n+1, now; one.n == pinWrong {
		one.budget = rate.NewLimiter(rate.Every(pinSlowTry), 1)
		one.budget.AllowN(now, 1) // the next one is an hour off
	}
	return 0
}

// right gives back what was spent: who knows the PIN may use it as often as they
// like.
func (t *pinTries) right(member int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, member)
}

// of is called with mu held. 0 is nobody's id: it is what the others share.
func (t *pinTries) of(member int64, now time.Time) *pinTry {
	if one, ok := t.m[member]; ok {
		return one
	}
	if len(t.m) >= maxGuarded {
		maps.DeleteFunc(t.m, func(_ int64, one *pinTry) bool { return now.Sub(one.last) >= forgotten })
	}
	if len(t.m) >= maxGuarded {
		member = 0
		if one, ok := t.m[member]; ok {
			return one
		}
	}
	one := &pinTry{budget: rate.NewLimiter(rate.Every(pinEachTry), pinBurst)}
	t.m[member] = one
	return one
}
