package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"usher/auth"
	"usher/avatar"
	"usher/backup"
	"usher/desk"
	"usher/notify"
	"usher/plex"
	"usher/session"
	"usher/templates"
)

// finishWithin is how long requests may still take after a signal to stop;
// container engines kill after ten seconds.
const finishWithin = 8 * time.Second

// cannotStart is said of the environment's problems.
const cannotStart = "usher cannot start. Each line names a variable and what to do:\n%w\n%w"

// serve runs Usher until ctx ends, then lets requests finish.
func serve(ctx context.Context, stderr io.Writer) error {
	env, _, envErr := readEnvironment()
	set, err := newSettings(env)
	if err := errors.Join(envErr, err); err != nil {
		return fmt.Errorf(cannotStart, err, errUsage)
	}
	log := newLog(stderr, set)
	signals := make(chan os.Signal, 2) // before anything is opened: from here on these do not end Usher
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)
	app, err := newApp(set, log)
	if err != nil {
		return err
	}
	defer app.close()
	ln, err := listen("USHER_LISTEN", set.listen)
	if err != nil {
		return err
	}
	servers := []*http.Server{newServer(app, log)}
	listeners := []net.Listener{ln}
	if set.metricsListen != "" {
		mln, err := listen("USHER_METRICS_LISTEN", set.metricsListen)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", promhttp.HandlerFor(app.registry, promhttp.HandlerOpts{}))
		servers, listeners = append(servers, newServer(mux, log)), append(listeners, mln)
	}
	log.Info("usher listens", "address", ln.Addr().String(), "version", buildVersion(), "allow", app.current().set.policy.String(), "servers", len(app.current().set.servers))
	if len(app.current().set.servers) == 0 {
		log.Warn("not set up: nobody passes before it is known which Plex server counts, and whose it is")
		app.printCode()
	}
	if set.redeem {
		log.Warn("USHER_REDEEM is on: whoever holds a person's Plex token can sign in as them")
	}
	for _, site := range set.sites {
		if site.DropsSecureCookies() && !set.insecure {
			log.Warn("nobody can sign in: USHER_URL is http, where browsers drop the cookies; write https, or for a network without TLS set USHER_INSECURE_COOKIES=true")
		}
	}
	warnOfRules(app.current().set.warnings, log)
	ctx, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	work.Go(func() {
		for {
			select {
			case sig := <-signals:
				if sig == syscall.SIGUSR1 {
					app.printCode()
				} else {
					app.reloadRules(log)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return serveAll(ctx, servers, listeners)
}

// listen listens where a variable says.
func listen(variable, address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %w; is another Usher running, or is the port taken?", variable, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s: %w; this machine, or this container, has no such address", variable, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	return ln, nil
}

// serveAll serves until ctx ends or one server fails, then stops all.
func serveAll(ctx context.Context, servers []*http.Server, listeners []net.Listener) error {
	failed := make(chan error, len(servers))
	for i, srv := range servers {
		go func() { failed <- srv.Serve(listeners[i]) }()
	}
	var err error
	ended := 0
	select {
	case <-ctx.Done():
	case err = <-failed:
		ended++
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	for _, srv := range servers {
		if e := srv.Shutdown(stop); e != nil {
			err = errors.Join(err, e, srv.Close())
		}
	}
	for ; ended < len(servers); ended++ {
		if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// newServer has every time limit that net/http leaves open, and bounds headers
// to what cookies may take.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// app is everything that is wired together below the listeners, and lives as
// long as they do. What set-up changes is its house.
type app struct {
	env      settings // as the environment alone says
	keys     session.Keys
	store    *session.Store
	cookies  *session.Cookies
	pages    *templates.Pages
	faces    *avatar.Faces
	client   *plex.Client
	registry *prometheus.Registry
	metrics  *auth.Metrics
	watched  sync.Once // the owner's view, in the metrics
	desk     *desk.Desk
	asked    desk.PlexLog     // for the office
	notifier *notify.Notifier // nil: nobody is told
	began    time.Time
	log      *slog.Logger

	applying sync.Mutex // held over a change of the house or its rules
	mu       sync.RWMutex
	house    *household // guarded by mu; nil only while it is opened
	stored   desk.Setup // by set-up; guarded by mu

	closing chan struct{}
	work    sync.WaitGroup // houses that wait for their last request
}

// newApp is openApp, and begins to ask plex.tv about people.
func newApp(set settings, log *slog.Logger) (*app, error) {
	a, err := openApp(set, log)
	if err == nil {
		a.start(a.house)
	}
	return a, err
}

// openApp opens the store and wires the packages. close ends it.
func openApp(set settings, log *slog.Logger) (_ *app, err error) {
	kept, err := backup.Finish(set.dataDir)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("USHER_DATA_DIR: %w; name a folder that the user whom Usher runs as (uid %d) may read and write", err, os.Getuid())
	}
	if err != nil {
		return nil, fmt.Errorf("the data folder, where a restore that was cut off would be finished: %w", err)
	}
	if kept != nil {
		log.Warn("a restore that was cut off is finished", "kept", kept)
	}
	given := set
	if err := set.generate(log); err != nil {
		return nil, err
	}
	a := &app{env: set, began: time.Now(), registry: prometheus.NewRegistry(), log: log, closing: make(chan struct{})}
	if a.keys, err = session.NewKeys(set.secrets...); err != nil {
		return nil, fmt.Errorf("USHER_SECRET: %w", err)
	}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.metrics = auth.NewMetrics(a.registry)
	if a.store, err = session.Open(set.dataFile("usher.db"), a.keys, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if err := ownedAsItsFolder(set.dataFile("usher.db")); err != nil {
		return nil, err
	}
	if err := set.stillHas(given); err != nil { // now nothing can be restored any more
		return nil, err
	}
	if a.cookies, err = session.NewCookies(a.keys, a.store, session.CookieConfig{Lifetime: set.lifetime, Insecure: set.insecure}); err != nil {
		return nil, err
	}
	if a.pages, err = templates.Branded(set.brand); err != nil {
		return nil, err
	}
	if a.faces, err = avatar.New(avatar.Config{Plex: set.plexURL}); err != nil {
		return nil, err
	}
	a.client, err = plex.New(plex.Config{URL: set.plexURL, ClientID: set.clientID, Product: set.product, Version: buildVersion(), Observe: func(endpoint, outcome string, took time.Duration) {
		a.metrics.ObservePlex(endpoint, outcome, took)
		a.asked.Observe(endpoint, outcome, took)
	}})
	if err != nil {
		return nil, err
	}
	if err := a.newDesk(); err != nil {
		return nil, err
	}
	if a.stored, err = readSetup(a.store, log); err != nil {
		return nil, err
	}
	whole, err := set.with(a.stored)
	if err != nil {
		return nil, fmt.Errorf(cannotStart, err, errUsage)
	}
	if set.notifies {
		a.notifier = notify.New(notify.Config{To: set.notify, Log: log, Observe: a.metrics.ObserveNotification})
	}
	a.house, err = a.newHousehold(whole, nil)
	return a, err
}

// newDirectory makes what asks plex.tv about people.
func (a *app) newDirectory(set settings) (*plex.Directory, error) {
	return plex.NewDirectory(plex.DirectoryConfig{
		Client: a.client, Servers: set.servers, Owner: set.owner, OwnerToken: set.token, Recheck: set.recheck, Grace: set.grace,
		Store: auth.PlexStore(a.store), Log: a.log, Rejected: func(id int64) {
			if err := a.current().server.TokenRejected(id); err != nil {
				a.log.Error("a person's sessions could not be ended", "user_id", id, "problem", err)
			}
		},
	})
}

// close ends what runs in the background and writes what is still to be
// written.
func (a *app) close() {
	a.applying.Lock() // whoever sets up now is too late
	defer a.applying.Unlock()
	close(a.closing)
	a.work.Wait()
	if h := a.house; h != nil {
		if h.directory != nil {
			h.directory.Close()
		}
		if h.server != nil {
			h.server.Close()
		}
	}
	a.faces.Close()
	if err := a.store.Close(); err != nil {
		a.log.Error("the store could not be closed", "problem", err)
	}
	if a.notifier != nil { // last: it may take a moment, and nothing is lost with it but messages
		a.notifier.Close()
	}
}

func newLog(w io.Writer, set settings) *slog.Logger {
	options := &slog.HandlerOptions{Level: set.level}
	if set.jsonLog {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
