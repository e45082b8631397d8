package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Request is what rules look at. Its parts are in normal form: a caller
// normalises once, and nothing here does it again.
type Request struct {
	Host      string     // lower case, without port and without a dot at its end
	Path      Path       // of [ParsePath]
	Method    string     // as declared; without one nobody passes
	Overrides []string   // methods by headers that override it for some apps; each must pass too
	Client    netip.Addr // the zero address, of somebody unknown, is in no network
}

// Rule says who passes for some requests. What it does not name it does not
// look at.
type Rule struct {
	Line     int            // in the file, from 1
	Hosts    []string       // exact, or "*." and a domain: every host below it
	Paths    []PresetPath   // each with all that is below it by whole segments, or exact
	Methods  []string       // as they are written: methods know letter case
	Networks []netip.Prefix // of the client
	Preset   string         // the name of the set that Paths and Methods come from, "" for none
	Bypass   bool           // let through unseen, without anybody's identity
	Policy   Policy         // where it does not bypass
}

// sight is how a rule looks at one reading of a request.
type sight struct {
	read   reading
	method string
	plain  bool
	// careless compares paths without letter case, as the most careless app
	// does. A bypass always compares exactly.
	careless bool
}

// matches reports whether the rule is the one for a request, seen in one way.
func (r *Rule) matches(q *Request, s sight) bool { return r.differs(q, s) == "" }

// differs says what of the request is not what the rule names, "" for nothing.
func (r *Rule) differs(q *Request, s sight) string {
	switch {
	case len(r.Hosts) > 0 && !slices.ContainsFunc(r.Hosts, func(h string) bool { return HostMatches(h, q.Host) }):
		return "host"
	case len(r.Paths) > 0 && !r.pathMatches(s):
		return "path"
	case len(r.Methods) > 0 && !slices.Contains(r.Methods, s.method):
		return "method"
	case len(r.Networks) > 0 && !slices.ContainsFunc(r.Networks, func(n netip.Prefix) bool { return n.Contains(q.Client) }):
		return "network"
	}
	return ""
}

func (r *Rule) pathMatches(s sight) bool {
	if r.Bypass && !s.plain {
		return false
	}
	return slices.ContainsFunc(r.Paths, func(p PresetPath) bool {
		text, rule := s.read.text, p.Path
		if s.careless && !r.Bypass {
			text, rule = s.read.folded, fold(p.Path)
			if p.Exact {
				text = strings.TrimRight(text, "/") // most apps answer "/x/" as "/x"
			}
		}
		if p.Exact {
			return text == rule
		}
		return isUnder(text, rule)
	})
}

// HostMatches reports whether a host is the one of a rule, or below the domain
// of one that begins with "*.".
func HostMatches(rule, host string) bool {
	if domain, wild := strings.CutPrefix(rule, "*"); wild {
		return len(host) > len(domain) && strings.HasSuffix(host, domain)
	}
	return host == rule
}

// covers reports whether the rule matches whenever the other does, so that the
// other can never match behind it.
func (r *Rule) covers(other *Rule) bool {
	return subset(r.Hosts, other.Hosts, func(h, o string) bool {
		return h == o || strings.HasPrefix(h, "*.") && strings.HasSuffix(o, h[1:])
	}) && subset(r.Paths, other.Paths, func(p, o PresetPath) bool {
		return p == o || !p.Exact && isUnder(o.Path, p.Path)
	}) && subset(r.Methods, other.Methods, func(m, o string) bool {
		return m == o
	}) && subset(r.Networks, other.Networks, func(n, o netip.Prefix) bool {
		return n.Bits() <= o.Bits() && n.Contains(o.Addr())
	})
}

// subset reports whether each of the others is covered by one of all; no names
// at all mean everything.
func subset[T any](all, others []T, covers func(T, T) bool) bool {
	if len(all) == 0 {
		return true
	}
	return len(others) > 0 && !slices.ContainsFunc(others, func(o T) bool {
		return !slices.ContainsFunc(all, func(a T) bool { return covers(a, o) })
	})
}

// String is the rule in one line, as a person would say it.
func (r *Rule) String() string {
	var b strings.Builder
	say := func(word string, values []string) {
		if len(values) > 0 {
			fmt.Fprintf(&b, "%s %s, ", word, strings.Join(values, " or "))
		}
	}
	say("host", r.Hosts)
	if r.Preset != "" {
		say("preset", []string{r.Preset})
	} else {
		paths := make([]string, len(r.Paths))
		for i, p := range r.Paths {
			paths[i] = p.Path
		}
		say("path", paths)
		say("method", r.Methods)
	}
	networks := make([]string, len(r.Networks))
	for i, n := range r.Networks {
		networks[i] = n.String()
	}
	say("network", networks)
	what := strings.TrimSuffix(b.String(), ", ")
	if what == "" {
		what = "everything"
	}
	if r.Bypass {
		return what + ": let through unseen"
	}
	return what + ": " + r.Policy.String()
}
