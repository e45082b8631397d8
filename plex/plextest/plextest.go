// Package plextest is a plex.tv for tests and for the demo: stateful, and as
// faithful as public sources allow in its shapes, its sizes and its failures.
//
// It makes PINs and lets them be approved, on a sign-in page of its own, by
// PUT /api/v2/pins/link, or by [Server.Approve] and [Server.SignIn]. It answers
// who a token belongs to and which servers that person sees, and shows an owner
// their friends and shares. Web pages of any origin may ask for PINs, and it is
// known afterwards who did; see [CORS]. People, shares and servers may be changed while it
// runs, and each endpoint may be made to fail in the ways plex.tv does.
//
// It refuses what plex.tv refuses: a PIN asked for with another client
// identifier, an expired PIN, a dead token. A request that it does not know
// fails the test that started it, so that no client comes to rely on an
// endpoint that does not exist.
//
// It trusts everybody: whoever reaches it may sign in as anyone. Keep it on
// loopback. It does not import testing, so that a program may link it.
//
// One line starts it in a test:
//
//	s := plextest.Start(t) // a client under test is given s.URL and s.AuthURL
//	token := s.Token("casey", clientID)
//	s.Unshare("casey", plextest.Attic)
//	s.Fail(plextest.Resources, plextest.Maintenance())
//
// Where no source says how plex.tv answers, the comment says so.
package plextest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// TB is the part of testing.TB that Start needs.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(func())
}

// Server is a plex.tv with its people, servers, PINs and tokens. It is an
// http.Handler that serves plex.tv, clients.plex.tv and the sign-in page of
// app.plex.tv alike. All methods may be called at any time, from any goroutine.
type Server struct {
	URL     string // e.g. "http://127.0.0.1:41234"; empty after New without At
	AuthURL string // the sign-in page: URL + "/auth"

	mux      *http.ServeMux
	log      *slog.Logger
	tb       TB                 // nil after New
	listener net.Listener       // nil after New
	dial     dialFunc           // nil unless InMemory
	stop     func()             // closes what Start opened; nil after New
	done     chan struct{}      // closed by Close
	handlers sync.WaitGroup     // requests in progress; added to under mu while not closed
	mu       sync.Mutex         // guards all below
	closed   bool               //
	skew     time.Duration      // by how much Advance has moved the clock
	handling int                // requests in progress
	counts   map[Endpoint]int   //
	arrived  chan struct{}      // closed and replaced at every request
	faults   map[Endpoint]Fault //
	cors     CORS               //
	world
	tokens
	pins
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Option changes how New and Start set a Server up.
type Option func(*Server)

// At says under which base address a handler made by New can be reached; it
// fills URL and AuthURL.
func At(base string) Option {
	return func(s *Server) { s.setURL(strings.TrimSuffix(base, "/")) }
}

// Logger is told of requests that the server does not know: method and path,
// nothing else. Without it they are not logged.
func Logger(l *slog.Logger) Option { return func(s *Server) { s.log = l } }

// New makes a plex.tv to be used as an http.Handler. A request that it does not
// know is logged and answered by 404. Close it when hung requests should end.
func New(opts ...Option) *Server {
	s := &Server{
		log:     slog.New(slog.DiscardHandler),
		done:    make(chan struct{}),
		counts:  make(map[Endpoint]int),
		arrived: make(chan struct{}),
		faults:  make(map[Endpoint]Fault),
		world:   newWorld(),
		tokens:  newTokens(),
		pins:    newPins(),
	}
	s.mux = s.routes()
	for _, o := range opts {
		o(s)
	}
	return s
}

// Start runs a plex.tv on a free port of 127.0.0.1 (or, with InMemory, on none)
// until the test ends. A request that it does not know fails the test.
func Start(t TB, opts ...Option) *Server {
	t.Helper()
	s := New(opts...)
	s.tb = t
	if s.listener == nil {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic("plextest: " + err.Error()) // a TB has no Fatal
		}
		s.listener = ln
		s.setURL("http://" + ln.Addr().String())
	}
	// No write timeout: a hung answer is one of the things it is for.
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := srv.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("plextest: %v", err)
		}
	}()
	s.stop = func() {
		srv.Close()
		<-served
	}
	t.Cleanup(s.Close)
	return s
}

// Close ends every request in progress, also those that hang, and waits for
// them. It may be called more than once.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.mu.Unlock()
	if s.stop != nil {
		s.stop() // first, so that a client sees its connection end, not an empty 200
	}
	close(s.done)
	s.handlers.Wait()
}

// Advance moves the server's clock on by d, so that PINs expire without waiting.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew += d
}

func (s *Server) setURL(base string) { s.URL, s.AuthURL = base, base+"/auth" }

// now is called with mu held.
func (s *Server) now() time.Time { return time.Now().Add(s.skew) }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	s.handlers.Add(1)
	s.handling++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.handling--
		s.mu.Unlock()
		s.handlers.Done()
	}()

	// Read the body first: net/http notices that a client has gone only when
	// there is nothing left to read, and a hung answer must end then.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "unreadable body", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if clean := path.Clean(r.URL.Path); r.URL.Path != clean && r.URL.Path != clean+"/" {
		s.serve(Unknown, s.unknown, w, r) // the mux would redirect
		return
	}
	s.mux.ServeHTTP(w, r)
}

// serve counts a request and answers it, or fails it.
func (s *Server) serve(ep Endpoint, answer func(*http.Request) reply, w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.counts[ep]++
	if ep.isAPI() {
		s.counts[Any]++
	}
	close(s.arrived)
	s.arrived = make(chan struct{})
	fault, failing := s.faults[ep]
	if !failing && ep.isAPI() {
		fault, failing = s.faults[Any]
	}
	s.allow(ep, w)
	s.mu.Unlock()
	x := exchange{w: w, r: r, done: s.done, real: func() reply { return answer(r) }}
	if failing {
		fault.answer(x)
		return
	}
	x.real().write(w)
}

func (s *Server) unknown(r *http.Request) reply {
	s.log.Warn("stand-in plex.tv: unknown request", "method", r.Method, "path", r.URL.Path)
	if s.tb != nil {
		s.tb.Errorf("plextest: unknown request: %s %s", r.Method, r.URL.Path)
	}
	return refuse(r, http.StatusNotFound, 1002, "The requested resource or endpoint could not be found")
}
