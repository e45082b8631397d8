package desk

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"usher/plex"
	"usher/session"
)

// run is a set-up under way, of the one browser that entered the code. It is
// in memory only. Who holds the turn may look at it and change it.
type run struct {
	id    string    // never changes
	began time.Time // never changes
	owner int64     // who alone may finish it, for they began it at the desk; 0: whoever owns a server; never changes
	turn  chan struct{}
	desk  string // id of the session by which it was begun at the desk, and with which it ends; "": by the code; never changes

	pin     plex.PIN
	made    time.Time
	asked   time.Time // when plex.tv was last asked about the PIN
	token   plex.Token
	account plex.Account    // ID 0: not known yet
	servers []plex.Resource // the account's own
	ticked  []Server        // nil: none so far
	people  []plex.Foreseen // nil: not asked yet
	done    bool
}

func newRun(owner int64, desk string) *run {
	return &run{id: rand.Text(), began: time.Now(), owner: owner, desk: desk, turn: make(chan struct{}, 1)}
}

// Again begins a set-up without a code, for the owner, who is at the desk. They
// sign in at Plex once more, and no other account will do: whoever has got hold of
// their session alone makes nobody else the owner. It ends with that session.
func (d *Desk) Again(w http.ResponseWriter, v Visit, owner plex.Account, by string) {
	d.mu.Lock()
	d.run = newRun(owner.ID, by)
	now := d.run
	d.mu.Unlock()
	d.audit(v, session.ResultBegun, atDesk, owner)
	d.setCookie(w, v, now)
	see(w, v.Base+path)
}

// take waits for the turn, but not for longer than the browser does.
func (now *run) take(ctx context.Context) bool {
	select {
	case now.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (now *run) give() { <-now.turn }

// forget goes back to where nobody has signed in.
func (now *run) forget() {
	now.pin, now.asked, now.token, now.account = plex.PIN{}, time.Time{}, "", plex.Account{}
	now.servers, now.ticked, now.people = nil, nil, nil
}

// ticket is what the sealed cookie carries.
type ticket struct{ Run string }

// cookieName has the prefix by which browsers refuse a cookie that another
// host or a page without TLS has set.
func cookieName(v Visit) string {
	if v.HTTPS {
		return "__Host-usher-set-up"
	}
	return "usher-set-up"
}

func (d *Desk) setCookie(w http.ResponseWriter, v Visit, now *run) {
	text, err := d.browser.Seal(ticket{now.id})
	if err != nil {
		d.cfg.Log.Error("a cookie could not be sealed", "problem", err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName(v), Value: text, Path: "/", MaxAge: int(life / time.Second), Secure: v.HTTPS, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// runOf is the set-up that this browser has begun, nil if there is none.
func (d *Desk) runOf(r *http.Request) *run {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.run == nil || time.Since(d.run.began) >= life || d.run.desk != "" && d.cfg.Live != nil && !d.cfg.Live(d.run.desk) {
		d.run = nil
		return nil
	}
	for _, name := range []string{"__Host-usher-set-up", "usher-set-up"} {
		for _, c := range r.CookiesNamed(name) {
			var t ticket
			if d.browser.Open(c.Value, &t) == nil && t.Run == d.run.id {
				return d.run
			}
		}
	}
	return nil
}
