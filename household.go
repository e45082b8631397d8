package main

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"usher/auth"
	"usher/desk"
	"usher/plex"
)

// household is whose servers count and who may pass, and what answers by that. It
// is made anew when set-up changes them; the store, the keys and the cookies
// outlive it.
type household struct {
	set       settings // with what set-up has found out
	server    *auth.Server
	directory *plex.Directory // nil until there are servers

	busy    atomic.Int64 // requests under way
	retired atomic.Bool
	idle    chan struct{} // closed when it is retired and the last request has ended
	once    sync.Once
}

// leave ends a request.
func (h *household) leave() {
	if h.busy.Add(-1) == 0 && h.retired.Load() {
		h.once.Do(func() { close(h.idle) })
	}
}

// retire is for a house to which no new request comes.
func (h *household) retire() {
	h.retired.Store(true)
	if h.busy.Load() == 0 {
		h.once.Do(func() { close(h.idle) })
	}
}

// ServeHTTP has whichever house is in force answer. A request stays with the
// one that it came to.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := a.enter()
	defer h.leave()
	h.server.ServeHTTP(w, r)
}

func (a *app) enter() *household {
	a.mu.RLock()
	defer a.mu.RUnlock()
	a.house.busy.Add(1)
	return a.house
}

// current is the house in force.
func (a *app) current() *household {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.house
}

// newHousehold wires what depends on set-up. It asks nobody before it is started.
func (a *app) newHousehold(set settings, before *household) (*household, error) {
	h := &household{set: set, idle: make(chan struct{})}
	var err error
	if len(set.servers) > 0 {
		if h.directory, err = a.newDirectory(set); err != nil {
			return nil, err
		}
	}
	config := auth.Config{
		Sites: set.sites, Proxies: set.proxies, Policy: set.policy, Rules: set.rules, Known: set.known, Admins: set.admins, Headers: set.headers, Lifetime: set.lifetime,
		Insecure: set.insecure, Redeem: set.redeem, BrowserPIN: set.browserPIN, PlexAuth: set.plexAuth, Plex: a.client, Directory: h.directory, Store: a.store, Cookies: a.cookies,
		Keys: a.keys, Pages: a.pages, Faces: a.faces, Log: a.log, Metrics: a.metrics, EchoWord: wordFile(set.dataFile(wordName)).opens, Renewed: a.renewed, SetUp: a.desk.Command,
		Desk: func(w http.ResponseWriter, r *http.Request, v auth.Visit) bool {
			return a.desk.Serve(w, r, desk.Visit(v))
		},
	}
	config.Office = a.newOffice(h)
	if a.notifier != nil {
		config.Notify = a.notifier.Send
	}
	if before != nil {
		config.Before = before.server
	}
	if h.server, err = auth.New(config); err != nil && h.directory != nil {
		h.directory.Close()
	}
	return h, err
}

// start begins to ask plex.tv about people.
func (a *app) start(h *household) {
	if h.directory == nil {
		return
	}
	h.directory.Start()
	if h.set.token != "" {
		a.watched.Do(func() { a.metrics.WatchView(a.view) })
	}
}

// view is how the owner's view stands in the house in force.
func (a *app) view() plex.ViewState {
	if d := a.current().directory; d != nil {
		return d.View()
	}
	return plex.ViewState{}
}

// apply stores a set-up and puts it in force without a restart, or changes
// nothing. Requests under way finish by what was in force when they came.
func (a *app) apply(s desk.Setup) error {
	a.applying.Lock()
	defer a.applying.Unlock()
	return a.put(s)
}

// put is apply for a caller that holds applying.
func (a *app) put(s desk.Setup) error {
	select {
	case <-a.closing:
		return errors.New("it is being stopped")
	default:
	}
	set, err := a.env.with(s)
	if err != nil {
		return err
	}
	before := a.current()
	next, err := a.newHousehold(set, before)
	if err != nil {
		return err
	}
	if err := a.keep(s); err != nil {
		if next.directory != nil {
			next.directory.Close()
		}
		return err
	}
	a.mu.Lock()
	a.house, a.stored = next, s
	a.mu.Unlock()
	a.start(next)
	before.retire()
	if before.directory != nil {
		a.work.Go(func() {
			select {
			case <-before.idle:
			case <-a.closing:
			}
			before.directory.Close()
		})
	}
	warnOfRules(set.warnings, a.log)
	return nil
}

// renewed keeps the owner's newest token: plex.tv may end the one from set-up
// when they sign in again.
func (a *app) renewed(account int64, token plex.Token) {
	a.applying.Lock() // or a set-up that is finished meanwhile would be undone
	defer a.applying.Unlock()
	s := a.known()
	if account != s.Owner || s.Token == "" || token == s.Token {
		return
	}
	s.Token = token
	if err := a.put(s); err != nil { // the rules file is bad at the moment, perhaps
		a.log.Error("the owner's new token is not in use before the next start", "problem", errors.Join(err, a.keep(s)))
	}
}

// keep stores a set-up.
func (a *app) keep(s desk.Setup) error {
	text, err := s.Encode()
	if err != nil {
		return err
	}
	return a.store.SetSealedSetting(setupSetting, text)
}

// known is what set-up has stored.
func (a *app) known() desk.Setup {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.stored
}

// inForce is what counts, by the environment or by set-up.
func (a *app) inForce() desk.Setup {
	a.mu.RLock()
	defer a.mu.RUnlock()
	set, names := a.house.set, map[string]string{}
	for _, s := range a.stored.Servers {
		names[s.ID] = s.Name
	}
	now := desk.Setup{Owner: set.owner, Allow: set.policy.String()}
	for _, id := range set.servers {
		now.Servers = append(now.Servers, desk.Server{ID: id, Name: names[id]})
	}
	return now
}
