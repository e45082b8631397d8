package plex

import (
	"context"
	"errors"
	"time"
)

const (
	minBackoff = 10 * time.Second
	maxBackoff = 2 * time.Minute
)

// asking is one thing to ask plex.tv about, and its pace: never two questions at once, and after a failure none before next.
// It is guarded by Directory.mu.
//
// It is not singleflight, which would replace the channel alone: whether a question is under way and when the next may be
// asked must be known together, a sign-in starts anew beside a question with the older token, and Close must cancel
// and wait for the goroutine, which singleflight.DoChan starts and nobody can wait for.
type asking struct {
	done     chan struct{} // closed when the question under way has its answer; nil: none is under way
	asked    bool          // since the start of the program
	doubted  bool          // will be asked about once the answer is minAge old
	failures int           // since the last good answer
	next     time.Time
}

func (a *asking) answered() {
	a.done, a.asked, a.failures, a.next = nil, true, 0, time.Time{}
}

// failed waits 10 s, then twice as long each time up to 2 minutes, or as long as plex.tv asks for, up to 10 minutes.
func (a *asking) failed(now time.Time, err error) {
	wait := min(minBackoff<<min(a.failures, 4), maxBackoff)
	if e := (*Error)(nil); errors.As(err, &e) && e.RetryAfter > 0 {
		wait = max(e.RetryAfter, minBackoff)
	}
	a.done, a.asked, a.next = nil, true, now.Add(wait)
	a.failures++
}

// due reports whether an answer of this age, fresh for ttl, is to be asked for again, or is being asked for.
func (a *asking) due(now time.Time, age, ttl time.Duration) bool {
	return age >= ttl && (a.done != nil || !now.Before(a.next))
}

// start asks, unless that is under way, in a goroutine that Close waits for; ask must call answered or failed. The caller holds mu.
func (d *Directory) start(a *asking, ask func(context.Context)) <-chan struct{} {
	if a.done != nil {
		return a.done
	}
	done := make(chan struct{})
	if d.closed {
		close(done)
		return done
	}
	a.done = done
	d.work.Go(func() {
		defer close(done)
		ask(d.ctx)
	})
	return done
}

// doubt asks once the answer is minAge old, in a goroutine that Close waits for; wake asks if that is due. However often it is
// called, plex.tv is asked once. The caller holds mu, and wake is called with it.
func (d *Directory) doubt(a *asking, age time.Duration, wake func()) {
	if a.doubted || d.closed {
		return
	}
	a.doubted = true
	d.work.Go(func() {
		select {
		case <-time.After(minAge - age):
		case <-d.ctx.Done():
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		a.doubted = false
		wake()
	})
}

// wait returns when the question has its answer, or the caller has no more time; a nil channel is not waited for.
func wait(ctx context.Context, done <-chan struct{}) {
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}
