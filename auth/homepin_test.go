package auth

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who has a thousand members of their own to try at does not have another's tries forgotten by that.
func TestTriesAreForgottenAfterADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const member = 70010020
		tries := newPINTries()
		spent, others := 0, int64(80_000_000)
		for tries.take(member) == 0 {
			spent++
		}
		for range 1000 {
			others++
			tries.take(others)
		}
		for range 7 * 12 { // a week
			for tries.take(member) == 0 {
				spent++
			}
			time.Sleep(time.Hour)
			for range 100 {
				others++
				tries.take(others)
			}
			if len(tries.m) > maxGuarded+1 {
				t.Fatalf("%d are remembered", len(tries.m))
			}
			time.Sleep(time.Hour)
		}
		if most := pinWrong + 7*12; spent > most {
			t.Errorf("%d tries in a week, want %d at most", spent, most)
		}
		time.Sleep(forgotten)
		others++
		for range pinBurst { // with a budget of their own
			if wait := tries.take(others); wait > 0 {
				t.Errorf("a day later somebody else waits for %v", wait)
			}
		}
		for range pinBurst {
			if wait := tries.take(member); wait > 0 {
				t.Errorf("after a day without a try: %v", wait)
			}
		}
	})
}
