package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

const (
	maxCookie    = 2048 // bytes of a cookie's text; ours has 300, or 750 with the longest host
	maxTries     = 64   // cookies of our name that one request has us open
	defaultCache = 8192
)

// CookieConfig is how cookies are made.
type CookieConfig struct {
	Lifetime  time.Duration // of a session since its sign-in, whatever its Expires; must be above 0
	Insecure  bool          // for http without TLS: no Secure attribute, no name prefix
	CacheSize int           // cookies remembered as opened; 0 means 8192, some 4 MB
}

// Cookies writes and reads the session cookie. It may be used by several goroutines
// at once.
type Cookies struct {
	cfg    CookieConfig
	store  *Store
	writer *sessions.CookieStore
	opened *cache
}

// ticket is what the cookie holds. A Plex token is none of it.
type ticket struct {
	ID       string `json:"s"`
	Account  int64  `json:"p"`
	Audience string `json:"a"`
	SignedIn int64  `json:"i"` // Unix milliseconds
	Expires  int64  `json:"e"` // Unix milliseconds
}

func ticketOf(s Session) ticket {
	return ticket{s.ID, s.Account, s.Audience, s.SignedIn.UnixMilli(), s.Expires.UnixMilli()}
}

// NewCookies refuses keys that are none and a lifetime that is none.
func NewCookies(keys Keys, store *Store, cfg CookieConfig) (*Cookies, error) {
	if len(keys.roots) == 0 || cfg.Lifetime <= 0 || cfg.CacheSize < 0 {
		return nil, errors.New("session cookies need keys, a lifetime above 0 and a cache size of 0 or more")
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = defaultCache
	}
	return &Cookies{
		cfg:    cfg,
		store:  store,
		writer: &sessions.CookieStore{Codecs: keys.codecs("session cookie", cfg.Lifetime, maxCookie, serializer{})},
		opened: newCache(cfg.CacheSize),
	}, nil
}

// Read finds the live session, for this very scope, whose cookie the request
// carries. Every cookie of the name is tried, for a sibling host can plant one in
// front of ours. It sets nothing, and asks memory alone.
func (c *Cookies) Read(r *http.Request, scope Scope) (Session, bool) {
	name, audience, tries := c.name(scope), scope.Audience(), 0
	for _, line := range r.Header["Cookie"] {
		// Not r.Cookies: it allocates for every cookie of every app on the domain.
		for rest := line; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			got, text, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if got != name || text == "" || len(text) > maxCookie {
				continue
			}
			id, known := c.opened.id(cookie{name, text})
			if !known {
				if tries == maxTries {
					continue
				}
				tries++
				if id, known = c.open(name, text); !known {
					continue
				}
			}
			if s, ok := c.live(id); !ok {
				c.opened.forget(cookie{name, text})
			} else if s.Audience == audience {
				return s, true
			}
		}
	}
	return Session{}, false
}

// Sent reports whether the request carries a cookie of this scope's name, whatever is in it. It says nothing of who asks: a browser
// that was given a session and does not send one has lost it.
func (c *Cookies) Sent(r *http.Request, scope Scope) bool {
	return len(r.CookiesNamed(c.name(scope))) > 0
}

// open decrypts a cookie that was not seen before, and remembers it where it counts.
func (c *Cookies) open(name, text string) (id string, ok bool) {
	var t ticket
	if !canonical(text, maxCookie) || securecookie.DecodeMulti(name, text, &t, c.writer.Codecs...) != nil {
		return "", false
	}
	s, ok := c.live(t.ID)
	if !ok || ticketOf(s) != t {
		return "", false
	}
	c.opened.remember(cookie{name, text}, s.ID)
	return s.ID, true
}

// live is [Store.Live] within the lifetime that is configured now.
func (c *Cookies) live(id string) (Session, bool) {
	now := time.Now()
	s, ok := c.store.live(id, now)
	return s, ok && now.Before(s.SignedIn.Add(c.cfg.Lifetime))
}

// Set gives the browser the cookie of s, which must be a session for this scope.
func (c *Cookies) Set(w http.ResponseWriter, scope Scope, s Session) error {
	opts := c.options(scope)
	rest := time.Until(s.Expires)
	switch {
	case s.Audience == "" || s.Audience != scope.Audience():
		return fmt.Errorf("a session for %q does not go into a cookie for %q", s.Audience, scope.Audience())
	case rest < time.Second:
		return errors.New("the session is over")
	}
	// net/http drops a domain that it does not like and sends the rest.
	if err := (&http.Cookie{Name: "x", Domain: scope.Domain}).Valid(); err != nil {
		return fmt.Errorf("cookie domain %q: %w", scope.Domain, err)
	}
	if s.Keep {
		opts.MaxAge = int(rest / time.Second)
	}
	out := sessions.NewSession(c.writer, c.name(scope))
	out.Options = opts
	out.Values[ticketKey{}] = ticketOf(s)
	if err := c.writer.Save(nil, w, out); err != nil {
		return fmt.Errorf("sealing the session cookie: %w", err)
	}
	return nil
}

// Clear takes the cookie of this scope from the browser.
func (c *Cookies) Clear(w http.ResponseWriter, scope Scope) {
	opts := c.options(scope)
	opts.MaxAge = -1
	http.SetCookie(w, sessions.NewCookie(c.name(scope), "", opts))
}

// name carries the prefix by which browsers refuse a cookie that was set without
// TLS or, for a single host, by any other host.
// https://httpwg.org/http-extensions/draft-ietf-httpbis-rfc6265bis.html#name-cookie-name-prefixes
func (c *Cookies) name(scope Scope) string {
	switch {
	case c.cfg.Insecure:
		return "usher"
	case scope.Domain == "":
		return "__Host-usher"
	}
	return "__Secure-usher"
}

func (c *Cookies) options(scope Scope) *sessions.Options {
	return &sessions.Options{Path: "/", Domain: scope.Domain, Secure: !c.cfg.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// ticketKey is where a gorilla session holds its ticket.
type ticketKey struct{}

// serializer makes JSON of the ticket alone. Without it securecookie makes gob of
// gorilla's map of anything to anything.
type serializer struct{}

func (serializer) Serialize(src any) ([]byte, error) {
	values, _ := src.(map[any]any)
	t, ok := values[ticketKey{}].(ticket)
	if !ok {
		return nil, errors.New("no ticket")
	}
	return json.Marshal(t)
}

func (serializer) Deserialize(src []byte, dst any) error { return json.Unmarshal(src, dst) }
