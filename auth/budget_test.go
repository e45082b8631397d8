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
			if _, ok := b.take(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(i >> 16), byte(i >> 8), byte(i)})); ok {
				passed++
			}
			if len(b.address) > maxAddresses+1 {
				t.Fatalf("%d are remembered after %d", len(b.address), i)
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
			if _, ok := b.take(netip.MustParseAddr("203.0.113.8")); !ok {
				t.Errorf("number %d is refused", i+1)
			}
		}
	})
}
