package templates

import (
	"fmt"
	"net/url"
	"strings"
)

// policy is the page's Content-Security-Policy: what is inside of the document, and nothing else.
func (p *Pages) policy(a about) (string, error) {
	style := p.styleHash
	if a.wide {
		style = p.wide.hash
	}
	directives := []string{
		"default-src 'none'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
		"img-src data:", // the icon
		"style-src " + style,
	}
	if a.polls {
		directives = append(directives, "script-src "+p.scriptHash, "connect-src 'self'")
	}
	form := "form-action 'none'"
	if a.posts {
		form = "form-action 'self'"
		for _, address := range a.leadsTo {
			origin, ok := originSource(address)
			if !ok {
				return "", fmt.Errorf("form-action: not an http(s) origin: %q", address)
			}
			form += " " + origin
		}
		// Where the form returns to was checked by the caller; an address that no policy can name is left out.
		if origin, ok := originSource(a.returns); ok {
			form += " " + origin
		}
	}
	return strings.Join(append(directives, form), "; "), nil
}

// originSource is the origin of an absolute http(s) address in the form of a host-source, which knows neither
// IPv6 literals nor the punctuation that would end a directive (https://www.w3.org/TR/CSP3/#grammardef-host-source).
func originSource(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", false
	}
	for _, r := range u.Host {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !strings.ContainsRune("-._:", r) {
			return "", false
		}
	}
	return u.Scheme + "://" + u.Host, true
}
