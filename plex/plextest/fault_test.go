package plextest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault   plextest.Fault
		status  int
		headers string // name: value, one a line; value "-" means absent
		body    string // "" means none, "*" any
	}{
		{plextest.EmptyNotFound(), 404, "Content-Type: -\nX-Request-Id: -", ""},
		{plextest.Maintenance(), 503, "Content-Type: text/html; charset=utf-8", "<!DOCTYPE"},
		{plextest.ServerError(), 500, "", `"code":1007`},
		{plextest.TooMany(0), 429, "Retry-After: -", `"code":1003`},
		{plextest.TooMany(1500 * time.Millisecond), 429, "Retry-After: 2", `"code":1003`},
		{plextest.Unauthorized(), 401, "", `"code":1001`},
		{plextest.TokenExpired(), 498, "", "*"},
		{plextest.Unprocessable(), 422, "", "Invalid token"},
		{plextest.Forbidden(), 403, "", `"code":1009`},
		{plextest.EmptyObject(), 200, "Content-Type: application/json; charset=utf-8", "{}"},
		{plextest.Null(), 200, "", "null"},
		{plextest.EmptyArray(), 200, "", "[]"},
		{plextest.HTML(), 200, "Content-Type: text/html", "Wi-Fi"},
		{plextest.Redirect("http://169.254.169.254/x"), 302, "Location: http://169.254.169.254/x", ""},
		{plextest.Answer(200, "application/json", `{"id":-1}`), 200, "", `{"id":-1}`},
		{plextest.Answer(200, "", `{"id":0}`), 200, "Content-Type: -", `{"id":0}`},
	} {
		t.Run(c.fault.Name, func(t *testing.T) {
			t.Parallel()
			s := plextest.Start(t)
			token := s.Token("casey", gate)
			s.Fail(plextest.User, c.fault)
			res := get(t, s, "/api/v2/user", "X-Plex-Token", token)
			body := text(t, res)
			if res.StatusCode != c.status || (c.body == "") != (body == "") || c.body != "*" && !strings.Contains(body, c.body) {
				t.Errorf("got %d %q, want %d %q", res.StatusCode, body, c.status, c.body)
			}
			for line := range strings.Lines(c.headers) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				if value == "-" {
					value = ""
				}
				if got := res.Header.Get(name); got != value {
					t.Errorf("%s is %q, want %q", name, got, value)
				}
			}
			if res := get(t, s, "/api/v2/resources", "X-Plex-Token", token); res.StatusCode != 200 {
				t.Errorf("another endpoint failed too: %d", res.StatusCode)
			}
			s.Heal()
			if res := get(t, s, "/api/v2/user", "X-Plex-Token", token); res.StatusCode != 200 {
				t.Errorf("not healed: %d", res.StatusCode)
			}
			if n := s.Requests(plextest.User); n != 2 {
				t.Errorf("counted %d requests, want 2 with the failed one", n)
			}
		})
	}
}

func TestFailAny(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	s.Fail(plextest.Any, plextest.Maintenance())
	s.Fail(plextest.Ping, plextest.Forbidden())
	for path, want := range map[string]int{"/api/v2/user": 503, "/api/users": 503, "/api/v2/pins/1": 503, "/api/v2/ping": 403, "/auth": 200} {
		if res := get(t, s, path); res.StatusCode != want {
			t.Errorf("%s got %d, want %d", path, res.StatusCode, want)
		}
	}
}

func TestDamagedBodies(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	token := s.Token("casey", gate)
	whole := text(t, get(t, s, "/api/v2/resources", "X-Plex-Token", token))

	s.Fail(plextest.Resources, plextest.Truncated())
	half := text(t, get(t, s, "/api/v2/resources", "X-Plex-Token", token))
	if len(half) != len(whole)/2 || json.Valid([]byte(half)) {
		t.Errorf("truncated to %d of %d bytes", len(half), len(whole))
	}
	s.Fail(plextest.Resources, plextest.CutOff())
	res := get(t, s, "/api/v2/resources", "X-Plex-Token", token)
	if b, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) || len(b) != len(whole)/2 {
		t.Errorf("cut off after %d of %d bytes with %v", len(b), len(whole), err)
	}
	s.Fail(plextest.Resources, plextest.Alternating(plextest.EmptyNotFound()))
	for _, want := range []int{404, 200, 404, 200} {
		if got := get(t, s, "/api/v2/resources", "X-Plex-Token", token).StatusCode; got != want {
			t.Errorf("alternating: got %d, want %d", got, want)
		}
	}
	s.Fail(plextest.Resources, plextest.Huge(5<<20))
	if n, err := io.Copy(io.Discard, get(t, s, "/api/v2/resources").Body); err != nil || n < 5<<20 {
		t.Errorf("huge: %d bytes, %v", n, err)
	}
}

// A client that has enough goes away; the server must not go on for a gigabyte.
func TestHugeEndsWithTheClient(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	s.Fail(plextest.User, plextest.Huge(1<<40)) // would take minutes
	res := get(t, s, "/api/v2/user")
	if _, err := io.CopyN(io.Discard, res.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	s.Close() // waits for the handler
}

func TestDrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := plextest.Start(t, plextest.InMemory())
		s.Fail(plextest.Ping, plextest.Drip(time.Second))
		start := time.Now()
		body := text(t, get(t, s, "/api/v2/ping", "X-Plex-Token", s.Token("casey", gate)))
		if took := time.Since(start); body != `{"pong":true}` || took < 10*time.Second || took > 15*time.Second {
			t.Errorf("%q after %v", body, took)
		}
	})
}

func TestHung(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault plextest.Fault
	}{{"hung", plextest.Hung()}, {"drip", plextest.Drip(time.Hour)}} {
		t.Run(c.name+" until the client goes", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := plextest.Start(t, plextest.InMemory())
				s.Fail(plextest.CreatePIN, c.fault)
				tr := s.Transport()
				defer tr.CloseIdleConnections()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				req, _ := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/v2/pins", form("strong", "true"))
				req.Header.Set("X-Plex-Client-Identifier", gate)
				res, err := tr.RoundTrip(req)
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the client got %v", err)
				}
				synctest.Wait()
				if n := s.Handling(); n != 0 {
					t.Errorf("%d handlers still at it", n)
				}
			})
		})
		t.Run(c.name+" until the server closes", func(t *testing.T) {
			s := plextest.Start(t)
			s.Fail(plextest.User, c.fault)
			failed := make(chan error, 1)
			go func() {
				res, err := http.Get(s.URL + "/api/v2/user")
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				failed <- err
			}()
			if err := s.Wait(t.Context(), plextest.User, 1); err != nil {
				t.Fatal(err)
			}
			s.Close()
			if err := <-failed; err == nil {
				t.Error("the client was answered")
			}
		})
	}
}

func TestUntil(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	release := make(chan struct{})
	s.Fail(plextest.Ping, plextest.Until(release))
	token := s.Token("casey", gate)
	answered := make(chan int)
	go func() {
		req, _ := http.NewRequest("GET", s.URL+"/api/v2/ping", nil)
		req.Header.Set("X-Plex-Token", token)
		req.Header.Set("X-Plex-Client-Identifier", gate)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		res.Body.Close()
		answered <- res.StatusCode
	}()
	if err := s.Wait(t.Context(), plextest.Ping, 1); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-answered:
		t.Fatalf("answered %d before it was released", got)
	default:
	}
	close(release)
	if got := <-answered; got != 200 {
		t.Errorf("answered %d", got)
	}
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx, plextest.User, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.Close()
	if err := s.Wait(t.Context(), plextest.User, 1); err == nil {
		t.Error("waits on a closed server")
	}
}

func TestOutagesSayNothing(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, f := range plextest.Outages() {
		if f.Name == "" || names[f.Name] {
			t.Errorf("name %q is empty or taken", f.Name)
		}
		names[f.Name] = true
		s := plextest.Start(t)
		s.Fail(plextest.Any, f)
		res := get(t, s, "/api/v2/resources", "X-Plex-Token", s.Token("casey", gate))
		b, err := io.ReadAll(res.Body)
		var list []resource
		if res.StatusCode == 200 && err == nil && json.Unmarshal(b, &list) == nil && list != nil {
			t.Errorf("%s is a list of resources", f.Name)
		}
		if c := res.StatusCode; c == 401 || c == 403 || c == 422 || c == 498 {
			t.Errorf("%s speaks of the token", f.Name)
		}
	}
}
