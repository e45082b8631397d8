package auth

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Budgets for sign-ins, each of which costs a request to plex.tv.
const (
	addressBurst = 10              // at once from one address
	addressEvery = 6 * time.Second // and then one in this time
	totalBurst   = 60              // at once from all together
	totalRate    = 2               // and then so many a second
	maxAddresses = 10_000          // remembered; more share one budget
)

// budgets keep one busy address from using up what all have.
type budgets struct {
	mu      sync.Mutex
	total   *rate.Limiter
	address map[netip.Prefix]*rate.Limiter
}

func newBudgets() *budgets {
	return &budgets{total: rate.NewLimiter(totalRate, totalBurst), address: map[netip.Prefix]*rate.Limiter{}}
}

// take spends one sign-in. Where there is none left it spends nothing and says
// how long to wait.
func (b *budgets) take(from netip.Addr) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	own := b.limiter(from, now).ReserveN(now, 1)
	if d := own.DelayFrom(now); d > 0 {
		own.CancelAt(now)
		return d, false
	}
	all := b.total.ReserveN(now, 1)
	if d := all.DelayFrom(now); d > 0 {
		all.CancelAt(now)
		own.CancelAt(now)
		return d, false
	}
	return 0, true
}

// limiter is the budget of an address; IPv6 addresses count by /64, for one
// home has that many.
func (b *budgets) limiter(from netip.Addr, now time.Time) *rate.Limiter {
	bits := 32
	if from.Is6() {
		bits = 64
	}
	network, err := from.Prefix(bits)
	if err != nil {
		network = netip.Prefix{} // unknown addresses share one budget
	}
	if l, ok := b.address[network]; ok {
		return l
	}
	if len(b.address) >= maxAddresses {
		for n, l := range b.address {
			if l.TokensAt(now) >= addressBurst {
				delete(b.address, n)
			}
		}
	}
	if len(b.address) >= maxAddresses {
		network = netip.Prefix{}
		if l, ok := b.address[network]; ok {
			return l
		}
	}
	l := rate.NewLimiter(rate.Every(addressEvery), addressBurst)
	b.address[network] = l
	return l
}
