package auth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testWord = "test-word-of-a-doctor"

func echoWorld(t *testing.T) *world {
	return newWorld(t, func(s *setup) {
		s.EchoWord = func(word string) bool { return word == testWord }
		s.headers = "Remote-User={username},X-Token-Owner={id}"
	})
}

func echoRequest(path string, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = proxyAddr
	r.Host = "app.example.com"
	r.Header = http.Header{"X-Usher-Doctor": {testWord}}
	for name, values := range header {
		r.Header[name] = values
	}
	return r
}

func (w *world) serve(r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	w.usher.ServeHTTP(rec, r)
	return rec.Result()
}

// TestEchoIsNotThere: whoever is no doctor at work gets the same answer as for
// any path that does not exist.
func TestEchoIsNotThere(t *testing.T) {
	t.Parallel()
	w := echoWorld(t)
	missing := text(w.serve(echoRequest("/no/such/page", nil)))
	for name, change := range map[string]func(*http.Request){
		"without a word":        func(r *http.Request) { delete(r.Header, "X-Usher-Doctor") },
		"an empty word":         func(r *http.Request) { r.Header["X-Usher-Doctor"] = []string{""} },
		"another word":          func(r *http.Request) { r.Header["X-Usher-Doctor"] = []string{testWord + "x"} },
		"two words":             func(r *http.Request) { r.Header["X-Usher-Doctor"] = []string{testWord, testWord} },
		"a word in the query":   func(r *http.Request) { delete(r.Header, "X-Usher-Doctor"); r.URL.RawQuery = "word=" + testWord },
		"from no trusted proxy": func(r *http.Request) { r.RemoteAddr = strange },
		"from nowhere":          func(r *http.Request) { r.RemoteAddr = "" },
		"a POST":                func(r *http.Request) { r.Method = http.MethodPost },
		"a path beside it":      func(r *http.Request) { r.URL.Path = "/doctor/ech" },
		"a word under another name": func(r *http.Request) {
			delete(r.Header, "X-Usher-Doctor")
			r.Header["X_Usher_Doctor"] = []string{testWord}
		},
	} {
		r := echoRequest("/doctor/echo", nil)
		change(r)
		if res := w.serve(r); res.StatusCode != http.StatusNotFound || text(res) != missing {
			t.Errorf("%s: %s, want the answer for a page that is not there", name, res.Status)
		}
	}
	off := newWorld(t, nil)
	if res := off.serve(echoRequest("/doctor/echo", nil)); res.StatusCode != http.StatusNotFound {
		t.Errorf("without a doctor: %s", res.Status)
	}
	if res := w.serve(echoRequest("/auth/traefik/doctor/echo", nil)); res.StatusCode == http.StatusOK {
		t.Error("a check was answered with the echo")
	}
}

// TestEchoHidesSecrets: what opens something is never told, in no spelling.
func TestEchoHidesSecrets(t *testing.T) {
	t.Parallel()
	secret := "test-secret-value"
	header := http.Header{}
	for _, name := range []string{"Cookie", "cookie", "COOKIE", "X-Cookie", "Set-Cookie2", "Authorization", "authorization", "Proxy-Authorization", "X_Authorization",
		"X-Plex-Token", "X-Api-Key", "X.Api.Key", "Apikey", "X-Amz-Security-Token", "X-Forwarded-Access-Token", "X-Client-Secret", "Cf-Access-Jwt-Assertion", "X-Password"} {
		header[name] = []string{secret, secret}
	}
	res := echoWorld(t).serve(echoRequest("/doctor/echo?token="+secret, header))
	body := text(res)
	if res.StatusCode != http.StatusOK || strings.Contains(body, secret) || strings.Contains(body, testWord) {
		t.Errorf("%s\n%s", res.Status, body)
	}
	if strings.Count(body, "(hidden)") != 2*len(header)+1 {
		t.Errorf("not all of them are shown as hidden:\n%s", body)
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", res.Header)
	}
}

func TestEchoTellsWhatArrived(t *testing.T) {
	t.Parallel()
	w := echoWorld(t)
	sent := http.Header{"Remote-User": {"a", "b"}, "Remote_user": {"<c>"}, "X-Token-Owner": {"70010001"}, "X-Forwarded-For": {"203.0.113.7"}, "Empty": {""}}
	for _, path := range []string{"/doctor/echo", "//doctor/echo", "/api/..%2fdoctor/echo", "/DOCTOR/ECHO", "/doctor/echo;.css", "/doctor/echo?a=1"} {
		var got struct {
			Echo         bool `json:"usher_echo"`
			Method, Host string
			Header       http.Header
		}
		res := w.serve(echoRequest(path, sent))
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", path, res.Status, err)
			continue
		}
		want := sent.Clone()
		want["X-Usher-Doctor"] = []string{"(hidden)"}
		if diff := cmp.Diff(want, got.Header); diff != "" || !got.Echo || got.Method != "GET" || got.Host != "app.example.com" {
			t.Errorf("%s: %+v\n%s", path, got, diff)
		}
	}
}
