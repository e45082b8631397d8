package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"usher/auth"
	"usher/plex/plextest"
)

func TestExplainRefusesBadArguments(t *testing.T) {
	stand := plextest.Start(t)
	env, _ := house(t, stand)
	for name, args := range map[string][]string{
		"nothing asked":        {},
		"no address":           {"--user", "casey"},
		"an unknown flag":      {"--who", "casey"},
		"a word too many":      {"--url", "http://app.home.localhost", "casey"},
		"an address of nobody": {"--url", "http://app.home.localhost", "--ip", "home"},
		"both forms":           {"--url", "http://app.home.localhost", "--request", "ABCD-12"},
	} {
		if code, out, errOut := run1(t, env, append([]string{"explain"}, args...)...); code != 2 || out != "" || !strings.Contains(errOut, "see usher help") {
			t.Errorf("%s: exit %d, %s%s", name, code, out, errOut)
		}
	}
}

// A machine where Usher has never run has no secret to ask by, and asking
// makes none.
func TestExplainMakesNothing(t *testing.T) {
	stand := plextest.Start(t)
	env, _ := house(t, stand)
	folder := ""
	for _, v := range env {
		if rest, ok := strings.CutPrefix(v, "USHER_DATA_DIR="); ok {
			folder = rest
		}
	}
	for _, secret := range []string{"", "USHER_SECRET=" + testSecret} {
		if secret != "" {
			env = append(env, secret)
		}
		if code, _, errOut := run1(t, env, "explain", "--user", "casey", "--url", "http://app.home.localhost/"); code != 1 || errOut == "" {
			t.Errorf("exit %d, %s", code, errOut)
		}
		if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
			t.Errorf("%v, %v in the data folder", files, err)
		}
	}
}

// Whoever has another secret learns nothing, not even that the command exists.
func TestExplainNeedsTheSecret(t *testing.T) {
	stand := plextest.Start(t)
	env, usher := house(t, stand)
	p := start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	other := append([]string{}, env...)
	other = append(other, "USHER_SECRET="+testSecret)
	if code, out, errOut := run1(t, other, "explain", "--user", "casey", "--url", "http://app.home.localhost/"); code != 1 || out != "" || !strings.Contains(errOut, "no Usher with this secret") {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
	for name, body := range map[string]string{"nothing": "", "a question in clear": `{"User":"casey","URL":"http://app.home.localhost/"}`, "2 MB": strings.Repeat("a", 2<<20)} {
		res, err := http.Post(usher+auth.ControlPath, "text/plain", strings.NewReader(body))
		if err != nil {
			continue // closed while the body was sent
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
}

func TestExplain(t *testing.T) {
	stand := plextest.Start(t)
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, file, "- host: app.home.localhost\n  path: /api\n  network: 192.168.0.0/16\n  bypass: true\n- host: app.home.localhost\n  path: /admin\n  allow: \"home, !user:sam\"\n")
	env, usher := house(t, stand, "USHER_RULES_FILE="+file)
	p := start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	p.awaitLog("plex.tv shows the owner's view")
	ask := func(args ...string) (int, string, string) {
		t.Helper()
		return run1(t, env, append([]string{"explain"}, args...)...)
	}
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"kept out by a term": {[]string{"--user", "sam@example.org", "--url", "http://app.home.localhost/admin/x?token=test-token-query"}, []string{
			"GET http://app.home.localhost/admin/x, sam\n", "sam (Plex id 70010003) has the tier home", "the owner's view",
			"line 1 (host app.home.localhost, path /api, network 192.168.0.0/16: let through unseen) does not match: the path is /admin/x",
			"line 5 (host app.home.localhost, path /admin: home, !user:sam) matches",
			`"home" lets in members of the owner's Plex Home: yes, their tier is home`, `"!user:sam" keeps out one person: yes`,
			`REFUSED: they may not pass: "!user:sam" keeps them out`}},
		"let in": {[]string{"--user", "70010001", "--url", "http://app.home.localhost"}, []string{"no rule matches, so the policy for everything else counts", `"shared" decides, from USHER_ALLOW`, `ALLOWED: they may pass: "shared" lets them in`}},
		"bypassed, from the house": {[]string{"--url", "http://app.home.localhost/api/x", "--ip", "192.168.1.9", "--method", "POST"}, []string{
			"POST http://app.home.localhost/api/x from 192.168.1.9, somebody who is not signed in", "line 1 (", "matches", "BYPASSED: line 1 lets it through unseen"}},
		"not bypassed, from elsewhere": {[]string{"--url", "http://app.home.localhost/api/x", "--ip", "8.8.8.8"}, []string{"does not match: the client's address is 8.8.8.8", "SIGN IN"}},
		"an odd path": {[]string{"--user", "casey", "--url", "http://app.home.localhost/api/..%2fadmin", "--ip", "192.168.1.9"}, []string{
			"can be read in more than one way", "an app may also read it as GET /admin", "REFUSED"}},
		"the check's own address": {[]string{"--user", "casey", "--url", "http://app.home.localhost/", "--policy", "owner"}, []string{"no rule is looked at", `"owner" decides, from the check's own address`, "REFUSED"}},
		"a bad policy there":      {[]string{"--user", "casey", "--url", "http://app.home.localhost/", "--policy", "everybody"}, []string{"BAD POLICY", "unknown term"}},
		"out of reach":            {[]string{"--user", "casey", "--url", "http://app.elsewhere.example/"}, []string{"UNREACHABLE", "USHER_URL"}},
	} {
		code, out, errOut := ask(c.args...)
		if code != 0 || errOut != "" {
			t.Errorf("%s: exit %d, %s", name, code, errOut)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s:\n%s\nlacks %q", name, out, want)
			}
		}
		if strings.Contains(out, "test-token-query") {
			t.Errorf("%s: the query is shown", name)
		}
	}
	for name, args := range map[string][]string{
		"nobody of that name":     {"--user", "zoe", "--url", "http://app.home.localhost/"},
		"no such request":         {"--request", "AAAA-AA"},
		"an address without host": {"--user", "casey", "--url", "/admin"},
	} {
		if code, out, errOut := ask(args...); code != 1 || out != "" || errOut == "" {
			t.Errorf("%s: exit %d, %s%s", name, code, out, errOut)
		}
	}

	// A refusal is found again by the id that its page shows, also after a restart.
	id := refused(t, stand, usher, "sam", "http://app.home.localhost/admin?secret=test-token-query")
	again := func(when string) {
		code, out, errOut := ask("--json", "--request", strings.ToLower(id))
		var e auth.Explanation
		if err := json.Unmarshal([]byte(out), &e); err != nil || code != 0 {
			t.Fatalf("%s: exit %d, %v, %s", when, code, err, errOut)
		}
		if e.RequestID != id || e.Result != "refused" || e.Reason != "kept_out" || e.UserID != 70010003 || e.URL != "http://app.home.localhost/admin" || e.Client != "203.0.113.7" || len(e.Steps) < 5 {
			t.Errorf("%s: %+v", when, e)
		}
	}
	again("at once")
	p.cmd.Process.Signal(syscall.SIGTERM)
	if p.exit() != 0 {
		t.Fatal("usher did not end well")
	}
	again("while no Usher serves")
	p = start(t, env)
	p.await(usher+"/healthz", http.StatusOK)
	again("after a restart")
}

// browser sends a request to a running usher, with the cookies that it was given.
type browser func(method, path string, header map[string]string) (*http.Response, string)

// signIn signs a person in.
func signIn(t *testing.T, stand *plextest.Server, usher, who string) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := url.Parse(usher)
	if err != nil {
		t.Fatal(err)
	}
	site := &url.URL{Scheme: "http", Host: "auth.home.localhost"}
	do := func(method, path string, header map[string]string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, page.String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = site.Host
		for _, c := range jar.Cookies(site) {
			req.AddCookie(c)
		}
		for name, value := range header {
			req.Header.Set(name, value)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		jar.SetCookies(site, res.Cookies())
		var body strings.Builder
		if _, err := io.Copy(&body, res.Body); err != nil {
			t.Fatal(err)
		}
		return res, body.String()
	}
	res, _ := do(http.MethodPost, "/login?rd=/", map[string]string{"Sec-Fetch-Site": "same-origin"})
	forward, err := stand.SignIn(res.Header.Get("Location"), who)
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(forward)
	if err != nil {
		t.Fatal(err)
	}
	do(http.MethodGet, back.RequestURI(), nil)
	return do
}

// check asks as Traefik does about an address.
func (do browser) check(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return do(http.MethodGet, "/auth/traefik", map[string]string{"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "http", "X-Forwarded-Host": u.Host,
		"X-Forwarded-Uri": u.RequestURI(), "X-Forwarded-For": "203.0.113.7", "Accept": "text/html"})
}

// refused signs a person in and returns the id on the page that refuses them.
func refused(t *testing.T, stand *plextest.Server, usher, who, address string) string {
	t.Helper()
	res, body := signIn(t, stand, usher, who).check(t, address)
	id := regexp.MustCompile(`[A-Z2-7]{4}-[A-Z2-7]{2}`).FindString(body[strings.Index(body, "Request id")+1:])
	if res.StatusCode != http.StatusForbidden || id == "" {
		t.Fatalf("%s: %s", res.Status, body)
	}
	return id
}
