package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"

	"usher/session"
)

// overlayPath is where the pages live on every protected host when no address
// of their own is configured.
const overlayPath = "/_usher"

// Site is one place where the pages live, and how far its session cookie
// reaches. It is made by [NewSite].
type Site struct {
	scheme string
	host   host
	path   string // "" or "/_usher", without a slash at its end
	domain string // cookie domain; "" for a cookie of this host alone
}

// NewSite reads the address of the pages, such as https://auth.example.com or
// https://example.com/_usher. The cookie domain is the host's parent where
// domain is "". Where the pages share a host with an app (the address has a
// path) and the parent is a public suffix, it is the host itself. A domain
// that is a public suffix is refused: every stranger's site under it would
// get the cookie. An address or a single-label host gets a cookie of its own.
func NewSite(address, domain string) (Site, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return Site{}, fmt.Errorf("%q is no address such as https://auth.example.com", address)
	}
	h, ok := parseHost(u.Host)
	path := strings.TrimRight(u.EscapedPath(), "/")
	if !ok || !pagePath(path) {
		return Site{}, fmt.Errorf("%q is no address such as https://auth.example.com or https://example.com/_usher (not /auth, where proxies ask)", address)
	}
	s := Site{scheme: u.Scheme, host: h, path: path}
	if h.isAddress() || !strings.Contains(h.name, ".") {
		if domain != "" {
			return Site{}, fmt.Errorf("%q cannot have the cookie domain %q; leave it out", address, domain)
		}
		return s, nil
	}
	if s.domain, err = cookieDomain(h.name, domain, path != ""); err != nil {
		return Site{}, fmt.Errorf("%q: %w", address, err)
	}
	return s, nil
}

// pagePath reports whether pages can live below a path: one that is read in one
// way only, and is not taken by what Usher answers everywhere.
func pagePath(path string) bool {
	if path == "" {
		return true
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	taken := first == "auth" || first == "healthz" || first == "readyz" || first == "control" || first == "setup" || first == "admin"
	return !taken && canonicalPath(path) && safePath(path+"/") && printable(path) && !strings.Contains(path, "%")
}

func cookieDomain(name, domain string, shared bool) (string, error) {
	if domain != "" {
		d, ok := parseHost(strings.TrimPrefix(domain, "."))
		switch {
		case !ok || d.port != "" || d.isAddress():
			return "", fmt.Errorf("%q is no domain", domain)
		case isPublicSuffix(d.name):
			return "", fmt.Errorf("the cookie domain %q is a public suffix, shared with strangers; use a domain of your own below it", d.name)
		case !within(name, d.name):
			return "", fmt.Errorf("the cookie domain %q does not contain the host %q", d.name, name)
		}
		return d.name, nil
	}
	_, parent, _ := strings.Cut(name, ".")
	if !isPublicSuffix(parent) {
		return parent, nil
	}
	if shared && !isPublicSuffix(name) {
		return name, nil
	}
	return "", fmt.Errorf("the cookie would go to the public suffix %q, shared with strangers; use a host one level deeper, or set USHER_COOKIE_DOMAIN=%s", parent, name)
}

func isPublicSuffix(domain string) bool {
	suffix, _ := publicsuffix.PublicSuffix(domain)
	return suffix == domain
}

// errSameDomain: two sites whose cookies would overwrite each other.
var errSameDomain = errors.New("two addresses share the cookie domain; one is enough")

// CheckSites refuses addresses that get in each other's way.
func CheckSites(sites []Site) error {
	for i, a := range sites {
		for _, b := range sites[i+1:] {
			if a.scope().Audience() == b.scope().Audience() {
				return fmt.Errorf("%s and %s: %w", a.base(), b.base(), errSameDomain)
			}
		}
	}
	return nil
}

// base is the pages' address without a slash at its end.
func (s Site) base() string { return s.origin() + s.path }

// DropsSecureCookies reports whether browsers come here without TLS, and so drop
// every cookie that is meant for https alone. Nobody can sign in then.
func (s Site) DropsSecureCookies() bool { return s.scheme == "http" && !isLoopback(s.host.name) }

// isLoopback reports whether a host is the browser's own machine, which browsers
// trust without TLS.
func isLoopback(name string) bool {
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return within(name, "localhost") || err == nil && a.IsLoopback()
}

// origin is scheme, host and port, as a browser names an origin.
func (s Site) origin() string { return s.scheme + "://" + s.host.String() }

// scope is where the session cookie goes.
func (s Site) scope() session.Scope { return session.Scope{Domain: s.domain, Host: s.host.name} }

// CookieDomain is the domain of the session cookie, "" where it is the host's
// alone.
func (s Site) CookieDomain() string { return s.domain }

// reaches reports whether the session cookie is sent to a host. Cookies know
// no ports.
func (s Site) reaches(name string) bool {
	if s.domain == "" {
		return name == s.host.name
	}
	return within(name, s.domain)
}

// within reports whether a host is the domain or below it.
func within(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

func (h host) isAddress() bool {
	return strings.HasPrefix(h.name, "[") || strings.Trim(h.name, "0123456789.") == ""
}
