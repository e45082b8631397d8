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

// Budgets for looks at PINs that are under way, each of which is a request to
// plex.tv as well. A page looks every two seconds: this is a large family.
const (
	lookBurst = 20                     // at once from one address
	lookEvery = 100 * time.Millisecond // and then one in this time
	looks     = 50                     // a second from all together, and at once
)

// budgets keep one busy address from using up what all have.
type budgets struct {
	mu      sync.Mutex
	total   *rate.Limiter
	address networks
}

func newBudgets() *budgets {
	return &budgets{total: rate.NewLimiter(totalRate, totalBurst), address: newNetworks(addressBurst, addressEvery)}
}

func newLooks() *budgets {
	return &budgets{total: rate.NewLimiter(looks, looks), address: newNetworks(lookBurst, lookEvery)}
}

// take spends one sign-in. Where there is none left it spends nothing and says
// why, and how long to wait.
func (b *budgets) take(from netip.Addr) (reason string, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	limiter, reason := b.address.limiter(from, now)
	own := limiter.ReserveN(now, 1)
	if d := own.DelayFrom(now); d > 0 {
		own.CancelAt(now)
		return reason, d
	}
	all := b.total.ReserveN(now, 1)
	if d := all.DelayFrom(now); d > 0 {
		all.CancelAt(now)
		own.CancelAt(now)
		return reasonAll, d
	}
	return "", 0
}

// look spends one look at a PIN. What is refused because of all together is spent
// all the same: otherwise few who ask without end would leave the others nothing.
func (b *budgets) look(from netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	own, _ := b.address.limiter(from, now)
	return own.AllowN(now, 1) && b.total.AllowN(now, 1)
}

// networks are budgets of addresses, so many of them.
type networks struct {
	burst int           // at once
	every time.Duration // and then one in this time
	m     map[netip.Prefix]*rate.Limiter
	swept time.Time // when those that are whole again were last forgotten
}

func newNetworks(burst int, every time.Duration) networks {
	return networks{burst: burst, every: every, m: map[netip.Prefix]*rate.Limiter{}}
}

// limiter is the budget of an address, and whose it is: its own, or one that
// many share. The caller sees to it that no two run at once.
func (b *networks) limiter(from netip.Addr, now time.Time) (l *rate.Limiter, reason string) {
	home := network(from) // unknown addresses share one budget
	if l, ok := b.m[home]; ok {
		return l, whose(home)
	}
	if len(b.m) >= maxAddresses && now.Sub(b.swept) >= b.every {
		b.swept = now
		for n, l := range b.m {
			if l.TokensAt(now) >= float64(b.burst) {
				delete(b.m, n)
			}
		}
	}
	if len(b.m) >= maxAddresses {
		home = netip.Prefix{}
		if l, ok := b.m[home]; ok {
			return l, reasonAll
		}
	}
	l = rate.NewLimiter(rate.Every(b.every), b.burst)
	b.m[home] = l
	return l, whose(home)
}

// whose says who has the budget of a network: none is known by the zero prefix.
func whose(home netip.Prefix) string {
	if home.IsValid() {
		return reasonAddress
	}
	return reasonAll
}

// network is what counts as one address: IPv6 addresses count by /64, for one
// home has that many.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
