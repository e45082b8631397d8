package auth

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"usher/session"
)

// Budgets for wrong keys. Nobody guesses a key; this keeps whoever tries from
// filling the log and our time.
const (
	guessBurst = 20              // at once from one address
	guessEvery = 3 * time.Second // and then one in this time
	maxTried   = 10_000          // remembered
)

// guesses slow down whoever tries keys. The same wrong key again is no new
// guess, so a client that was left with an old one uses up nobody's budget.
type guesses struct {
	mu    sync.Mutex
	from  networks
	tried map[try]bool
}

type try struct {
	network netip.Prefix
	hash    [sha256.Size]byte
}

func newGuesses() *guesses {
	return &guesses{from: newNetworks(guessBurst, guessEvery), tried: map[try]bool{}}
}

// guess spends one guess from an address, unless it was right. Where there is
// none left, nobody there is told which it was, and it says how long to wait.
// The reason is for the audit.
func (g *guesses) guess(from netip.Addr, key session.KeySecret, right bool) (reason string, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	limiter, reason := g.from.limiter(from, now)
	one := limiter.ReserveN(now, 1)
	if d := one.DelayFrom(now); d > 0 {
		one.CancelAt(now)
		return reason, d
	}
	this := try{network(from), sha256.Sum256([]byte(key))}
	if right || g.tried[this] {
		one.CancelAt(now)
		return reasonAgain, 0
	}
	if len(g.tried) >= maxTried {
		clear(g.tried)
	}
	g.tried[this] = true
	return reasonUnknown, 0
}
