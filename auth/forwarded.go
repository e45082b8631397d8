package auth

import (
	"fmt"
	"net/http"
	"strings"

	"usher/policy"
)

// asked is the request that a proxy asks about.
type asked struct {
	policy  string // in the check's own address
	named   bool   // there is one
	proxied bool   // a proxy asks, and nobody who only wants to know
	method  string
	scheme  string // http or https; ws and wss count as these
	host    host
	uri     string // path and query, as the client wrote them
	path    policy.Path
	odd     error         // the path cannot be read: nobody passes
	rules   *policy.Rules // in force when it was asked
	socket  bool          // ws or wss
}

// url is the address that was asked for.
func (a asked) url() string { return absolute(a.scheme, a.host, a.uri) }

// headerError is a header that a proxy should have sent.
type headerError struct {
	name    string // the header
	problem string // "is missing" and the like; never the value
	fix     string // the line to add
}

func (e *headerError) Error() string {
	return fmt.Sprintf("%s %s. %s", e.name, e.problem, e.fix)
}

// family is how one kind of proxy asks. It reads its own headers and no
// others: whichever else arrives was sent by the client.
type family struct {
	name  string
	read  func(family, *http.Request) (asked, error)
	fixes map[string]string // header to the line that sends it
	// redirects is false for proxies that use nothing of a refusal but 401,
	// 403 and Location.
	redirects bool
}

var (
	traefik = family{name: "traefik", read: readForwarded, redirects: true, fixes: map[string]string{
		"": "Traefik's forwardAuth sends it by itself; let nothing but forwardAuth ask this address.",
	}}
	caddy = family{name: "caddy", read: readForwarded, redirects: true, fixes: map[string]string{
		"": "Caddy's forward_auth sends it by itself; in a plain reverse_proxy add header_up lines for it.",
	}}
	haproxy = family{name: "haproxy", read: readForwarded, redirects: true, fixes: map[string]string{
		"X-Forwarded-Method": "Add: http-request set-header X-Forwarded-Method %[method]",
		"X-Forwarded-Proto":  "Add: http-request set-header X-Forwarded-Proto https",
		"X-Forwarded-Host":   "Add: http-request set-header X-Forwarded-Host %[req.hdr(host)]",
		"X-Forwarded-Uri":    "Add: http-request set-header X-Forwarded-Uri %[pathq]",
	}}
	nginx = family{name: "nginx", read: readOriginal, fixes: map[string]string{
		"X-Original-Method": "Add: proxy_set_header X-Original-Method $request_method;",
		"X-Original-Url":    "Add: proxy_set_header X-Original-URL $scheme://$http_host$request_uri;",
	}}
	envoy = family{name: "envoy", read: readEnvoy, redirects: true, fixes: map[string]string{
		"X-Forwarded-Proto": "Add x-forwarded-proto to allowed_headers.",
		"path":              "Set path_prefix: /auth/envoy",
	}}
)

// families maps the first path segment after /auth/ to a kind of proxy.
var families = map[string]*family{
	traefik.name: &traefik, caddy.name: &caddy, haproxy.name: &haproxy, nginx.name: &nginx, envoy.name: &envoy,
}

// only is the one value of a header. None, an empty one, or several are an
// error: which of two a proxy wrote cannot be known.
func (f family) only(r *http.Request, name string) (string, error) {
	switch v := r.Header[name]; {
	case len(v) == 0 || len(v) == 1 && v[0] == "":
		return "", f.bad(name, "is missing")
	case len(v) > 1:
		return "", f.bad(name, "was sent more than once")
	default:
		return v[0], nil
	}
}

func (f family) bad(name, problem string) error {
	fix, ok := f.fixes[name]
	if !ok {
		fix = f.fixes[""]
	}
	return &headerError{name: spelling(name), problem: problem, fix: fix}
}

// spelling is a header's name as proxies' files write it.
func spelling(name string) string {
	if name == "X-Original-Url" {
		return "X-Original-URL"
	}
	return name
}

// readForwarded reads what Traefik and Caddy send by themselves and HAProxy is
// told to.
func readForwarded(f family, r *http.Request) (a asked, err error) {
	if a.method, err = f.method(r, "X-Forwarded-Method"); err != nil {
		return a, err
	}
	if err = f.scheme(r, &a); err != nil {
		return a, err
	}
	name, err := f.only(r, "X-Forwarded-Host")
	if err != nil {
		return a, err
	}
	var ok bool
	if a.host, ok = parseHost(name); !ok {
		return a, f.bad("X-Forwarded-Host", "is no host name")
	}
	uri, err := f.only(r, "X-Forwarded-Uri")
	if err != nil {
		return a, err
	}
	return a, f.uri(&a, "X-Forwarded-Uri", uri)
}

// readOriginal reads what our nginx files, ingress-nginx, SWAG and Nginx Proxy
// Manager set.
func readOriginal(f family, r *http.Request) (a asked, err error) {
	if a.method, err = f.method(r, "X-Original-Method"); err != nil {
		return a, err
	}
	raw, err := f.only(r, "X-Original-Url")
	if err != nil {
		return a, err
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !a.setScheme(scheme) {
		return a, f.bad("X-Original-Url", "is no http address")
	}
	name, uri := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		name, uri = rest[:i], rest[i:]
	}
	if a.host, ok = parseHost(name); !ok {
		return a, f.bad("X-Original-Url", "has no valid host")
	}
	return a, f.uri(&a, "X-Original-Url", uri)
}

// readEnvoy takes method, host and path of the check itself: Envoy sends them
// as the client did, the path behind path_prefix.
func readEnvoy(f family, r *http.Request) (a asked, err error) {
	a.method = r.Method
	if err = f.scheme(r, &a); err != nil {
		return a, err
	}
	var ok bool
	if a.host, ok = parseHost(r.Host); !ok {
		return a, f.bad("Host", "is no host name")
	}
	// The raw text, for decoding would lose how the client wrote it.
	rest, ok := strings.CutPrefix(r.RequestURI, checkPrefix)
	_, path, behind := strings.Cut(rest, "/")
	if !ok || !behind {
		return a, f.bad("path", "has nothing of the client's behind /auth/envoy")
	}
	return a, f.uri(&a, "path", "/"+path)
}

// uri reads path and query. A path that can be read in no way, or in too many,
// is no mistake of the proxy's: strangers may sign in, and then it is refused.
func (f family) uri(a *asked, header, uri string) (err error) {
	if !strings.HasPrefix(uri, "/") {
		return f.bad(header, "has no path")
	}
	a.uri = uri
	if a.path, err = policy.ParsePath(uri); err != nil {
		a.odd = &headerError{name: spelling(header), problem: err.Error(), fix: "Nobody passes with such a path; write it as a browser does."}
	}
	return nil
}

func (f family) scheme(r *http.Request, a *asked) error {
	proto, err := f.only(r, "X-Forwarded-Proto")
	if err != nil {
		return err
	}
	if !a.setScheme(proto) {
		return f.bad("X-Forwarded-Proto", "is none of http, https, ws, wss")
	}
	return nil
}

func (a *asked) setScheme(s string) bool {
	switch s {
	case "http", "https":
		a.scheme = s
	case "ws":
		a.scheme, a.socket = "http", true
	case "wss":
		a.scheme, a.socket = "https", true
	default:
		return false
	}
	return true
}

// method reads a method as it was written: methods are case-sensitive, and
// "get" is not GET.
func (f family) method(r *http.Request, name string) (string, error) {
	m, err := f.only(r, name)
	if err != nil {
		return "", err
	}
	if len(m) > 32 || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") != "" {
		return "", f.bad(name, "is no method")
	}
	return m, nil
}

// isPage reports whether a browser is loading a page, as opposed to a script,
// an image or an app's client, which can do nothing with a sign-in page.
func (a asked) isPage(h http.Header) bool {
	if a.socket || h.Get("Upgrade") != "" || h.Get("X-Requested-With") != "" {
		return false
	}
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" || h.Get("Sec-Fetch-Site") != "" || h.Get("Sec-Fetch-Dest") != "" {
		return mode == "navigate"
	}
	for _, accept := range h["Accept"] {
		if strings.Contains(lowerASCII(accept), "text/html") {
			return true
		}
	}
	return false
}
