// Package desk is where the owner sets Usher up: which of their Plex servers
// count, who may pass, and what their proxy must be told; and, in the [Office],
// where administrators look after people: who may pass, where they are signed
// in, what happened and why.
//
// Whoever enters the one-time code that the log has may set up, from that one
// browser, for an hour; so may the owner who asks for it at the desk, and then
// with their own account alone. They sign in with Plex, tick servers of their own, see
// by name who would get in, and choose. Everything is stored and put in force
// at the end, in one step, or not at all.
//
// Refused: everybody without the code, a code that is wrong, old or used, every
// browser but the one that entered it, a server that plex.tv does not list as
// the account's own, a policy that is none of the choices. Once Usher is set up
// and no new code has been printed there is no such page.
//
// In the office nobody keeps out the owner or themselves, and what is not there
// any more is not ended for another.
//
// Trusted: that the caller lets nobody into the office but administrators;
// whoever can read the log, plex.tv, and whoever may give commands.
// That these are its owner's, and that requests come from the same origin, is
// for the caller to see to. Plex tokens stay here: no browser gets one.
package desk

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

const (
	path     = "/setup"
	life     = time.Hour        // of a set-up that was begun
	plexTime = 20 * time.Second // for the few questions of one step
	maxForm  = 16 << 10         // bytes
)

// Visit is where, and from where, a page is asked for.
type Visit struct {
	Base   string     // address of the pages, without a slash at its end
	Host   string     // its host, without a port
	HTTPS  bool       // how the browser came
	Loses  bool       // the browser drops cookies here
	Client netip.Addr // its address; zero: unknown
}

// Site is an address of the pages that is configured.
type Site struct {
	URL    *url.URL
	Domain string // of the session cookie; "": the host alone
}

// Fixed is what the environment says, which nothing here can change. Zero
// values are free.
type Fixed struct {
	Servers []string
	Owner   int64
	Token   bool // the owner's
	Allow   string
}

// Config is what a [Desk] needs; all of it but what is said to be optional.
type Config struct {
	Sites    []Site // none: the pages live on every host
	Port     string // on which Usher listens
	Fixed    Fixed
	Plex     *plex.Client
	PlexAuth string // Plex's own sign-in page
	Keys     session.Keys
	Pages    *templates.Pages
	Log      *slog.Logger

	// Person is what a policy may know of plex.tv's answer.
	Person func(*plex.Answer) policy.Person
	// InForce is what counts now, whoever has said so, and Stored what set-up
	// has.
	InForce, Stored func() Setup
	// Apply stores a set-up and puts it in force, or changes nothing. Its
	// errors are sentences for whoever sets up.
	Apply func(Setup) error
	// Renewed is told of the newest token of an account.
	Renewed func(account int64, token plex.Token)
	// Audit writes down what happened.
	Audit func(session.Event)
	// Live reports whether a session is not over; nil: every one is live.
	Live func(session string) bool
}

// Desk serves the pages. [New] makes one; it may be used by several goroutines
// at once.
type Desk struct {
	cfg     Config
	browser *session.Sealer // the cookie that carries a set-up on
	pins    *rate.Limiter
	recipes []Recipe

	mu   sync.Mutex
	code code
	run  *run // the set-up under way, or just done; nil: none
}

// New makes a desk without a code: nobody can set up.
func New(cfg Config) (*Desk, error) {
	all, err := Recipes()
	if err != nil {
		return nil, err
	}
	return &Desk{cfg: cfg, browser: cfg.Keys.Sealer("set-up", life), pins: rate.NewLimiter(rate.Every(6*time.Second), 10), recipes: all}, nil
}

// step is one page or deed of a set-up under way.
type step func(*Desk, http.ResponseWriter, *http.Request, Visit, *run)

// steps are what there is below /setup for the browser that entered the code.
func steps() map[string]step {
	return map[string]step{
		"GET ":          (*Desk).next,
		"POST /plex":    (*Desk).toPlex,
		"GET /callback": (*Desk).callback,
		"GET /poll":     (*Desk).poll,
		"POST /again":   (*Desk).again,
		"GET /servers":  (*Desk).serversPage,
		"POST /servers": (*Desk).tick,
		"GET /people":   (*Desk).peoplePage,
		"POST /finish":  (*Desk).finish,
		"GET /done":     (*Desk).donePage,
	}
}

// Serve answers a request at /setup or below, or reports false where there is no such page.
func (d *Desk) Serve(w http.ResponseWriter, r *http.Request, v Visit) bool {
	base, err := url.Parse(v.Base)
	if err != nil {
		return false
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	at := method + " " + strings.TrimPrefix(r.URL.Path, base.Path+path)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	now, open := d.runOf(r), d.isOpen()
	serve, known := steps()[at]
	switch {
	case now == nil && !open:
		return false
	case v.Loses:
		d.onlyHTTPS(w, v)
	case at == "POST /code":
		d.enter(w, r, v)
	case now == nil && at == "GET ":
		d.codePage(w, v, http.StatusOK, "")
	case !known:
		return false
	case now == nil:
		see(w, v.Base+path)
	case !now.take(r.Context()):
		// the browser has gone
	default:
		defer now.give()
		if d.runOf(r) != now { // over since, while this waited
			see(w, v.Base+path)
			return true
		}
		serve(d, w, r, v, now)
	}
	return true
}

// next leads to where the set-up stands.
func (d *Desk) next(w http.ResponseWriter, _ *http.Request, v Visit, now *run) {
	switch {
	case now.done:
		see(w, v.Base+path+"/done")
	case now.account.ID == 0 && now.token == "":
		d.write(w, http.StatusOK, templates.SetupAccount{Action: v.Base + path + "/plex", FormAction: []string{d.cfg.PlexAuth}, Owner: d.cfg.Fixed.Owner, Token: d.cfg.Fixed.Token})
	case now.account.ID == 0:
		see(w, v.Base+path+"/callback")
	case now.ticked == nil:
		see(w, v.Base+path+"/servers")
	default:
		see(w, v.Base+path+"/people")
	}
}

func (d *Desk) write(w http.ResponseWriter, status int, page templates.Page) {
	if err := d.cfg.Pages.Write(w, status, page, templates.Reader{}); err != nil {
		d.cfg.Log.Error("a page could not be written", "problem", err)
	}
}

func (d *Desk) onlyHTTPS(w http.ResponseWriter, v Visit) {
	page := templates.Unreachable{Host: v.Host, Insecure: true}
	if u, err := url.Parse(v.Base + path); err == nil {
		u.Scheme = "https"
		page.HTTPS = u.String()
	}
	d.write(w, http.StatusBadRequest, page)
}

// trouble says why plex.tv's answer will not do, and goes on from there.
func (d *Desk) trouble(w http.ResponseWriter, err error, v Visit, again string) {
	d.cfg.Log.Warn("set-up waits for plex.tv", "problem", err)
	if errors.Is(err, plex.ErrForbidden) || errors.Is(err, plex.ErrBadRequest) {
		d.write(w, http.StatusBadGateway, templates.SetupProblem{Title: "Plex refuses", Again: v.Base + path + again, Switch: v.Base + path + "/again",
			Text: "plex.tv does not answer this question for that account. Nothing has been changed."})
		return
	}
	w.Header().Set("Retry-After", "30")
	d.write(w, http.StatusServiceUnavailable, templates.SetupProblem{Title: "Plex is not answering", Again: v.Base + path + again,
		Text: "plex.tv gives no usable answer at the moment. Nothing has been changed, and you can go on from here: try again in half a minute."})
}

// plexContext is for questions that are finished although the browser goes.
func plexContext(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), plexTime)
}

// Reasons of events of [session.EventSetUp].
const (
	byCode    = "code"    // it was entered
	atDesk    = "desk"    // the owner asked for it there
	ByCommand = "command" // usher setup
)

func (d *Desk) audit(v Visit, result, reason string, account plex.Account) {
	e := session.Event{Kind: session.EventSetUp, Result: result, Reason: reason, Account: account.ID, App: v.Host, Address: v.Client}
	if account.ID != 0 {
		e.User = cmp.Or(account.Username, "plex-"+strconv.FormatInt(account.ID, 10))
	}
	d.cfg.Audit(e)
}

// see sends a browser on with a GET.
func see(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
