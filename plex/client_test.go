package plex_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/plex"
	"usher/plex/plextest"
)

const (
	clientID  = "test-client"
	testToken = plex.Token("test-token-robin")
	testPIN   = 601223344
	testCode  = "k3v9w0c2q7l1x8r5t6y4u0abz"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is a plex.tv that always says the same.
func answer(status int, typ, body string, header ...string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		if typ != "" {
			h.Set("Content-Type", typ)
		}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: r}, nil
	}
}

func newClient(t testing.TB, rt http.RoundTripper) *plex.Client {
	t.Helper()
	c, err := plex.New(plex.Config{ClientID: clientID, Version: "1.0", Transport: rt})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// questions are all there is to ask, each by its name in errors and metrics.
var questions = map[string]func(ctx context.Context, c *plex.Client, t plex.Token, pin int64) error{
	"create_pin": func(ctx context.Context, c *plex.Client, _ plex.Token, _ int64) error {
		_, err := c.CreatePIN(ctx)
		return err
	},
	"check_pin": func(ctx context.Context, c *plex.Client, _ plex.Token, pin int64) error {
		_, err := c.CheckPIN(ctx, pin)
		return err
	},
	"user": func(ctx context.Context, c *plex.Client, t plex.Token, _ int64) error {
		_, err := c.Account(ctx, t)
		return err
	},
	"resources": func(ctx context.Context, c *plex.Client, t plex.Token, _ int64) error {
		_, err := c.Resources(ctx, t)
		return err
	},
	"users": func(ctx context.Context, c *plex.Client, t plex.Token, _ int64) error {
		_, err := c.Users(ctx, t)
		return err
	},
	"shared_servers": func(ctx context.Context, c *plex.Client, t plex.Token, _ int64) error {
		_, err := c.SharedServers(ctx, t, plextest.Attic)
		return err
	},
	"server": func(ctx context.Context, c *plex.Client, t plex.Token, _ int64) error {
		_, err := c.Libraries(ctx, t, plextest.Attic)
		return err
	},
	"home_users": func(ctx context.Context, c *plex.Client, t plex.Token, _ int64) error {
		_, err := c.HomeUsers(ctx, t)
		return err
	},
	"home_switch": func(ctx context.Context, c *plex.Client, t plex.Token, _ int64) error {
		_, err := c.SwitchHomeUser(ctx, t, teen, "")
		return err
	},
}

const (
	js      = "application/json; charset=utf-8"
	xmlType = "application/xml; charset=utf-8"
)

// TestEveryAnswerIsSorted is table 8.1: what each answer to each question means.
func TestEveryAnswerIsSorted(t *testing.T) {
	t.Parallel()
	const (
		pins   = "create_pin check_pin"
		tokens = "user resources users shared_servers server home_users home_switch"
		v2     = "create_pin check_pin user resources home_users home_switch"
		v1     = "users shared_servers server"
		all    = pins + " " + tokens
		expiry = `{"errors":[{"code":1020,"message":"Code not found or expired"}]}`
	)
	tests := []struct {
		name, ops string
		answer    roundTrip
		want      error
	}{
		{"400 is our own mistake", all, answer(400, js, `{"errors":[{"code":1000,"status":400}]}`), plex.ErrBadRequest},
		{"401 rejects the token", tokens, answer(401, js, `{"errors":[{"code":1001,"status":401}]}`), plex.ErrUnauthorized},
		{"401 where no token was sent says nothing", pins, answer(401, js, `{"errors":[{"code":1001}]}`), plex.ErrUnavailable},
		{"498 rejects the token", tokens, answer(498, js, `{}`), plex.ErrUnauthorized},
		{"498 where no token was sent says nothing", pins, answer(498, js, `{}`), plex.ErrUnavailable},
		{"422 rejects the token", tokens, answer(422, js, `{}`), plex.ErrUnauthorized},
		{"422 where no token was sent says nothing", pins, answer(422, js, `{}`), plex.ErrUnavailable},
		{"403 refuses", all, answer(403, js, `{"errors":[{"code":1009}]}`), plex.ErrForbidden},
		{"403 with 1041 wants the member's PIN", "home_switch", answer(403, js, `{"errors":[{"code":1041,"status":403}]}`), plex.ErrHomePIN},
		{"403 with 1041 in XML", "home_switch", answer(403, xmlType, `<errors><error code="1041" status="403"/></errors>`), plex.ErrHomePIN},
		{"401 with 1041 wants the member's PIN", "home_switch", answer(401, js, `{"errors":[{"code":1041,"status":401}]}`), plex.ErrHomePIN},
		{"1041 in a page refuses", "home_switch", answer(403, "text/html", `{"errors":[{"code":1041}]}`), plex.ErrForbidden},
		{"1041 elsewhere refuses", "user resources home_users", answer(403, js, `{"errors":[{"code":1041}]}`), plex.ErrForbidden},
		{"429 with 1041 says nothing of the PIN", "home_switch", answer(429, js, `{"errors":[{"code":1041}]}`), plex.ErrUnavailable},
		{"404 with 1020 is an expired PIN", "check_pin", answer(404, js, expiry), plex.ErrExpired},
		{"404 with 1020 in XML is an expired PIN", "check_pin", answer(404, xmlType, `<errors><error code="1020" message="Code not found or expired"/></errors>`), plex.ErrExpired},
		{"404 with 1020 elsewhere says nothing", "create_pin " + tokens, answer(404, js, expiry), plex.ErrUnavailable},
		{"404 with another code is an outage", all, answer(404, js, `{"errors":[{"code":1002,"status":404}]}`), plex.ErrUnavailable},
		{"404 without a body is an outage", all, answer(404, "", ""), plex.ErrUnavailable},
		{"404 with a page that says 1020 is an outage", "check_pin", answer(404, "text/html", expiry), plex.ErrUnavailable},
		{"404 with half a body is an outage", "check_pin", answer(404, js, expiry[:40]), plex.ErrUnavailable},
		{"410 is an outage", all, answer(410, xmlType, `<Response code="410"/>`), plex.ErrUnavailable},
		{"429 says nothing", all, answer(429, js, `{"errors":[{"code":1003}]}`), plex.ErrUnavailable},
		{"500 says nothing", all, answer(500, js, `{"errors":[{"code":1007}]}`), plex.ErrUnavailable},
		{"503 with a page says nothing", all, answer(503, "text/html", `<html>back soon</html>`), plex.ErrUnavailable},
		{"a redirect is not followed", all, answer(302, "", "", "Location", "http://169.254.169.254/latest/meta-data/"), plex.ErrUnavailable},
		{"304 says nothing", all, answer(304, "", ""), plex.ErrUnavailable},
		{"200 with a page", all, answer(200, "text/html", `<html></html>`), plex.ErrUnavailable},
		{"200 with a page said to be JSON", v2, answer(200, js, `<html></html>`), plex.ErrUnavailable},
		{"200 without a type", all, answer(200, "", `[]`), plex.ErrUnavailable},
		{"204 without a body", all, answer(204, "", ``), plex.ErrUnavailable},
		{"200 with an empty body", v2, answer(200, js, ``), plex.ErrUnavailable},
		{"200 with an empty XML body", all, answer(200, xmlType, ``), plex.ErrUnavailable},
		{"200 with half a JSON body", v2, answer(200, js, `[{"id":70010001,"clientIdenti`), plex.ErrUnavailable},
		{"200 with {}", v2, answer(200, js, `{}`), plex.ErrUnavailable},
		{"200 with null", v2, answer(200, js, `null`), plex.ErrUnavailable},
		{"200 with a number", v2, answer(200, js, `7`), plex.ErrUnavailable},
		{"200 with a list where one is due", "create_pin check_pin user", answer(200, js, `[]`), plex.ErrUnavailable},
		{"200 with something behind the list", "resources", answer(200, js, `[] []`), plex.ErrUnavailable},
		{"200 with something behind the object", "user", answer(200, js, `{"id":70010001}x`), plex.ErrUnavailable},
		{"200 with something behind the XML list", v1, answer(200, xmlType, `<MediaContainer size="0"/><MediaContainer size="0"/>`), plex.ErrUnavailable},
		{"200 with text behind the XML list", v1, answer(200, xmlType, `<MediaContainer size="0"/>x`), plex.ErrUnavailable},
		{"JSON where only XML is due", v1, answer(200, js, `{"MediaContainer":{"size":0}}`), plex.ErrUnavailable},
		{"an XML error is not an empty list", all, answer(200, xmlType, `<errors><error code="1001"/></errors>`), plex.ErrUnavailable},
		{"an old error is not an empty list", all, answer(200, xmlType, `<Response code="410" status="removed"/>`), plex.ErrUnavailable},
		{"a JSON error is not an empty list", v2, answer(200, js, `{"errors":[{"code":1007}]}`), plex.ErrUnavailable},
		{"an XML list without a size is not an empty list", v1, answer(200, xmlType, `<MediaContainer/>`), plex.ErrUnavailable},
		{"half an XML list, by its end", v1, answer(200, xmlType, `<MediaContainer size="1"><User id="70010001"/><SharedServer userID="70010001"/>`), plex.ErrUnavailable},
		{"half an XML list, by its size", v1, answer(200, xmlType, `<MediaContainer size="2"><User id="70010001"/><SharedServer userID="70010001"/></MediaContainer>`), plex.ErrUnavailable},
		{"a page of an XML list", v1, answer(200, xmlType, `<MediaContainer size="1" totalSize="2"><User id="70010001"/><SharedServer userID="70010001"/></MediaContainer>`), plex.ErrUnavailable},
		{"an id that is no number", "users", answer(200, xmlType, `<MediaContainer size="1"><User id="casey"/></MediaContainer>`), plex.ErrUnavailable},
		{"a row that is none by its name", "users", answer(200, xmlType, `<MediaContainer size="1"><Person id="70010001"/></MediaContainer>`), plex.ErrUnavailable},
		{"a list of something else", v1, answer(200, xmlType, `<Other size="0"><Server machineIdentifier="`+plextest.Attic+`"/></Other>`), plex.ErrUnavailable},
		{"a list that is not said to be XML", v1, answer(200, "text/html", `<MediaContainer size="0"><Server machineIdentifier="`+plextest.Attic+`"/></MediaContainer>`), plex.ErrUnavailable},
		{"a row outside the list", v1, answer(200, xmlType, `<MediaContainer size="1"></MediaContainer><User id="70010001"/>`), plex.ErrUnavailable},
		{"half a list, and a row in a row", v1, answer(200, xmlType, `<MediaContainer size="2"><User id="1"><User id="2"/></User></MediaContainer>`), plex.ErrUnavailable},
		{"a list with a doctype", v1, answer(200, xmlType, `<!DOCTYPE MediaContainer><MediaContainer size="0"/>`), plex.ErrUnavailable},
		{"a list of more rows than there can be", v1, answer(200, xmlType, `<MediaContainer size="0">`+strings.Repeat(`<User id="1"/>`, 20_001)+`</MediaContainer>`), plex.ErrUnavailable},
		{"a row of more than there can be in one", v1, answer(200, xmlType, `<MediaContainer size="0"><User id="1">`+strings.Repeat(`<Server/>`, 1_001)+`</User></MediaContainer>`), plex.ErrUnavailable},
		{"no server where one is due", "server", answer(200, xmlType, `<MediaContainer size="0"/>`), plex.ErrUnavailable},
		{"another server's libraries", "server", answer(200, xmlType, `<MediaContainer size="1"><Server machineIdentifier="`+plextest.Cellar+`"><Section title="Films"/></Server></MediaContainer>`), plex.ErrUnavailable},
		{"libraries of a server of a long name", "server", answer(200, xmlType, `<MediaContainer size="1"><Server machineIdentifier="`+strings.Repeat("0", 3000)+`"><Section title="Films"/></Server></MediaContainer>`), plex.ErrUnavailable},
		{"two servers", "server", answer(200, xmlType, `<MediaContainer size="0">`+strings.Repeat(`<Server machineIdentifier="`+plextest.Attic+`"/>`, 2)+`</MediaContainer>`), plex.ErrUnavailable},
		{"half the libraries, by their number", "server", answer(200, xmlType, `<MediaContainer size="2"><Server machineIdentifier="`+plextest.Attic+`"><Section title="Films"/></Server></MediaContainer>`), plex.ErrUnavailable},
		{"a share that is neither all nor some", "shared_servers", answer(200, xmlType, `<MediaContainer size="1"><SharedServer userID="1" allLibraries="some"/></MediaContainer>`), plex.ErrUnavailable},
		{"a library that is neither shared nor not", "shared_servers", answer(200, xmlType, `<MediaContainer size="1"><SharedServer userID="1"><Section shared="x"/></SharedServer></MediaContainer>`), plex.ErrUnavailable},

		{"id missing", "user", answer(200, js, `{"username":"robin"}`), plex.ErrUnavailable},
		{"id 0", "user", answer(200, js, `{"id":0,"username":"robin"}`), plex.ErrUnavailable},
		{"id negative", "user", answer(200, js, `{"id":-70010009}`), plex.ErrUnavailable},
		{"id a string", "user", answer(200, js, `{"id":"70010009"}`), plex.ErrUnavailable},
		{"id null", "user", answer(200, js, `{"id":null}`), plex.ErrUnavailable},
		{"id a fraction", "user", answer(200, js, `{"id":70010009.5}`), plex.ErrUnavailable},
		{"id beyond 64 bits", "user", answer(200, js, `{"id":18446744073779561625}`), plex.ErrUnavailable},
		{"XML id 0", "user", answer(200, xmlType, `<user id="0"/>`), plex.ErrUnavailable},
		{"XML id missing", "user", answer(200, xmlType, `<user username="robin"/>`), plex.ErrUnavailable},
		{"owned is a string", "resources", answer(200, js, `[{"owned":"yes"}]`), plex.ErrUnavailable},
		{"a PIN without a code", "create_pin", answer(201, js, `{"id":601223344,"code":""}`), plex.ErrUnavailable},
		{"a PIN with id 0", "create_pin", answer(201, js, `{"id":0,"code":"abc"}`), plex.ErrUnavailable},
		{"a PIN whose code breaks lines", "create_pin", answer(201, js, `{"id":1,"code":"a\r\nb"}`), plex.ErrUnavailable},
		{"somebody else's PIN", "check_pin", answer(200, js, `{"id":601223345,"code":"abc","authToken":"test-token-mallory"}`), plex.ErrUnavailable},
		{"a token that breaks lines", "check_pin", answer(200, js, `{"id":601223344,"authToken":"test\r\ntoken"}`), plex.ErrUnavailable},

		{"no servers", "resources", answer(200, js, `[]`), nil},
		{"no servers in XML", "resources", answer(200, xmlType, `<resources/>`), nil},
		{"nobody", "users shared_servers", answer(200, xmlType, `<?xml version="1.0" encoding="UTF-8"?><MediaContainer size="0"></MediaContainer>`+"\n"), nil},
		{"text/xml", "users shared_servers", answer(200, "text/xml", `<MediaContainer size="0"/>`), nil},
		{"libraries of a server that is not named again", "server", answer(200, xmlType, `<MediaContainer size="1"><Server><Section title="Films"/></Server></MediaContainer>`), nil},
		{"no libraries", "server", answer(200, xmlType, `<MediaContainer size="0"><Server machineIdentifier="`+plextest.Attic+`"/></MediaContainer>`), nil},
		{"an account", "user", answer(200, js, `{"id":70010009,"username":null,"anonymous":null,"profile":{},"more":[1]}`), nil},
	}
	for _, tt := range tests {
		for _, op := range strings.Fields(tt.ops) {
			t.Run(op+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				err := questions[op](t.Context(), newClient(t, tt.answer), testToken, testPIN)
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if err == nil {
					return
				}
				var e *plex.Error
				if !errors.As(err, &e) || e.Op != op || e.Status == 0 {
					t.Errorf("%#v does not say what was asked", err)
				}
				for _, secret := range []string{string(testToken), testCode, "robin", "mallory", "1020", "169.254", "http"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%q quotes %q", err, secret)
					}
				}
			})
		}
	}
}

func TestNoAnswerSaysNothing(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{
		"broken":  errors.New(`malformed HTTP response "test-token-robin"`),
		"timeout": context.DeadlineExceeded,
	} {
		for op, ask := range questions {
			t.Run(op+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := newClient(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, cause }))
				err := ask(t.Context(), c, testToken, testPIN)
				if !errors.Is(err, plex.ErrUnavailable) || strings.Contains(err.Error(), "token-robin") || strings.Contains(err.Error(), "601223344") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	// A real transport: nobody there, and no such name.
	for _, u := range []string{"http://127.0.0.1:1", "http://plex.invalid"} {
		c, err := plex.New(plex.Config{URL: u, ClientID: clientID})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreatePIN(t.Context()); !errors.Is(err, plex.ErrUnavailable) {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestWithoutATokenNothingIsAsked(t *testing.T) {
	t.Parallel()
	c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		t.Errorf("asked %s", r.URL.Path)
		return nil, io.EOF
	}))
	for _, token := range []plex.Token{"", "test token", "test\r\nX-Evil: 1", plex.Token(strings.Repeat("x", 4097)), "é"} {
		if _, err := c.Account(t.Context(), token); !errors.Is(err, plex.ErrUnauthorized) {
			t.Errorf("%q: %v", string(token), err)
		}
	}
	for _, id := range []int64{0, -1} {
		if _, err := c.CheckPIN(t.Context(), id); !errors.Is(err, plex.ErrBadRequest) {
			t.Errorf("PIN %d: %v", id, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for value, want := range map[string]time.Duration{
			"":           0,
			"30":         30 * time.Second,
			"-5":         0,
			"999999":     10 * time.Minute,
			"1e3":        0,
			"tomorrow":   0,
			"9999999999": 0,
			time.Now().Add(time.Minute).UTC().Format(http.TimeFormat): time.Minute,
			time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):  0,
		} {
			_, err := newClient(t, answer(429, "", "", "Retry-After", value)).CreatePIN(t.Context())
			if e := (*plex.Error)(nil); !errors.As(err, &e) || e.RetryAfter != want {
				t.Errorf("Retry-After %q: %+v, want %v", value, e, want)
			}
		}
	})
}

func TestRequests(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"create_pin":     "POST https://plex.tv/api/v2/pins?strong=true application/json ",
		"check_pin":      "GET https://plex.tv/api/v2/pins/601223344 application/json ",
		"user":           "GET https://plex.tv/api/v2/user application/json test-token-robin",
		"resources":      "GET https://plex.tv/api/v2/resources application/json test-token-robin",
		"users":          "GET https://plex.tv/api/users application/xml test-token-robin",
		"shared_servers": "GET https://plex.tv/api/servers/" + plextest.Attic + "/shared_servers application/xml test-token-robin",
		"server":         "GET https://plex.tv/api/servers/" + plextest.Attic + " application/xml test-token-robin",
		"home_users":     "GET https://plex.tv/api/v2/home/users application/json test-token-robin",
		"home_switch":    "POST https://plex.tv/api/v2/home/users/9f00aa11bb22cc44/switch application/json test-token-robin",
	}
	for op, ask := range questions {
		var got string
		c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			h := r.Header
			got = fmt.Sprintf("%s %s %s %s", r.Method, r.URL, h.Get("Accept"), h.Get("X-Plex-Token"))
			if h.Get("X-Plex-Client-Identifier") != clientID || h.Get("X-Plex-Product") != "Usher" || h.Get("X-Plex-Version") != "1.0" {
				t.Errorf("%s: %v", op, h)
			}
			return nil, io.EOF
		}))
		_ = ask(t.Context(), c, testToken, testPIN)
		if got != want[op] {
			t.Errorf("%s: %s, want %s", op, got, want[op])
		}
	}
}

func TestObserveCountsOutcomes(t *testing.T) {
	t.Parallel()
	for outcome, rt := range map[string]roundTrip{
		"ok":           answer(200, js, `{"id":1}`),
		"unavailable":  answer(200, js, `{"id":0}`),
		"unauthorized": answer(401, "", ""),
		"forbidden":    answer(403, "", ""),
		"bad_request":  answer(400, "", ""),
		"cancelled":    func(*http.Request) (*http.Response, error) { return nil, context.Canceled },
	} {
		var got string
		c, err := plex.New(plex.Config{ClientID: clientID, Transport: rt, Observe: func(op, outcome string, _ time.Duration) { got = op + " " + outcome }})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Account(t.Context(), testToken)
		if got != "user "+outcome {
			t.Errorf("observed %q, want %q", got, outcome)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]plex.Config{
		"no client id":              {},
		"client id breaks lines":    {ClientID: "a\r\nX-Evil: 1"},
		"product breaks lines":      {ClientID: clientID, Product: "Usher\n"},
		"URL without a scheme":      {ClientID: clientID, URL: "plex.tv"},
		"URL of a file":             {ClientID: clientID, URL: "file:///etc/passwd"},
		"URL with a user":           {ClientID: clientID, URL: "https://a@plex.tv"},
		"URL with a query":          {ClientID: clientID, URL: "https://plex.tv?x"},
		"URL with only a fragment":  {ClientID: clientID, URL: "https://plex.tv#x"},
		"URL that cannot be parsed": {ClientID: clientID, URL: "https://plex.tv:x"},
	} {
		if _, err := plex.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDecoding(t *testing.T) {
	t.Parallel()
	t.Run("an e-mail that is not confirmed is not believed", func(t *testing.T) {
		t.Parallel()
		for body, want := range map[string]string{
			`{"id":1,"email":"robin@example.org"}`:                        "robin@example.org",
			`{"id":1,"email":"robin@example.org","confirmed":null}`:       "robin@example.org",
			`{"id":1,"email":"robin@example.org","confirmed":true}`:       "robin@example.org",
			`{"id":1,"email":"robin@example.org","confirmed":false}`:      "",
			`<user id="1" email="robin@example.org" confirmed="0"/>`:      "",
			`<user id="1" email="robin@example.org" confirmed="1"/>`:      "robin@example.org",
			`<user id="1" email="robin@example.org"><a email=""/></user>`: "robin@example.org",
		} {
			typ := js
			if body[0] == '<' {
				typ = xmlType
			}
			if a, err := newClient(t, answer(200, typ, body)).Account(t.Context(), testToken); err != nil || a.Email != want {
				t.Errorf("%s: %q, %v; want %q", body, a.Email, err, want)
			}
		}
	})
	t.Run("a body padded beyond 2 MB is refused although it could be read", func(t *testing.T) {
		t.Parallel()
		pad := strings.Repeat(" ", 2<<20)
		for _, announced := range []int64{-1, int64(len(pad)) + 8} {
			c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
				res, err := answer(200, js, `{"id":1}`+pad)(r)
				res.ContentLength = announced
				return res, err
			}))
			if a, err := c.Account(t.Context(), testToken); !errors.Is(err, plex.ErrUnavailable) {
				t.Errorf("%+v %v", a, err)
			}
		}
	})
	t.Run("a name too long to keep is dropped, not cut", func(t *testing.T) {
		t.Parallel()
		a, err := newClient(t, answer(200, js, `{"id":1,"username":"`+strings.Repeat("a", 10_000)+`","title":"casey"}`)).Account(t.Context(), testToken)
		if diff := cmp.Diff(plex.Account{ID: 1, Title: "casey"}, a); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
	t.Run("the same resources in JSON and XML", func(t *testing.T) {
		t.Parallel()
		want := []plex.Resource{
			{ID: "attic", Name: "Attic", Provides: []string{"client", "server"}, OwnerID: 70010009, Home: true},
			{ID: "own", Provides: []string{"server"}, Owned: true},
			{ID: "tv", Provides: []string{"client", "player"}},
			{Provides: []string{""}},
		}
		for typ, body := range map[string]string{
			js: `[{"clientIdentifier":"attic","name":"Attic","provides":"client, server","ownerId":70010009,"owned":false,"home":true,"presence":false,"connections":[{"port":1}]},
				{"clientIdentifier":"own","provides":"server","ownerId":null,"owned":true,"device":null},{"clientIdentifier":"tv","provides":"client,player"},null]`,
			xmlType: `<resources><resource clientIdentifier="attic" name="Attic" provides="client, server" ownerId="70010009" owned="0" home="1" presence="0"><connections><connection port="1"/></connections></resource>
				<resource clientIdentifier="own" provides="server" ownerId="" owned="1"/><resource clientIdentifier="tv" provides="client,player" owned=""/><resource/></resources>`,
		} {
			got, err := newClient(t, answer(200, typ, body)).Resources(t.Context(), testToken)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Error(typ, diff, err)
			}
			if !got[0].Server() || got[2].Server() || got[3].Server() {
				t.Error("a server is what provides server")
			}
		}
	})
}

func TestAccountName(t *testing.T) {
	t.Parallel()
	a := plex.Account{FriendlyName: "F", Title: "T", Username: "U", Email: "E"}
	for _, want := range []string{"F", "T", "U", "E", ""} {
		if got := a.Name(); got != want {
			t.Errorf("%+v: %q, want %q", a, got, want)
		}
		switch want {
		case "F":
			a.FriendlyName = ""
		case "T":
			a.Title = ""
		case "U":
			a.Username = ""
		case "E":
			a.Email = ""
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	pin := plex.PIN{ID: testPIN, Code: testCode, Token: testToken}
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		fmt.Fprintf(&b, verb+verb+verb+verb, testToken, pin, &pin, struct{ T plex.Token }{testToken})
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Info("test", "token", testToken, "pin", pin, "both", []any{testToken, pin})
	}
	if err := json.NewEncoder(&b).Encode(map[string]plex.Token{"token": testToken}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"test-token", testCode, fmt.Sprintf("%x", string(testToken))} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q printed in %s", secret, b.String())
		}
	}
	if !strings.Contains(b.String(), "REDACTED") || !strings.Contains(b.String(), "601223344") {
		t.Error(b.String())
	}
}

func TestSignInURL(t *testing.T) {
	t.Parallel()
	c, err := plex.New(plex.Config{ClientID: "test+client", Product: "Example Gate & Co"})
	if err != nil {
		t.Fatal(err)
	}
	forward := "https://auth.example.com/login/callback?rd=https%3A%2F%2Fapp.example.com%2F%3Fa%3D1%2B2&x=#y"
	got := c.SignInURL("", plex.PIN{Code: testCode}, forward)
	want := "https://app.plex.tv/auth#?clientID=test%2Bclient&code=" + testCode + "&context%5Bdevice%5D%5Bproduct%5D=Example%20Gate%20%26%20Co&forwardUrl="
	if !strings.HasPrefix(got, want) || strings.Contains(got, "+") {
		t.Errorf("%s\nwant prefix\n%s", got, want)
	}
	if back, err := url.QueryUnescape(strings.TrimPrefix(got, want)); err != nil || back != forward {
		t.Errorf("forwardUrl comes out as %s, %v", back, err)
	}
}

// TestFaults asks a faithful plex.tv that misbehaves. Whatever is not listed says nothing, within ten seconds.
func TestFaults(t *testing.T) {
	t.Parallel()
	endpoints := map[string]plextest.Endpoint{
		"create_pin": plextest.CreatePIN, "check_pin": plextest.CheckPIN, "user": plextest.User, "resources": plextest.Resources,
		"users": plextest.Users, "shared_servers": plextest.SharedServers, "server": plextest.Libraries,
	}
	faults := func() []plextest.Fault {
		return append(plextest.Outages(), plextest.Hung(), plextest.Drip(time.Second), plextest.Huge(1<<30))
	}
	for op, endpoint := range endpoints {
		for i := range faults() {
			fault := faults()[i]
			t.Run(op+"/"+fault.Name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := plextest.Start(t, plextest.InMemory())
					c, err := plex.New(plex.Config{URL: s.URL, ClientID: clientID, Transport: s.Transport()})
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					pin, err := c.CreatePIN(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					s.Fail(endpoint, fault)
					start := time.Now()
					err = questions[op](t.Context(), c, plex.Token(s.Token("robin", clientID)), pin.ID)
					if !errors.Is(err, plex.ErrUnavailable) {
						t.Errorf("got %v", err)
					}
					if took := time.Since(start); took > 10*time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

// TestHugeBodyIsNotHeld lets plex.tv send a gigabyte, compressed on the way, and one that announces its size.
func TestHugeBodyIsNotHeld(t *testing.T) {
	var read atomic.Int64
	endless := roundTrip(func(r *http.Request) (*http.Response, error) {
		body := io.TeeReader(io.LimitReader(zeros{}, 1<<30), counter{&read})
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {js}}, Body: io.NopCloser(body), ContentLength: -1, Request: r}, nil
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := newClient(t, endless).Account(t.Context(), testToken)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, plex.ErrUnavailable) || read.Load() > 3<<20 {
		t.Errorf("%v after %d bytes", err, read.Load())
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("allocated %d MB", grown>>20)
	}
}

// TestEndlessListIsNotHeld lets plex.tv send lists that have no end: of rows, of one row, of one tag, of white space, deep down.
func TestEndlessListIsNotHeld(t *testing.T) {
	for name, c := range map[string]struct{ begin, again string }{
		"rows":               {"", `<User id="70010001" title="casey"/>`},
		"rows of other kind": {"", `<Person/>`},
		"one row":            {`<User id="1">`, `<Server machineIdentifier="x"/>`},
		"other in one row":   {`<User id="1">`, `<Other title="y"/>`},
		"one tag":            {`<User id="1"`, ` a="1"`},
		"one value":          {`<User id="1" title="`, `x&amp;>`},
		"white space":        {`<User id="1">`, strings.Repeat(" ", 1000)},
		"white space, short": {`<User id="1"><Server>`, strings.Repeat(" ", 1000) + "<x/>"},
		"deep down":          {`<User id="1"><Server><x>`, `<y title="z"/>`},
		"deeper and deeper":  {``, `<x>`},
	} {
		var read atomic.Int64
		endless := roundTrip(func(r *http.Request) (*http.Response, error) {
			body := io.MultiReader(strings.NewReader(`<MediaContainer size="1">`+c.begin), io.LimitReader(&repeated{text: c.again}, 1<<30))
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {xmlType}}, Body: io.NopCloser(io.TeeReader(body, counter{&read})), ContentLength: -1, Request: r}, nil
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := newClient(t, endless).Users(t.Context(), testToken)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, plex.ErrUnavailable) || read.Load() > 65<<20 {
			t.Errorf("%s: %v after %d bytes", name, err, read.Load())
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
			t.Errorf("%s: allocated %d MB", name, grown>>20)
		}
	}
}

// repeated is a text without end.
type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c := copy(p[n:], r.text[r.at:])
		n, r.at = n+c, (r.at+c)%len(r.text)
	}
	return n, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

func TestNoCookieAndNoRedirect(t *testing.T) {
	t.Parallel()
	var paths []string
	c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		paths = append(paths, r.URL.String())
		if r.Header.Get("Cookie") != "" {
			t.Error("a cookie was kept")
		}
		return answer(302, "", "", "Location", "http://169.254.169.254/", "Set-Cookie", "_my-plex_session_32=x; Path=/")(r)
	}))
	for range 2 {
		_, _ = c.Account(t.Context(), testToken)
	}
	if diff := cmp.Diff([]string{"https://plex.tv/api/v2/user", "https://plex.tv/api/v2/user"}, paths); diff != "" {
		t.Error(diff)
	}
}

// TestAgainstPlex walks through a sign-in at a faithful plex.tv and asks it everything.
func TestAgainstPlex(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	c, err := plex.New(plex.Config{URL: s.URL, ClientID: clientID})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx := t.Context()
	pin, err := c.CreatePIN(ctx)
	if err != nil || len(pin.Code) != 25 || pin.Token != "" || time.Until(pin.ExpiresAt) < 29*time.Minute {
		t.Fatalf("%v %v", pin, err)
	}
	if p, err := c.CheckPIN(ctx, pin.ID); err != nil || p.Token != "" {
		t.Fatalf("pending: %v %v", p, err)
	}
	if to, err := s.SignIn(c.SignInURL(s.AuthURL, pin, "https://auth.example.com/login/callback"), "casey"); err != nil || to != "https://auth.example.com/login/callback" {
		t.Fatal(to, err)
	}
	claimed, err := c.CheckPIN(ctx, pin.ID)
	if err != nil || claimed.Token == "" {
		t.Fatalf("claimed: %v %v", claimed, err)
	}
	if a, err := c.Account(ctx, claimed.Token); err != nil || a.ID != 70010001 || a.Username != "casey" || a.UUID == "" || a.Thumb == "" {
		t.Fatalf("%+v %v", a, err)
	}
	list, err := c.Resources(ctx, claimed.Token)
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	robin := plex.Token(s.Token("robin", clientID))
	users, err := c.Users(ctx, robin)
	if err != nil || len(users) != 6 {
		t.Fatalf("%d users, %v", len(users), err)
	}
	shares, err := c.SharedServers(ctx, robin, plextest.Attic)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]string{}
	for _, sh := range shares {
		got[sh.UserID] = fmt.Sprintf("pending=%v all=%v %q", sh.Pending, sh.All, sh.Libraries)
	}
	if diff := cmp.Diff(map[int64]string{
		70010001: `pending=false all=false ["Films" "Shows"]`,
		70010002: `pending=false all=true ["Films" "Home, Videos" "Music" "Shows"]`,
		70010003: `pending=false all=true ["Films" "Home, Videos" "Music" "Shows"]`,
		70010005: `pending=true all=true ["Films" "Home, Videos" "Music" "Shows"]`,
	}, got); diff != "" {
		t.Error(diff)
	}
	if titles, err := c.Libraries(ctx, robin, plextest.Attic); err != nil || fmt.Sprintf("%q", titles) != `["Films" "Home, Videos" "Music" "Shows"]` {
		t.Errorf("%q %v", titles, err)
	}
	s.Advance(time.Hour)
	if _, err := c.CheckPIN(ctx, pin.ID); !errors.Is(err, plex.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	s.RevokeTokens("casey")
	if _, err := c.Resources(ctx, claimed.Token); !errors.Is(err, plex.ErrUnauthorized) {
		t.Errorf("revoked: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range []string{`{"id":1}`, `[{"clientIdentifier":"a","ownerId":null}]`, `null`, `[null]`, `{"id":"1"}`, `<user id="1"/>`, `<pin id="601223344"/>`,
		`<MediaContainer size="1"><User id="1"><Server pending="1"/></User></MediaContainer>`, `<resources><resource/></resources>`, `<errors/>`, `{"errors":[{"code":1020}]}`} {
		f.Add(body, true, 200)
		f.Add(body, false, 404)
	}
	f.Fuzz(func(t *testing.T, body string, asJSON bool, status int) {
		typ := xmlType
		if asJSON {
			typ = js
		}
		c := newClient(t, answer(status, typ, body))
		_, _ = c.Libraries(t.Context(), testToken, "x")
		if a, err := c.Account(t.Context(), testToken); err == nil && a.ID <= 0 {
			t.Errorf("an account without an id: %+v", a)
		}
		if p, err := c.CheckPIN(t.Context(), testPIN); err == nil && p.ID != testPIN {
			t.Errorf("another PIN: %v", p)
		}
		if list, err := c.Resources(t.Context(), testToken); err == nil && list == nil {
			t.Error("no list and no error")
		}
		users, _ := c.Users(t.Context(), testToken)
		for _, u := range users {
			if u.ID <= 0 {
				t.Errorf("somebody without an id: %+v", u)
			}
		}
		_, _ = c.SharedServers(t.Context(), testToken, "x")
	})
}
