package auth

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestAHundredThousandAddressesAreNotAllRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudgets()
		passed := 0
		for i := range 100_000 {
			// Who asks once is never told to have asked too often: they would be banned for it.
			if reason, wait := b.take(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(i >> 16), byte(i >> 8), byte(i)})); wait == 0 {
				passed++
			} else if reason != reasonAll {
				t.Fatalf("number %d is refused for %q", i, reason)
			}
			if len(b.address.m) > maxAddresses+1 {
				t.Fatalf("%d are remembered after %d", len(b.address.m), i)
			}
			if i%1000 == 999 {
				time.Sleep(time.Second)
			}
		}
		if most := totalBurst + totalRate*100; passed > most || passed < most-totalRate {
			t.Errorf("%d passed, want about %d", passed, most)
		}
		// Behind them all somebody new still has a budget of their own.
		time.Sleep(time.Minute)
		for i := range addressBurst {
			if _, wait := b.take(netip.MustParseAddr("203.0.113.8")); wait > 0 {
				t.Errorf("number %d is refused", i+1)
			}
		}
		if reason, wait := b.take(netip.MustParseAddr("203.0.113.8")); wait == 0 || reason != reasonAddress {
			t.Errorf("one more: %v, %q", wait, reason)
		}
		for range addressBurst + 1 {
			if reason, _ := b.take(netip.Addr{}); reason == reasonAddress {
				t.Error("an unknown address is told to be one")
			}
		}
	})
}

// Few who ask without end leave something to the others: what is refused to them because of all is spent all the same.
func TestFewCannotUseUpAllLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newLooks()
		passed := 0
		for i := range 60_000 { // a minute, in which ten ask a hundred times a second each
			b.look(netip.AddrFrom4([4]byte{198, 51, 100, byte(i % 10)}))
			if i%2000 == 1999 && b.look(netip.MustParseAddr("203.0.113.7")) {
				passed++
			}
			time.Sleep(time.Millisecond)
		}
		if passed < 10 {
			t.Errorf("somebody else was let look %d times of 30", passed)
		}
	})
}
