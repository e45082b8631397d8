package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"usher/auth"
	"usher/desk"
	"usher/policy"
	"usher/session"
)

// setupSetting is the setting under which the store has what set-up found out.
const setupSetting = "set-up"

// readSetup reads what set-up has stored. What was sealed with a secret that is
// gone counts as never done: nobody passes until set-up is run again.
func readSetup(store *session.Store, log *slog.Logger) (desk.Setup, error) {
	text, err := store.SealedSetting(setupSetting)
	if errors.Is(err, session.ErrSealedOtherwise) {
		log.Error("what set-up has stored was sealed with another secret; list that one behind the new one in USHER_SECRET, or run set-up again")
		return desk.Setup{}, nil
	}
	if err != nil {
		return desk.Setup{}, err
	}
	return desk.Decode(text)
}

// with adds what set-up has found out to what the environment says, which wins
// over each of it. The error has a line for every problem.
func (s settings) with(found desk.Setup) (settings, error) {
	var p problems
	if len(s.servers) == 0 {
		for _, server := range found.Servers {
			s.servers = append(s.servers, server.ID)
		}
	}
	if s.owner == 0 {
		s.owner = found.Owner
	}
	if s.token == "" {
		s.token = found.Token
	}
	if s.allow == "" {
		s.allow = found.Allow
	}
	if len(s.servers) > 0 && s.owner == 0 && s.token == "" {
		p.add("SERVERS", "allowed servers need their owner, for anybody can run a server that claims their identifier; set USHER_PLEX_TOKEN, or USHER_OWNER to the owner's numeric Plex id")
	}
	s.known = policy.Context{Servers: s.servers, OwnerToken: s.token != "", ToCome: len(s.servers) == 0}
	s.readPolicies(&p)
	return s, errors.Join(p...)
}

// readPolicies reads USHER_ALLOW and the rules, as far as it is known what
// they may ask about.
func (s *settings) readPolicies(p *problems) {
	text := s.allow
	if text == "" {
		text = defaultAllow
	}
	var err error
	if s.policy, err = policy.Parse(text); err == nil {
		err = s.policy.Check(s.known)
	}
	if err != nil {
		p.add("ALLOW", "%w", err)
	}
	if s.rules, s.warnings, err = s.readRules(); err != nil {
		for line := range strings.Lines(err.Error()) {
			p.add("RULES_FILE", "%s", strings.TrimSuffix(line, "\n"))
		}
	}
}

// fixed is what the environment says, which set-up cannot change.
func (s settings) fixed() desk.Fixed {
	return desk.Fixed{Servers: s.servers, Owner: s.owner, Token: s.token != "", Allow: s.allow}
}

// addresses are where this Usher is, for the lines for a proxy.
func (s settings) addresses() addresses {
	a := addresses{port: listenPort(s.listen)}
	for _, site := range s.sites {
		a.sites = append(a.sites, desk.Site{URL: site.URL(), Domain: site.CookieDomain()})
	}
	return a
}

// newDesk makes the pages that set up.
func (a *app) newDesk() (err error) {
	where := a.env.addresses()
	config := desk.Config{
		Sites: where.sites, Port: where.port, Fixed: a.env.fixed(), Plex: a.client, PlexAuth: a.env.plexAuth, Keys: a.keys, Pages: a.pages, Log: a.log,
		Person: auth.Person, InForce: a.inForce, Stored: a.known, Apply: a.apply, Renewed: a.renewed,
		Audit: func(e session.Event) { a.current().server.Audit(e) },
		Live:  func(id string) bool { _, ok := a.store.Live(id); return ok },
	}
	a.desk, err = desk.New(config)
	return err
}

// printCode has a new one-time code told in the log, whatever the log's level.
func (a *app) printCode() {
	where := "/_usher/setup on any host that your proxy sends to Usher"
	if len(a.env.sites) > 0 {
		where = a.env.sites[0].URL().String() + "/setup"
	}
	a.log.Log(context.Background(), max(slog.LevelWarn, a.env.level), "to set Usher up, open this address and enter this code, which works once; or run usher setup in a terminal", "address", where, "code", a.desk.NewCode())
}
