package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What a doctor may cost the house that it looks at.
const (
	maxProbes  = 250 // requests in one run
	maxAnswer  = 1 << 20
	answerTime = 10 * time.Second
)

// probe is one request. All are GET, and all go to the host that was given.
type probe struct {
	what    string   // in the words of the report
	target  string   // of the request line; "" means the address's own
	host    string   // "" means the address's own
	headers []string // lines, as they are written
	session bool     // with the session cookie
}

// patient is the installation that is looked at.
type patient struct {
	url     *url.URL
	connect string // where to connect instead, "" for the URL's host
	tls     *tls.Config
	cookie  string // the Cookie header of a session, "" for none
	word    string // opens Usher's echo, "" for none
	nonce   string // by which an answer is known to be an echo of ours
	sent    int
	limited int // answers 429: nothing can be said about these requests
}

var errTooMany = errors.New("the doctor has sent as many requests as it may")

// send writes the request by hand: a client library would repair just what is
// to be tried. Each goes over a connection of its own, for some end it.
func (p *patient) send(ctx context.Context, pr probe) answer {
	if p.sent++; p.sent > maxProbes {
		return answer{err: errTooMany}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	conn, err := p.dial(ctx)
	if err != nil {
		return answer{err: err}
	}
	defer conn.Close()
	end := context.AfterFunc(ctx, func() { conn.Close() })
	defer end()
	if _, err := io.WriteString(conn, p.request(pr)); err != nil {
		return answer{err: err}
	}
	a := p.receive(bufio.NewReader(conn))
	if a.status == http.StatusTooManyRequests {
		p.limited++
	}
	return a
}

// request is the text of a probe.
func (p *patient) request(pr probe) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	if pr.target == "" {
		pr.target = p.url.RequestURI()
	}
	if pr.host == "" {
		pr.host = p.url.Host
	}
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", pr.target, pr.host)
	line("User-Agent", "usher-doctor/"+strings.ReplaceAll(buildVersion(), " ", ""))
	line("Accept", "text/plain, application/json, */*") // an echo that has a page for people would show it to text/html
	line("Sec-Fetch-Mode", "navigate")
	line(probeHeader, p.nonce)
	if p.word != "" {
		line(wordHeader, p.word)
	}
	if pr.session {
		line("Cookie", p.cookie)
	}
	connection := "Connection: close"
	for _, h := range pr.headers {
		if list, ok := strings.CutPrefix(h, "Connection: "); ok {
			connection = "Connection: " + list
			continue
		}
		b.WriteString(h + "\r\n")
	}
	return b.String() + connection + "\r\n\r\n"
}

func (p *patient) dial(ctx context.Context) (net.Conn, error) {
	address := p.connect
	if address == "" {
		address = net.JoinHostPort(p.url.Hostname(), portOf(p.url))
	}
	if p.url.Scheme == "http" {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{Config: p.tls}).DialContext(ctx, "tcp", address)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// receive reads an answer; what a proxy says before the answer is left out.
func (p *patient) receive(r *bufio.Reader) answer {
	for range 5 {
		res, err := http.ReadResponse(r, &http.Request{Method: http.MethodGet})
		if err != nil {
			return answer{err: err}
		}
		a := answer{status: res.StatusCode, header: res.Header}
		if res.StatusCode == http.StatusSwitchingProtocols {
			return a
		}
		if res.StatusCode < 200 {
			continue
		}
		// Half a body is as good as a whole one: what it shows did arrive.
		body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err != nil && len(body) == 0 && res.ContentLength > 0 {
			return answer{err: err}
		}
		a.body = body
		a.login = loginOf(a)
		a.seen = parseEcho(body, p.nonce)
		return a
	}
	return answer{err: errors.New("no answer, only announcements of one")}
}

// usherPage reports whether an answer is one of Usher's own pages.
func (a answer) usherPage() bool {
	return a.header.Get("Cross-Origin-Opener-Policy") == "same-origin" && a.header.Get("X-Frame-Options") == "DENY" &&
		a.header.Get("Referrer-Policy") == "no-referrer" && bytes.Contains(a.body, []byte("<html"))
}
