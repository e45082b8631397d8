package auth

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"usher/session"
)

func TestGuessesFromAHundredThousandNetworks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuesses()
		for i := range 100_000 {
			g.guess(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(i >> 16), byte(i >> 8), byte(i)}), session.KeySecret(fmt.Sprint(i)), false)
			if len(g.from.m) > maxAddresses+1 || len(g.tried) > maxTried {
				t.Fatalf("%d networks and %d keys are remembered after %d", len(g.from.m), len(g.tried), i)
			}
		}
		// Behind them all somebody new has guesses of their own, in a while.
		time.Sleep(guessBurst * guessEvery)
		for i := range guessBurst {
			if reason, wait := g.guess(netip.MustParseAddr("203.0.113.8"), session.KeySecret(fmt.Sprint("mine", i)), false); wait > 0 || reason != reasonUnknown {
				t.Errorf("number %d is slowed", i+1)
			}
		}
	})
}

// A right key costs nothing, nor does the same wrong one again.
func TestWhatIsNoGuess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, from := newGuesses(), netip.MustParseAddr("203.0.113.8")
		for range 1000 {
			for key, right := range map[session.KeySecret]bool{"right": true, "dead": false} {
				if _, wait := g.guess(from, key, right); wait > 0 {
					t.Fatal("slowed")
				}
			}
		}
		for i := range guessBurst - 1 {
			if _, wait := g.guess(from, session.KeySecret(fmt.Sprint(i)), false); wait > 0 {
				t.Errorf("guess %d is slowed", i)
			}
		}
		for key, right := range map[session.KeySecret]bool{"right": true, "dead": false, "new": false} {
			if reason, wait := g.guess(from, key, right); wait <= 0 || wait > guessEvery || reason != reasonAddress {
				t.Errorf("after all of them: %v, %q", wait, reason)
			}
		}
	})
}
