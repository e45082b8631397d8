package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"usher/auth"
	"usher/notify"
	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

// defaultAllow is who passes where neither the environment nor set-up says.
const defaultAllow = "shared"

// settings are the environment, understood and checked as a whole, and, by
// [settings.with], what set-up has found out. They never change afterwards.
type settings struct {
	sites         []auth.Site
	servers       []string
	allow         string // as it was given; "": not at all
	policy        policy.Policy
	known         policy.Context
	rulesFile     string
	rules         policy.Rules
	warnings      []string      // about the rules
	admins        policy.Policy // besides the owner; the zero value is nobody
	token         plex.Token
	owner         int64 // 0: known by the token, or not at all
	secrets       []string
	clientID      string // "": generated
	product       string
	brand         templates.Brand
	dataDir       string
	listen        string
	metricsListen string
	proxies       auth.Proxies
	lifetime      time.Duration
	recheck       time.Duration
	grace         time.Duration
	headers       auth.Headers
	notify        notify.Receiver
	notifies      bool
	redeem        bool
	browserPIN    bool
	insecure      bool
	level         slog.Level
	jsonLog       bool
	plexURL       string
	plexAuth      string
}

// problems gathers everything that is wrong, each with its variable.
type problems []error

func (p *problems) add(name, format string, args ...any) {
	*p = append(*p, fmt.Errorf(prefix+name+": "+format, args...))
}

// newSettings understands the environment. Its error has a line for every
// problem: the variable, what is wrong, and what to write instead.
func newSettings(env environment) (settings, error) {
	var p problems
	s := settings{
		token: plex.Token(env.PlexToken), clientID: env.ClientID, product: env.Product, dataDir: env.DataDir,
		listen: env.Listen, metricsListen: env.MetricsListen, jsonLog: env.LogFormat == "json",
		plexURL: strings.TrimRight(env.PlexURL, "/"), plexAuth: env.PlexAuthURL,
	}
	var err error
	for _, b := range []struct {
		name, text string
		to         *bool
	}{{"INSECURE_COOKIES", env.InsecureCookies, &s.insecure}, {"REDEEM", env.Redeem, &s.redeem}, {"BROWSER_PIN", env.BrowserPIN, &s.browserPIN}} {
		if *b.to, err = strconv.ParseBool(b.text); err != nil {
			p.add(b.name, "write true or false")
		}
	}
	s.readSites(env, &p)
	s.readPeople(env, &p)
	s.readSecrets(env, &p)
	s.readTimes(env, &p)
	s.readAddresses(env, &p)
	s.readNotify(env, &p)
	s.brand = readBrand(env, &p)
	if s.headers, err = auth.ParseHeaders(env.Headers); err != nil {
		p.add("HEADERS", "%w", err)
	}
	if err := s.level.UnmarshalText([]byte(env.LogLevel)); err != nil {
		p.add("LOG_LEVEL", "write debug, info, warn or error")
	}
	if env.LogFormat != "text" && env.LogFormat != "json" {
		p.add("LOG_FORMAT", "write text or json")
	}
	return s, errors.Join(p...)
}

func (s *settings) readSites(env environment, p *problems) {
	urls, domains := list(env.URL), list(env.CookieDomain)
	if len(domains) > len(urls) {
		p.add("COOKIE_DOMAIN", "lists %d domains for %d addresses in USHER_URL; give one for each, in their order", len(domains), len(urls))
	}
	for i, address := range urls {
		domain := ""
		if i < len(domains) {
			domain = domains[i]
		}
		site, err := auth.NewSite(address, domain)
		if err != nil {
			p.add("URL", "%w", err)
			continue
		}
		s.sites = append(s.sites, site)
	}
	if err := auth.CheckSites(s.sites); err != nil {
		p.add("URL", "%w", err)
	}
}

func (s *settings) readPeople(env environment, p *problems) {
	s.servers = list(env.Servers)
	for _, id := range s.servers {
		if !policy.MachineID(id) {
			p.add("SERVERS", "%q is no machine identifier (20 to 64 letters, digits or -); a server's name is not one: see machineIdentifier at http://SERVER:32400/identity", id)
		}
	}
	if env.Owner != "" {
		id, err := strconv.ParseInt(env.Owner, 10, 64)
		if err != nil || id <= 0 {
			p.add("OWNER", "is no numeric Plex id; it is the id in the answer of https://plex.tv/api/v2/user")
		}
		s.owner = id
	}
	if t := env.PlexToken; strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) || len(t) > 4096 {
		p.add("PLEX_TOKEN", "has characters that no token has; copy it again")
	}
	s.allow, s.rulesFile = env.Allow, env.RulesFile
	s.known = policy.Context{ToCome: true} // before it is known what set-up has found out
	s.readPolicies(p)
	var err error
	if env.Admins != "" {
		if s.admins, err = policy.ParseAdmins(env.Admins); err != nil {
			p.add("ADMINS", "%w", err)
		}
	}
}

func (s *settings) readSecrets(env environment, p *problems) {
	s.secrets = list(env.Secret)
	if env.Secret != "" {
		if _, err := session.NewKeys(s.secrets...); err != nil {
			p.add("SECRET", "%w; make one with: openssl rand -hex 32", err)
		}
	}
	if strings.ContainsFunc(s.clientID, func(r rune) bool { return r <= ' ' || r > '~' }) || len(s.clientID) > 128 {
		p.add("CLIENT_ID", "takes at most 128 letters, digits and signs, no space")
	}
}

func (s *settings) readTimes(env environment, p *problems) {
	read := func(name, text string, least, most time.Duration) time.Duration {
		d, err := time.ParseDuration(text)
		if err != nil || d < least || d > most {
			p.add(name, "takes a duration such as 90s, 5m or 24h, from %v to %v", least, most)
		}
		return d
	}
	s.lifetime = read("SESSION_LIFETIME", env.SessionLifetime, time.Second, 400*24*time.Hour) // browsers keep no cookie longer
	s.recheck = read("RECHECK", env.Recheck, 100*time.Millisecond, 24*time.Hour)
	s.grace = read("OUTAGE_GRACE", env.OutageGrace, 0, 30*24*time.Hour)
}

func (s *settings) readAddresses(env environment, p *problems) {
	for _, text := range list(env.TrustedProxies) {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			a, aerr := netip.ParseAddr(text)
			if aerr != nil || a.Zone() != "" {
				p.add("TRUSTED_PROXIES", "%q is no network such as 172.18.0.0/16", text)
				continue
			}
			network = netip.PrefixFrom(a, a.BitLen())
		}
		if network.Bits() == 0 {
			p.add("TRUSTED_PROXIES", "%q would let anybody claim any address; name the proxy's network", text)
		}
		s.proxies = append(s.proxies, network.Masked())
	}
	if len(s.proxies) == 0 {
		p.add("TRUSTED_PROXIES", "names no network, so no proxy could ask; unset it for the private networks")
	}
	for _, l := range [][2]string{{"LISTEN", s.listen}, {"METRICS_LISTEN", s.metricsListen}} {
		if _, port, err := net.SplitHostPort(l[1]); l[1] != "" && (err != nil || !isPort(port)) {
			p.add(l[0], "takes an address such as :4181 or 127.0.0.1:4181")
		}
	}
	for _, u := range [][2]string{{"PLEX_URL", s.plexURL}, {"PLEX_AUTH_URL", s.plexAuth}} {
		if at, err := url.Parse(u[1]); err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Host == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "" {
			p.add(u[0], "takes an address such as https://plex.tv")
		}
	}
}

func (s *settings) readNotify(env environment, p *problems) {
	if s.notifies = env.NotifyURL != ""; !s.notifies {
		return
	}
	var err error
	if s.notify, err = notify.ParseReceiver(env.NotifyURL); err != nil {
		p.add("NOTIFY_URL", "%w", err)
	}
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// listenPort is the port of an address to listen on.
func listenPort(listen string) string {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	return port
}

// list splits a comma list and drops what is empty.
func list(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
