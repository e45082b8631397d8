package auth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/auth"
	"usher/plex/plextest"
	"usher/policy"
	"usher/session"
)

const redeemURL = site + "/api/redeem"

func redeeming(s *setup) { s.Redeem = true }

// redeem posts a body as a program does, without Origin and Sec-Fetch headers.
// header replaces headers; an empty value list removes one.
func (b *browser) redeem(address, body string, header http.Header) (*http.Response, map[string]string) {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodPost, address, strings.NewReader(body))
	r.RemoteAddr = proxyAddr
	r.Header.Set("X-Forwarded-Host", r.Host)
	r.Header.Set("X-Forwarded-Proto", r.URL.Scheme)
	r.Header.Set("X-Forwarded-For", b.from)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "curl/8.5.0")
	maps.Copy(r.Header, header)
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	res := b.ask(r)
	b.jar.SetCookies(r.URL, res.Cookies())
	said := map[string]string{}
	if text := text(res); strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			b.t.Errorf("%s: %v", text, err)
		}
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Access-Control-Allow-Origin") != "" {
		b.t.Errorf("headers %v", res.Header)
	}
	return res, said
}

func bodyOf(token string) string {
	b, err := json.Marshal(map[string]string{"plex_token": token})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// token is one of a person's tokens, of another program than Usher.
func (w *world) token(person string) string { return w.plex.Token(person, "test-client-of-an-app") }

func TestRedeemIsOffUntilItIsAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		synctest.Wait() // the owner's view is there
		b := w.browser()
		before := w.plex.Requests(plextest.User)
		res, _ := b.redeem(redeemURL, bodyOf(w.token("casey")), nil)
		if res.StatusCode != http.StatusNotFound || setsSession(res) {
			t.Errorf("POST: %s", res.Status)
		}
		if res := b.get(redeemURL); res.StatusCode != http.StatusNotFound {
			t.Errorf("GET: %s", res.Status)
		}
		if w.plex.Requests(plextest.User) != before {
			t.Error("plex.tv was asked")
		}
	})
}

func TestRedeemIsForPOSTAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redeeming)
	b := w.browser()
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"} {
		res := b.do(method, redeemURL+"?plex_token="+w.token("casey"), nil, http.Header{"Sec-Fetch-Site": {"same-origin"}, "X-Plex-Token": {w.token("casey")}})
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" || setsSession(res) {
			t.Errorf("%s: %s, Allow %q", method, res.Status, res.Header.Get("Allow"))
		}
	}
}

func TestRedeemRefusesBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redeeming)
	good := w.token("casey")
	b := w.browser()
	synced := w.plex.Requests(plextest.User)
	jsonType := func(types ...string) http.Header { return http.Header{"Content-Type": types} }
	for name, c := range map[string]struct {
		body   string
		header http.Header
		says   string
	}{
		"nothing":                            {"", nil, "bad_body"},
		"no object":                          {`"` + good + `"`, nil, "bad_body"},
		"a list":                             {`[` + bodyOf(good) + `]`, nil, "bad_body"},
		"null":                               {`null`, nil, "bad_body"},
		"half of it":                         {`{"plex_token":"` + good + `"`, nil, "bad_body"},
		"a comma too many":                   {`{"plex_token":"` + good + `",}`, nil, "bad_body"},
		"something behind it":                {bodyOf(good) + `x`, nil, "bad_body"},
		"a second object behind it":          {bodyOf(good) + bodyOf(good), nil, "bad_body"},
		"a form that looks like it":          {"plex_token=" + good, nil, "bad_body"},
		"the field twice":                    {`{"plex_token":"` + good + `","plex_token":"` + good + `"}`, nil, "bad_body"},
		"the field twice, once empty":        {`{"plex_token":"","plex_token":"` + good + `"}`, nil, "bad_body"},
		"the field in capitals":              {`{"Plex_Token":"` + good + `"}`, nil, "bad_body"},
		"the field and one in capitals":      {`{"plex_token":"` + good + `","PLEX_TOKEN":"x"}`, nil, "bad_body"},
		"another program's name for it":      {`{"authToken":"` + good + `"}`, nil, "bad_body"},
		"a field more":                       {`{"plex_token":"` + good + `","rd":"https://evil.com"}`, nil, "bad_body"},
		"a field more, first":                {`{"user":70010009,"plex_token":"` + good + `"}`, nil, "bad_body"},
		"a number":                           {`{"plex_token":12345}`, nil, "bad_body"},
		"a list of tokens":                   {`{"plex_token":["` + good + `"]}`, nil, "bad_body"},
		"an object":                          {`{"plex_token":{"plex_token":"` + good + `"}}`, nil, "bad_body"},
		"larger than 8 kB":                   {bodyOf(good) + strings.Repeat(" ", 8<<10), nil, "bad_body"},
		"a token of a megabyte":              {bodyOf(strings.Repeat("a", 1<<20)), nil, "bad_body"},
		"no Content-Type":                    {bodyOf(good), jsonType(), "bad_body"},
		"text":                               {bodyOf(good), jsonType("text/plain"), "bad_body"},
		"text that ends like JSON":           {bodyOf(good), jsonType("text/plain; application/json"), "bad_body"},
		"a form's Content-Type":              {bodyOf(good), jsonType("application/x-www-form-urlencoded"), "bad_body"},
		"another JSON":                       {bodyOf(good), jsonType("application/ld+json"), "bad_body"},
		"two Content-Types":                  {bodyOf(good), jsonType("application/json", "text/plain"), "bad_body"},
		"two Content-Types in one":           {bodyOf(good), jsonType("application/json, text/plain"), "bad_body"},
		"no token":                           {`{}`, nil, "token_missing"},
		"an empty token":                     {bodyOf(""), nil, "token_missing"},
		"null for a token":                   {`{"plex_token":null}`, nil, "token_missing"},
		"a space in it":                      {bodyOf("test token"), nil, "token_malformed"},
		"a space behind it":                  {bodyOf(good + " "), nil, "token_malformed"},
		"a line end behind it":               {bodyOf(good + "\n"), nil, "token_malformed"},
		"a header behind it":                 {bodyOf(good + "\r\nX-Plex-Token: " + good), nil, "token_malformed"},
		"a zero byte in it":                  {bodyOf("test\x00token"), nil, "token_malformed"},
		"no ASCII":                           {bodyOf("test-tokén"), nil, "token_malformed"},
		"no UTF-8":                           {"{\"plex_token\":\"test\xff\"}", nil, "token_malformed"},
		"longer than 4096":                   {bodyOf(strings.Repeat("a", 4097)), nil, "token_malformed"},
		"the token in the query as well":     {`{}`, http.Header{"X-Plex-Token": {good}, "Authorization": {"Bearer " + good}}, "token_missing"},
		"a token and an encoding unheard of": {bodyOf("test-token-\u2028"), nil, "token_malformed"},
	} {
		res, said := b.redeem(redeemURL+"?plex_token="+good+"&X-Plex-Token="+good, c.body, c.header)
		if res.StatusCode != http.StatusBadRequest || said["error"] != c.says || len(said) != 1 || len(res.Cookies()) > 0 {
			t.Errorf("%s: %s %v, want 400 %s", name, res.Status, said, c.says)
		}
	}
	if got := w.plex.Requests(plextest.User); got > synced+1 { // the owner's own
		t.Errorf("plex.tv was asked %d times", got-synced)
	}
	w.wantSessions(casey, 0)
	if res, said := b.redeem(redeemURL, bodyOf(good), jsonType("Application/JSON; charset=utf-8")); res.StatusCode != http.StatusOK {
		t.Errorf("and none of it used up the budget: %s %v", res.Status, said)
	}
}

// A page of somebody else's that signs a visitor in as the attacker.
func TestRedeemFromAnotherSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redeeming)
	victim := w.signedIn("casey")
	before := victim.cookie(sessionName)
	for name, header := range map[string]http.Header{
		"cross-site, with Origin":           {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.com"}},
		"cross-site, without Origin":        {"Sec-Fetch-Site": {"cross-site"}},
		"another host of ours, with Origin": {"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.example.com"}},
		"another host of ours, without":     {"Sec-Fetch-Site": {"same-site"}},
		"an old browser":                    {"Origin": {"https://evil.com"}},
		"an old browser, another host":      {"Origin": {"https://app.example.com"}},
		"an old browser, another scheme":    {"Origin": {"http://auth.example.com.evil.com"}},
		"a sandboxed frame":                 {"Origin": {"null"}},
		"a form as text":                    {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.com"}, "Content-Type": {"text/plain"}},
	} {
		res, said := victim.redeem(redeemURL, bodyOf(w.token("mallory")), header)
		if res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 || said["to"] != "" {
			t.Errorf("%s: %s %v", name, res.Status, said)
		}
		res, _ = victim.redeem(redeemURL, bodyOf(w.token("robin")), header)
		if res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
			t.Errorf("%s, with a token that may pass: %s", name, res.Status)
		}
	}
	if victim.cookie(sessionName) != before {
		t.Error("the session was replaced")
	}
	w.wantSessions(mallory, 0)
	w.wantSessions(robin, 0)
	if res, _ := w.browser().redeem(redeemURL, bodyOf(w.token("casey")), http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {site}}); res.StatusCode != http.StatusOK {
		t.Errorf("a page of our own: %s", res.Status)
	}
}

func TestRedeemRefusesTokens(t *testing.T) {
	t.Parallel()
	for _, fault := range []plextest.Fault{plextest.Unauthorized(), plextest.TokenExpired(), plextest.Unprocessable(), plextest.Forbidden()} {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, redeeming)
				synctest.Wait() // the owner's view is there
				w.plex.Fail(plextest.User, fault)
				res, said := w.browser().redeem(redeemURL, bodyOf(w.token("casey")), nil)
				if res.StatusCode != http.StatusBadRequest || said["error"] != "token_rejected" || len(res.Cookies()) > 0 {
					t.Errorf("%s %v", res.Status, said)
				}
				w.wantSessions(casey, 0)
			})
		})
	}
	w := newWorld(t, redeeming)
	dead := w.token("casey")
	w.plex.RevokeTokens("casey")
	for name, token := range map[string]string{
		"one that plex.tv never made":         "test-token-nobody",
		"one that has ended":                  dead,
		"one that opens a server, no account": "test-server-token", // plex.tv says 401 about those as well
		"a session of ours":                   w.signedIn("sam").cookie(sessionName),
		"a PIN's code":                        "k3v9w0c2q7l1x8r5t6y4u0abz",
	} {
		res, said := w.browser().redeem(redeemURL, bodyOf(token), nil)
		if res.StatusCode != http.StatusBadRequest || said["error"] != "token_rejected" || len(res.Cookies()) > 0 {
			t.Errorf("%s: %s %v", name, res.Status, said)
		}
	}
	w.wantSessions(casey, 0)
}

func TestRedeemWhilePlexIsSilent(t *testing.T) {
	t.Parallel()
	for _, ep := range []plextest.Endpoint{plextest.User, plextest.Resources} {
		for _, fault := range append(plextest.Outages(), plextest.Hung(), plextest.Answer(http.StatusOK, "application/json", `{"id":0,"username":"casey"}`),
			plextest.Answer(http.StatusOK, "application/json", `{"id":-70010001}`), plextest.Answer(http.StatusOK, "application/json", `{"id":"70010001"}`),
			plextest.Answer(http.StatusOK, "application/json", `{"username":"casey"}`), plextest.Answer(http.StatusBadRequest, "application/json", `{"errors":[{"code":1004}]}`)) {
			t.Run(string(ep)+" "+fault.Name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(s *setup) { ownView(s); redeeming(s) })
					w.plex.Fail(ep, fault)
					b := w.browser()
					res, said := b.redeem(redeemURL, bodyOf(w.token("casey")), nil)
					if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || said["error"] != "unavailable" || len(res.Cookies()) > 0 {
						t.Errorf("%s, Retry-After %q, %v", res.Status, res.Header.Get("Retry-After"), said)
					}
					w.wantSessions(casey, 0)
					w.plex.Heal()
					time.Sleep(15 * time.Minute) // as long as plex.tv is ever left alone
					if res, _ := b.redeem(redeemURL, bodyOf(w.token("casey")), nil); res.StatusCode != http.StatusOK {
						t.Errorf("once it speaks again: %s", res.Status)
					}
				})
			})
		}
	}
}

func TestRedeemBeforeTheSetUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.notSetUp, s.Redeem = true, true })
	if res, _ := w.browser().redeem(redeemURL, bodyOf("test-token-casey"), nil); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%s", res.Status)
	}
}

func TestRedeemHasTheBudgetOfSignIns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, redeeming)
		synctest.Wait()
		b := w.browser()
		for i := range 10 {
			if i%2 == 0 {
				b.begin("/")
			} else if res, _ := b.redeem(redeemURL, bodyOf("test-token-guess-"+strconv.Itoa(i)), nil); res.StatusCode != http.StatusBadRequest {
				t.Fatalf("number %d: %s", i, res.Status)
			}
		}
		before := w.plex.Requests(plextest.User)
		for _, token := range []string{"test-token-guess", w.token("casey")} {
			res, said := b.redeem(redeemURL, bodyOf(token), nil)
			if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "7" || said["error"] != "too_many" || len(res.Cookies()) > 0 {
				t.Errorf("%s, Retry-After %q, %v", res.Status, res.Header.Get("Retry-After"), said)
			}
		}
		if res := b.post(site+"/login", nil); res.StatusCode != http.StatusTooManyRequests {
			t.Errorf("a sign-in after them: %s", res.Status)
		}
		if got := w.plex.Requests(plextest.User); got != before {
			t.Error("plex.tv was asked all the same")
		}
		other := w.browser()
		other.from = "203.0.113.8"
		if res, _ := other.redeem(redeemURL, bodyOf(w.token("casey")), nil); res.StatusCode != http.StatusOK {
			t.Errorf("somebody else: %s", res.Status)
		}
		time.Sleep(7 * time.Second)
		if res, _ := b.redeem(redeemURL, bodyOf(w.token("casey")), nil); res.StatusCode != http.StatusOK {
			t.Errorf("after the wait: %s", res.Status)
		}
	})
}

func TestWhoMayRedeem(t *testing.T) {
	t.Parallel()
	for _, allow := range []string{"owner", "home", "shared", "friend", "anyone", "shared,!user:casey", "user:70010007"} {
		for _, view := range []string{"owner's", "person's"} {
			if view == "person's" && allow == "friend" {
				continue // refused at the start
			}
			t.Run(allow+", "+view, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, func(s *setup) {
					if s.allow = allow; view == "person's" {
						ownView(s)
					}
					redeeming(s)
				})
				pol, err := policy.Parse(allow)
				if err != nil {
					t.Fatal(err)
				}
				for i, p := range []policy.Person{
					{ID: 70010009, Username: "robin", Tier: policy.Owner}, {ID: 70010003, Username: "sam", Tier: policy.Home},
					{ID: 70010001, Username: "casey", Tier: policy.Shared}, {ID: 70010004, Username: "frankie", Tier: policy.Friend},
					{ID: 70010006, Username: "otto", Tier: policy.Friend}, {ID: 70010005, Username: "pat"},
					{ID: 70010007, Username: "mallory"}, {ID: 70010008, Username: "ivan"},
				} {
					b := w.browser()
					b.from = fmt.Sprintf("203.0.113.%d", i)
					res, said := b.redeem(redeemURL+"?rd="+url.QueryEscape(page), bodyOf(w.token(p.Username)), nil)
					if !pol.Decide(p).Allowed {
						if res.StatusCode != http.StatusForbidden || said["error"] != "forbidden" || said["reason"] == "" || len(res.Cookies()) > 0 {
							t.Errorf("%s: %s %v", p.Username, res.Status, said)
						}
						w.wantSessions(p.ID, 0)
						continue
					}
					if res.StatusCode != http.StatusOK || said["to"] != page || len(said) != 1 {
						t.Errorf("%s: %s %v", p.Username, res.Status, said)
					}
					if res := b.check("traefik", page, nil); res.StatusCode != http.StatusOK || res.Header.Get("Remote-User") != p.Username {
						t.Errorf("%s: the check says %s to %q", p.Username, res.Status, res.Header.Get("Remote-User"))
					}
				}
			})
		}
	}
}

// Whom a rule lets in somewhere may redeem, as they may sign in.
func TestRedeemByARule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.allow, s.Redeem = "owner", true
		var err error
		if s.Rules, _, err = policy.ParseRules([]byte("- host: app.example.com\n  allow: friend\n"), policy.Context{OwnerToken: true}, auth.HostName); err != nil {
			t.Fatal(err)
		}
	})
	for person, want := range map[string]int{"frankie": http.StatusOK, "pat": http.StatusForbidden, "mallory": http.StatusForbidden} {
		b := w.browser()
		if res, said := b.redeem(redeemURL, bodyOf(w.token(person)), nil); res.StatusCode != want || setsSession(res) != (want == http.StatusOK) {
			t.Errorf("%s: %s %v", person, res.Status, said)
		}
		if want != http.StatusOK {
			continue
		}
		for host, want := range map[string]int{"app.example.com": http.StatusOK, "other.example.com": http.StatusForbidden} {
			if got := b.check("traefik", "https://"+host+"/", nil).StatusCode; got != want {
				t.Errorf("%s at %s: %d, want %d", person, host, got, want)
			}
		}
	}
}

// The session is that of a sign-in whose box is ticked, and ends as one.
func TestRedeemedSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, redeeming)
		b := w.signedIn("sam")
		before := b.cookie(sessionName)
		w.log.Reset()
		res, _ := b.redeem(redeemURL, bodyOf(w.token("casey")), nil)
		cookies := res.Cookies()
		if len(cookies) != 2 || cookies[1].Name != "__Host-usher-here" || cookies[1].Domain != "" {
			t.Fatalf("%s with %d cookies", res.Status, len(cookies))
		}
		c := cookies[0]
		if c.Name != sessionName || c.Domain != "example.com" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge < 2591990 {
			t.Errorf("the cookie is %v", c)
		}
		w.wantSessions(sam, 0)
		w.wantNobody("the session before", sessionName+"="+before)
		w.wantUser("the one now", sessionName+"="+c.Value, "casey")
		var got session.Session
		if all := w.store.ByAccount(casey); len(all) == 1 {
			got = all[0]
		}
		if !got.Keep || got.Device != "curl/8.5.0" || got.Address != "203.0.113.7" || got.Audience != "example.com" {
			t.Errorf("the session is %+v", got)
		}
		if log := w.log.String(); strings.Count(log, `msg=audit event=redeem result=ok user_id=70010001 user=casey app=auth.example.com ip=203.0.113.7 `) != 1 || strings.Contains(log, w.token("casey")) {
			t.Errorf("the log says\n%s", log)
		}
		if res, _ := b.redeem(redeemURL, bodyOf(w.token("casey")), nil); res.StatusCode != http.StatusOK {
			t.Errorf("once more: %s", res.Status)
		}
		w.wantSessions(casey, 1)
		w.wantNobody("the session before that", sessionName+"="+c.Value)
		b.post(site+"/logout", url.Values{"everywhere": {"1"}})
		w.wantSessions(casey, 0)
	})
}

func TestRedeemedTokenIsTheirNewest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *setup) { ownView(s); redeeming(s) })
		b := w.browser()
		b.redeem(redeemURL, bodyOf(w.token("casey")), nil)
		if got := b.check("traefik", page, nil).StatusCode; got != http.StatusOK {
			t.Fatalf("the check says %d", got)
		}
		w.plex.RevokeTokens("casey")
		time.Sleep(6 * time.Minute)
		b.check("traefik", page, nil) // asks in the background
		synctest.Wait()
		if got := b.check("traefik", page, nil).StatusCode; got != http.StatusFound {
			t.Errorf("the check of somebody whose token is dead says %d", got)
		}
		w.wantSessions(casey, 0)
	})
}

func TestRedeemLeadsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redeeming)
	for i, c := range []struct{ query, to string }{
		{"", site + "/"},
		{"?rd=", site + "/"},
		{"?rd=/settings", site + "/settings"},
		{"?rd=" + url.QueryEscape(page), page},
		{"?rd=" + url.QueryEscape("HTTPS://App.Example.com:443/x?y=z"), "https://app.example.com/x?y=z"},
		{"?rd=" + url.QueryEscape("https://evil.com/"), site + "/"},
		{"?rd=" + url.QueryEscape("//evil.com/"), site + "/"},
		{"?rd=" + url.QueryEscape(`/\evil.com`), site + "/"},
		{"?rd=" + url.QueryEscape("https://app.example.com@evil.com/"), site + "/"},
		{"?rd=javascript:alert(1)", site + "/"},
		{"?rd=/a&rd=/a", site + "/"},
		{"?rd=/a&rd=https://evil.com", site + "/"},
		{"?rd=/a;rd=/b", site + "/"},
		{"?rd=%zz", site + "/"},
	} {
		b := w.browser()
		b.from = fmt.Sprintf("203.0.113.%d", i)
		res, said := b.redeem(redeemURL+c.query, bodyOf(w.token("casey")), nil)
		if res.StatusCode != http.StatusOK || said["to"] != c.to {
			t.Errorf("%s: %s to %q, want %q", c.query, res.Status, said["to"], c.to)
		}
	}
}

func TestRedeemOverHTTPWithoutTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls, s.Redeem = []string{"http://auth.example.com"}, true })
	res, said := w.browser().redeem("http://auth.example.com/api/redeem", bodyOf(w.token("casey")), nil)
	if res.StatusCode != http.StatusBadRequest || said["error"] != "only_https" || len(res.Cookies()) > 0 {
		t.Errorf("a browser that would drop the cookie: %s %v", res.Status, said)
	}
	w.wantSessions(casey, 0)
}

func TestRedeemUnderEveryHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.urls, s.Redeem = nil, true })
	b := w.browser()
	if res, _ := b.redeem("https://app.example.com/api/redeem", bodyOf(w.token("casey")), nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("beside the pages: %s", res.Status)
	}
	res, said := b.redeem("https://app.example.com/_usher/api/redeem?rd=/x", bodyOf(w.token("casey")), nil)
	if res.StatusCode != http.StatusOK || said["to"] != "https://app.example.com/x" {
		t.Errorf("%s %v", res.Status, said)
	}
	for host, want := range map[string]int{"app.example.com": http.StatusOK, "other.example.com": http.StatusFound} {
		if got := b.check("traefik", "https://"+host+"/", nil).StatusCode; got != want {
			t.Errorf("the check for %s says %d, want %d", host, got, want)
		}
	}
}

func TestRedeemWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redeeming)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if res, _ := w.browser().redeem(redeemURL, bodyOf(w.token("casey")), nil); res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) > 0 {
		t.Errorf("%s", res.Status)
	}
}

func TestAdmins(t *testing.T) {
	t.Parallel()
	for list, admins := range map[string]string{
		"":                       "robin",
		"user:70010001":          "robin casey",
		"user:CASEY@example.org": "robin casey",
		"user:Mallory,user:sam":  "robin mallory sam", // who has no access, and is named all the same
		"user:robin":             "robin",
	} {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *setup) {
				if list == "" {
					return
				}
				var err error
				if s.Admins, err = policy.ParseAdmins(list); err != nil {
					t.Fatal(err)
				}
			})
			for _, name := range []string{"robin", "sam", "casey", "frankie", "mallory", "ivan"} {
				b := w.signedIn(name)
				want := strings.Contains(admins, name)
				var told struct{ Admin *bool }
				if err := json.NewDecoder(b.get(site + "/api/session").Body).Decode(&told); err != nil || told.Admin == nil || *told.Admin != want {
					t.Errorf("%s: the session says %v, %v", name, told.Admin, err)
				}
				if got := strings.Contains(text(b.get(site+"/")), "You administer this Usher"); got != want {
					t.Errorf("%s: the page says so: %v", name, got)
				}
			}
		})
	}
}

// What plex.tv has not said lets nobody in, and is no refusal either.
func TestRedeemUndecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { ownView(s); redeeming(s); s.allow = "library:Films" })
	res, said := w.browser().redeem(redeemURL, bodyOf(w.token("casey")), nil)
	if res.StatusCode != http.StatusServiceUnavailable || said["error"] != "unavailable" || len(res.Cookies()) > 0 {
		t.Errorf("%s %v", res.Status, said)
	}
	w.wantSessions(casey, 0)
}
