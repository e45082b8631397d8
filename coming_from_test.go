package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/plex/plextest"
)

const comingFrom = "docs/coming-from.md"

func comingFromPage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(comingFrom)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// printed is the block under a mark of the page, word for word.
func printed(t *testing.T, mark string) string {
	t.Helper()
	found := regexp.MustCompile("(?s)<!-- "+regexp.QuoteMeta(mark)+" -->\n```\\w+\n(.*?)```").FindAllStringSubmatch(comingFromPage(t), -1)
	if len(found) != 1 {
		t.Fatalf("%d blocks are marked %q", len(found), mark)
	}
	return found[0][1]
}

// place is an Usher that was started as the page says, with its plex.tv.
type place struct {
	t     *testing.T
	plex  *plextest.Server
	at    string // where Usher listens
	front string // where its pages live
	seen  int    // visitors so far
}

// movedIn starts the program with the variables of these blocks, a later one
// replacing an earlier one's. Only what a person has to replace is replaced.
func movedIn(t *testing.T, files map[string]string, marks ...string) *place {
	t.Helper()
	h := &place{t: t, plex: plextest.Start(t), at: freeAddress(t)}
	vars := map[string]string{}
	for _, mark := range marks {
		for line := range strings.Lines(printed(t, mark)) {
			name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			if !ok || !regexp.MustCompile("^USHER_[A-Z_]+$").MatchString(name) || strings.ContainsAny(value, " \"'$#\\") {
				t.Fatalf("%q is not read in the same way everywhere", line)
			}
			vars[name] = value
		}
	}
	h.front = vars["USHER_URL"]
	if _, ok := vars["USHER_PLEX_TOKEN"]; ok {
		vars["USHER_PLEX_TOKEN"] = h.plex.Token("robin", "test-client-of-robin")
	}
	if vars["USHER_SERVERS"] != plextest.Attic {
		t.Fatalf("the servers are %s", vars["USHER_SERVERS"])
	}
	for name, mark := range files {
		path := filepath.Join(t.TempDir(), filepath.Base(vars[name]))
		if err := os.WriteFile(path, []byte(printed(t, mark)), 0o600); err != nil {
			t.Fatal(err)
		}
		vars[name] = path
	}
	env := []string{"USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + h.at, "USHER_PLEX_URL=" + h.plex.URL, "USHER_PLEX_AUTH_URL=" + h.plex.AuthURL}
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	start(t, env).await("http://"+h.at+"/readyz", http.StatusOK)
	return h
}

// visitor is somebody's browser behind the proxy.
type visitor struct {
	*place
	from    string
	cookies map[string]string
}

func (h *place) visitor() *visitor {
	h.seen++
	return &visitor{h, fmt.Sprintf("203.0.113.%d", h.seen), map[string]string{}}
}

// do asks Usher as the proxy passes a request on. address is the browser's for
// a page, and a path below /auth/ for a check.
func (v *visitor) do(method, address, body string, header http.Header) (*http.Response, string) {
	v.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		v.t.Fatal(err)
	}
	r, err := http.NewRequest(method, "http://"+v.at+u.RequestURI(), strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Host = cmp.Or(u.Host, "usher")
	r.Header.Set("Accept", "text/html")
	r.Header.Set("X-Forwarded-For", v.from)
	if u.Host != "" {
		r.Header.Set("X-Forwarded-Host", u.Host)
		r.Header.Set("X-Forwarded-Proto", u.Scheme)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range res.Cookies() {
		v.cookies[c.Name] = c.Value
	}
	return res, read(v.t, res.Body)
}

// signIn signs a person in with a PIN, whether or not they may pass then.
func (h *place) signIn(person string) *visitor {
	h.t.Helper()
	v := h.visitor()
	res, body := v.do(http.MethodPost, h.front+"/login", "rd=/", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}})
	if res.StatusCode != http.StatusSeeOther {
		h.t.Fatalf("POST /login: %s\n%s", res.Status, body)
	}
	forward, err := h.plex.SignIn(res.Header.Get("Location"), person)
	if err != nil {
		h.t.Fatal(err)
	}
	if res, body := v.do(http.MethodGet, forward, "", nil); res.StatusCode != http.StatusSeeOther {
		h.t.Fatalf("%s comes back from Plex: %s\n%s", person, res.Status, body)
	}
	return v
}

// check asks as nginx does.
func (v *visitor) check(path, address string) *http.Response {
	v.t.Helper()
	res, _ := v.do(http.MethodGet, path, "", http.Header{"X-Original-Method": {"GET"}, "X-Original-Url": {address}})
	return res
}

// people are all who can sign in, with what they are to the owner.
var people = []string{"robin", "sam", "casey", "frankie", "otto", "pat", "mallory", "ivan"}

// lets expects that of all people exactly these may pass.
func (h *place) lets(visitors map[string]*visitor, path, address, in string) {
	h.t.Helper()
	for _, person := range people {
		want := http.StatusForbidden
		if slices.Contains(strings.Fields(in), person) {
			want = http.StatusOK
		}
		if res := visitors[person].check(path, address); res.StatusCode != want {
			h.t.Errorf("%s asks for %s by %s: %s, want %d", person, address, path, res.Status, want)
		}
	}
}

func (h *place) everybody() map[string]*visitor {
	h.t.Helper()
	visitors := map[string]*visitor{}
	for _, person := range people {
		visitors[person] = h.signIn(person)
	}
	return visitors
}

func TestComingFromAuthentik(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		marks []string
		in    string
	}{
		"friends too":     {[]string{"authentik"}, "robin sam casey frankie otto"},
		"allowed servers": {[]string{"authentik", "authentik without friends"}, "robin sam casey"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := movedIn(t, nil, c.marks...)
			const app = "https://app.example.com/x"
			h.lets(h.everybody(), "/auth/nginx", app, c.in)
			if got := h.visitor().check("/auth/nginx", app).StatusCode; got != http.StatusUnauthorized {
				t.Errorf("nobody: %d", got)
			}
			for _, person := range people {
				h.redeems(person, slices.Contains(strings.Fields(c.in), person))
			}
		})
	}
}

// redeems redeems a person's token and looks at what apps are told then.
func (h *place) redeems(person string, passes bool) {
	h.t.Helper()
	v, who := h.visitor(), h.plex.Person(person)
	res, body := v.do(http.MethodPost, h.front+"/api/redeem?rd=https://app.example.com/x", `{"plex_token":"`+h.plex.Token(person, "test-client-of-an-app")+`"}`,
		http.Header{"Content-Type": {"application/json"}})
	if !passes {
		if res.StatusCode != http.StatusForbidden || len(v.cookies) > 0 {
			h.t.Errorf("%s redeems a token: %s %s", person, res.Status, body)
		}
		return
	}
	if res.StatusCode != http.StatusOK || strings.TrimSpace(body) != `{"to":"https://app.example.com/x"}` {
		h.t.Errorf("%s redeems a token: %s %s", person, res.Status, body)
	}
	res = v.check("/auth/nginx", "https://app.example.com/x")
	groups := map[string]string{"robin": "owner,home,shared,friend,library:Films,library:Home_ Videos,library:Music,library:Shows", "sam": "home,shared,friend,library:Films,library:Home_ Videos,library:Music,library:Shows",
		"casey": "shared,friend,library:Films,library:Shows", "frankie": "friend", "otto": "friend"}
	for name, want := range map[string]string{"Username": who.Username, "Email": who.Email, "Name": who.Title, "Uid": who.UUID, "Groups": groups[person]} {
		if got := res.Header.Get("X-Authentik-" + name); got != want || want == "" {
			h.t.Errorf("%s: X-authentik-%s is %q, want %q", person, name, got, want)
		}
	}
	if got := res.Header.Get("X-Plex-Id"); got != fmt.Sprint(who.ID) {
		h.t.Errorf("%s: X-Plex-Id is %q", person, got)
	}
	if got := res.Header.Get("X-Plex-Avatar"); !strings.Contains(got, "/users/"+who.UUID+"/avatar") {
		h.t.Errorf("%s: X-Plex-Avatar is %q", person, got)
	}
	if _, ok := res.Header["Remote-User"]; ok {
		h.t.Errorf("%s: headers that nobody asked for", person)
	}
}

func TestComingFromOrganizr(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		marks []string
		in    string
	}{
		"strict friends":           {[]string{"organizr"}, "robin sam casey"},
		"not strict":               {[]string{"organizr", "organizr, not strict"}, "robin sam casey frankie otto"},
		"administrator by e-mail":  {[]string{"organizr", "organizr, by e-mail"}, "robin sam casey"},
		"not strict and by e-mail": {[]string{"organizr", "organizr, by e-mail", "organizr, not strict"}, "robin sam casey frankie otto"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := movedIn(t, nil, c.marks...)
			visitors := h.everybody()
			const app = "https://sonarr.example.com/"
			for group, in := range map[string]string{"0": "robin", "1": "robin sam", "2": "robin sam", "3": "robin sam", "4": c.in, "998": c.in, "997": "robin sam casey"} {
				h.lets(visitors, organizrGroup(t, group), app, in)
			}
			for _, person := range people {
				var told struct{ Admin *bool }
				_, body := visitors[person].do(http.MethodGet, h.front+"/api/session", "", nil)
				if err := json.Unmarshal([]byte(body), &told); err != nil || told.Admin == nil || *told.Admin != (person == "robin" || person == "sam") {
					t.Errorf("%s administers: %s", person, body)
				}
			}
			res := visitors["casey"].check("/auth/nginx", app)
			if res.Header.Get("X-Organizr-User") != "casey" || res.Header.Get("X-Organizr-Email") != "casey@example.org" || res.Header.Get("X-Organizr-Group") != "shared,friend,library:Films,library:Shows" {
				t.Errorf("an app is told %v", res.Header)
			}
			if res, _ := h.visitor().do(http.MethodPost, h.front+"/api/redeem", `{"plex_token":"test-token"}`, http.Header{"Content-Type": {"application/json"}}); res.StatusCode != http.StatusNotFound {
				t.Errorf("a token can be redeemed, which this set-up does not ask for: %s", res.Status)
			}
		})
	}
}

// organizrGroup is the address that stands in the row of a group's number.
func organizrGroup(t *testing.T, number string) string {
	t.Helper()
	for line := range strings.Lines(comingFromPage(t)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && strings.Contains(cells[1], "`/api/v2/auth/"+number+"`") {
			return regexp.MustCompile("/auth/nginx[^`]*").FindString(cells[3])
		}
	}
	t.Fatalf("no row for group %s", number)
	return ""
}

// accessControl is a rule of PlexSSO.
type accessControl struct {
	Path, MinimumAccessTier, ControlType string
	Exempt                               []string
}

// plexSSOLets is PlexSSO's answer by its accessControls: every rule of the
// service whose path fits is asked, and the first that blocks decides.
func plexSSOLets(controls []accessControl, person, path string) bool {
	tiers := []string{"Owner", "HomeUser", "NormalUser", "NoAccess"}
	tier := slices.Index(tiers, cmp.Or(map[string]string{"robin": "Owner", "sam": "HomeUser", "casey": "NormalUser"}[person], "NoAccess"))
	for _, c := range controls {
		rest, fits := strings.CutPrefix(strings.ToLower(path), strings.ToLower(c.Path))
		if !fits || rest != "" && !strings.HasSuffix(c.Path, "/") && rest[0] != '/' {
			continue
		}
		least := slices.Index(tiers, c.MinimumAccessTier)
		block := tier > least
		if c.ControlType == "Allow" {
			block = tier < least
		}
		if block != slices.Contains(c.Exempt, person) {
			return false
		}
	}
	return tiers[tier] != "NoAccess"
}

func TestComingFromPlexSSO(t *testing.T) {
	t.Parallel()
	var controls map[string][]accessControl
	block := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(comingFromPage(t))
	if block == nil || json.Unmarshal([]byte(block[1]), &controls) != nil {
		t.Fatalf("accessControls cannot be read: %q", block)
	}
	h := movedIn(t, map[string]string{"USHER_RULES_FILE": "plexsso rules"}, "plexsso")
	visitors := h.everybody()
	for address, in := range map[string]string{
		"https://sonarr.example.com/":              "robin casey", // exempt from a tier
		"https://sonarr.example.com/api/v3/series": "robin casey",
		"https://photos.example.com/":              "robin sam",
		"https://PHOTOS.example.com/albums?x=/":    "robin sam",
		"https://wiki.example.com/":                "robin sam casey",
		"https://wiki.example.com/admin":           "robin",
		"https://wiki.example.com/admin/users":     "robin",
		"https://wiki.example.com/Admin/users":     "robin",
		"https://wiki.example.com/administrator":   "robin sam casey",
		"https://wiki.example.com/family/album":    "robin sam",
		"https://guests.example.com/":              "casey",
		"https://requests.example.com/":            "robin sam", // casey is exempt from what would let her in
		"https://other.example.com/admin":          "robin sam casey",
	} {
		h.lets(visitors, "/auth/nginx", address, in)
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		service, _, _ := strings.Cut(strings.ToLower(u.Host), ".")
		for _, person := range people {
			if before := plexSSOLets(controls[service], person, u.Path); before != slices.Contains(strings.Fields(in), person) {
				t.Errorf("PlexSSO let %s in to %s: %v", person, address, before)
			}
		}
	}
	res := visitors["casey"].check("/auth/nginx", "https://wiki.example.com/")
	if res.Header.Get("X-Plexsso-Username") != "casey" || res.Header.Get("X-Plexsso-Email") != "casey@example.org" {
		t.Errorf("an app is told %v", res.Header)
	}
}

// TestComingFromNamesWhatExists: every variable, field and link of the page,
// and the README leads there.
func TestComingFromNamesWhatExists(t *testing.T) {
	t.Parallel()
	page := comingFromPage(t)
	names := regexp.MustCompile(`USHER_[A-Z_]*[A-Z]`).FindAllString(page, -1)
	for _, name := range names {
		if !slices.ContainsFunc(variables(), func(v variable) bool { return v.Name == name }) {
			t.Errorf("%s does not exist", name)
		}
	}
	if len(names) < 40 {
		t.Errorf("only %d variables are named: this test reads another page", len(names))
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(page, -1) {
		file, heading, _ := strings.Cut(link[1], "#")
		text := page
		if file != "" {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(comingFrom), file))
			if err != nil {
				t.Error(err)
			}
			text = string(b)
		}
		if heading != "" && !slices.Contains(headings(text), heading) {
			t.Errorf("%s leads to no heading", link[1])
		}
	}
	for _, link := range regexp.MustCompile(`\]\(`+comingFrom+`#?([^)]*)\)`).FindAllStringSubmatch(readme(t), -1) {
		if link[1] != "" && !slices.Contains(headings(page), link[1]) {
			t.Errorf("the README leads to #%s, which is not there", link[1])
		}
	}
	if !strings.Contains(readme(t), "]("+comingFrom+")") {
		t.Error("the README does not link the page")
	}
	for line := range strings.Lines(page) {
		if cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); cells > 0 && strings.HasPrefix(line, "|") && cells != 3 && cells != 4 {
			t.Errorf("a row of %d columns: %s", cells-1, line)
		}
	}
}

// headings are a page's headings as links name them.
func headings(text string) []string {
	var all []string
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return all
}
