package session

import (
	"strings"
	"sync"
)

// cookie is a cookie as a browser sent it. The name belongs to it: what was sealed
// under one must not open under another.
type cookie struct{ name, text string }

// cache remembers which session a cookie that opened is of, so that it is opened
// once. It says nothing about whether that session is live. Bad cookies are not
// remembered: nobody without a session can fill it.
//
// Two generations bound it: when the young one is full it takes the place of the old
// one, and whatever nobody asked for since is dropped.
type cache struct {
	half       int
	mu         sync.RWMutex
	young, old map[cookie]string
}

func newCache(size int) *cache {
	return &cache{half: max(1, size/2), young: make(map[cookie]string)}
}

func (c *cache) id(k cookie) (id string, ok bool) {
	c.mu.RLock()
	id, ok = c.young[k]
	aged := false
	if !ok {
		id, aged = c.old[k]
	}
	c.mu.RUnlock()
	if aged {
		c.remember(k, id)
	}
	return id, ok || aged
}

func (c *cache) remember(k cookie, id string) {
	// The text is a part of a header that may be a megabyte: keep a copy.
	k.text = strings.Clone(k.text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.half {
		c.young, c.old = make(map[cookie]string), c.young
	}
	c.young[k] = id
}

func (c *cache) forget(k cookie) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, k)
	delete(c.old, k)
}
