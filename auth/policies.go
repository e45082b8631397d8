package auth

import (
	"sync"

	"usher/policy"
)

// maxPolicies bounds how many policies are remembered; a home has a handful.
const maxPolicies = 256

// policies remembers the policies that stand in checks' addresses.
type policies struct {
	known policy.Context
	mu    sync.RWMutex
	seen  map[string]policy.Policy
}

// parse reads a policy and refuses one that could never be decided. One is
// remembered only where a proxy asks by it: what somebody only asks about is not in
// use, and admits nobody.
func (c *policies) parse(text string, inUse bool) (policy.Policy, error) {
	c.mu.RLock()
	p, ok := c.seen[text]
	c.mu.RUnlock()
	if ok {
		return p, nil
	}
	p, err := policy.Parse(text)
	if err == nil {
		err = p.Check(c.known)
	}
	if err != nil {
		return policy.Policy{}, err
	}
	if !inUse {
		return p, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil || len(c.seen) >= maxPolicies {
		c.seen = map[string]policy.Policy{}
	}
	c.seen[text] = p
	return p, nil
}

// admit reports whether one of them lets a person in.
func (c *policies) admit(who policy.Person) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, p := range c.seen {
		if p.Decide(who).Allowed {
			return true
		}
	}
	return false
}
