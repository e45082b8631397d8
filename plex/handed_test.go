package plex_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex"
	"usher/plex/plextest"
)

// Somebody hands over a PIN: what plex.tv must say of it before it is believed.
func TestConfirmPIN(t *testing.T) {
	t.Parallel()
	// As plex.tv says it of a PIN that is just made; by whose clock does not matter.
	const good = `{"id":601223344,"code":"k3v9w0c2q7l1x8r5t6y4u0abz","clientIdentifier":"test-client","expiresIn":1800,
		"createdAt":"2019-07-01T10:00:00Z","expiresAt":"2019-07-01T10:30:00Z","authToken":null}`
	change := func(from, to string) string {
		t.Helper()
		if !strings.Contains(good, from) {
			t.Fatalf("no %s", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for _, c := range []struct {
		name, body string
		want       error
	}{
		{"another code, so somebody else's", change(testCode, "a3v9w0c2q7l1x8r5t6y4u0abz"), plex.ErrUnconfirmed},
		{"no code", change(testCode, ""), plex.ErrUnconfirmed},
		{"another client's, so its token would be", change("test-client", "test-client-thief"), plex.ErrUnconfirmed},
		{"a client in other letters", change("test-client", "Test-Client"), plex.ErrUnconfirmed},
		{"no client", change("test-client", ""), plex.ErrUnconfirmed},
		{"claimed: the attacker's account would sign in", change("null", `"test-token-mallory"`), plex.ErrUnconfirmed},
		{"claimed by what is no token", change("null", `"test token"`), plex.ErrUnavailable},
		{"made in advance", change("1800", "1679"), plex.ErrUnconfirmed},
		{"of a life cut short", change("1800", "10"), plex.ErrUnconfirmed},
		{"over", change("1800", "0"), plex.ErrUnconfirmed},
		{"past its end", change("1800", "-5"), plex.ErrUnconfirmed},
		{"of a life without end", change("1800", "9000000000000000000"), plex.ErrUnconfirmed},
		{"more left of it than there was", change("10:30:00", "10:29:00"), plex.ErrUnconfirmed},
		{"longer a life than is left", change("10:30:00", "11:30:00"), plex.ErrUnconfirmed},
		{"of no beginning", change("createdAt", "created"), plex.ErrUnconfirmed},
		{"of a beginning that is no time", change("2019-07-01T10:00:00Z", "just now"), plex.ErrUnconfirmed},
		{"of no end", change("expiresAt", "expires"), plex.ErrUnconfirmed},
		{"another number", change("601223344", "601223345"), plex.ErrUnavailable},
		{"as it is", good, nil},
		{"as old as may be", change("1800", "1680"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pin, err := newClient(t, answer(200, js, c.body)).ConfirmPIN(t.Context(), testPIN, testCode, 2*time.Minute)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if c.want != nil && pin != (plex.PIN{}) || c.want == nil && (pin.ID != testPIN || pin.Code != testCode || pin.Token != "") {
				t.Errorf("%#v", fmt.Sprint(pin.ID, pin.Code, pin.Token))
			}
		})
	}
	for name, rt := range map[string]roundTrip{
		"plex.tv knows no such PIN":    answer(404, js, `{"errors":[{"code":1020}]}`),
		"plex.tv is silent":            func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") },
		"plex.tv is being maintained":  answer(503, "text/html", "<html>"),
		"plex.tv says nothing":         answer(200, js, "null"),
		"plex.tv is asked too often":   answer(429, js, `{"errors":[{"code":1003}]}`),
		"somebody answers in its name": answer(302, "", "", "Location", "http://169.254.169.254/"),
	} {
		if pin, err := newClient(t, rt).ConfirmPIN(t.Context(), testPIN, testCode, 2*time.Minute); err == nil || pin != (plex.PIN{}) {
			t.Errorf("%s: %v, %v", name, pin, err)
		}
	}
}

// What a browser gets at the address is confirmed, and counts by plex.tv's clock.
func TestPINURL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := plextest.Start(t, plextest.InMemory())
		s.Advance(-100 * time.Hour)
		transport := s.Transport()
		t.Cleanup(transport.CloseIdleConnections)
		c, err := plex.New(plex.Config{URL: s.URL, ClientID: clientID, Product: "Küche & Bad – 1+1", Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(c.PINURL())
		if err != nil || u.Path != "/api/v2/pins" || u.Query().Get("X-Plex-Product") != "Küche & Bad – 1+1" || u.Query().Has("X-Plex-Token") || strings.Contains(u.RawQuery, "+") {
			t.Fatalf("%s, %v", u, err)
		}
		made := ask(t, transport, c.PINURL())
		for _, step := range []struct {
			later time.Duration
			want  error
		}{{0, nil}, {2 * time.Minute, nil}, {time.Second, plex.ErrUnconfirmed}} {
			s.Advance(step.later)
			if _, err := c.ConfirmPIN(t.Context(), made.ID, made.Code, 2*time.Minute); !errors.Is(err, step.want) {
				t.Errorf("%v later: %v", step.later, err)
			}
		}
		later := ask(t, transport, c.PINURL())
		if err := s.Approve(later.Code, "mallory"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ConfirmPIN(t.Context(), later.ID, later.Code, 2*time.Minute); !errors.Is(err, plex.ErrUnconfirmed) {
			t.Errorf("claimed: %v", err)
		}
		other := ask(t, transport, strings.Replace(c.PINURL(), clientID, "test-client-thief", 1))
		if _, err := c.ConfirmPIN(t.Context(), other.ID, other.Code, 2*time.Minute); !errors.Is(err, plex.ErrExpired) {
			t.Errorf("another client's: %v", err)
		}
	})
}

type madePIN struct {
	ID   int64
	Code string
}

// ask is what a page's script does.
func ask(t *testing.T, transport http.RoundTripper, address string) (made madePIN) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&made); err != nil || len(made.Code) != 25 {
		t.Fatalf("%s: %v", res.Status, err)
	}
	return made
}
