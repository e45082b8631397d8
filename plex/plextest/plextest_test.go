package plextest_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
)

const gate = "test-client-gate"

// call asks as a client identifier would; header pairs come on top.
func call(t *testing.T, s *plextest.Server, method, path string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	tr := s.Transport()
	t.Cleanup(tr.CloseIdleConnections)
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func get(t *testing.T, s *plextest.Server, path string, headers ...string) *http.Response {
	t.Helper()
	return call(t, s, "GET", path, nil, append([]string{"Accept", "application/json", "X-Plex-Client-Identifier", gate}, headers...)...)
}

func decode[T any](t *testing.T, res *http.Response) (v T) {
	t.Helper()
	b := text(t, res)
	var err error
	if strings.Contains(res.Header.Get("Content-Type"), "xml") {
		err = xml.Unmarshal([]byte(b), &v)
	} else {
		err = json.Unmarshal([]byte(b), &v)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

type pin struct {
	ID        int64   `json:"id" xml:"id,attr"`
	Code      string  `json:"code" xml:"code,attr"`
	Product   string  `json:"product" xml:"product,attr"`
	Client    string  `json:"clientIdentifier" xml:"clientIdentifier,attr"`
	ExpiresIn int     `json:"expiresIn" xml:"expiresIn,attr"`
	AuthToken *string `json:"authToken" xml:"authToken,attr"`
}

func newPIN(t *testing.T, s *plextest.Server, query string) pin {
	t.Helper()
	res := call(t, s, "POST", "/api/v2/pins"+query, nil, "Accept", "application/json",
		"X-Plex-Client-Identifier", gate, "X-Plex-Product", "Example Gate")
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("status %d, want 201", res.StatusCode)
	}
	return decode[pin](t, res)
}

func path(p pin) string { return fmt.Sprintf("/api/v2/pins/%d", p.ID) }

// wantError checks the status and the code of an error of v2.
func wantError(t *testing.T, res *http.Response, status, code int) {
	t.Helper()
	v := decode[struct {
		Errors []struct{ Code, Status int }
	}](t, res)
	if res.StatusCode != status || len(v.Errors) != 1 || v.Errors[0].Code != code {
		t.Errorf("got %d %+v, want %d with code %d", res.StatusCode, v, status, code)
	}
}

// recorder is a TB that only remembers.
type recorder struct {
	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func TestUnknownRequestFailsTheTest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, method, path, want string }{
		{"an endpoint that does not exist", "GET", "/api/v2/shared_servers/" + plextest.Attic, "GET /api/v2/shared_servers/" + plextest.Attic},
		{"the wrong method", "POST", "/api/v2/user", "POST /api/v2/user"},
		{"a doubled slash", "GET", "//api/v2/user", "GET //api/v2/user"},
		{"dot segments", "GET", "/api/v2/x/../user", "GET /api/v2/x/../user"},
		{"the root", "GET", "/", "GET /"},
		{"a token in the query", "GET", "/api/v2/user?X-Plex-Token=test-token", "X-Plex-Token in the query"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tb := new(recorder)
			s := plextest.Start(tb)
			defer s.Close()
			get(t, s, c.path) // known or not: only the next may be to blame
			before := len(tb.errors)
			call(t, s, c.method, c.path, nil)
			if len(tb.errors) == before || !strings.Contains(tb.errors[before], c.want) {
				t.Errorf("the test was told %q, want %q", tb.errors, c.want)
			}
			if strings.Contains(fmt.Sprint(tb.errors), "test-token") {
				t.Errorf("the message repeats the token: %q", tb.errors)
			}
		})
	}
}

func TestUnknownRequestToHandler(t *testing.T) {
	t.Parallel()
	s := plextest.New(plextest.At("http://plex.test/"))
	defer s.Close()
	if s.AuthURL != "http://plex.test/auth" {
		t.Errorf("AuthURL is %q", s.AuthURL)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/api/v2/friends", nil))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `code="1002"`) {
		t.Errorf("got %d %s, want 404 with 1002", w.Code, w.Body)
	}
	if s.Requests(plextest.Unknown) != 1 || s.Requests(plextest.Any) != 1 || s.Requests(plextest.User) != 0 {
		t.Error("the request was not counted as unknown")
	}
}

func TestCleanupCloses(t *testing.T) {
	t.Parallel()
	tb := new(recorder)
	s := plextest.Start(tb)
	get(t, s, "/api/v2/user")
	for _, f := range tb.cleanups {
		f()
	}
	if _, err := http.Get(s.URL + "/api/v2/user"); err == nil {
		t.Error("answers after the test has ended")
	}
	if len(tb.errors) != 0 {
		t.Errorf("a clean test was failed: %q", tb.errors)
	}
}

func TestKnownRequestsDoNotFailTheTest(t *testing.T) {
	t.Parallel()
	tb := new(recorder)
	s := plextest.Start(tb)
	defer s.Close()
	newPIN(t, s, "?strong=true")
	token := s.Token("robin", gate)
	for _, p := range []string{"/api/v2/pins/1", "/api/v2/user", "/api/v2/resources", "/api/v2/ping", "/api/users",
		"/api/servers/" + plextest.Attic + "/shared_servers", "/auth", "/auth/", "/auth/signin.js", "/auth/signin.css"} {
		get(t, s, p, "X-Plex-Token", token)
	}
	if len(tb.errors) != 0 {
		t.Errorf("failed by %q", tb.errors)
	}
}

// Under synctest the clock of a bubble is the server's clock.
func TestInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := plextest.Start(t, plextest.InMemory())
		p := newPIN(t, s, "?strong=true")
		time.Sleep(29 * time.Minute)
		if got := decode[pin](t, get(t, s, path(p))); got.ExpiresIn != 60 {
			t.Errorf("expiresIn %d a minute before the end", got.ExpiresIn)
		}
		time.Sleep(time.Minute)
		wantError(t, get(t, s, path(p)), 404, 1020)
	})
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	tr := s.Transport()
	defer tr.CloseIdleConnections()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("guest-%d", i)
			s.AddPerson(plextest.Person{Name: name, Kind: plextest.Shared})
			token := s.Token(name, gate)
			for range 10 {
				req, _ := http.NewRequest("GET", s.URL+"/api/v2/user", nil)
				req.Header = http.Header{"X-Plex-Token": {token}, "X-Plex-Client-Identifier": {gate}, "Accept": {"application/json"}}
				req.Header.Set("X-Plex-Token", token)
				req.Header.Set("X-Plex-Client-Identifier", gate)
				res, err := tr.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				b, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if !strings.Contains(string(b), `"username":"`+name+`"`) {
					t.Errorf("%s got somebody else's account: %.200s", name, b)
				}
				s.Unshare(name, plextest.Attic)
				s.Share(name, plextest.Attic)
			}
		})
	}
	wg.Wait()
	if n := s.Requests(plextest.User); n != 80 {
		t.Errorf("counted %d of 80 requests", n)
	}
}

func form(kv ...string) io.Reader {
	v := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return strings.NewReader(v.Encode())
}
