package auth_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
	"usher/session"
)

const script = `<script>alert(1)</script>`

// inline is script where none of ours is.
var inline = regexp.MustCompile(`(?i)<script[^>]*>alert|<img|<[a-z][^>]*\son[a-z]+\s*=|<[a-z][^>]*"javascript:`)

// wantSafe expects of an answer what every one of ours must be.
func wantSafe(t *testing.T, what string, res *http.Response) {
	t.Helper()
	body := text(res)
	if res.Header.Get("Cache-Control") != "no-store" || len(res.Header["Cache-Control"]) != 1 {
		t.Errorf("%s: Cache-Control %q", what, res.Header["Cache-Control"])
	}
	if at := res.Header.Get("Location"); at != "" && !strings.HasPrefix(at, "https://") && !strings.HasPrefix(at, "http://plex.test/auth#?") {
		t.Errorf("%s: Location %q is not absolute", what, at)
	}
	_, values, styled := strings.Cut(body, "</style>")
	if !styled {
		values = body
	}
	if found := inline.FindString(values); found != "" {
		t.Errorf("%s: the page has %q", what, found)
	}
	if res.StatusCode == http.StatusInternalServerError && !strings.HasPrefix(body, "The policy in this check's address") {
		t.Errorf("%s: %s %s", what, res.Status, body)
	}
	if body == "" {
		return
	}
	if res.Header.Get("X-Content-Type-Options") != "nosniff" && !strings.HasPrefix(body, "ok") && !strings.HasPrefix(body, "ready") {
		t.Errorf("%s: no nosniff", what)
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		return
	}
	csp := res.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action "} {
		if !strings.Contains(csp, want) {
			t.Errorf("%s: no %s in %q", what, want, csp)
		}
	}
	if strings.Contains(csp, "unsafe-") || strings.Contains(csp, "*") || len(res.Header["Content-Security-Policy"]) != 1 {
		t.Errorf("%s: weak policy %q", what, res.Header["Content-Security-Policy"])
	}
	if res.Header.Get("X-Frame-Options") != "DENY" || res.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%s: X-Frame-Options %q, Referrer-Policy %q", what, res.Header.Get("X-Frame-Options"), res.Header.Get("Referrer-Policy"))
	}
}

func TestEveryAnswerIsSafeWhateverIsInIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, person := range []string{"casey", "mallory"} {
		w.plex.Edit(person, func(p *plextest.Person) {
			p.Username, p.Title, p.FriendlyName, p.Email = script, script+`" onload="x`, `"><img src=x onerror=alert(1)>`+script, `"`+script+`"@example.org`
		})
	}
	casey, mallory, nobody := w.browser(), w.browser(), w.browser()
	attack := http.Header{"User-Agent": {script}, "X-Forwarded-For": {script}, "Referer": {script}}
	evil := url.QueryEscape(script)
	rds := []string{"", evil, "javascript:alert(1)", url.QueryEscape(`https://app.example.com/"><script>alert(1)</script>`), "/%3Cscript%3Ealert(1)%3C/script%3E",
		url.QueryEscape("https://app.example.com/?q=<script>alert(1)</script>"), url.QueryEscape("https://<script>.example.com/"), url.QueryEscape("https://app.example.com/';alert(1)//")}
	for who, b := range map[string]*browser{"casey": casey, "mallory": mallory} {
		res := b.do(http.MethodPost, site+"/login", url.Values{"rd": {"/"}}, merge(attack, ""))
		back := b.approve(res.Header.Get("Location"), who)
		wantSafe(t, who+" signs in", b.do(http.MethodGet, back, nil, attack))
	}
	for who, b := range map[string]*browser{"casey": casey, "mallory": mallory, "nobody": nobody} {
		for _, rd := range rds {
			for _, path := range []string{"/", "/login", "/login?switch=1", "/login/callback", "/login/poll", "/logout", "/devices/end", "/refused", "/unreachable", "/api/session", "/healthz", "/readyz",
				"/" + evil, "/login/" + evil, "/auth/", "/auth/" + evil, "/auth/traefik", "/auth/traefik/" + evil, "/auth/envoy:" + evil + "/", "/_usher", "/admin", "/metrics", "/debug/pprof/"} {
				sep := "?"
				if strings.Contains(path, "?") {
					sep = "&"
				}
				methods := []string{"GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE"}
				if rd != "" {
					methods = methods[:1]
				}
				for _, method := range methods {
					if method == "POST" && strings.HasPrefix(path, "/log") {
						continue // would sign out, and use up the budget
					}
					address := site + path + sep + "rd=" + rd + "&why=" + evil + "&" + evil
					wantSafe(t, who+": "+method+" "+address, b.do(method, address, nil, attack))
				}
			}
		}
		for _, proxy := range []string{"traefik", "caddy", "haproxy", "nginx", "envoy"} {
			for _, address := range []string{page, "https://app.example.com/" + evil + "?" + evil, "https://evil.com/", "https://x-y.evil.com/" + evil} {
				for _, policy := range []string{"", "/owner", "/nonsense"} {
					if proxy == "envoy" && policy != "" {
						policy = ":" + policy[1:]
					}
					for _, accept := range []string{"text/html", "application/json"} {
						wantSafe(t, who+": check "+proxy+policy+" "+address, b.check(proxy+policy, address, http.Header{"Accept": {accept}, "User-Agent": {script}}))
					}
				}
			}
		}
	}
	for name, header := range map[string]http.Header{
		"a host that is none":   {"X-Forwarded-Host": {script}},
		"another host":          {"X-Forwarded-Host": {"evil.com"}},
		"two hosts":             {"X-Forwarded-Host": {"auth.example.com, evil.com"}},
		"a scheme that is none": {"X-Forwarded-Proto": {script}},
	} {
		wantSafe(t, name, nobody.do(http.MethodGet, site+"/login?rd=/x", nil, header))
		wantSafe(t, name, casey.do(http.MethodGet, site+"/", nil, header))
		wantSafe(t, name, nobody.do(http.MethodPost, site+"/login", url.Values{}, header))
	}
}

func TestAddressesThatAreNoPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn("casey")
	for _, path := range []string{"/nothing", "/login/", "/login/callback/", "/logout/x", "/metrics", "/debug/pprof/", "/admin", "/setup", "/favicon.ico", "/api", "/api/session/", "/auth", "/_usher/",
		"//evil.com", "//evil.com/%2e%2e", "/.//evil.com", "/./login", "/../login", `/\evil.com`, "/%2f%2fevil.com", "/login/../login", "//login", "/.git/config", "/%2e%2e/%2e%2e/etc/passwd"} {
		res := b.get(site + path)
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s to %q, want 404", path, res.Status, res.Header.Get("Location"))
		}
		wantSafe(t, path, res)
	}
	for _, path := range []string{"/", "/login", "/login/callback", "/login/poll", "/logout", "/refused", "/unreachable", "/api/session"} {
		for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "get"} {
			res := b.do(method, site+path, nil, http.Header{"Sec-Fetch-Site": {"same-origin"}})
			if res.StatusCode != http.StatusMethodNotAllowed || !strings.HasPrefix(res.Header.Get("Allow"), "GET, HEAD") {
				t.Errorf("%s %s: %s, Allow %q", method, path, res.Status, res.Header.Get("Allow"))
			}
			wantSafe(t, method+" "+path, res)
		}
	}
}

func TestTheFrontPageOfAPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls = []string{"https://example.com/_usher"} })
	for _, address := range []string{"https://example.com/_usher", "https://example.com/_usher/"} {
		if res := w.browser().get(address); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "https://example.com/_usher/login" {
			t.Errorf("%s: %s to %q", address, res.Status, res.Header.Get("Location"))
		}
	}
	for _, address := range []string{"https://example.com/", "https://example.com/login", "https://example.com/_usherx"} {
		if res := w.browser().get(address); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", address, res.Status)
		}
	}
}

func TestHomePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if res := w.browser().get(site + "/"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != site+"/login" {
		t.Errorf("nobody: %s to %q", res.Status, res.Header.Get("Location"))
	}
	casey, mallory := w.signedIn("casey"), w.signedIn("mallory")
	other := w.browser()
	other.from = "203.0.113.99"
	other.signIn("casey", "/")
	body := text(casey.get(site + "/"))
	for _, want := range []string{"casey", "casey@example.org", "Shared with you", "203.0.113.7", "203.0.113.99", "Sign out everywhere", "This one"} {
		if !strings.Contains(body, want) {
			t.Errorf("casey's page has no %q", want)
		}
	}
	for _, secret := range []string{"mallory", "robin", casey.cookie(sessionName)} {
		if strings.Contains(body, secret) {
			t.Errorf("casey's page shows %q", secret)
		}
	}
	if strings.Count(body, "This one") != 1 {
		t.Error("more than one device is this one")
	}
	if body := text(mallory.get(site + "/")); !strings.Contains(body, "no access to the apps here") || strings.Contains(body, "203.0.113.99") {
		t.Errorf("mallory's page:\n%s", body)
	}
}

func TestDevicesInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const mozilla, webkit = "Mozilla/5.0 ", "AppleWebKit/537.36 (KHTML, like Gecko) "
	for agent, want := range map[string]string{
		mozilla + "(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                               "Firefox on Linux",
		mozilla + "(Windows NT 10.0; Win64; x64) " + webkit + "Chrome/140.0.0.0 Safari/537.36":                                               "Chrome on Windows",
		mozilla + "(Windows NT 10.0; Win64; x64) " + webkit + "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":                                 "Edge on Windows",
		mozilla + "(Windows NT 10.0; Win64; x64) " + webkit + "Chrome/140.0.0.0 Safari/537.36 OPR/120.0.0.0":                                 "Opera on Windows",
		mozilla + "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":                "Safari on Mac",
		mozilla + "(iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E Safari/604.1": "Safari on iPhone",
		mozilla + "(iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E Safari/604.1":  "Chrome on iPhone",
		mozilla + "(iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E Safari/605.1.15":        "Firefox on iPad",
		mozilla + "(Linux; Android 15; Pixel 9) " + webkit + "Chrome/140.0.0.0 Mobile Safari/537.36":                                         "Chrome on Android",
		mozilla + "(Linux; Android 15; SM-S921B) " + webkit + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":                    "Samsung Internet on Android",
		mozilla + "(Linux; Android 15; K) " + webkit + "Chrome/140.0 Mobile Safari/537.36 EdgA/140.0":                                        "Edge on Android",
		mozilla + "(X11; CrOS x86_64 16000.0.0) " + webkit + "Chrome/140.0.0.0 Safari/537.36":                                                "Chrome on ChromeOS",
		mozilla + "(SMART-TV; Linux; Tizen 8.0) " + webkit + "SamsungBrowser/5.0 Chrome/108.0 TV Safari/537.36":                              "Samsung Internet on TV",
		mozilla + "(Web0S; Linux/SmartTV) " + webkit + "Chrome/108.0.5359.211 Safari/537.36":                                                 "Chrome on TV",
		"curl/8.5.0":                       "curl",
		"":                                 "An unknown device",
		"-":                                "An unknown device",
		script:                             "An unknown device",
		"<b>Firefox/1</b> on <i>Linux</i>": "Firefox on Linux",
		strings.Repeat("x", 8<<10):         "An unknown device",
	} {
		b := w.browser()
		b.signInAs(agent)
		body := text(b.do(http.MethodGet, site+"/", nil, http.Header{"User-Agent": {"another/1"}}))
		_, row, _ := strings.Cut(body, `<ul class="devices">`)
		if row, _, _ = strings.Cut(row, "</ul>"); !strings.Contains(row, "<bdi>"+want+"</bdi>") {
			t.Errorf("%.80q is not %q:\n%.200s", agent, want, row)
		}
		if strings.Contains(row, "<script") || strings.Contains(row, "<b>Firefox") {
			t.Errorf("%q is shown as it came", agent)
		}
		b.post(site+"/logout", nil)
	}
}

// signInAs signs casey in with a user agent, from an address of its own, so
// that no budget is in the way.
func (b *browser) signInAs(agent string) {
	b.t.Helper()
	header := http.Header{"User-Agent": {agent}}
	if agent == "" {
		header = http.Header{"User-Agent": nil}
	}
	b.from = "203.0." + strconv.Itoa(len(agent)%256) + "." + strconv.Itoa(len(b.log.String())%256)
	res := b.do(http.MethodPost, site+"/login", url.Values{}, header)
	b.do(http.MethodGet, b.approve(res.Header.Get("Location"), "casey"), nil, header)
}

func TestWhenADeviceWasSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.signedIn("casey")
		id := func() session.Session { return w.store.ByAccount(casey)[0] }
		signedIn := id().LastSeen
		time.Sleep(48 * time.Hour)
		b.check("traefik", page, nil)
		if got := id().LastSeen.Sub(signedIn); got != 48*time.Hour {
			t.Errorf("seen %v after the sign-in, want 48h", got)
		}
		time.Sleep(10 * time.Minute)
		w.restart(nil)
		if got := id().LastSeen.Sub(signedIn); got != 48*time.Hour {
			t.Errorf("after a restart: seen %v after the sign-in, want 48h", got)
		}
	})
}

func TestAnAddressThatIsNotKnownIsNotShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.browser()
	b.from = "unknown"
	b.signIn("casey", "/")
	if body := text(b.get(site + "/")); strings.Contains(strings.ToLower(body), "invalid") || strings.Contains(body, "unknown</bdi>") {
		t.Errorf("the page shows an address that there is not:\n%s", body)
	}
}

func TestSessionJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var got struct {
		ID                          int64
		Username, Name, Email, Tier string
		Groups                      []string
		Allowed                     bool
		Error, Login                string
	}
	read := func(res *http.Response) {
		t.Helper()
		got.Groups, got.Error, got.Login = nil, "", ""
		if body := text(res); res.Header.Get("Content-Type") != "application/json" || json.Unmarshal([]byte(body), &got) != nil {
			t.Errorf("%s: %s", res.Header.Get("Content-Type"), body)
		}
	}
	res := w.browser().get(site + "/api/session")
	if read(res); res.StatusCode != http.StatusUnauthorized || got.Error != "not_signed_in" || got.Login != site+"/login" {
		t.Errorf("nobody: %s %+v", res.Status, got)
	}
	res = w.signedIn("casey").get(site + "/api/session")
	if read(res); res.StatusCode != http.StatusOK || got.ID != casey || got.Username != "casey" || got.Tier != "shared" || !got.Allowed || strings.Join(got.Groups, ",") != "shared,friend,library:Films,library:Shows" {
		t.Errorf("casey: %s %+v", res.Status, got)
	}
	res = w.signedIn("mallory").get(site + "/api/session")
	if read(res); res.StatusCode != http.StatusOK || got.ID != mallory || got.Tier != "anyone" || got.Allowed || got.Groups == nil || len(got.Groups) != 0 {
		t.Errorf("mallory: %s %+v", res.Status, got)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("other origins may read it")
	}
	if res := w.signedIn("casey").do(http.MethodGet, "https://auth.example.com/api/session", nil, http.Header{"Origin": {"https://evil.com"}}); res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("other origins may read it")
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	silent := func(s *setup) { s.directory.Grace = time.Hour }
	for name, c := range map[string]struct {
		change func(*setup)
		fault  *plextest.Fault
		status int
		says   string
	}{
		"ready":                 {nil, nil, http.StatusOK, "ready"},
		"not set up":            {func(s *setup) { s.notSetUp = true }, nil, http.StatusOK, "USHER_SERVERS"},
		"no owner's token":      {ownView, nil, http.StatusOK, "ready"},
		"plex.tv hangs":         {silent, new(plextest.Hung()), http.StatusOK, "ready"},
		"plex.tv fails":         {silent, new(plextest.Maintenance()), http.StatusOK, "ready"},
		"plex.tv is busy":       {silent, new(plextest.TooMany(0)), http.StatusOK, "ready"},
		"a dead owner's token":  {nil, new(plextest.Unauthorized()), http.StatusServiceUnavailable, "plex.tv rejects the owner's token"},
		"somebody else's token": {func(s *setup) { s.owner = "casey" }, nil, http.StatusServiceUnavailable, "the owner's token belongs to Plex account 70010001, which owns none of the allowed servers"},
		"an impostor's token":   {func(s *setup) { s.owner, s.directory.Owner = "ivan", robin }, nil, http.StatusServiceUnavailable, "the owner's token belongs to Plex account 70010008, but the owner is configured as 70010009"},
		"a server not theirs": {func(s *setup) {
			s.directory.Servers = append(s.directory.Servers, "feedfeedfeedfeedfeedfeedfeedfeedfeedfeed")
		}, nil, http.StatusOK, "feedfeed"},
		"the token of the owner": {func(s *setup) { s.directory.Owner = robin }, nil, http.StatusOK, "ready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(s *setup) { s.notSetUp = true })
				if c.fault != nil {
					w.plex.Fail(plextest.Any, *c.fault)
				}
				w.restart(c.change)
				synctest.Wait()
				b := w.browser()
				if res := b.get(site + "/healthz"); res.StatusCode != http.StatusOK || text(res) != "ok\n" {
					t.Errorf("healthz: %s", res.Status)
				}
				res := b.get(site + "/readyz")
				body := text(res)
				if res.StatusCode != c.status || !strings.Contains(body, c.says) || strings.HasPrefix(body, "ready") != (c.status == http.StatusOK) {
					t.Errorf("readyz: %s %q, want %d and %q", res.Status, body, c.status, c.says)
				}
				if strings.Contains(body, "test-token") {
					t.Errorf("readyz tells a token: %q", body)
				}
				if c.fault == nil && c.status == http.StatusOK {
					return
				}
				if res := b.check("traefik", page, nil); res.StatusCode == http.StatusOK {
					t.Error("somebody passes")
				}
			})
		})
	}
}

func TestNothingIsSetUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.notSetUp = true })
	b := w.browser()
	for _, proxy := range []string{"traefik", "caddy", "haproxy", "envoy", "nginx"} {
		if res := b.check(proxy, page, nil); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s", proxy, res.Status)
		}
	}
	for _, res := range []*http.Response{b.get(site + "/login"), b.post(site+"/login", nil), b.get(callback)} {
		if res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) > 0 {
			t.Errorf("%s", res.Status)
		}
	}
	if n := w.plex.Requests(plextest.Any); n != 0 {
		t.Errorf("plex.tv was asked %d times", n)
	}
}
