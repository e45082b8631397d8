package desk

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"usher/plex"
	"usher/session"
)

// Command is what usher setup and usher config want of a running Usher: to set
// up, or, without a token, to know what set-up has stored. Whoever may send one
// is for the caller to see to.
type Command struct {
	Token   string
	Servers []string
	Allow   string
}

// Reply is the answer to a [Command].
type Reply struct {
	Stored Setup `json:"stored"` // without the token
	Token  bool  `json:"token"`  // one is stored

	// Sites and Port are those of this Usher, for [Recipe.Lines].
	Sites []Site `json:"sites"`
	Port  string `json:"port"`
}

// Command carries out a command, given by its JSON. Its errors are sentences
// for whoever sent it.
func (d *Desk) Command(ctx context.Context, text []byte) (any, error) {
	var c Command
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, errors.New("the command cannot be read")
	}
	if c.Token != "" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), plexTime)
		defer cancel()
		if err := d.command(ctx, c); err != nil {
			return nil, err
		}
	}
	s := d.cfg.Stored()
	return Reply{Stored: s, Token: s.Token != "", Sites: d.cfg.Sites, Port: d.cfg.Port}, nil
}

// command sets up after asking plex.tv itself what the token may.
func (d *Desk) command(ctx context.Context, c Command) error {
	account, own, err := d.owned(ctx, plex.Token(c.Token))
	if err != nil {
		return err
	}
	s, err := d.cfg.Fixed.Choose(account, plex.Token(c.Token), own, c.Servers, c.Allow)
	if err != nil {
		return err
	}
	if err := d.cfg.Apply(s); err != nil {
		return err
	}
	d.mu.Lock()
	d.code, d.run = code{}, nil // whoever was about to set up otherwise is too late
	d.mu.Unlock()
	d.cfg.Log.Info("set up by usher setup", "owner", s.Owner, "servers", len(s.Servers), "allow", d.cfg.InForce().Allow)
	d.audit(Visit{}, session.ResultDone, ByCommand, account)
	return nil
}

// Choose makes a set-up of what an account's owner has chosen, and refuses what
// is not theirs to choose. A token that the environment fixes is not kept twice.
func (f Fixed) Choose(account plex.Account, token plex.Token, own []plex.Resource, servers []string, allow string) (Setup, error) {
	if err := f.Admit(account, own); err != nil {
		return Setup{}, err
	}
	if len(f.Servers) > 0 {
		servers = f.Servers
	} else if problem := Pick(servers, own); problem != "" {
		return Setup{}, errors.New(problem)
	}
	if f.Token {
		token = ""
	}
	if f.Allow != "" {
		allow = ""
	} else if !slices.Contains(Tiers(), allow) {
		return Setup{}, errors.New("who may pass is one of owner, home, shared, friend, anyone")
	}
	return Setup{Servers: name(servers, own), Owner: account.ID, OwnerName: short(account.Name()), Token: token, Allow: allow}, nil
}

func isRejected(err error) bool { return errors.Is(err, plex.ErrUnauthorized) }
