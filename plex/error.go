package plex

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// What an answer of plex.tv means; every error of a [Client] unwraps to exactly one of these.
var (
	ErrHomePIN      = errors.New("plex.tv wants the member's PIN")     // 403 with code 1041: none was sent, or a wrong one
	ErrUnauthorized = errors.New("plex.tv rejects the token")          // 401, 498 (JWT expired), 422: sign in again
	ErrForbidden    = errors.New("plex.tv refuses")                    // 403: deny now, wipe nothing
	ErrExpired      = errors.New("the PIN has expired")                // 404 with code 1020: start over
	ErrUnavailable  = errors.New("plex.tv gives no usable answer")     // says nothing about anybody: keep what is known
	ErrUnconfirmed  = errors.New("plex.tv does not vouch for the PIN") // whoever handed it over is not believed
	ErrBadRequest   = errors.New("plex.tv does not take the request")  // 400: our own mistake
)

// Error is an answer of plex.tv that is no good. Its text is made of fixed words and numbers: never a body, a token, a URL or a PIN.
type Error struct {
	Op         string        // which question: create_pin, check_pin, user, resources, users, shared_servers, server, home_users, home_switch
	Status     int           // HTTP status; 0: no answer came
	Reason     string        // what was wrong with it
	RetryAfter time.Duration // how long plex.tv asks to be left alone, at most 10 minutes; 0: it did not say
	Kind       error         // one of the sentinels
}

func (e *Error) Error() string {
	s := e.Op + ": " + e.Kind.Error()
	if e.Status != 0 {
		s += fmt.Sprintf(": status %d", e.Status)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

func (e *Error) Unwrap() error { return e.Kind }

// outcome is the error in one word, for metrics.
func (e *Error) outcome() string {
	switch {
	case e == nil:
		return "ok"
	case e.Reason == reasonCancelled:
		return "cancelled"
	case e.Kind == ErrUnauthorized:
		return "unauthorized"
	case e.Kind == ErrForbidden:
		return "forbidden"
	case e.Kind == ErrExpired:
		return "expired"
	case e.Kind == ErrUnconfirmed:
		return "unconfirmed"
	case e.Kind == ErrBadRequest:
		return "bad_request"
	case e.Kind == ErrHomePIN:
		return "home_pin"
	}
	return "unavailable"
}

const (
	reasonCancelled = "cancelled"
	maxRetryAfter   = 10 * time.Minute
	// statusTokenExpired is Plex's own: a JWT is past its end (OpenAPI 1.2.2, "Authenticating with Plex").
	statusTokenExpired = 498
)

// kindOf sorts a status that is not 2xx, for a question with or without a token. Where no token was sent, 401, 498 and 422
// can say nothing about one. 404 is told apart by its body elsewhere: an empty one was an outage of plex.tv (September 2026).
func kindOf(status int, withToken bool) error {
	switch status {
	case http.StatusBadRequest:
		return ErrBadRequest
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusUnauthorized, statusTokenExpired, http.StatusUnprocessableEntity:
		if withToken {
			return ErrUnauthorized
		}
	}
	return ErrUnavailable
}

// transportReason puts a failed exchange into fixed words; the error's own text can quote the answer or the URL.
func transportReason(ctx context.Context, err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled), errors.Is(err, context.Canceled):
		return reasonCancelled
	case errors.As(err, &dns):
		return "its address cannot be looked up"
	case errors.As(err, &cert):
		return "its certificate is not valid"
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.As(err, &op) && op.Op == "dial":
		return "cannot be connected to"
	}
	return "the connection failed"
}

func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	var d time.Duration
	if n, err := strconv.ParseInt(v, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
