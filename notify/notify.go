// Package notify tells the owner's own messenger that something happened: one
// JSON POST for each message, as Apprise, ntfy or Discord takes it, or in a plain
// form of its own.
//
// Messages wait in a queue of 100; one goroutine sends them, one after the other,
// again and again for an hour where the receiver does not take them. [Notifier.Send]
// never waits.
//
// Refused: redirects, to whatever host, for a message would follow them to where
// nobody sent it; addresses that are not http or https.
//
// Trusted: the address, which is the owner's and secret: it is never logged, nor is
// what a receiver answers. What people have written is not trusted: it mentions
// nobody, formats nothing, and is cut.
package notify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	maxQueue     = 100
	tryFor       = time.Hour // a message is given up then
	firstWait    = 2 * time.Second
	longestWait  = 10 * time.Minute
	answerWithin = 10 * time.Second
	endWithin    = 1500 * time.Millisecond // for what is queued when Usher stops
	maxAnswer    = 64 << 10                // read, so that the connection can be used again
)

// Outcomes of messages, for Config.Observe.
const (
	Sent    = "sent"
	Failed  = "failed"  // the receiver does not want it, or an hour was not enough
	Dropped = "dropped" // the queue was full, or Usher stopped
)

// Config is what a [Notifier] needs.
type Config struct {
	To      Receiver
	Log     *slog.Logger
	Observe func(outcome string) // may be nil
	// Transport is how to reach the receiver; nil is a transport of its own.
	Transport http.RoundTripper
}

// Notifier sends messages. [New] starts one and [Notifier.Close] ends it. It may be
// used by several goroutines at once.
type Notifier struct {
	cfg    Config
	client *http.Client

	mu     sync.Mutex
	queue  []queued
	closed bool
	wake   chan struct{} // of one place: there is something in the queue

	stop context.CancelFunc
	done chan struct{}
}

type queued struct {
	body  []byte
	until time.Time
}

// New starts a notifier.
func New(cfg Config) *Notifier {
	if cfg.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxResponseHeaderBytes, t.MaxConnsPerHost = maxAnswer, 1
		cfg.Transport = t
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string) {}
	}
	n := &Notifier{cfg: cfg, wake: make(chan struct{}, 1), done: make(chan struct{})}
	n.client = &http.Client{Transport: cfg.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	go n.run(ctx)
	return n
}

// Send puts a message into the queue. Where that is full the oldest is dropped.
func (n *Notifier) Send(m Message) {
	body, err := n.cfg.To.body(m)
	if err != nil {
		n.cfg.Log.Error("a notification could not be written", "problem", err)
		return
	}
	n.mu.Lock()
	over := n.closed || len(n.queue) >= maxQueue
	if !n.closed {
		n.queue = append(n.queue, queued{body, time.Now().Add(tryFor)})
		n.queue = n.queue[max(0, len(n.queue)-maxQueue):]
	}
	n.mu.Unlock()
	if over {
		n.cfg.Observe(Dropped)
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Close tries what is queued once more, for a moment, and drops the rest. It waits
// for the end.
func (n *Notifier) Close() {
	n.stop()
	<-n.done
}

func (n *Notifier) run(ctx context.Context) {
	defer close(n.done)
	defer n.client.CloseIdleConnections()
	for {
		one, ok := n.next()
		if !ok {
			select {
			case <-n.wake:
				continue
			case <-ctx.Done():
				n.finish(nil)
				return
			}
		}
		if !n.deliver(ctx, one) {
			n.finish(&one)
			return
		}
	}
}

func (n *Notifier) next() (queued, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.queue) == 0 {
		return queued{}, false
	}
	one := n.queue[0]
	n.queue = n.queue[1:]
	return one, true
}

// deliver sends one message until it is taken, refused, or too old. It reports false
// where ctx ended before.
func (n *Notifier) deliver(ctx context.Context, one queued) bool {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		after, err := n.post(ctx, one.body)
		if ctx.Err() != nil && err != nil {
			return false
		}
		pause := max(after, wait+rand.N(wait/2))
		again := errors.Is(err, errLater) && time.Now().Add(pause).Before(one.until)
		switch {
		case err == nil:
			n.cfg.Observe(Sent)
			return true
		case !again:
			n.cfg.Observe(Failed)
			n.cfg.Log.Warn("a notification was given up", "problem", err)
			return true
		case wait == firstWait:
			n.cfg.Log.Warn("a notification was not taken, and is sent again later", "problem", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

// finish is the last try, of the one that was under way and of the queue: until the
// first that is not taken.
func (n *Notifier) finish(one *queued) {
	n.mu.Lock()
	rest := n.queue
	n.queue, n.closed = nil, true
	n.mu.Unlock()
	if one != nil {
		rest = append([]queued{*one}, rest...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	for i, one := range rest {
		if _, err := n.post(ctx, one.body); err != nil {
			n.cfg.Log.Warn("notifications are dropped, for Usher stops", "messages", len(rest)-i, "problem", err)
			for range rest[i:] {
				n.cfg.Observe(Dropped)
			}
			return
		}
		n.cfg.Observe(Sent)
	}
}

// errLater: it may be taken if it is sent again.
var errLater = errors.New("not now")

// failure is why a message was not taken, in words that name no address.
type failure struct {
	why   string
	later bool
}

func (f *failure) Error() string        { return f.why }
func (f *failure) Is(target error) bool { return f.later && target == errLater }

// post sends a message once, and says how long the receiver asks to wait.
func (n *Notifier) post(ctx context.Context, body []byte) (after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.cfg.To.address, bytes.NewReader(body))
	if err != nil {
		return 0, &failure{why: "the address cannot be used"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Usher")
	res, err := n.client.Do(req)
	if err != nil {
		return 0, &failure{why: reach(err), later: true}
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // whatever it says
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return 0, nil
	case code >= 300 && code < 400:
		return 0, &failure{why: "the receiver redirects, which is not followed: write the address that it leads to"}
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return retryAfter(res.Header.Get("Retry-After"), time.Now()), &failure{why: "the receiver answers " + strconv.Itoa(code), later: true}
	default:
		return 0, &failure{why: "the receiver answers " + strconv.Itoa(code)}
	}
}

// reach is why a receiver could not be reached. Errors of net/http quote the address.
func reach(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "the receiver's name has no address"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the receiver does not answer in time"
	case errors.Is(err, context.Canceled):
		return "Usher stops"
	}
	return "the receiver cannot be reached, or its TLS certificate is not trusted"
}

// retryAfter reads the header: seconds, which Discord may give in parts, or a date.
// https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 2*tryFor.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
