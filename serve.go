package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	"usher/backup"
	"usher/plex"
	"usher/session"
	"usher/templates"
)

// finishWithin is how long requests may still take after a signal to stop;
// container engines kill after ten seconds.
const finishWithin = 8 * time.Second

// serve runs Usher until ctx ends, then lets requests finish.
func serve(ctx context.Context, stderr io.Writer) error {
	env, _, envErr := readEnvironment()
	set, err := newSettings(env)
	if err := errors.Join(envErr, err); err != nil {
		return fmt.Errorf("usher cannot start. Each line names a variable and what to do:\n%w\n%w", err, errUsage)
	}
	log := newLog(stderr, set)
	reload := make(chan os.Signal, 1) // before anything is opened: from here on the signal does not end Usher
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	app, err := newApp(set, log)
	if err != nil {
		return err
	}
	defer app.close()
	ln, err := net.Listen("tcp", set.listen)
	if err != nil {
		return fmt.Errorf("USHER_LISTEN: %w; is another Usher running, or is the port taken?", err)
	}
	servers := []*http.Server{newServer(app.server, log)}
	listeners := []net.Listener{ln}
	if set.metricsListen != "" {
		mln, err := net.Listen("tcp", set.metricsListen)
		if err != nil {
			return errors.Join(fmt.Errorf("USHER_METRICS_LISTEN: %w", err), ln.Close())
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", promhttp.HandlerFor(app.registry, promhttp.HandlerOpts{}))
		servers, listeners = append(servers, newServer(mux, log)), append(listeners, mln)
	}
	log.Info("usher listens", "address", ln.Addr().String(), "version", buildVersion(), "allow", set.policy.String(), "servers", len(set.servers))
	if len(set.servers) == 0 {
		log.Warn("not set up: nobody passes until USHER_SERVERS names your Plex server and USHER_PLEX_TOKEN or USHER_OWNER its owner")
	}
	if set.redeem {
		log.Warn("USHER_REDEEM is on: whoever holds a person's Plex token can sign in as them")
	}
	for _, site := range set.sites {
		if site.DropsSecureCookies() && !set.insecure {
			log.Warn("nobody can sign in: USHER_URL is http, where browsers drop the cookies; write https, or for a network without TLS set USHER_INSECURE_COOKIES=true")
		}
	}
	warnOfRules(set.warnings, log)
	ctx, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	work.Go(func() {
		for {
			select {
			case <-reload:
				app.reloadRules(set, log)
			case <-ctx.Done():
				return
			}
		}
	})
	return serveAll(ctx, servers, listeners)
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

// app is everything that is wired together below the listeners.
type app struct {
	server    *auth.Server
	store     *session.Store
	directory *plex.Directory // nil until servers are configured
	registry  *prometheus.Registry
	log       *slog.Logger
}

// newApp is openApp, and begins to ask plex.tv about people.
func newApp(set settings, log *slog.Logger) (*app, error) {
	a, err := openApp(set, log)
	if err == nil && a.directory != nil {
		a.directory.Start()
	}
	return a, err
}

// openApp opens the store and wires the packages. close ends it.
func openApp(set settings, log *slog.Logger) (_ *app, err error) {
	kept, err := backup.Finish(set.dataDir)
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
	keys, err := session.NewKeys(set.secrets...)
	if err != nil {
		return nil, fmt.Errorf("USHER_SECRET: %w", err)
	}
	a := &app{registry: prometheus.NewRegistry(), log: log}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := auth.NewMetrics(a.registry)
	if a.store, err = session.Open(set.dataFile("usher.db"), keys, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if err := set.stillHas(given); err != nil { // now nothing can be restored any more
		return nil, err
	}
	cookies, err := session.NewCookies(keys, a.store, session.CookieConfig{Lifetime: set.lifetime, Insecure: set.insecure})
	if err != nil {
		return nil, err
	}
	pages, err := templates.New(set.title)
	if err != nil {
		return nil, err
	}
	client, err := plex.New(plex.Config{URL: set.plexURL, ClientID: set.clientID, Product: set.product, Version: buildVersion(), Observe: metrics.ObservePlex})
	if err != nil {
		return nil, err
	}
	if len(set.servers) > 0 {
		if err := a.openDirectory(set, client); err != nil {
			return nil, err
		}
		if set.token != "" {
			metrics.WatchView(a.directory.View)
		}
	}
	a.server, err = auth.New(auth.Config{
		Sites: set.sites, Proxies: set.proxies, Policy: set.policy, Rules: set.rules, Known: set.known, Admins: set.admins, Headers: set.headers, Lifetime: set.lifetime,
		Insecure: set.insecure, Redeem: set.redeem, PlexAuth: set.plexAuth, Plex: client, Directory: a.directory, Store: a.store, Cookies: cookies,
		Keys: keys, Pages: pages, Log: log, Metrics: metrics, EchoWord: wordFile(set.dataFile(wordName)).opens,
	})
	return a, err
}

// openDirectory makes what asks plex.tv about people.
func (a *app) openDirectory(set settings, client *plex.Client) (err error) {
	a.directory, err = plex.NewDirectory(plex.DirectoryConfig{
		Client: client, Servers: set.servers, Owner: set.owner, OwnerToken: set.token, Recheck: set.recheck, Grace: set.grace,
		Store: auth.PlexStore(a.store), Log: a.log, Rejected: func(id int64) {
			if err := a.server.TokenRejected(id); err != nil {
				a.log.Error("a person's sessions could not be ended", "user_id", id, "problem", err)
			}
		},
	})
	return err
}

// close ends what runs in the background and writes what is still to be
// written.
func (a *app) close() {
	if a.directory != nil {
		a.directory.Close()
	}
	if a.server != nil {
		a.server.Close()
	}
	if err := a.store.Close(); err != nil {
		a.log.Error("the store could not be closed", "problem", err)
	}
}

func newLog(w io.Writer, set settings) *slog.Logger {
	options := &slog.HandlerOptions{Level: set.level}
	if set.jsonLog {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
