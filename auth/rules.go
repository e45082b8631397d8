package auth

import (
	"net/http"
	"slices"
	"strings"

	"usher/policy"
)

// SetRules replaces the rules. Checks that have begun go by the ones before.
func (s *Server) SetRules(rules policy.Rules) { s.rules.Store(&rules) }

// HostName brings a host name into the form in which requests are compared
// with rules: lower case, without a dot at its end. A port is refused.
func HostName(text string) (string, bool) {
	h, ok := parseHost(text)
	return h.name, ok && h.port == ""
}

// overrides are headers by which a client tells some apps another method than
// the one that it used. The recipes of HAProxy and Envoy name them too.
var overrides = []string{"x-http-method-override", "x-http-method", "x-method-override"}

// isOverride knows them in the spellings that CGI and its kin fold into one.
func isOverride(name string) bool {
	return slices.ContainsFunc(overrides, func(o string) bool {
		for i := 0; i < len(o) && len(o) == len(name); i++ {
			c := name[i]
			if c == '_' || c == '.' {
				c = '-'
			} else if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != o[i] {
				return false
			}
		}
		return len(o) == len(name)
	})
}

const maxOverrides = 3

// request is what rules see of a check. One with more methods than anybody
// needs is as odd as a path that cannot be read.
func (s *Server) request(r *http.Request, a *asked) policy.Request {
	a.rules = s.rules.Load()
	q := policy.Request{Host: a.host.name, Path: a.path, Method: a.method}
	if len(r.Header["X-Forwarded-For"]) > 0 { // else only the proxy's own address is known
		q.Client = s.cfg.Proxies.client(r)
	}
	for name, values := range r.Header {
		if !isOverride(name) {
			continue
		}
		for _, value := range values {
			for method := range strings.SplitSeq(value, ",") {
				if method = strings.TrimSpace(method); method != q.Method && !slices.Contains(q.Overrides, method) {
					q.Overrides = append(q.Overrides, method)
				}
				if len(q.Overrides) > maxOverrides {
					a.odd = &headerError{name: name, problem: "names too many methods", fix: "Nobody passes with that."}
					return q
				}
			}
		}
	}
	return q
}

// choose finds what decides about a check: the policy in its address, else the
// first rule that matches, else the policy for everything. A path that cannot
// be read has none.
func (s *Server) choose(a asked, q policy.Request) (bypass *policy.Rule, choices []policy.Choice, err error) {
	if a.odd != nil {
		return nil, nil, nil
	}
	if a.named {
		pol, err := s.policies.parse(a.policy, a.proxied)
		return nil, []policy.Choice{{Policy: pol}}, err
	}
	bypass, choices = a.rules.Choose(q, s.cfg.Policy)
	return bypass, choices, nil
}

// judge decides by all choices: the first that refuses does, and none may be
// undecided. Without any nobody passes.
func judge(choices []policy.Choice, who policy.Person) (last policy.Choice, v policy.Verdict) {
	for _, c := range choices {
		now := c.Policy.Decide(who)
		if v.Reason == policy.Undecided && now.Allowed {
			continue
		}
		last, v = c, now
		if !v.Allowed && v.Reason != policy.Undecided {
			break
		}
	}
	return last, v
}

// admits reports whether any policy that is in use here lets a person in. Who
// is admitted nowhere is told so when they sign in; the others are told where
// they go.
func (s *Server) admits(who policy.Person) bool {
	return s.cfg.Policy.Decide(who).Allowed || s.policies.admit(who) ||
		slices.ContainsFunc(s.rules.Load().All(), func(r policy.Rule) bool { return r.Policy.Decide(who).Allowed })
}
