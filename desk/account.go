package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"usher/plex"
	"usher/policy"
	"usher/templates"
)

const (
	pinReuse = 10 * time.Minute // in which a second press of the button gets the same PIN
	pinEvery = time.Second      // at most one look at a PIN in this time
)

// toPlex makes a PIN and sends the browser to Plex with it.
func (d *Desk) toPlex(w http.ResponseWriter, r *http.Request, v Visit, now *run) {
	if now.done || now.token != "" {
		see(w, v.Base+path)
		return
	}
	if now.pin.ID == 0 || time.Since(now.made) > pinReuse {
		if !d.pins.Allow() {
			w.Header().Set("Retry-After", "60")
			d.write(w, http.StatusTooManyRequests, templates.TooMany{Seconds: 60, Again: v.Base + path})
			return
		}
		ctx, cancel := plexContext(r)
		defer cancel()
		pin, err := d.cfg.Plex.CreatePIN(ctx)
		if err != nil {
			d.trouble(w, err, v, "")
			return
		}
		now.pin, now.made = pin, time.Now()
	}
	see(w, d.signInURL(v, now))
}

func (d *Desk) signInURL(v Visit, now *run) string {
	return d.cfg.Plex.SignInURL(d.cfg.PlexAuth, now.pin, v.Base+path+"/callback")
}

// errPending: Plex has not confirmed yet. errExpired: it never will.
var (
	errPending = errors.New("not confirmed yet")
	errExpired = errors.New("the sign-in is over")
)

// advance takes the sign-in as far as it will go now. The PIN is gone once it
// is read, so its token is kept until it is known whose it is.
func (d *Desk) advance(r *http.Request, now *run) error {
	ctx, cancel := plexContext(r)
	defer cancel()
	if now.account.ID != 0 {
		return nil
	}
	if now.token == "" {
		if err := d.readPIN(ctx, now); err != nil {
			return err
		}
	}
	account, servers, err := d.owned(ctx, now.token)
	if errors.Is(err, plex.ErrUnauthorized) {
		now.forget()
		return errExpired
	}
	if err != nil {
		return err
	}
	now.account, now.servers = account, servers
	return nil
}

func (d *Desk) readPIN(ctx context.Context, now *run) error {
	if now.pin.ID == 0 {
		return errExpired
	}
	if time.Since(now.asked) < pinEvery {
		return errPending
	}
	now.asked = time.Now()
	pin, err := d.cfg.Plex.CheckPIN(ctx, now.pin.ID)
	switch {
	case errors.Is(err, plex.ErrExpired):
		now.forget()
		return errExpired
	case err != nil:
		return err
	case pin.Token == "":
		return errPending
	}
	now.token, now.pin = pin.Token, plex.PIN{}
	return nil
}

// owned asks whose a token is, and which servers are theirs.
func (d *Desk) owned(ctx context.Context, token plex.Token) (plex.Account, []plex.Resource, error) {
	account, err := d.cfg.Plex.Account(ctx, token)
	if err != nil {
		return plex.Account{}, nil, err
	}
	d.cfg.Renewed(account.ID, token)
	list, err := d.cfg.Plex.Resources(ctx, token)
	if err != nil {
		return plex.Account{}, nil, err
	}
	return account, Owned(account, list), nil
}

// Owned are the servers of an account that can be allowed.
func Owned(account plex.Account, list []plex.Resource) []plex.Resource {
	own := slices.DeleteFunc(plex.OwnedServers(account, list), func(r plex.Resource) bool { return !policy.MachineID(r.ID) })
	return own[:min(len(own), maxServers)]
}

// Admit says why an account cannot set up, in words for its owner.
func (f Fixed) Admit(account plex.Account, servers []plex.Resource) error {
	switch {
	case f.Owner != 0 && f.Owner != account.ID:
		return fmt.Errorf("USHER_OWNER in the environment says that Plex account %d is the owner, and this is account %d", f.Owner, account.ID)
	case len(servers) == 0:
		return errors.New("on plex.tv this account owns no server; one that somebody shares with you is not yours to open to others")
	case len(f.Servers) > 0 && !slices.ContainsFunc(servers, func(s plex.Resource) bool { return slices.Contains(f.Servers, s.ID) }):
		return errors.New("this account owns none of the servers that USHER_SERVERS in the environment names")
	}
	return nil
}

// admit is [Fixed.Admit] for a set-up under way.
func (d *Desk) admit(now *run) error {
	if now.owner != 0 && now.owner != now.account.ID {
		return errors.New("this set-up was begun at the desk, so the same account has to go on; to make another the owner, have a code printed")
	}
	return d.cfg.Fixed.Admit(now.account, now.servers)
}

// callback is where Plex sends the browser back.
func (d *Desk) callback(w http.ResponseWriter, r *http.Request, v Visit, now *run) {
	err := d.advance(r, now)
	switch {
	case now.done || err == nil:
		see(w, v.Base+path)
	case errors.Is(err, errPending):
		d.write(w, http.StatusOK, templates.Waiting{Poll: v.Base + path + "/poll", Again: v.Base + path, Continue: d.signInURL(v, now)})
	case errors.Is(err, errExpired):
		d.write(w, http.StatusGone, templates.Expired{Again: v.Base + path})
	default:
		d.trouble(w, err, v, "/callback")
	}
}

// poll tells the waiting page how far it is.
func (d *Desk) poll(w http.ResponseWriter, r *http.Request, v Visit, now *run) {
	state := "ok"
	switch err := d.advance(r, now); {
	case now.done || err == nil:
	case errors.Is(err, errPending):
		state = "pending"
	case errors.Is(err, errExpired):
		state = "expired"
	default:
		state = "unavailable"
	}
	writeJSON(w, http.StatusOK, map[string]string{"state": state, "next": v.Base + path})
}

// again lets the owner sign in with another account.
func (d *Desk) again(w http.ResponseWriter, _ *http.Request, v Visit, now *run) {
	if !now.done {
		now.forget()
	}
	see(w, v.Base+path)
}

// writeJSON writes an answer for programs. The values marshal by nature.
func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
