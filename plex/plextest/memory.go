package plextest

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// InMemory makes Start listen on nothing: the server is reached only through
// Transport, over net.Pipe. So it also works in a testing/synctest bubble, where
// waiting on a socket would stop the bubble's clock.
func InMemory() Option {
	return func(s *Server) {
		ln := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		s.listener, s.dial = ln, ln.dial
		s.setURL("http://plex.test")
	}
}

// Transport returns a new transport over which every http URL, of whatever host,
// reaches a server made by Start. It heeds no proxy of the environment.
func (s *Server) Transport() *http.Transport {
	dial := s.dial
	if dial == nil {
		addr := s.listener.Addr().String()
		dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	}
	return &http.Transport{DialContext: dial}
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "plex.test" }
