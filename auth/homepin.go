package auth

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Tries at the PIN of a member of a Plex Home, which has four digits.
const (
	pinBurst   = 5               // at once
	pinEachTry = 5 * time.Minute // and then one in this time
	maxGuarded = 1000            // members remembered; more share one budget
)

// pinTries count the tries for each member, whoever makes them and by whichever
// session: signing in again gives nobody more.
type pinTries struct {
	mu sync.Mutex
	m  map[int64]*rate.Limiter
}

func newPINTries() *pinTries { return &pinTries{m: map[int64]*rate.Limiter{}} }

// take spends one try at a member's PIN, before it is known whether it is right:
// of many at once no more than the budget are made. Where none is left it says
// how long to wait.
func (t *pinTries) take(member int64) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	one := t.limiter(member, now).ReserveN(now, 1)
	if wait = one.DelayFrom(now); wait > 0 {
		one.CancelAt(now)
	}
	return wait
}

// right gives back what was spent: who knows the PIN may use it as often as they
// like.
func (t *pinTries) right(member int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, member)
}

// limiter is called with mu held. 0 is nobody's id: it is what the others share.
func (t *pinTries) limiter(member int64, now time.Time) *rate.Limiter {
	if l, ok := t.m[member]; ok {
		return l
	}
	if len(t.m) >= maxGuarded {
		for id, l := range t.m {
			if l.TokensAt(now) >= pinBurst {
				delete(t.m, id)
			}
		}
	}
	if len(t.m) >= maxGuarded {
		member = 0
		if l, ok := t.m[member]; ok {
			return l
		}
	}
	l := rate.NewLimiter(rate.Every(pinEachTry), pinBurst)
	t.m[member] = l
	return l
}
