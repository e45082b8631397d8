package main

import (
	"net"
	"net/url"
	"strings"
)

// What is forged. A value is recognised wherever it turns up.
const (
	forgedIdentity = "usher-doctor-forged"
	forgedAddress  = "203.0.113.66" // TEST-NET-3: nobody's
	forgedPath     = "/usher-doctor-forged"
	nowhere        = "usher-doctor.invalid"
)

// identityProbes send every identity header with an identity of one's own
// choice, in one spelling each.
func identityProbes(names []string, session bool) []probe {
	spell := func(what string, lines ...func(name string) string) probe {
		p := probe{what: what, session: session}
		for _, name := range names {
			for _, line := range lines {
				p.headers = append(p.headers, line(name))
			}
		}
		return p
	}
	with := func(change func(string) string, value string) func(string) string {
		return func(name string) string { return change(name) + ":" + value }
	}
	same := func(name string) string { return name }
	dashed := func(by string) func(string) string {
		return func(name string) string { return strings.ReplaceAll(name, "-", by) }
	}
	forged := " " + forgedIdentity
	return []probe{
		spell("as it is spelled", with(same, forged)),
		spell("in lower case", with(strings.ToLower, forged)),
		spell("in capitals", with(strings.ToUpper, forged)),
		spell("with _", with(dashed("_"), forged)),
		spell("with _, in lower case", with(func(n string) string { return strings.ToLower(dashed("_")(n)) }, forged)),
		spell("with .", with(dashed("."), forged)),
		spell("twice", with(same, forged), with(same, forged)),
		spell("twice, in two spellings", with(same, forged), with(strings.ToLower, forged)),
		spell("empty", with(same, "")),
		spell("empty, then with a value", with(same, ""), with(same, forged)),
		spell("as a list", with(same, forged+","+forged)),
	}
}

// forwarding is one header by which proxies tell where a request came from
// and went to.
type forwarding struct {
	name, value string
	ours        bool // every recipe writes it itself for the app
}

// forwardings forges them all. The host lies beside the real one, where the
// session cookie reaches: Usher would refuse another without looking further.
func (p *patient) forwardings() []forwarding {
	scheme := "http"
	if p.url.Scheme == "http" {
		scheme = "https"
	}
	other := p.otherHost()
	return []forwarding{
		{"X-Forwarded-Host", other, true},
		{"X-Forwarded-Proto", scheme, true},
		{"X-Forwarded-For", forgedAddress, true},
		{"X-Forwarded-Uri", forgedPath, false},
		{"X-Forwarded-Method", "POST", false},
		{"X-Forwarded-Port", "1", false},
		{"X-Forwarded-Prefix", forgedPath, false},
		{"X-Original-URL", scheme + "://" + other + forgedPath, false},
		{"X-Original-Method", "POST", false},
		{"X-Original-Host", other, false},
		{"X-Original-URI", forgedPath, false},
		{"X-Rewrite-URL", forgedPath, false},
		{"X-Real-IP", forgedAddress, false},
		{"Forwarded", "for=" + forgedAddress + ";host=" + other + ";proto=" + scheme, false},
	}
}

// otherHost is a host beside the real one that nobody has, or none at all.
func (p *patient) otherHost() string {
	name := p.url.Hostname()
	if _, parent, ok := strings.Cut(name, "."); ok && net.ParseIP(name) == nil && strings.Contains(parent, ".") {
		return "usher-doctor." + parent
	}
	return nowhere
}

// toldProbes try to change what Usher is asked about.
func (p *patient) toldProbes() []probe {
	var probes []probe
	all := probe{what: "Connection: with the names of all forwarding headers"}
	hops := "Connection: close"
	for _, f := range p.forwardings() {
		line := f.name + ": " + f.value
		probes = append(probes, probe{what: f.name, headers: []string{line}})
		hops += ", " + f.name
		all.headers = append(all.headers, line)
	}
	all.headers = append(all.headers, hops)
	bare := probe{what: "the same without the headers", headers: []string{hops + ", Cookie, Host"}}
	return append(probes, all, bare)
}

// hostProbes name the host in other ways. In some, the request line
// and the Host header disagree: the line is the one that counts (RFC 9112, 3.2.2).
func (p *patient) hostProbes() []probe {
	name, port := p.url.Hostname(), p.url.Port()
	if port != "" {
		port = ":" + port
	}
	line := p.url.Scheme + "://" + p.url.Host + p.url.RequestURI()
	probes := []probe{
		{what: "the host in capitals", host: strings.ToUpper(p.url.Host)},
		{what: "the host with a dot at its end", host: name + "." + port},
		{what: "the host with its port", host: net.JoinHostPort(name, portOf(p.url))},
		{what: "the whole address in the request line", target: line},
		{what: "the whole address in the request line, another in Host", target: line, host: p.otherHost() + port},
	}
	if p.word == "" { // Usher's echo also answers on the sign-in host, which a proxy may take for every other
		probes = append(probes, probe{what: "another address in the request line", target: p.url.Scheme + "://" + p.otherHost() + port + p.url.RequestURI()})
	}
	return probes
}

// anyKey opens what the recipes leave open for an app's native clients: the
// app checks the key, the proxy looks only whether there is one.
const anyKey = "X-Api-Key: usher-doctor"

// opened are paths that people and recipes leave open.
var opened = []string{"/api", "/api/usher-doctor", "/public", "/static", "/.well-known/acme-challenge", "/_usher", "/login", "/ping", "/favicon.ico", "/robots.txt"}

// pathProbes ask for the same page by paths that a rule for an open path could
// be taken in by.
func (p *patient) pathProbes() []probe {
	path := p.url.EscapedPath()
	if path == "" {
		path = "/"
	}
	behind := strings.TrimPrefix(path, "/")
	var probes []probe
	add := func(targets ...string) {
		for _, target := range targets {
			probes = append(probes, probe{what: target, target: target, headers: []string{anyKey}})
		}
	}
	add("/"+path, "/."+path, "/%2e"+path, "/%2f"+behind, "/%5c"+behind, path+";.css", path+"/.css", path+"?x=.css", path+"%00", path+"%23.css",
		strings.ToUpper(path), path+"?"+url.Values{"policy": {"anyone"}, "allow": {"anyone"}, "rd": {"https://" + nowhere}}.Encode())
	for _, o := range opened {
		if o == "/_usher" && p.word != "" { // leads to Usher, and so to its echo, by right
			continue
		}
		for _, up := range []string{"/../", "/..%2f", "/%2e%2e/", "/..;/", ";/../"} {
			climb := o + up
			for range strings.Count(o, "/") - 1 {
				climb += strings.TrimPrefix(up, ";")[1:]
			}
			add(climb + behind)
		}
	}
	return probes
}

// socketProbe asks for a WebSocket, which proxies like to handle elsewhere.
func socketProbe() probe {
	return probe{what: "a WebSocket", headers: []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dXNoZXItZG9jdG9yLTEyMw=="}}
}

// checkProbes ask for the addresses at which a proxy asks Usher.
func checkProbes() []probe {
	var probes []probe
	for _, path := range []string{"/__usher", "/__usher/anyone", "/auth/nginx/anyone", "/auth/traefik/anyone", "/auth/caddy/anyone", "/auth/haproxy/anyone"} {
		probes = append(probes, probe{what: path, target: path})
	}
	return probes
}

// Credentials that Usher lets by beside a session: a key, which is what is meant, would be refused as a wrong one.
const (
	noKey       = "X-Usher-Key:"
	appsOwn     = "Authorization: Basic dXNoZXItZG9jdG9yOg==" // usher-doctor, with an empty password
	notGivenOut = "Authorization: Digest usher-doctor-\u00e9" // Usher gives back what is ASCII
)

// hopProbes ask the proxy to take headers away on its way to the app.
func hopProbes(names []string, session bool) []probe {
	lower := strings.ToLower(strings.Join(names, ", "))
	return []probe{
		{what: "Connection: " + names[0], headers: []string{"Connection: close, " + names[0]}, session: session},
		{what: "Connection: with the names of all identity headers", headers: []string{"Connection: close, " + strings.Join(names, ", ")}, session: session},
		{what: "Connection: with these names in lower case", headers: []string{"Connection: " + lower + ", close"}, session: session},
		{what: "Connection: X-Forwarded-…", headers: []string{"Connection: close, X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-For"}, session: session},
	}
}
