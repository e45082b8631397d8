package desk_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/desk"
	"usher/plex/plextest"
)

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestTheWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, theWay)
}

func theWay(t *testing.T) {
	w := newWorld(t, nil)
	defer w.plex.Close()
	b := w.browser()
	code := w.desk.NewCode()
	b.want("asked for the code", b.get("/setup"), http.StatusOK, "Set up Usher", `name="code"`)
	b.wantTo("typed as people do", b.post("/setup/code", "code", "  "+strings.ToLower(strings.ReplaceAll(code, "-", " "))+" "), "/setup")
	b.want("the account", b.get("/setup"), http.StatusOK, "Continue with Plex")
	address := b.post("/setup/plex").Header.Get("Location")
	b.want("back too early", b.get("/setup/callback"), http.StatusOK, "Finish signing in at Plex")
	b.want("polled too early", b.get("/setup/poll"), http.StatusOK, `"state":"pending"`)
	if _, err := w.plex.SignIn(address, "robin"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // as the waiting page does
	b.want("polled", b.get("/setup/poll"), http.StatusOK, `"state":"ok"`, `"next":"`+base+`/setup"`)
	page := b.open("/setup")
	b.want("offline ones too", page, http.StatusOK, "Attic", "Cellar", "robin@example.org", plextest.Attic, plextest.Cellar)
	b.wantTo("ticked", b.post("/setup/servers", "server", plextest.Attic), "/setup/people")
	choices := shown(b.open("/setup").body)
	if diff := cmp.Diff(map[string]string{
		"owner":  "1 person: robin",
		"home":   "3 people: robin, Kiddo, sam",
		"shared": "4 people: robin, casey, Kiddo, sam",
		"friend": "6 people: robin, casey, frankie, Kiddo, otto, sam",
		"anyone": "Everybody in the world who signs in",
		"(not)":  "pat",
	}, choices); diff != "" {
		t.Error(diff)
	}
	b.wantTo("other servers", b.post("/setup/servers", "server", plextest.Attic, "server", plextest.Cellar), "/setup/people")
	if got := shown(b.open("/setup").body)["shared"]; got != "5 people: robin, casey, Kiddo, otto, sam" {
		t.Errorf("with both servers: %s", got)
	}
	w.wantUntouched()
	b.wantTo("finished", b.post("/setup/finish", "allow", "friend"), "/setup/done")
	got := w.setup()
	if got.Token == "" || string(got.Token) != w.plex.Token("robin", clientID) {
		t.Error("the token is not robin's")
	}
	got.Token = ""
	want := desk.Setup{Servers: []desk.Server{{ID: plextest.Attic, Name: "Attic"}, {ID: plextest.Cellar, Name: "Cellar"}}, Owner: robinID, OwnerName: "robin", Allow: "friend"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	b.want("done", b.open("/setup"), http.StatusOK, "Usher is set up", "Attic", "Cellar", "friend")
	if log := w.log.String(); strings.Contains(log, "test-token-") || strings.Contains(log, code) {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}

var (
	choice = regexp.MustCompile(`(?s)value="(\w+)" required.*?<span class="small">(.*?)</span>`)
	not    = regexp.MustCompile(`(?s)before they accept: (.*?)\.</p>`)
	tags   = regexp.MustCompile(`<[^>]*>`)
)

// shown is what the page says of each choice.
func shown(body string) map[string]string {
	all := map[string]string{}
	for _, m := range choice.FindAllStringSubmatch(body, -1) {
		all[m[1]] = tags.ReplaceAllString(m[2], "")
	}
	if m := not.FindStringSubmatch(body); m != nil {
		all["(not)"] = tags.ReplaceAllString(m[1], "")
	}
	return all
}

// TestEverybodyIsNamed: some at once, the others behind a press.
func TestEverybodyIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.plex.AddPeople(250, plextest.Shared)
	w.plex.AddPeople(40, plextest.Friend)
	page := w.ticked().open("/setup")
	if got := shown(page.body); !strings.HasPrefix(got["shared"], "254 people: robin, casey, ") || !strings.HasSuffix(got["shared"], " and 242 more") || !strings.HasSuffix(got["friend"], " and 284 more") {
		t.Errorf("%q", got)
	}
	for summary, n := range map[string]int{"The other 242: Everybody you share with": 242, "The other 284: All your friends on Plex": 284} {
		_, rest, found := strings.Cut(page.body, "<summary>"+summary+"</summary>")
		rest, _, _ = strings.Cut(rest, "</details>")
		if got := strings.Count(rest, "<bdi>"); !found || got != n || strings.Contains(rest, " more") {
			t.Errorf("%s: %d names in %s", summary, got, rest)
		}
	}
	if strings.Count(page.body, "<details") != 2 || len(page.body) > 39_000 {
		t.Errorf("%d bytes", len(page.body))
	}
}

// TestManyNamesStaySmall: however long they are, and whatever is in them.
func TestManyNamesStaySmall(t *testing.T) {
	t.Parallel()
	for _, sign := range []string{`"`, "+", "&", "é", "\U0001F600"} {
		w := newWorld(t, nil)
		w.plex.AddPeople(300, plextest.Shared)
		w.plex.AddPeople(300, plextest.Friend)
		for _, p := range w.plex.People() {
			if strings.HasPrefix(p.Name, "guest") {
				w.plex.Rename(p.Name, strings.Repeat(sign, 200))
			}
		}
		page := w.ticked().open("/setup")
		if got := shown(page.body); !strings.HasPrefix(got["friend"], "606 people: ") || len(page.body) > 39_000 || len(page.body) < 30_000 {
			t.Errorf("%q: %d bytes, %.50s", sign, len(page.body), got["friend"])
		}
	}
}

// TestManyPeople: the page names some and counts the others.
func TestManyPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.plex.AddPeople(3000, plextest.Shared)
	b := w.ticked()
	page := b.open("/setup")
	if got := shown(page.body)["shared"]; !strings.HasPrefix(got, "3004 people: robin, casey, ") || !strings.HasSuffix(got, " and 2992 more") {
		t.Errorf("%s", got)
	}
	if !strings.Contains(page.body, " and 2704 more</p></details>") || len(page.body) > 39_000 {
		t.Errorf("%d bytes", len(page.body))
	}
}

// TestFixedByTheEnvironment: what it says is shown and cannot be changed here.
func TestFixedByTheEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *desk.Config) {
		c.Fixed = desk.Fixed{Servers: []string{plextest.Cellar}, Owner: robinID, Allow: "home,!user:sam"}
	})
	ivan := w.signedIn("ivan")
	ivan.want("another owner", ivan.open("/setup"), http.StatusOK, "Not with this account", "USHER_OWNER")
	b := w.signedIn("robin")
	page := b.open("/setup")
	b.want("servers", page, http.StatusOK, "USHER_SERVERS", "Cellar")
	if strings.Contains(page.body, `type="checkbox"`) || strings.Contains(page.body, "Attic") {
		t.Error("there is something to tick")
	}
	b.wantTo("ticks another", b.post("/setup/servers", "server", plextest.Attic), "/setup/people")
	page = b.open("/setup")
	b.want("people", page, http.StatusOK, "USHER_ALLOW", "home,!user:sam", "2 people", "Kiddo")
	if strings.Contains(page.body, `type="radio"`) {
		t.Error("there is something to choose")
	}
	b.wantTo("chooses another", b.post("/setup/finish", "allow", "anyone"), "/setup/done")
	if s := w.setup(); s.Allow != "" || len(s.Servers) != 1 || s.Servers[0].ID != plextest.Cellar {
		t.Errorf("%+v", s)
	}
	if s := w.setup(); s.Token == "" {
		t.Error("a token that nothing else has is not kept")
	}
	fixed := newWorld(t, func(c *desk.Config) { c.Fixed.Token, c.Fixed.Owner = true, robinID })
	b = fixed.begun()
	b.want("the account", b.get("/setup"), http.StatusOK, "USHER_PLEX_TOKEN", "USHER_OWNER", "70010009")
	b = fixed.ticked()
	b.wantTo("finished", b.post("/setup/finish", "allow", "home"), "/setup/done")
	if s := fixed.setup(); s.Token != "" || s.Owner != robinID {
		t.Error("a token is kept that the environment has")
	}
	other := newWorld(t, func(c *desk.Config) { c.Fixed.Servers = []string{strings.Repeat("1", 40)} })
	b = other.signedIn("robin")
	b.want("servers of somebody else", b.open("/setup"), http.StatusOK, "Not with this account", "USHER_SERVERS")
}

// TestLinesOfEachAddress: where people sign in at several addresses, each has its lines;
// those of the first come first.
func TestLinesOfEachAddress(t *testing.T) {
	t.Parallel()
	hosts := []string{"auth.home.example.org", "login.example.net", "example.edu"}
	w := newWorld(t, func(cfg *desk.Config) {
		cfg.Sites = []desk.Site{{URL: mustURL(t, "https://auth.home.example.org"), Domain: "home.example.org"}, {URL: mustURL(t, "https://login.example.net"), Domain: "example.net"}, {URL: mustURL(t, "https://example.edu/door")}}
	})
	b := w.ticked()
	b.wantTo("finished", b.post("/setup/finish", "allow", "shared"), "/setup/done")
	for link, own := range map[string]int{
		"": 0, "?proxy=caddy": 0, "?proxy=caddy&site=0": 0, "?proxy=caddy&site=1": 1, "?proxy=nginx&site=2": 2,
		"?proxy=caddy&site=3": 0, "?proxy=caddy&site=-1": 0, "?proxy=caddy&site=1e9": 0, "?site=99999999999999999999": 0, "?site=<script>": 0,
	} {
		page := b.get("/setup/done" + link)
		b.want(link, page, http.StatusOK, "<pre")
		lines := strings.Join(regexp.MustCompile(`(?s)<pre.*?</pre>`).FindAllString(page.body, -1), "")
		for i, host := range hosts {
			if strings.Contains(lines, host) != (i == own) {
				t.Errorf("%q: %s is in it: %v", link, host, i != own)
			}
		}
		if strings.Contains(lines, "auth.example.com") || strings.Contains(lines, "app.example.com") {
			t.Errorf("%q has names of others", link)
		}
		proxy := "traefik"
		if strings.Contains(link, "proxy=") {
			proxy, _, _ = strings.Cut(strings.TrimPrefix(link, "?proxy="), "&")
		}
		for i, site := range []string{"", "&amp;site=1", "&amp;site=2"} {
			if leads := strings.Contains(page.body, `/setup/done?proxy=`+proxy+site+`"`); leads == (i == own) {
				t.Errorf("%q leads to the lines of %s: %v", link, hosts[i], leads)
			}
			if leads := strings.Contains(page.body, `/setup/done?proxy=haproxy`+site+`"`); leads != (i == own) {
				t.Errorf("%q leads to another proxy's lines with the names of %s: %v", link, hosts[i], leads)
			}
		}
	}
}

// TestLines: every recipe has the house's own names and port, and none of
// ours.
func TestLines(t *testing.T) {
	t.Parallel()
	site := func(address, domain string) []desk.Site {
		return []desk.Site{{URL: mustURL(t, address), Domain: domain}}
	}
	for name, c := range map[string]struct {
		sites     []desk.Site
		visited   string
		want, not []string
	}{
		"a host for the pages":   {site("https://login.home.example.org:8443", "home.example.org"), "", []string{"login.home.example.org", "4242"}, []string{"example.com", "4181", "example.org:8443 "}},
		"a path":                 {site("https://home.example.org/door", "home.example.org"), "", []string{"home.example.org", "/door/"}, []string{"app.example.com", "4181", "auth.example.com"}},
		"every host":             {nil, "photos.example.org", []string{"photos.example.org", "/_usher/"}, []string{"app.example.com", "4181"}},
		"every host, by address": {nil, "192.0.2.7", []string{"/_usher/"}, []string{"192.0.2.7"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(cfg *desk.Config) { cfg.Sites, cfg.Port = c.sites, "4242" })
			b := w.ticked()
			b.wantTo("finished", b.post("/setup/finish", "allow", "shared"), "/setup/done")
			if c.visited != "" {
				b.visit.Host = c.visited
			}
			seen := 0
			for _, link := range regexp.MustCompile(`/setup/done\?proxy=[a-z-]+`).FindAllString(b.open("/setup").body+"/setup/done?proxy=traefik", -1) {
				page := b.get(link)
				b.want(link, page, http.StatusOK, "<pre")
				text := ""
				for _, m := range regexp.MustCompile(`(?s)<pre.*?</pre>`).FindAllString(page.body, -1) {
					text += m
				}
				seen++
				if strings.Contains(link, "kubernetes") || strings.Contains(link, "envoy") || strings.Contains(link, "npm") || strings.Contains(link, "caddy-docker") || strings.Contains(link, "swag") {
					continue // have no host name, or the other way in a comment
				}
				for _, want := range c.want {
					if strings.Contains(link, "haproxy") && want == c.want[0] {
						continue // its overlay is for every host
					}
					if !strings.Contains(text, want) {
						t.Errorf("%s: no %q", link, want)
					}
				}
				for _, not := range c.not {
					if strings.Contains(text, not) {
						t.Errorf("%s: %q is in it", link, not)
					}
				}
			}
			if seen != 10 {
				t.Errorf("%d proxies, want 10", seen)
			}
			b.want("an unknown proxy", b.get("/setup/done?proxy=<script>"), http.StatusOK, "<pre")
		})
	}
}
