package auth_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"usher/plex/plextest"
)

// TestNoSecretIsLogged goes through all that Usher does, at debug level, and
// looks for what must never be written down.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, redeeming)
		secrets := map[string]string{testSecret: "the secret", w.plex.Token("robin", clientID): "the owner's token", "rdquerysecret": "a query", "userinfosecret": "a password in an address"}
		keep := func(what, value string) {
			if len(value) > 5 {
				secrets[value], secrets[url.QueryEscape(value)] = what, what
			}
		}
		cookies := func(what string, res *http.Response) {
			for _, c := range res.Cookies() {
				keep(what+" "+c.Name, c.Value)
			}
			if _, why, ok := strings.Cut(res.Header.Get("Location"), "why="); ok {
				keep(what+" notice", why)
			}
		}
		const rd = "https://app.example.com/?token=rdquerysecret"
		// Keys, good, dead and wrong, however they are given; and credentials of the apps' own.
		programs := func(b *browser, person string) {
			made := text(b.post(site+"/keys", url.Values{"name": {person + time.Now().String()}, "ends": {"30"}, "hosts": {"app.example.com"}}))
			b.post(site+"/keys", url.Values{"name": {"rdquerysecret"}, "ends": {"no"}, "hosts": {"https://userinfosecret@x/"}})
			for _, key := range append(shownKey.FindAllString(made, 1), "usher_"+strings.Repeat(strings.ToUpper(person)[:1], 52), "usher_short"+person, "rdquerysecret") {
				keep(person+"'s key", key)
				if len(key) > 40 {
					keep("a part of "+person+"'s key", key[6:14])
					keep("a part of "+person+"'s key", key[50:])
				}
				for _, user := range []string{"", "user", key} {
					keep(person+"'s key in Basic", basic(user, key)[len("Basic "):])
					for _, given := range []http.Header{program("Authorization", basic(user, key)), program("Authorization", "Bearer "+key), program("Authorization", "Token "+key, key),
						program("X-Usher-Key", key), program("X-Usher-Key", key, key), {"X-Usher-Key": {key}, "Authorization": {basic("app", "userinfosecret")}}} {
						for _, address := range []string{rd, "https://other.example.com/" + key, "https://elsewhere.test/?" + key} {
							b.check("traefik", address, given)
							w.browser().check("nginx", address, given)
							w.browser().check("envoy:owner", address, given)
						}
					}
				}
				b.get(site + "/keys?id=" + key)
				b.post(site+"/keys/end", url.Values{"id": {key}})
			}
			if id := shownID.FindStringSubmatch(text(b.get(site + "/keys"))); id != nil {
				b.post(site+"/keys/end", url.Values{"id": {id[1]}})
			}
		}
		flow := func(b *browser, person string) {
			res := b.post(site+"/login", url.Values{"rd": {rd}})
			cookies(person, res)
			if at := res.Header.Get("Location"); strings.Contains(at, "#?") {
				keep(person+"'s PIN", fragment(t, at).Get("code"))
				if _, err := w.plex.SignIn(at, person); err != nil {
					t.Error(err)
				}
				cookies(person, b.get(callback+"?rd="+url.QueryEscape(rd)))
				cookies(person, b.get(poll+"?rd="+url.QueryEscape(rd)))
			}
			keep(person+"'s token", w.plex.Token(person, clientID))
			keep(person+"'s token of an app", w.token(person))
			for _, body := range []string{bodyOf(w.token(person)), bodyOf(w.token(person) + " "), w.token(person), `{"rdquerysecret":1}`} {
				res, said := b.redeem(redeemURL+"?rd="+url.QueryEscape(rd), body, nil)
				cookies(person, res)
				if strings.Contains(said["error"], w.token(person)) {
					t.Errorf("a token comes back: %v", said)
				}
			}
			for _, proxy := range []string{"traefik", "nginx", "traefik/owner", "nginx/owner", "traefik/nonsense:rd", "envoy", "envoy/owner"} {
				for _, address := range []string{rd, "https://elsewhere.test/?rdquerysecret", "https://user:userinfosecret@app.example.com/?rdquerysecret"} {
					cookies(person, b.check(proxy, address, nil))
					cookies(person, b.check(proxy, address, http.Header{"X-Forwarded-Uri": {"no/rdquerysecret"}, "X-Forwarded-Host": {"userinfosecret@x"}}))
				}
			}
			programs(b, person)
			for _, address := range []string{"/", "/login?switch=1&rd=" + url.QueryEscape(rd), "/logout?rd=" + url.QueryEscape(rd), "/refused?why=rdquerysecret", "/api/session?rdquerysecret", "/nothing?rdquerysecret"} {
				cookies(person, b.get(site+address))
			}
			b.do(http.MethodPost, site+"/logout?rdquerysecret", url.Values{"rd": {rd}}, http.Header{"Sec-Fetch-Site": {"cross-site"}})
			cookies(person, b.post(site+"/logout", url.Values{"rd": {rd}, "everywhere": {"1"}}))
		}
		for _, person := range []string{"casey", "mallory", "robin"} {
			b := w.browser()
			flow(b, person)
		}
		for _, ep := range []plextest.Endpoint{plextest.CreatePIN, plextest.CheckPIN, plextest.User, plextest.Resources, plextest.Users} {
			for _, fault := range []plextest.Fault{plextest.Truncated(), plextest.CutOff(), plextest.Redirect("http://169.254.169.254/"), plextest.Hung(), plextest.Unauthorized(),
				plextest.Answer(http.StatusBadRequest, "application/json", `{"errors":[{"code":1004}]}`)} {
				w.plex.Fail(ep, fault)
				b := w.browser()
				b.from = "203.0.113." + string(ep[:1])
				time.Sleep(time.Minute)
				flow(b, "sam")
				w.plex.Heal()
			}
		}
		w.restart(func(s *setup) { ownView(s); redeeming(s) })
		flow(w.browser(), "casey")
		w.plex.RevokeTokens("casey")
		time.Sleep(10 * time.Minute)
		flow(w.browser(), "sam")

		log := w.log.String()
		for _, want := range []string{"event=sign_in result=ok", "event=sign_in result=refused", "event=sign_in result=failed", "event=sign_out", "event=access result=refused", "no PIN", "a PIN could not be read",
			"could not be finished", "event=redeem result=ok", "event=redeem result=refused", "event=redeem result=rejected", "event=session_end", "could not be redeemed", "owner's view", "no session cookie reaches", "cannot be used", "event=key result=made", "key used", "event=key result=wrong", "key_host", "event=key result=revoked"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log says nothing of %q: this test has missed it", want)
			}
		}
		if len(secrets) < 300 {
			t.Errorf("only %d secrets were seen", len(secrets))
		}
		for secret, what := range secrets {
			if i := strings.Index(log, secret); i >= 0 {
				from := strings.LastIndexByte(log[:i], '\n') + 1
				line, _, _ := strings.Cut(log[from:], "\n")
				t.Errorf("%s is in the log:\n%s", what, line)
			}
		}
	})
}

func TestALogLineStaysOne(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			log := &logBuffer{}
			var handler slog.Handler = slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
			if format == "json" {
				handler = slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
			}
			w := newWorld(t, func(s *setup) { s.logTo = handler })
			forged := `{"level":"ERROR","msg":"forged"}`
			if format == "text" {
				forged = "time=2026-01-01T00:00:00Z level=ERROR msg=forged"
			}
			var lines int
			for _, evil := range []string{"x\n" + forged, "x\r\n" + forged, "x\x00" + forged, "x\x1b[2J\x1b]0;" + forged + "\a", "x\u2028" + forged, "x\u202e" + forged, "x\x85" + forged, "\xff\xfe" + forged, `x" ` + forged} {
				w.plex.Edit("mallory", func(p *plextest.Person) { p.Username, p.Title, p.Email = evil, evil, evil })
				b := w.browser()
				b.from = "203.0.113." + string("0123456789"[lines%10])
				header := http.Header{"User-Agent": {evil}, "Referer": {evil}, "X-Request-Id": {evil}}
				forward := b.post(site+"/login", url.Values{"rd": {evil}}).Header.Get("Location")
				b.do(http.MethodGet, b.approve(forward, "mallory"), nil, header)
				for _, proxy := range []string{"traefik", "nginx", "caddy", "envoy"} {
					b.check(proxy, page, header)
					for name := range map[string]bool{"X-Forwarded-Host": true, "X-Forwarded-Uri": true, "X-Forwarded-Method": true, "X-Forwarded-Proto": true, "X-Original-Url": true, "X-Original-Method": true, "X-Forwarded-For": true} {
						b.check(proxy, page, http.Header{name: {evil}})
						b.check(proxy, page, http.Header{name: {"https://" + evil + "/"}})
					}
				}
				b.check("traefik/"+url.PathEscape(evil), page, nil)
				b.check("envoy:"+url.PathEscape(evil)+"/", page, nil)
				b.get(site + "/" + url.PathEscape(evil) + "?" + url.QueryEscape(evil))
				b.get(site + "/refused?why=" + url.QueryEscape(evil) + "&rd=" + url.QueryEscape(evil))
				b.do(http.MethodGet, site+"/login", nil, http.Header{"X-Forwarded-Host": {evil}})
				b.post(site+"/logout", url.Values{"rd": {evil}})
				lines++
			}
			for i, line := range strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n") {
				var entry map[string]any
				switch {
				case strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u202e' && format == "text" }):
					t.Errorf("line %d has control characters: %q", i, line)
				case format == "json" && (json.Unmarshal([]byte(line), &entry) != nil || entry["msg"] == "forged"):
					t.Errorf("line %d is no entry of ours: %q", i, line)
				case format == "text" && (!strings.HasPrefix(line, "time=") || strings.Contains(line, " msg=forged") && !strings.Contains(line, `\"`) && !strings.Contains(line, `"x`) && !strings.Contains(line, `"\`)):
					t.Errorf("line %d is no entry of ours: %q", i, line)
				}
			}
			if n := strings.Count(log.String(), "sign_in"); n != lines {
				t.Errorf("%d lines say that somebody signed in, want %d", n, lines)
			}
			if n := strings.Count(log.String(), "forged"); n == 0 {
				t.Error("nothing of it is in the log: this test looks at nothing")
			}
		})
	}
}
