package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"

	"usher/plex/plextest"
)

// demoClientID is how the demo's Usher is known to the demo's plex.tv.
const demoClientID = "usher-demo"

// demo runs everything in one process on loopback: a stand-in for plex.tv with
// sample people, Usher, a small reverse proxy, and two sample apps. It asks
// nobody outside and leaves nothing behind.
func demo(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("usher demo", flag.ContinueOnError)
	address := flags.String("listen", "127.0.0.1:8080", "`address` of the reverse proxy; loopback, for everybody may sign in as anybody")
	if err := readFlags(flags, helpOf("demo"), args, stdout, stderr); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || flags.NArg() > 0 {
		return fmt.Errorf("usher demo takes -listen and nothing else: %w", errUsage)
	}
	var listeners [3]net.Listener
	var err error
	if listeners[0], err = listenLoopback(*address); err != nil {
		return err
	}
	for i := 1; i < len(listeners); i++ {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	front, usher, plexTV := listeners[0], listeners[1], listeners[2]
	_, port, err := net.SplitHostPort(front.Addr().String())
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "usher-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)

	stand := plextest.New(plextest.At("http://" + plexTV.Addr().String()))
	defer stand.Close()
	stand.AddPerson(plextest.Person{Name: "Teen", ID: 70010020, Kind: plextest.Managed, PIN: "1234"})
	log := slog.New(slog.NewTextHandler(stdout, nil))
	a, err := demoApp(stand, port, folder, log)
	if err != nil {
		return err
	}
	defer a.close()
	proxy, err := newDemoProxy("http://"+usher.Addr().String(), port)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, demoWords, port, port, port, port, plexTV.Addr(), usher.Addr())
	return serveAll(ctx, []*http.Server{newServer(proxy, log), newServer(a, log), newServer(stand, log)}, listeners[:])
}

const demoWords = `
Usher's demo is running. Open one of the two apps and sign in as anybody:

  http://whoami.usher.localhost:%s   for everybody with whom the Plex server is shared
  http://attic.usher.localhost:%s    for the Plex Home only

Try casey (the server is shared with them), sam (a home member) and mallory (a stranger).
robin, the owner, finds the desk at http://auth.usher.localhost:%s/admin
Chrome and Firefox find these names by themselves. Sign out at http://auth.usher.localhost:%s

The stand-in for plex.tv listens on %s, Usher on %s. Stop with Ctrl-C: nothing is kept.

`

// demoApp is Usher, configured as the README says, with the demo's plex.tv.
func demoApp(stand *plextest.Server, port, folder string, log *slog.Logger) (*app, error) {
	set, err := newSettings(demoEnvironment(stand, port, folder))
	if err != nil {
		return nil, err
	}
	return newApp(set, log)
}

func demoEnvironment(stand *plextest.Server, port, folder string) environment {
	env := environment{}
	for _, v := range variables() {
		env.set(v.Name, v.Default)
	}
	env.URL = "http://auth.usher.localhost:" + port
	env.InsecureCookies = "true" // no TLS on loopback
	env.Servers, env.PlexToken, env.ClientID = plextest.Attic, stand.Token("robin", demoClientID), demoClientID
	env.PlexURL, env.PlexAuthURL = stand.URL, stand.AuthURL
	env.DataDir, env.Product = folder, "Usher demo"
	return env
}

// listenLoopback takes the address, or a free port beside it where it is in
// use. Addresses that others can reach are refused.
func listenLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("usher demo listens on loopback only, for everybody may sign in as anybody: -listen 127.0.0.1:PORT: %w", errUsage)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	return ln, nil
}

// demoProxy is a reverse proxy that does forward auth as Traefik does. It is
// here to be read: all that a proxy has to do is in ServeHTTP.
type demoProxy struct {
	check string // Usher's address for checks
	pages http.Handler
	port  string
}

func newDemoProxy(usher, port string) (*demoProxy, error) {
	target, err := url.Parse(usher)
	if err != nil {
		return nil, err
	}
	pages := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}}
	return &demoProxy{check: usher + "/auth/traefik", pages: pages, port: port}, nil
}

func (p *demoProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	switch host {
	case "auth.usher.localhost":
		p.pages.ServeHTTP(w, r)
	case "whoami.usher.localhost":
		p.protect(w, r, p.check, sampleApp("whoami", p.port))
	case "attic.usher.localhost":
		p.protect(w, r, p.check+"/home", sampleApp("attic", p.port))
	default:
		http.Redirect(w, r, "http://whoami.usher.localhost:"+p.port+"/", http.StatusFound)
	}
}

// protect asks Usher, and lets the app answer or passes the refusal on.
func (p *demoProxy) protect(w http.ResponseWriter, r *http.Request, check string, next http.Handler) {
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, check, nil)
	if err != nil {
		http.Error(w, "no check could be made", http.StatusBadGateway)
		return
	}
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	ask.Header = r.Header.Clone()
	for name, value := range map[string]string{
		"X-Forwarded-Method": r.Method, "X-Forwarded-Proto": proto, "X-Forwarded-Host": r.Host,
		"X-Forwarded-Uri": r.URL.RequestURI(), "X-Forwarded-For": hostOf(r.RemoteAddr),
	} {
		ask.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(ask)
	if err != nil {
		http.Error(w, "Usher does not answer", http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body) // the client may be gone
		return
	}
	for name := range r.Header { // a client's own, in any spelling that an app may fold
		if isIdentity(name) {
			r.Header.Del(name)
		}
	}
	r.Header.Del("X-Usher-Key")
	r.Header.Del("Authorization") // the answer holds it where it is the app's own
	for name, values := range answer.Header {
		if isIdentity(name) || name == "Authorization" {
			r.Header[name] = values
		}
	}
	next.ServeHTTP(w, r)
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
