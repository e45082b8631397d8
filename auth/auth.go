// Package auth is Usher's HTTP face: it answers the proxies' checks, signs
// people in with Plex, and serves the few pages that go with it.
//
// A check reads what the proxy says was asked for, asks who is signed in, or
// whose key a program has given, and what plex.tv last said about them, lets a
// policy decide, and writes the answer. Nothing else about a request is
// believed: not its query, not the headers of another kind of proxy, not an
// identity header.
//
// Refused: checks from addresses that are no trusted proxy, forwarded headers
// that are missing, doubled or malformed, hosts that the session cookie does
// not reach, keys that are doubled, old or for other hosts, return addresses
// that any browser could read as somebody else's, cross-origin changes, and
// everybody about whom plex.tv has not spoken.
//
// Trusted: the networks in Config.Proxies, to name the client's address and
// the address asked for; plex.tv, through package plex; cookies that package
// session sealed, and keys that it made.
package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"usher/avatar"
	"usher/notify"
	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

// Config is what a [Server] needs. All of it is required but where noted.
type Config struct {
	Sites     []Site          // where the pages live; none means under /_usher/ of every protected host
	Proxies   Proxies         // whose word is believed
	Policy    policy.Policy   // who passes where neither a check's address nor a rule says
	Rules     policy.Rules    // who passes where a check's address names no policy; [Server.SetRules] replaces them
	Known     policy.Context  // what a policy may ask about
	Admins    policy.Policy   // who administers besides the owner; the zero value is nobody
	Headers   Headers         // identity headers of every 200
	Lifetime  time.Duration   // of a session
	Insecure  bool            // cookies without Secure, for http without TLS
	Redeem    bool            // whoever holds a person's Plex token may sign in as them
	PlexAuth  string          // Plex's own sign-in page, https://app.plex.tv/auth
	Plex      *plex.Client    // makes and reads PINs
	Directory *plex.Directory // what plex.tv says about people; nil until servers are configured
	Store     *session.Store
	Cookies   *session.Cookies
	Keys      session.Keys
	Pages     *templates.Pages
	Faces     *avatar.Faces // of people, on their pages; nil means that none are shown
	Log       *slog.Logger
	Metrics   *Metrics

	// BrowserPIN has the sign-in page ask plex.tv for the PIN itself.
	BrowserPIN bool
	// EchoWord reports whether a word opens /doctor/echo now; nil means that
	// none does.
	EchoWord func(word string) bool
	// Notify tells the owner of something that happened, without waiting; nil means
	// that nobody is told.
	Notify func(notify.Message)
	// Office serves /admin and what lies below it, for administrators alone, and
	// reports false for a page that is not there; nil means that none is.
	Office func(http.ResponseWriter, *http.Request, Admin) bool
	// Desk serves /setup and what lies below it, and reports false for a page
	// that is not there; nil means that none is.
	Desk func(http.ResponseWriter, *http.Request, Visit) bool
	// SetUp answers usher setup and usher config, whose words it understands;
	// nil means that nobody does.
	SetUp func(ctx context.Context, command []byte) (answer any, err error)
	// Renewed is told of the token by which somebody has just signed in at
	// Plex: with it plex.tv may end the one that they had from there before.
	// nil means nobody.
	Renewed func(account int64, token plex.Token)
	// Before is the server whose place this one takes; nil means none.
	Before *Server
}

// Server answers checks and serves the pages. [New] makes one.
type Server struct {
	cfg      Config
	log      *slog.Logger
	metrics  *Metrics
	policies policies
	rules    atomic.Pointer[policy.Rules]
	refusals refusals
	admins   *admins
	control  *session.Sealer // what commands ask for
	copying  sync.Mutex      // held while a backup is handed out
	budgets  *budgets
	guesses  *guesses
	pinTries *pinTries
	homes    *homes
	signIns  *signIns
	pending  *session.Sealer // the cookie that binds a PIN to a browser
	here     *session.Sealer // the cookie that says in which browser a session began
	notices  *session.Sealer // what a page is told through an address
	ways     *session.Sealer // the cookie that says where a browser was sent
	pages    http.Handler

	// Log lines that anybody can cause; what is not logged is still counted.
	badChecks, undecideds, crowds, failures, wrongKeys *rate.Limiter
}

// New checks the configuration as a whole.
func New(cfg Config) (*Server, error) {
	if err := CheckSites(cfg.Sites); err != nil {
		return nil, err
	}
	if len(cfg.Headers) == 0 {
		return nil, errors.New("no identity headers")
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, metrics: cfg.Metrics,
		policies: policies{known: cfg.Known},
		budgets:  newBudgets(),
		guesses:  newGuesses(),
		pinTries: newPINTries(),
		homes:    newHomes(),
		pending:  cfg.Keys.Sealer("sign-in", pinLife),
		here:     cfg.Keys.Sealer("signed in here", cfg.Lifetime),
		notices:  cfg.Keys.Sealer("notice", time.Hour),
		ways:     cfg.Keys.Sealer("way", wayLife),
		control:  ControlSealer(cfg.Keys),

		badChecks:  rate.NewLimiter(1, 100),
		undecideds: rate.NewLimiter(1, 10),
		crowds:     rate.NewLimiter(1, 10),
		failures:   rate.NewLimiter(1, 10),
		wrongKeys:  rate.NewLimiter(1, 10),
	}
	s.cfg.Policy = cfg.Policy.TakeGuests()
	meant, err := cfg.Store.Setting(adminsSetting)
	if err != nil {
		return nil, err
	}
	if s.admins, err = newAdmins(cfg.Admins, meant, func(v []byte) error { return cfg.Store.SetSetting(adminsSetting, v) }); err != nil {
		return nil, err
	}
	s.signIns = newSignIns(s)
	s.SetRules(cfg.Rules)
	if cfg.Before != nil {
		s.takeOver(cfg.Before)
		s.cfg.Before = nil // or each would keep all that came before it
	} else {
		s.loadRefusals()
	}
	if s.pages, err = s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}

// ServeHTTP answers checks, health questions and browsers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if isCheck(r.URL) {
		s.serveCheck(w, r)
		return
	}
	if s.echoes(r) {
		s.serveEcho(w, r)
		return
	}
	if !canonicalPath(r.URL.Path) { // the mux would send the browser on, to an address of its own making
		s.notFound(w, r)
		return
	}
	s.pages.ServeHTTP(w, r)
}

// isCheck reports whether an address is one where proxies ask, in every reading
// of it: as written, decoded, and without its dot segments. A proxy that keeps
// clients off /auth/ may go by any of these.
func isCheck(u *url.URL) bool {
	return strings.HasPrefix(u.Path, checkPrefix) && strings.HasPrefix(u.EscapedPath(), checkPrefix) && strings.HasPrefix(path.Clean(u.Path), checkPrefix)
}

// isAstray reports whether a proxy asks where a page is, for want of the path in its line: to the proxy a page's 200
// would mean that whoever is signed in may pass. What Envoy sends nobody can tell from a page's request. Some proxies'
// set-ups send X-Forwarded-Uri and X-Original-URL with every request, about that request.
func (s *Server) isAstray(r *http.Request) bool {
	if r.Header["X-Forwarded-Method"] != nil {
		return true
	}
	elsewhere := func(address string) bool {
		u, err := url.Parse(address)
		if err != nil {
			return true
		}
		h, _ := parseHost(u.Host)
		return !slices.ContainsFunc(s.cfg.Sites, func(site Site) bool { return site.host.name == h.name })
	}
	return len(s.cfg.Sites) > 0 && slices.ContainsFunc(r.Header["X-Original-Url"], elsewhere)
}

// canonicalPath reports whether a path has no "//" and no dot segment.
func canonicalPath(p string) bool {
	clean := path.Clean("/" + p)
	return p == clean || p == clean+"/"
}

// routes is everything but the checks.
func (s *Server) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("POST "+ControlPath, s.serveControl)
	mux.HandleFunc("/", s.unknownPage)
	for _, base := range s.bases() {
		type page struct {
			path      string
			get, post sitePage
		}
		pages := []page{
			{"/{$}", s.home, nil},
			{"/login", s.loginPage, s.startSignIn},
			{"/login/callback", s.callback, nil},
			{"/login/poll", s.poll, nil},
			{"/login/device", s.linkPage, s.startLink},
			{"/logout", s.logoutPage, s.logout},
			{"/who", s.whoPage, s.chooseWho},
			{"/keys", s.keysPage, s.makeKey},
			{"/keys/end", nil, s.endKey},
			{"/devices/end", nil, s.endDevice},
			{"/refused", s.refusedPage, nil},
			{"/ask", nil, s.sendAsk},
			{"/unreachable", s.unreachableNotice, nil},
			{languagePath, s.languagePage, s.chooseLanguage},
			{"/api/session", s.sessionJSON, nil},
		}
		if s.cfg.Redeem {
			pages = append(pages, page{"/api/redeem", nil, s.redeem})
		}
		if base != "" {
			pages = append(pages, page{"", s.home, nil})
		}
		if s.cfg.Office != nil {
			mux.HandleFunc(base+"/admin", s.office(base))
			mux.HandleFunc(base+"/admin/", s.office(base))
		}
		if s.cfg.Desk != nil {
			s.deskPages(mux, base, "/setup")
		}
		for _, page := range pages {
			var allow []string
			if page.get != nil {
				allow = append(allow, "GET", "HEAD")
				mux.HandleFunc("GET "+base+page.path, s.at(base, page.get))
			}
			if page.post != nil {
				allow = append(allow, "POST")
				mux.HandleFunc("POST "+base+page.path, s.at(base, page.post))
			}
			mux.HandleFunc(base+page.path, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Allow", strings.Join(allow, ", "))
				s.problem(w, r, http.StatusMethodNotAllowed, templates.NotHere)
			})
		}
	}
	next, err := s.guarded(mux)
	return s.forwardedHost(next), err
}

// guarded refuses what another origin has a browser send. Each site trusts its own
// origin alone, where a proxy has changed the host: at another one of ours apps may
// share the origin, and same-site its pages' requests carry every cookie.
func (s *Server) guarded(pages http.Handler) (http.Handler, error) {
	guard := func() *http.CrossOriginProtection {
		g := http.NewCrossOriginProtection()
		g.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.problem(w, r, http.StatusForbidden, templates.Elsewhere)
		}))
		return g
	}
	own, others := map[string]http.Handler{}, guard().Handler(pages)
	for _, site := range s.cfg.Sites {
		g := guard()
		if err := g.AddTrustedOrigin(site.origin()); err != nil {
			return nil, fmt.Errorf("%s: %w", site.base(), err)
		}
		own[site.origin()] = g.Handler(pages)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site, _ := s.pageSite(r, s.baseOf(r))
		next, ok := own[site.origin()]
		if !ok {
			next = others
		}
		next.ServeHTTP(w, r)
	}), nil
}

// sitePage answers at one site.
type sitePage func(http.ResponseWriter, *http.Request, Site)

// at serves a page of whichever site below base was asked for.
func (s *Server) at(base string, serve sitePage) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.isAstray(r) {
			s.warn(s.badChecks, "a proxy asks at the address of a page: nobody passes", "address", r.URL.Path, "fix", "the address in the proxy's line must end in /auth/traefik, /auth/caddy, …")
			http.Error(w, "No check is answered here: the address that the proxy asks at must end in /auth/traefik, /auth/caddy, /auth/nginx, /auth/haproxy or /auth/envoy.", http.StatusInternalServerError)
			return
		}
		if site, ok := s.pageSite(r, base); ok {
			serve(w, r, site)
			return
		}
		s.problem(w, r, http.StatusBadRequest, templates.NoAddress)
	}
}

// bases are the paths below which pages live.
func (s *Server) bases() []string {
	if len(s.cfg.Sites) == 0 {
		return []string{overlayPath}
	}
	var bases []string
	seen := map[string]bool{}
	for _, site := range s.cfg.Sites {
		if !seen[site.path] {
			seen[site.path] = true
			bases = append(bases, site.path)
		}
	}
	return bases
}

// baseOf is the longest of the bases below which a request's path lies, "" for none.
func (s *Server) baseOf(r *http.Request) (base string) {
	for _, b := range s.bases() {
		if len(b) > len(base) && strings.HasPrefix(r.URL.Path+"/", b+"/") {
			base = b
		}
	}
	return base
}

// forwardedHost gives a page request the host that the browser used, where a
// trusted proxy says so. The guard against other origins compares with it.
func (s *Server) forwardedHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.Header["X-Forwarded-Host"]; len(name) == 1 && name[0] != "" && s.cfg.Proxies.trusts(peer(r)) {
			r = r.Clone(r.Context())
			r.Host = name[0]
		}
		next.ServeHTTP(w, r)
	})
}

// pageSite is the site whose page a browser asks for. With configured
// addresses it is always one of them.
func (s *Server) pageSite(r *http.Request, base string) (Site, bool) {
	h, ok := parseHost(r.Host)
	if len(s.cfg.Sites) == 0 {
		return overlay(s.pageScheme(r), h), ok
	}
	for _, site := range s.cfg.Sites {
		if ok && site.path == base && site.host.name == h.name {
			return site, true
		}
	}
	for _, site := range s.cfg.Sites {
		if site.path == base {
			return site, true
		}
	}
	return Site{}, false
}

// pageScheme is how the browser came, as far as it can be known.
func (s *Server) pageScheme(r *http.Request) string {
	proto := r.Header["X-Forwarded-Proto"]
	switch {
	case len(proto) == 1 && (proto[0] == "http" || proto[0] == "https") && s.cfg.Proxies.trusts(peer(r)):
		return proto[0]
	case r.TLS == nil && s.cfg.Insecure:
		return "http"
	}
	return "https"
}

// siteOf is the site whose cookie reaches the host that was asked for.
func (s *Server) siteOf(a asked) (Site, bool) {
	if len(s.cfg.Sites) == 0 {
		return overlay(a.scheme, a.host), true
	}
	best, found := Site{}, false
	for _, site := range s.cfg.Sites {
		if site.reaches(a.host.name) && (!found || len(site.domain) > len(best.domain)) {
			best, found = site, true
		}
	}
	return best, found
}

// overlay is the site that a protected host is for itself.
func overlay(scheme string, h host) Site {
	return Site{scheme: scheme, host: h, path: overlayPath}
}

// warn logs what anybody can cause, within a limit.
func (s *Server) warn(limit *rate.Limiter, message string, args ...any) {
	if limit.Allow() {
		s.log.Warn(message, args...)
	}
}

func (s *Server) count(proxy, result string) {
	s.metrics.checks.WithLabelValues(proxy, result).Inc()
}

// write sends a page; one that cannot be rendered is our own mistake.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, page templates.Page) {
	s.writeFor(w, s.reader(r), status, page)
}

func (s *Server) writeFor(w http.ResponseWriter, reader templates.Reader, status int, page templates.Page) {
	if err := s.cfg.Pages.Write(w, status, page, reader); err != nil {
		s.log.Error("a page could not be written", "problem", err)
	}
}

func (s *Server) problem(w http.ResponseWriter, r *http.Request, status int, kind templates.Trouble) {
	s.write(w, r, status, templates.Problem{Status: status, Kind: kind})
}

// notFound is the same for every page that there is not: its link to the
// languages does not tell the page that was asked for, either.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	reader := s.reader(r)
	reader.Choose, _, _ = strings.Cut(reader.Choose, "?")
	s.writeFor(w, reader, http.StatusNotFound, templates.NoSuchPage())
}

// see sends a browser on with a GET. The address is absolute and checked by
// its maker; http.Redirect would clean it.
func see(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
