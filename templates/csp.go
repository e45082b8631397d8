package templates

import (
	"errors"
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
	ancestors, err := a.ancestors()
	if err != nil {
		return "", err
	}
	directives := []string{
		"default-src 'none'",
		"base-uri 'none'",
		ancestors,
		"img-src data:", // the icon
		"style-src " + style,
	}
	scripts := ""
	for _, name := range a.scriptNames() {
		scripts += " " + p.scripts[name].hash
	}
	if scripts != "" {
		directives = append(directives, "script-src"+scripts)
	}
	if a.connects != "" {
		directives = append(directives, "connect-src "+a.connects)
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

// ancestors says who may frame the page: nobody where a click could do anything, or a script runs.
func (a about) ancestors() (string, error) {
	if len(a.framedBy) == 0 {
		return "frame-ancestors 'none'", nil
	}
	if a.posts || a.script != "" {
		return "", errors.New("frame-ancestors: a page that acts must not be framed")
	}
	for _, source := range a.framedBy {
		scheme, rest, _ := strings.Cut(source, "://")
		name, anyPort := strings.CutSuffix(strings.TrimPrefix(rest, "*."), ":*")
		if scheme != "https" && scheme != "http" || !anyPort || name == "" || !plain(name, "-._") {
			return "", fmt.Errorf("frame-ancestors: not the pages of a host: %q", source)
		}
	}
	return "frame-ancestors " + strings.Join(a.framedBy, " "), nil
}

// originSource is the origin of an absolute http(s) address in the form of a host-source, which knows neither
// IPv6 literals nor the punctuation that would end a directive (https://www.w3.org/TR/CSP3/#grammardef-host-source).
func originSource(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || !plain(u.Host, "-._:") {
		return "", false
	}
	return u.Scheme + "://" + u.Host, true
}

// pathSource is one address, without its query, in the form of a source that allows that one and none below it: what
// ends in a slash would allow all that begins so.
func pathSource(address string) (string, bool) {
	origin, ok := originSource(address)
	u, err := url.Parse(address)
	if !ok || err != nil || len(u.Path) < 2 || strings.HasSuffix(u.Path, "/") || !plain(u.EscapedPath(), "-._~/") {
		return "", false
	}
	return origin + u.EscapedPath(), true
}

// plain reports whether a text is made of letters, digits and the given signs.
func plain(text, signs string) bool {
	for _, r := range text {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !strings.ContainsRune(signs, r) {
			return false
		}
	}
	return true
}
