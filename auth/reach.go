package auth

import (
	"net/netip"
	"slices"
	"strings"

	"usher/plex"
	"usher/policy"
	"usher/templates"
)

const (
	maxPlaces  = 100  // on a page
	maxLookups = 1000 // of hosts, for a page
)

// showReach says on a person's page where they may go. It tells yes or no for a
// host, and nothing of what the rules are made of. Policies in the addresses of
// checks are not looked at: they are known only when a check has come.
func (s *Server) showReach(page *templates.Home, who *plex.Answer, client netip.Addr) {
	person, rules := s.personOf(who), s.rules.Load().All()
	var reason policy.Reason
	page.Reach, reason = s.reach(rules, page.OnlyHost, client, person)
	page.Reason = pageReason(reason)
	if page.OnlyHost != "" {
		return
	}
	seen := map[string]bool{}
	for _, rule := range rules {
		for _, host := range rule.Hosts {
			if seen[host] {
				continue
			}
			if seen[host] = true; len(seen) > maxLookups {
				page.MorePlaces = true
				return
			}
			address, reached := s.placeAddress(host)
			reach, _ := s.reach(rules, host, client, person)
			if !reached || !page.Admin && !mayLearn(reach, person) {
				continue
			}
			if len(page.Places) == maxPlaces {
				page.MorePlaces = true
				return
			}
			page.Places = append(page.Places, templates.Place{Host: host, Address: address, Reach: reach})
		}
	}
}

// mayLearn reports whether somebody may learn that there is such a host: where
// they may go, or where it hangs on the libraries that are shared with them.
func mayLearn(reach templates.Reach, who policy.Person) bool {
	return reach == templates.Open || reach == templates.Partly || reach == templates.Unknown && who.Tier >= policy.Shared
}

// reach tells what a person may open at a host, from an address: at "*." and a
// domain for every host below it that is not named itself, at "" for a host that
// no rule names. The reason is why nothing.
//
// Rules about a part of the host count as far as they differ from the rest. What
// is let through unseen opens nothing to the person, unless it is the whole.
func (s *Server) reach(rules []policy.Rule, host string, client netip.Addr, who policy.Person) (templates.Reach, policy.Reason) {
	var some, none, unknown bool
	var reason policy.Reason
	judge := func(p policy.Policy) {
		v := p.Decide(who)
		some, none, unknown = some || v.Allowed, none || !v.Allowed, unknown || v.Reason == policy.Undecided
		reason = v.Reason // in the end that of what the most of it goes by
	}
	whole := false
	for i := 0; i < len(rules) && !whole; i++ {
		r := &rules[i]
		if len(r.Hosts) > 0 && !slices.ContainsFunc(r.Hosts, func(h string) bool { return policy.HostMatches(h, host) }) ||
			len(r.Networks) > 0 && !slices.ContainsFunc(r.Networks, func(n netip.Prefix) bool { return n.Contains(client) }) {
			continue
		}
		whole = len(r.Paths) == 0 && len(r.Methods) == 0
		switch {
		case !r.Bypass:
			judge(r.Policy)
		case whole:
			some = true
		}
	}
	if !whole {
		judge(s.cfg.Policy)
	}
	switch {
	case some && none:
		return templates.Partly, reason
	case some:
		return templates.Open, reason
	case unknown:
		return templates.Unknown, reason
	}
	return templates.Closed, reason
}

// placeAddress is where a browser opens the host of a rule, "" for several
// hosts, and whether anybody who is signed in can be known there.
func (s *Server) placeAddress(name string) (address string, reached bool) {
	if domain, below := strings.CutPrefix(name, "*."); below {
		return "", slices.ContainsFunc(s.cfg.Sites, func(site Site) bool {
			return within(domain, site.domain) || within(site.domain, domain)
		})
	}
	h, ok := parseHost(name)
	if !ok {
		return "", false
	}
	site, reached := s.siteOf(asked{host: h})
	if !reached {
		return "", false
	}
	h.port = site.host.port // behind the same proxy
	return absolute(site.scheme, h, "/"), true
}
