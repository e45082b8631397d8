package auth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"usher/auth"
	"usher/plex/plextest"
)

// What anybody can call themselves on Plex, and whom apps are told that they
// are: themselves, in one line, and never another.
func TestNamesThatPose(t *testing.T) {
	t.Parallel()
	const own = "plex-70010001" // casey, by the only name that nobody can choose
	long := strings.Repeat("a", 10<<10)
	for name, c := range map[string]struct {
		username, title, friendly string
		user, shown               string
	}{
		"CR LF in the username":        {"casey\r\nRemote-User: robin", "", "", own, "caseyRemote-User: robin"},
		"CR LF in the display name":    {"casey", "", "C\r\nRemote-User: robin", "casey", "CRemote-User: robin"},
		"LF alone":                     {"casey", "", "C\nRemote-Groups: owner", "casey", "CRemote-Groups: owner"},
		"NUL":                          {"rob\x00in", "", "", own, "robin"},
		"NUL at the end":               {"robin\x00", "", "", own, "robin"},
		"escape sequences":             {"casey", "", "\x1b[2Jcasey\x7f\u0085", "casey", "[2Jcasey"},
		"10 kB of username":            {long, "", "", own, ""},
		"10 kB of display name":        {"casey", "", long, "casey", "casey"},
		"a display name cut in a rune": {"casey", "", strings.Repeat("é", 200), "casey", strings.Repeat("é", 128)},
		"300 bytes of username":        {strings.Repeat("a", 300), "", "", own, strings.Repeat("a", 256)},
		"é":                            {"émile", "", "Émile", "émile", "Émile"},
		"a comma":                      {"casey", "", "Casey, owner", "casey", "Casey, owner"},
		"right to left":                {"\u202enibor", "", "\u202enibor", own, "nibor"},
		"zero width space":             {"robin\u200b", "", "", own, "robin"},
		"zero width joiner inside":     {"ro\u200dbin", "", "", own, "robin"},
		"soft hyphen":                  {"ro\u00adbin", "", "", own, "robin"},
		"byte order mark":              {"\ufeffrobin", "", "", own, "robin"},
		"line separator":               {"robin\u2028", "", "", own, "robin"},
		"no-break space behind":        {"robin\u00a0", "", "", own, "robin"},
		"a tag character":              {"robin\U000e0041", "", "", own, "robin"},
		"space in front":               {" robin", "", "", own, "robin"},
		"space behind":                 {"robin ", "", "", own, "robin"},
		"tab behind":                   {"robin\t", "", "", own, "robin"},
		"only a space":                 {" ", "", "", own, ""},
		"invalid UTF-8":                {"robin\ufffd", "", "", own, "robin"},
		"Kiddo's fallback":             {"plex-70010002", "", "", own, "plex-70010002"},
		"Kiddo's fallback in capitals": {"PLEX-70010002", "", "", own, "PLEX-70010002"},
		"a fallback with zeros":        {"plex-070010002", "", "", own, "plex-070010002"},
		"the owner's display name":     {"casey", "robin", "robin", "casey", "robin"},
		"no username, named as robin":  {"", "robin", "robin", own, "robin"},
		"no name at all":               {"", "", "", own, "casey@example.org"},
		"a name made of groups":        {"owner,home,shared", "", "", "owner,home,shared", "owner,home,shared"},
		"script":                       {"casey", "", "<script>alert(1)</script>", "casey", "<script>alert(1)</script>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *setup) { s.owner, s.directory.Owner = "", 70010009 })
			w.plex.Edit("casey", func(p *plextest.Person) { p.Username, p.Title, p.FriendlyName = c.username, c.title, c.friendly })
			casey := w.signedIn("casey")
			for _, family := range families {
				res := casey.check(family, page, nil)
				told(t, res, "Remote-User", c.user)
				if c.shown != "" {
					told(t, res, "Remote-Name", c.shown)
				}
				told(t, res, "Remote-Id", "70010001")
				told(t, res, "Remote-Email", "casey@example.org")
				told(t, res, "Remote-Groups", "shared,friend")
				holds(t, w, res)
				fit(t, res)
			}
		})
	}
}

func told(t *testing.T, res *http.Response, name, want string) {
	t.Helper()
	if got := res.Header[name]; !slices.Equal(got, []string{want}) {
		t.Errorf("%s: %s %.300q, want %q", res.Status, name, got, want)
	}
}

// fit checks that no value can be read as more than one line or one header.
func fit(t *testing.T, res *http.Response) {
	t.Helper()
	for name, values := range res.Header {
		for _, v := range values {
			if len(v) > 256 && name != "Location" || !utf8.ValidString(v) || strings.TrimSpace(v) != v || strings.ContainsFunc(v, unicode.IsControl) {
				t.Errorf("%s: %.300q", name, v)
			}
		}
	}
}

// The same with the owner's list as the source: it may carry other names than a
// person's own profile, and comes later.
func TestOwnersListCannotRename(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.plex.Edit("Kiddo", func(p *plextest.Person) { p.Title, p.FriendlyName = "robin", "robin" })
	kiddo := w.signedIn("Kiddo")
	res := kiddo.check("traefik", page, nil)
	told(t, res, "Remote-User", "plex-70010002")
	told(t, res, "Remote-Email", "")
	told(t, res, "Remote-Id", "70010002")
	told(t, res, "Remote-Groups", "home,shared,friend,library:Films,library:Home_ Videos,library:Music,library:Shows")
	if res := kiddo.check("traefik/owner", page, nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("a child called like the owner: %s", res.Status)
	}
	if res := kiddo.check("traefik/user:robin", page, nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("a child called like the owner, by name: %s", res.Status)
	}
}

// An e-mail address is passed on as it is, or not at all.
func TestEmailsThatPose(t *testing.T) {
	t.Parallel()
	for name, email := range map[string]string{
		"CR LF":               "robin@example.org\r\nRemote-User: robin",
		"NUL":                 "robin@example.org\x00",
		"space":               " robin@example.org",
		"zero width":          "robin\u200b@example.org",
		"300 bytes":           strings.Repeat("a", 300) + "@example.org",
		"10 kB":               strings.Repeat("a", 10<<10) + "@example.org",
		"right to left":       "\u202erobin@example.org",
		"nobody confirmed it": "robin@example.org",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *setup) { s.owner, s.directory.Owner = "", 70010009 })
			w.plex.SetEmail("casey", email)
			if name == "nobody confirmed it" {
				w.plex.Fail(plextest.User, plextest.Answer(200, "application/json", `{"id":70010001,"username":"casey","email":"robin@example.org","confirmed":false}`))
			}
			casey := w.signedIn("casey")
			told(t, casey.check("traefik", page, nil), "Remote-Email", "")
			if res := casey.check("traefik/user:robin@example.org", page, nil); res.StatusCode != http.StatusForbidden {
				t.Errorf("passes as robin@example.org: %s", res.Status)
			}
		})
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"none":                          "",
		"blank":                         " ",
		"a comma alone":                 ",",
		"a comma at the end":            "Remote-User={username},",
		"no field":                      "Remote-User",
		"empty field":                   "Remote-User=",
		"empty braces":                  "Remote-User={}",
		"no braces":                     "Remote-User=username",
		"half a brace":                  "Remote-User={username",
		"two braces":                    "Remote-User={{username}}",
		"text beside the field":         "Remote-User=plex-{id}",
		"two fields":                    "Remote-User={id}{username}",
		"unknown field":                 "Remote-User={token}",
		"a field in capitals":           "Remote-User={Username}",
		"spaces in the braces":          "Remote-User={ username }",
		"no name":                       "={username}",
		"a space in the name":           "Remote User={username}",
		"an underscore, folded by many": "Remote_User={username}",
		"a dot":                         "Remote.User={username}",
		"a colon":                       "Remote-User:={username}",
		"a line end":                    "Remote-User\r\nX={username}",
		"a letter of another alphabet":  "Rémote-User={username}",
		"twice":                         "Remote-User={username},Remote-User={email}",
		"twice in other letters":        "Remote-User={username},REMOTE-USER={email}",
		"the session":                   "Cookie={username}",
		"a cookie":                      "Set-Cookie={username}",
		"a cookie in capitals":          "SET-COOKIE={username}",
		"where to go":                   "Location={username}",
		"the body's length":             "Content-Length={id}",
		"the body's coding":             "Content-Encoding={username}",
		"the body's type":               "content-type={username}",
		"hop by hop":                    "Connection={username}",
		"framing":                       "Transfer-Encoding={username}",
		"trailers":                      "Trailer={username}",
		"upgrade":                       "Upgrade={username}",
		"a proxy's connection":          "Proxy-Connection={username}",
		"a proxy's credentials":         "Proxy-Authorization={username}",
		"credentials":                   "Authorization={username}",
		"a challenge":                   "WWW-Authenticate={username}",
		"host":                          "Host={username}",
		"caching":                       "Cache-Control={username}",
		"what proxies say":              "X-Forwarded-For={username}",
		"another host":                  "X-Forwarded-Host={username}",
		"what nginx says":               "X-Original-URL={username}",
		"RFC 7239":                      "Forwarded={username}",
		"the client's address":          "X-Real-IP={username}",
		"another address":               "X-Rewrite-URL={username}",
		"another method":                "X-HTTP-Method-Override={username}",
		"a redirect inside nginx":       "X-Accel-Redirect={username}",
		"buffering of nginx":            "X-Accel-Buffering={username}",
		"a file of the server":          "X-Sendfile={username}",
		"what only browsers say":        "Sec-Fetch-Mode={username}",
		"other origins":                 "Access-Control-Allow-Origin={username}",
		"a refresh":                     "Refresh={username}",
		"a continuation":                "Expect={username}",
		"the origin":                    "Origin={username}",
	} {
		if hs, err := auth.ParseHeaders(text); err == nil {
			t.Errorf("%s: %q is taken as %q", name, text, hs.Names())
		}
	}
}

func TestOtherHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.headers = " Remote-User = {username} , X-WEBAUTH-USER={email},X-Plex-Avatar={thumb},X-Uuid={uuid},X-Tier={tier},X-Groups={groups},X-Id={id},X-Name={name},X-Forwarded-User={username}"
	})
	casey, kiddo, mallory := w.signedIn("casey"), w.signedIn("Kiddo"), w.signedIn("mallory")
	for _, family := range families {
		if res := mallory.check(family, page, nil); res.StatusCode == http.StatusOK || res.Header.Get("X-Webauth-User") != "" {
			t.Errorf("%s: mallory is told to apps: %s", family, res.Status)
		}
		for who, want := range map[*browser]map[string]string{
			casey: {"Remote-User": "casey", "X-Webauth-User": "casey@example.org", "X-Uuid": w.plex.Person("casey").UUID, "X-Tier": "shared", "X-Groups": "shared,friend,library:Films,library:Shows", "X-Id": "70010001", "X-Name": "casey", "X-Forwarded-User": "casey"},
			kiddo: {"Remote-User": "plex-70010002", "X-Webauth-User": "", "X-Tier": "home", "X-Groups": "home,shared,friend,library:Films,library:Home_ Videos,library:Music,library:Shows", "X-Id": "70010002", "X-Name": "Kiddo"},
		} {
			res := who.check(family, page, nil)
			for name, value := range want {
				told(t, res, name, value)
			}
			for _, name := range []string{"Remote-Name", "Remote-Email", "Remote-Groups", "Remote-Id"} {
				if _, there := res.Header[name]; there {
					t.Errorf("%s: %s is there, which was not asked for", family, name)
				}
			}
			if len(res.Header["X-Plex-Avatar"]) != 1 {
				t.Errorf("%s: X-Plex-Avatar %q", family, res.Header["X-Plex-Avatar"])
			}
			fit(t, res)
		}
	}
}
