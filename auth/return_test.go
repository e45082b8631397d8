package auth_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/auth"
)

const front = "https://auth.example.com/"

// leads checks where a return address that is allowed leads: rebuilt, so the case
// of its scheme and host and a port that says nothing may differ.
func leads(t *testing.T, c auth.ReturnCase, at string) {
	t.Helper()
	if !c.Allowed {
		if at != front {
			t.Errorf("%.100q leads to %.100q: %s", c.Payload, at, c.Why)
		}
		return
	}
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Hostname() != "example.com" && !strings.HasSuffix(u.Hostname(), ".example.com") {
		t.Errorf("%.100q leads to %.100q", c.Payload, at)
		return
	}
	given, err := url.Parse(c.Payload)
	if err != nil || given.RawQuery != u.RawQuery || given.EscapedFragment() != u.EscapedFragment() || strings.TrimPrefix(given.EscapedPath(), "/") != strings.TrimPrefix(u.EscapedPath(), "/") {
		t.Errorf("%.100q leads to %.100q, which is another page", c.Payload, at)
	}
}

var hiddenReturn = regexp.MustCompile(`name="rd" value="([^"]*)"`)

// hidden is what the sign-in form carries.
func hidden(t *testing.T, res *http.Response) string {
	t.Helper()
	found := hiddenReturn.FindAllStringSubmatch(text(res), -1)
	if res.StatusCode != http.StatusOK || len(found) != 1 {
		t.Fatalf("%s with %d return addresses", res.Status, len(found))
	}
	return html.UnescapeString(found[0][1])
}

// forwarded is where Plex is told to send the browser back, and the rd in it.
func forwarded(t *testing.T, res *http.Response) string {
	t.Helper()
	_, fragment, ok := strings.Cut(res.Header.Get("Location"), "#?")
	q, err := url.ParseQuery(fragment)
	if res.StatusCode != http.StatusSeeOther || !ok || err != nil || len(q["forwardUrl"]) != 1 {
		t.Fatalf("%s to %q", res.Status, res.Header.Get("Location"))
	}
	u, err := url.Parse(q.Get("forwardUrl"))
	if err != nil || u.Scheme+"://"+u.Host+u.Path != front+"login/callback" || len(u.Query()["rd"]) != 1 {
		t.Fatalf("Plex is told %q", q.Get("forwardUrl"))
	}
	return u.Query().Get("rd")
}

// Every case through everything that takes a return address.
func TestReturnAddressesThroughThePages(t *testing.T) {
	t.Parallel()
	const budget = 50 // sign-ins of one world, below what all together may do at once
	for part := range slices.Chunk(auth.ReturnCases(t), budget) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			casey := w.signedIn("casey")
			for i, c := range part {
				rd := url.QueryEscape(c.Payload)
				nobody := w.browser()
				nobody.from = fmt.Sprintf("203.0.113.%d", 10+i)
				page, form := nobody.get(front+"login?rd="+rd), nobody.post(front+"login", url.Values{"rd": {c.Payload}})
				plain := c.Allowed && strings.HasPrefix(strings.ToLower(c.Payload), "http:") // where our cookie does not go
				if plain {
					says(t, page, http.StatusBadRequest, onlyHTTPS)
					says(t, form, http.StatusBadRequest, onlyHTTPS)
					nobody.begin("/")
				} else {
					leads(t, c, hidden(t, page))
					leads(t, c, forwarded(t, form))
				}

				for _, path := range []string{"login", "login/callback"} {
					switch res := casey.get(front + path + "?rd=" + rd); {
					case res.StatusCode == http.StatusSeeOther:
						leads(t, c, res.Header.Get("Location"))
					case !plain || res.Header.Get("Location") != "":
						t.Errorf("/%s, %.100q: %s", path, c.Payload, res.Status)
					}
				}
				res := w.browser().post(front+"logout", url.Values{"rd": {c.Payload}})
				if at := res.Header.Get("Location"); at != front+"logout" || c.Allowed {
					leads(t, c, at)
				}
				var told struct{ State, Next string }
				if err := json.NewDecoder(nobody.get(front + "login/poll?rd=" + rd).Body).Decode(&told); err != nil || told.State != "pending" {
					t.Errorf("poll: %+v, %v", told, err)
				} else {
					leads(t, c, told.Next)
				}
			}
		})
	}
}

// Which of two was checked, and which is used? Neither.
func TestReturnAddressesThatAreAmbiguous(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	nobody, casey := w.browser(), w.signedIn("casey")
	const good, evil = "https%3A%2F%2Fapp.example.com%2F", "https%3A%2F%2Fevil.com%2F"
	for name, query := range map[string]string{
		"two":                       "rd=" + good + "&rd=" + evil,
		"two, the other way round":  "rd=" + evil + "&rd=" + good,
		"two, both good":            "rd=" + good + "&rd=" + good,
		"two, one empty":            "rd=&rd=" + good,
		"two, one without a value":  "rd&rd=" + good,
		"an escaped name":           "rd=" + good + "&%72d=" + evil,
		"a semicolon between":       "rd=" + good + ";rd=" + evil,
		"a semicolon behind":        "rd=" + good + ";",
		"a semicolon elsewhere":     "a=b;c&rd=" + good,
		"a bad escape elsewhere":    "a=%zz&rd=" + good,
		"a bad escape in it":        "rd=" + good + "%zz",
		"a list":                    "rd[]=" + good,
		"capitals":                  "RD=" + good,
		"another name":              "redirect=" + good,
		"in the fragment of itself": "x=1%26rd%3D" + good,
		"none":                      "",
	} {
		t.Run(name, func(t *testing.T) {
			if at := hidden(t, nobody.get(front+"login?"+query)); at != front {
				t.Errorf("the form leads to %q", at)
			}
			casey.forget("__Host-usher-way") // so many visits in a row would be a round
			for _, path := range []string{"login", "login/callback"} {
				if at := casey.get(front + path + "?" + query).Header.Get("Location"); at != front {
					t.Errorf("/%s leads to %q", path, at)
				}
			}
			res := w.browser().do(http.MethodPost, front+"logout?"+query, url.Values{}, nil)
			if at := res.Header.Get("Location"); at != front+"logout" && res.StatusCode != http.StatusBadRequest {
				t.Errorf("signing out: %s to %q", res.Status, at)
			}
		})
	}
	for name, c := range map[string]struct {
		query string
		form  url.Values
	}{
		"in the address and in the form":       {"?rd=" + good, url.Values{"rd": {"https://evil.com/"}}},
		"the same in the address and the form": {"?rd=" + good, url.Values{"rd": {"https://app.example.com/"}}},
		"two in the form":                      {"", url.Values{"rd": {"https://app.example.com/", "https://evil.com/"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if at := forwarded(t, nobody.do(http.MethodPost, front+"login"+c.query, c.form, nil)); at != front {
				t.Errorf("Plex is told to go on to %q", at)
			}
			if at := w.browser().do(http.MethodPost, front+"logout"+c.query, c.form, nil).Header.Get("Location"); at != front+"logout" {
				t.Errorf("signing out leads to %q", at)
			}
		})
	}
}

// The address in a check is the client's; what goes into the sign-in is an
// address of the host that was asked for.
func TestReturnAddressesOfChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	nobody := w.browser()
	for name, c := range map[string]struct{ uri, want string }{
		"plain":             {"/x?a=1&b=%2F", "https://app.example.com/x?a=1&b=%2F"},
		"looks like a host": {"//evil.com/", "https://app.example.com//evil.com/"},
		"looks like a user": {"/@evil.com", "https://app.example.com/@evil.com"},
		"an address in it":  {"/https://evil.com/", "https://app.example.com/https://evil.com/"},
		"an rd of its own":  {"/?rd=https://evil.com/", "https://app.example.com/?rd=https://evil.com/"},
		"an rd beside":      {"/x&rd=https://evil.com/", "https://app.example.com/x&rd=https://evil.com/"},
		"a fragment":        {"/x#&rd=https://evil.com/", "https://app.example.com/x#&rd=https://evil.com/"},
		"a backslash":       {`/\evil.com`, "https://app.example.com/"},
		"a line end":        {"/x\r\nLocation: https://evil.com/", "https://app.example.com/"},
		"NUL":               {"/x\x00", "https://app.example.com/"},
		"not ASCII":         {"/é", "https://app.example.com/"},
		"a quote":           {`/"onload="alert(1)`, "https://app.example.com/"},
		"5 kB":              {"/" + strings.Repeat("a", 5<<10), "https://app.example.com/"},
		"a space":           {"/a b", "https://app.example.com/"},
	} {
		for _, family := range families {
			header := http.Header{"X-Forwarded-Uri": {c.uri}}
			if family == "nginx" {
				header = http.Header{"X-Original-URL": {"https://app.example.com" + c.uri}}
			}
			r := nobody.checkRequest(family, "https://app.example.com/", header)
			if family == "envoy" {
				r.RequestURI = "/auth/envoy" + c.uri
			}
			res := nobody.ask(r)
			at, err := url.Parse(res.Header.Get("Location"))
			if err != nil || res.StatusCode == http.StatusOK || len(at.Query()) != 1 || len(at.Query()["rd"]) != 1 || at.Query().Get("rd") != c.want {
				t.Errorf("%s, %s: %s to %.200q, want back to %q", name, family, res.Status, at, c.want)
			}
			holds(t, w, res)
		}
	}
}
