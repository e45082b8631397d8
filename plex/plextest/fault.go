package plextest

import (
	"bytes"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Fault is a way in which plex.tv fails. Make one with the functions below.
type Fault struct {
	Name   string // for the names of subtests
	answer func(exchange)
}

// exchange is one request, and what the answer would have been without the fault.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	done <-chan struct{} // closed when the server closes
	real func() reply    // changes state, as a lost answer does
}

// over says whether there is nobody left to answer.
func (x exchange) over() bool {
	select {
	case <-x.done:
		return true
	case <-x.r.Context().Done():
		return true
	default:
		return false
	}
}

// Fail makes every request for an endpoint fail from now on; Any stands for all
// of the API. A fault of the endpoint itself comes before one of Any.
func (s *Server) Fail(ep Endpoint, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[ep] = f
}

// Heal ends all faults. Requests that hang go on hanging.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// Answer is a fixed answer. An empty contentType sends none.
func Answer(status int, contentType, body string) Fault {
	return Fault{"answer " + strconv.Itoa(status) + " " + body, func(x exchange) {
		reply{status: status, typ: contentType, body: []byte(body)}.write(x.w)
	}}
}

// code is an error in plex.tv's own format.
func code(name string, status, code int, message string) Fault {
	return Fault{name, func(x exchange) { refuse(x.r, status, code, message).write(x.w) }}
}

func named(name string, f Fault) Fault { return Fault{name, f.answer} }

// EmptyNotFound is the outage of September 2026: 404 without body, type or request id.
func EmptyNotFound() Fault {
	return named("empty 404", Answer(http.StatusNotFound, "", ""))
}

// Maintenance is 503 with an HTML page.
func Maintenance() Fault {
	return named("503 html", Answer(http.StatusServiceUnavailable, "text/html; charset=utf-8",
		"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>We'll be back soon</h1></body></html>"))
}

// ServerError is 500 with code 1007.
func ServerError() Fault {
	return code("500", http.StatusInternalServerError, 1007, "Internal server error")
}

// TooMany is 429 with code 1003. retryAfter is told in whole seconds, rounded
// up; 0 sends no Retry-After, as plex.tv mostly does.
func TooMany(retryAfter time.Duration) Fault {
	name := "429"
	if retryAfter > 0 {
		name = "429 with retry-after"
	}
	return Fault{name, func(x exchange) {
		if retryAfter > 0 {
			seconds := int((retryAfter + time.Second - 1) / time.Second)
			x.w.Header().Set("Retry-After", strconv.Itoa(seconds))
		}
		refuse(x.r, http.StatusTooManyRequests, 1003, "API rate limit exceeded").write(x.w)
	}}
}

// Unauthorized is 401 with code 1001: the token is bad.
func Unauthorized() Fault {
	return code("401", http.StatusUnauthorized, 1001, "User could not be authenticated")
}

// TokenExpired is 498, which plex.tv sends for a JWT past its end.
func TokenExpired() Fault { return named("498", Answer(498, typeJSON, `{"error":"Token expired"}`)) }

// Unprocessable is 422, which plex.tv sends for a JWT that it cannot verify.
func Unprocessable() Fault {
	return named("422", Answer(http.StatusUnprocessableEntity, typeJSON, `{"error":"Invalid token"}`))
}

// Forbidden is 403 with code 1009.
func Forbidden() Fault {
	return code("403", http.StatusForbidden, 1009, "Restricted users are not allowed to perform this action")
}

// EmptyObject, Null and EmptyArray are 200 with that JSON. For Resources an
// empty array is no fault: it says "no servers".
func EmptyObject() Fault { return named("{}", Answer(http.StatusOK, typeJSON, "{}")) }
func Null() Fault        { return named("null", Answer(http.StatusOK, typeJSON, "null")) }
func EmptyArray() Fault  { return named("[]", Answer(http.StatusOK, typeJSON, "[]")) }

// HTML is 200 with a web page, as a captive portal sends it.
func HTML() Fault {
	return named("200 html", Answer(http.StatusOK, "text/html", "<!DOCTYPE html><title>Hello</title><p>Please log in to this Wi-Fi"))
}

// Redirect is 302 to target, which should be another host.
func Redirect(target string) Fault {
	return Fault{"redirect", func(x exchange) {
		x.w.Header().Set("Location", target)
		x.w.WriteHeader(http.StatusFound)
	}}
}

// Truncated is the true answer's first half, sent as if it were whole.
func Truncated() Fault {
	return Fault{"truncated", func(x exchange) {
		p := x.real()
		p.body = p.body[:len(p.body)/2]
		p.write(x.w)
	}}
}

// CutOff is the true answer, but the connection ends half way through the body.
func CutOff() Fault {
	return Fault{"cut off", func(x exchange) {
		p := x.real()
		p.writeHeader(x.w)
		_, _ = x.w.Write(p.body[:len(p.body)/2]) // net/http closes when less came than was announced
	}}
}

// Drip is the true answer at one byte per interval.
func Drip(interval time.Duration) Fault {
	return Fault{"drip", func(x exchange) {
		p := x.real()
		p.writeHeader(x.w)
		flush := http.NewResponseController(x.w)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for i := range p.body {
			if _, err := x.w.Write(p.body[i : i+1]); err != nil {
				return
			}
			_ = flush.Flush() // without one it is slow all the same
			select {
			case <-tick.C:
			case <-x.done:
				return
			case <-x.r.Context().Done():
				return
			}
		}
	}}
}

// Hung never answers: it ends when the client goes or the server closes.
func Hung() Fault { return named("hung", Until(nil)) }

// Until answers truly, but only once release is closed.
func Until(release <-chan struct{}) Fault {
	return Fault{"until", func(x exchange) {
		select {
		case <-release:
			x.real().write(x.w)
		case <-x.done: // after Start the connection has been closed by then
			http.Error(x.w, "closed", http.StatusServiceUnavailable)
		case <-x.r.Context().Done():
		}
	}}
}

// Huge is 200 with a JSON string of about size bytes, of which little is held
// in memory at a time.
func Huge(size int64) Fault {
	return Fault{"huge", func(x exchange) {
		x.w.Header().Set("Content-Type", typeJSON)
		chunk := bytes.Repeat([]byte("a"), 64<<10)
		_, err := x.w.Write([]byte(`{"id":70010001,"title":"`))
		for left := size; left > 0 && err == nil && !x.over(); left -= int64(len(chunk)) {
			_, err = x.w.Write(chunk[:min(left, int64(len(chunk)))])
		}
		if err == nil {
			_, _ = x.w.Write([]byte(`"}`))
		}
	}}
}

// Alternating fails the first, third, fifth … request, as plex.tv did in
// September 2026, and answers the others.
func Alternating(f Fault) Fault {
	var n atomic.Int64
	return Fault{"alternating " + f.Name, func(x exchange) {
		if n.Add(1)%2 == 1 {
			f.answer(x)
			return
		}
		x.real().write(x.w)
	}}
}

// Outages lists those faults which, on any endpoint, say nothing about a person
// or a token, and that answer at once. Hung and Drip are outages too.
func Outages() []Fault {
	return []Fault{
		EmptyNotFound(), Maintenance(), ServerError(), TooMany(0), TooMany(30 * time.Second),
		EmptyObject(), Null(), HTML(), Redirect("http://169.254.169.254/latest/meta-data/"),
		Truncated(), CutOff(), Huge(3 << 20),
	}
}
