package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// What a doctor ends with, which is told already: exit codes 1 and 2.
var (
	errHoles  = errors.New("usher doctor: there are holes")
	errUnseen = errors.New("usher doctor: could not look")
)

const doctorUsage = `usher doctor [flags] URL

Sends forged identity and forwarding headers, and paths and hosts that are written in odd ways, through your proxy to a
protected address of your own, and says what came through and which line of which recipe closes it. It only asks (GET,
at most 250 times), follows no redirect, and asks no host but the one that you name.
Exit 0: no hole. 1: holes. 2: could not look.

`

// doctorFlags are what the command line says.
type doctorFlags struct {
	url                                         string
	cookie, ca, connect, headers, proxy, folder string
	echo, open, json                            bool
}

// doctor looks at an installation from outside, as an attacker would.
func doctor(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	env, _, envErr := readEnvironment()
	var f doctorFlags
	if err := f.parse(args, env, stdout, stderr); err != nil {
		return err
	}
	if envErr != nil {
		return fmt.Errorf("%w\n%w", envErr, errUsage)
	}
	l, err := f.newLook(ctx, stdin)
	if err != nil {
		return fmt.Errorf("%w\n%w", err, errUnseen)
	}
	if f.echo {
		file := wordFile(filepath.Join(f.folder, wordName))
		if l.word, err = file.write(); err != nil {
			return fmt.Errorf("--echo: %w; run the doctor where Usher's data folder is, as the user whom Usher runs as, with its USHER_DATA_DIR\n%w", err, errUnseen)
		}
		defer func() {
			if err := file.remove(l.word); err != nil {
				fmt.Fprintln(stdout, "--echo:", err)
			}
		}()
	}
	l.examine()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w\n%w", err, errUnseen)
	}
	if f.json {
		if err := l.writeJSON(stdout); err != nil {
			return err
		}
	} else {
		l.writeText(stdout)
	}
	return map[int]error{1: errHoles, 2: errUnseen}[l.Exit]
}

// parse reads the flags.
func (f *doctorFlags) parse(args []string, env environment, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("usher doctor", flag.ContinueOnError)
	f.folder = env.DataDir
	flags.StringVar(&f.cookie, "cookie", "", "`file` with the session cookie of somebody who may pass, as a browser shows it; - for standard input")
	flags.BoolVar(&f.echo, "echo", false, "the proxy sends /doctor/echo to Usher, behind the same protection: open it for this run. Needs Usher's data folder (USHER_DATA_DIR)")
	flags.BoolVar(&f.open, "open", false, "the address is open on purpose: look only whether anybody can have a name there")
	flags.StringVar(&f.proxy, "proxy", "", "the `proxy`, where it does not say so itself: caddy, or caddy=2.11.4")
	flags.StringVar(&f.headers, "headers", env.Headers, "the identity headers, as in USHER_HEADERS")
	flags.StringVar(&f.ca, "ca", "", "`file` with certificates of an authority of your own (PEM)")
	flags.StringVar(&f.connect, "connect", "", "connect to `host:port` whatever the address says")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	switch err := readFlags(flags, doctorUsage, args, stdout, stderr); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("usher doctor: %w: %w", err, errUsage)
	case flags.NArg() != 1:
		return fmt.Errorf("usher doctor takes one address, behind the flags: usher doctor --cookie FILE https://app.example.com/: %w", errUsage)
	}
	f.url = flags.Arg(0)
	return nil
}

// newLook checks everything that was given before a request is sent.
func (f *doctorFlags) newLook(ctx context.Context, stdin io.Reader) (*look, error) {
	u, err := url.Parse(f.url)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("%q is no address such as https://app.example.com/", f.url)
	}
	u.Fragment, u.Host = "", strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	if f.echo && !strings.HasSuffix(u.Path, "/doctor/echo") {
		u = u.JoinPath("doctor/echo")
	}
	l := &look{ctx: ctx, open: f.open, report: &report{URL: u.String(), Findings: []*finding{}, NotSeen: []string{}}, patient: &patient{
		url: u, connect: f.connect, nonce: rand.Text(), tls: &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12},
	}}
	if _, _, err := net.SplitHostPort(f.connect); f.connect != "" && err != nil {
		return nil, errors.New("--connect takes an address such as 192.168.1.2:443")
	}
	if l.names, l.who, err = identityNames(f.headers); err != nil {
		return nil, fmt.Errorf("--headers: %w", err)
	}
	if f.proxy != "" {
		r, version, err := proxyNamed(f.proxy)
		if err != nil {
			return nil, err
		}
		l.recipe, l.Proxy = r, strings.TrimSpace(r.name+" "+version)
	}
	if f.ca != "" {
		if l.tls.RootCAs, err = readAuthority(f.ca); err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
	}
	if f.cookie != "" {
		if l.cookie, err = readCookie(f.cookie, stdin); err != nil {
			return nil, fmt.Errorf("--cookie: %w", err)
		}
	}
	return l, nil
}

// readAuthority adds to what this machine trusts.
func readAuthority(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}

var (
	usherCookie = regexp.MustCompile(`(^|; *)(__Secure-|__Host-)?usher=`)
	cookieValue = regexp.MustCompile(`^[A-Za-z0-9_-]+=*$`)
)

// readCookie reads a session from a file, or from standard input: a command
// line could be read by everybody on the machine. It takes the whole Cookie
// header, name=value, or the value alone. No error quotes it.
func readCookie(path string, stdin io.Reader) (string, error) {
	var text string
	var err error
	if path == "-" {
		var b []byte
		b, err = io.ReadAll(io.LimitReader(stdin, maxFile))
		text = string(b)
	} else {
		text, err = readSmall(path, maxFile)
	}
	if err != nil {
		return "", err
	}
	text = strings.TrimSpace(text)
	if len(text) > 6 && strings.EqualFold(text[:7], "cookie:") {
		text = strings.TrimSpace(text[7:])
	}
	switch {
	case text == "":
		return "", errors.New("there is no session cookie in it")
	case len(text) > 8192 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", errors.New("it holds something else than one Cookie header")
	case usherCookie.MatchString(text):
		return text, nil
	case cookieValue.MatchString(text):
		return "__Secure-usher=" + text + "; __Host-usher=" + text + "; usher=" + text, nil
	}
	return "", errors.New("there is no session cookie of Usher's in it: __Secure-usher, __Host-usher or usher")
}
