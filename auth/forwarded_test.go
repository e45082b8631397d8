package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"usher/auth"
)

// reads are the headers that a kind of proxy must send, and words of the line
// that makes it do so.
var reads = map[string]map[string]string{
	"traefik": {"X-Forwarded-Method": "forwardAuth", "X-Forwarded-Proto": "forwardAuth", "X-Forwarded-Host": "forwardAuth", "X-Forwarded-Uri": "forwardAuth"},
	"caddy":   {"X-Forwarded-Method": "forward_auth", "X-Forwarded-Proto": "forward_auth", "X-Forwarded-Host": "forward_auth", "X-Forwarded-Uri": "forward_auth"},
	"haproxy": {
		"X-Forwarded-Method": "http-request set-header X-Forwarded-Method ", "X-Forwarded-Proto": "http-request set-header X-Forwarded-Proto ",
		"X-Forwarded-Host": "http-request set-header X-Forwarded-Host ", "X-Forwarded-Uri": "http-request set-header X-Forwarded-Uri ",
	},
	"nginx": {"X-Original-Method": "proxy_set_header X-Original-Method $request_method;", "X-Original-URL": "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;"},
	"envoy": {"X-Forwarded-Proto": "allowed_headers"},
}

// malformed are values by which somebody might be taken for somebody else, or
// another address be decided about than is served.
var malformed = map[string][]string{
	"X-Forwarded-Method": {"GET POST", "GET,POST", "GET\t", "G\x00T", "GÉT", "GET/", strings.Repeat("A", 33)},
	"X-Forwarded-Proto":  {"HTTPS", "https, http", "ftp", "https:", "https://", "javascript", " https", "http\x00s"},
	"X-Forwarded-Host": {"app.example.com, evil.example", "app.example.com evil.example", "user@app.example.com", "app.example.com/", "app.example.com?x", "app.example.com#x",
		"app.example.com\\evil.example", ".example.com", "app..example.com", "app.example.com..", "-app.example.com", "app.example.com:", "app.example.com:0", "app.example.com:99999",
		"app.example.com:443:443", "app%2eexample.com", "bücher.example.com", "app\x00.example.com", "app.exam\u212ale.com", "::1", "[::1", "[fe80::1%25eth0]", ":443", ".", strings.Repeat("a", 64) + ".example.com"},
	"X-Forwarded-Uri":   {"x", "https://app.example.com/x", "?x", "#", "*", " /", "\\x"},
	"X-Original-Method": {"GET POST", "G\x00T", "GET\t"},
	"X-Original-URL": {"/x", "//app.example.com/x", "app.example.com/x", "https:/app.example.com/x", "https:app.example.com/x", "HTTPS://app.example.com/x", "ftp://app.example.com/x",
		"https://", "https:///x", "https://app.example.com", "https://app.example.com?x", "https://app.example.com#/x", "https://user@app.example.com/x",
		"https://evil.example\\@app.example.com/x", "https://app.example.com, https://evil.example/", "https://app..example.com/x", "https://app.example.com:x/", "https://[::1/x",
		"https://\x00app.example.com/x", " https://app.example.com/x", "javascript://app.example.com/%0aalert(1)"},
}

// A proxy whose line lacks the path of the check asks at a page. A page's 200 would let in whoever is signed in.
func TestAskedAstray(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	casey := w.signedIn("casey")
	for _, page := range []string{"/", "/login"} {
		for name, value := range map[string]string{
			"X-Forwarded-Method": "GET", "X-Original-URL": "https://app.example.com/",
		} {
			res := casey.do("GET", "https://auth.example.com"+page, nil, http.Header{http.CanonicalHeaderKey(name): {value}})
			if res.StatusCode != http.StatusInternalServerError {
				t.Errorf("%s with %s: got %s, want 500", page, name, res.Status)
			}
		}
		own := http.Header{"X-Original-Url": {"https://auth.example.com" + page}, "X-Forwarded-Uri": {page}}
		if res := casey.do("GET", "https://auth.example.com"+page, nil, own); res.StatusCode >= 400 {
			t.Errorf("%s by a proxy that names the page itself: got %s", page, res.Status)
		}
	}
	if !strings.Contains(w.log.String(), "must end in /auth/traefik") {
		t.Errorf("the log does not say what to write:\n%s", w.log.String())
	}
}

// A header that is not as it should be is told to the owner, never guessed.
func TestHeadersThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewRegistry()
			w := newWorld(t, func(s *setup) { s.Metrics = auth.NewMetrics(registry) })
			casey := w.signedIn("casey")
			for name, fix := range reads[family] {
				cases := map[string][]string{"missing": nil, "empty": {""}, "doubled": {good(name), "evil"}, "doubled, both the same": {good(name), good(name)}, "doubled, one empty": {"", good(name)}}
				for _, value := range malformed[name] {
					cases["malformed: "+value] = []string{value}
				}
				for what, values := range cases {
					t.Run(name+" "+what, func(t *testing.T) {
						logged, counted, answered := strings.Count(w.log.String(), "level=WARN"), metric(t, registry, "usher_bad_headers_total", name), metric(t, registry, "usher_checks_total", family, "bad_request")
						res := casey.check(family, "https://app.example.com/x", http.Header{name: values})
						body := text(res)
						if res.StatusCode != http.StatusBadRequest {
							t.Fatalf("%s, want 400", res.Status)
						}
						if !strings.Contains(body, name) || !strings.Contains(body, fix) {
							t.Errorf("says %q, and not %q", body, fix)
						}
						for _, value := range values {
							if len(value) > 8 && strings.Contains(body, value) {
								t.Errorf("repeats what a client may have sent: %q", body)
							}
						}
						log := w.log.String()
						if n := strings.Count(log, "level=WARN") - logged; n != 1 || !strings.Contains(log[strings.LastIndex(log, "level=WARN"):], name) {
							t.Errorf("%d warnings, want one that names the header", n)
						}
						if metric(t, registry, "usher_bad_headers_total", name) != counted+1 || metric(t, registry, "usher_checks_total", family, "bad_request") != answered+1 {
							t.Error("not counted")
						}
						holds(t, w, res)
					})
				}
			}
		})
	}
}

func good(name string) string {
	return map[string]string{"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.example.com", "X-Forwarded-Uri": "/x",
		"X-Original-Method": "GET", "X-Original-URL": "https://app.example.com/x"}[name]
}

// metric is the value of the counter that has all of these label values.
func metric(t *testing.T, from prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	all, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			var have string
			for _, l := range m.GetLabel() {
				have += "\n" + l.GetValue() + "\n"
			}
			found := f.GetName() == name
			for _, l := range labels {
				found = found && strings.Contains(have, "\n"+l+"\n")
			}
			if found {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// Envoy sends the client's own Host and path.
func TestEnvoyRequestsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	casey := w.signedIn("casey")
	for _, name := range append(malformed["X-Forwarded-Host"], "") {
		r := casey.checkRequest("envoy", "https://app.example.com/x", nil)
		r.Host = name
		res := casey.ask(r)
		if body := text(res); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "Host") {
			t.Errorf("Host %q: %s %q", name, res.Status, body)
		}
		holds(t, w, res)
	}
	for _, target := range []string{"/auth/envoy", "/auth/envoy:shared", "http://evil.example/auth/envoy/x"} {
		r := casey.checkRequest("envoy", "https://app.example.com/x", nil)
		r.RequestURI = target
		r.URL, _ = url.ParseRequestURI(target)
		if res := casey.ask(r); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", target, res.Status)
		}
	}
}

// foreign is what clients send to be taken for somebody or something else.
// Nothing of it may change an answer of a family that does not read it.
var foreign = http.Header{
	"X-Original-Url": {"https://app.example.com/public", "https://evil.example/"}, "X-Original-Method": {"OPTIONS"}, "X-Original-Uri": {"/public"}, "X-Original-Host": {"evil.example"},
	"X-Forwarded-Method": {"OPTIONS"}, "X-Forwarded-Proto": {"ws"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Uri": {"/public"},
	"X-Forwarded-Path": {"/public"}, "X-Forwarded-Prefix": {"/public"}, "X-Forwarded-Scheme": {"http"}, "X-Forwarded-Ssl": {"off"}, "X-Forwarded-Port": {"80"},
	"X-Forwarded-Server": {"evil.example"}, "X-Forwarded-User": {"robin"}, "X-Forwarded-Email": {"robin@example.org"},
	"X-Rewrite-Url": {"/public"}, "X-Rewrite-Uri": {"/public"}, "X-Envoy-Original-Path": {"/public"}, "X-Http-Method-Override": {"OPTIONS"}, "X-Http-Method": {"OPTIONS"}, "X-Method-Override": {"OPTIONS"},
	"Forwarded": {`for=127.0.0.1;host=evil.example;proto=http`}, "X-Host": {"evil.example"}, "X-Real-Ip": {"127.0.0.1"}, "X-Client-Ip": {"127.0.0.1"}, "True-Client-Ip": {"127.0.0.1"},
	"Remote-User": {"robin", "admin"}, "Remote_user": {"robin"}, "Remote.user": {"robin"}, "Remote-Groups": {"owner"}, "Remote-Id": {"70010009"}, "Remote-Email": {""},
	"X-Plex-Token": {"test-token-robin"}, "Authorization": {"Bearer test-token-robin"}, "Proxy-Authorization": {"Basic cm9iaW46"},
	"User-Agent": {"kube-probe/1.30"}, "X-Usher-Policy": {"anyone"}, "Connection": {"X-Forwarded-Host, Remote-User, Cookie"}, "X-Auth-Request-Redirect": {"https://evil.example/"},
}

func TestForeignHeadersHaveNoEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	people := map[string]*browser{"nobody": w.browser(), "mallory": w.signedIn("mallory"), "casey": w.signedIn("casey")}
	for _, family := range families {
		added := foreign.Clone()
		for name := range reads[family] {
			added.Del(name)
		}
		for who, b := range people {
			for _, path := range []string{"", "owner", "home,user:casey"} {
				if path != "" {
					path = map[bool]string{true: ":", false: "/"}[family == "envoy"] + path
				}
				t.Run(family+path+", "+who, func(t *testing.T) {
					plain, attacked := b.check(family+path, page, nil), b.check(family+path, page, added)
					same(t, plain, attacked)
					holds(t, w, attacked)
					for name, values := range added { // and each alone
						same(t, plain, b.check(family+path, page, http.Header{name: values}))
					}
				})
			}
		}
	}
}

// same compares what a proxy acts on.
func same(t *testing.T, want, got *http.Response) {
	t.Helper()
	where := func(r *http.Response) string { at, _, _ := strings.Cut(r.Header.Get("Location"), "&why="); return at }
	if got.StatusCode != want.StatusCode || where(got) != where(want) || got.Header.Get("Remote-User") != want.Header.Get("Remote-User") || got.Header.Get("Remote-Groups") != want.Header.Get("Remote-Groups") {
		t.Errorf("%s to %q as %q, want %s to %q as %q", got.Status, where(got), got.Header.Get("Remote-User"), want.Status, where(want), want.Header.Get("Remote-User"))
	}
}

// Health checkers are let in by nothing that a client can call itself.
func TestHealthCheckersAreNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	nobody := w.browser()
	for _, agent := range []string{"kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Consul Health Check", "Uptime-Kuma/1.23", "Prometheus/3.0", "PlexMediaServer", "Blackbox Exporter/0.25"} {
		for _, family := range families {
			if res := nobody.check(family, page, http.Header{"User-Agent": {agent}}); res.StatusCode == http.StatusOK || res.Header.Get("Location") != signInPage {
				t.Errorf("%s, %s: %s", family, agent, res.Status)
			}
		}
	}
}

// Caddy copies the client's query onto the check.
func TestQueryOfTheCheckHasNoEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	people := map[string]*browser{"nobody": w.browser(), "mallory": w.signedIn("mallory"), "casey": w.signedIn("casey")}
	for _, family := range families {
		if family == "envoy" {
			continue // its query is the client's, and part of the address asked for
		}
		for _, query := range []string{"policy=anyone", "allow=anyone", "rd=https://evil.example/", "bypass=true", "X-Plex-Token=test-token-robin", "plex_token=test-token-robin",
			"token=x", "user=robin", "/anyone", "%2Fanyone", ";anyone", "X-Forwarded-Host=evil.example", "setup", "", "&&&", "a=%zz"} {
			for who, b := range people {
				for _, path := range []string{"", "/owner"} {
					r := b.checkRequest(family+path, page, nil)
					r.URL.RawQuery, r.URL.ForceQuery, r.RequestURI = query, true, r.RequestURI+"?"+query
					t.Run(family+path+"?"+query+", "+who, func(t *testing.T) {
						same(t, b.check(family+path, page, nil), b.ask(r))
					})
				}
			}
		}
	}
}
