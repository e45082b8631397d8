package plextest_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/plex/plextest"
)

type user struct {
	ID         int64
	Username   *string
	Title      string
	Email      *string
	Restricted bool
	Home       bool
	HomeAdmin  bool
	AuthToken  string
}

func TestAccountRefusals(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	token := s.Token("casey", gate)
	for _, c := range []struct {
		name, path, token, client string
		status, code              int
	}{
		{"user with a token that is none", "/api/v2/user", "test-token-made-up", gate, 401, 1001},
		{"user with neither", "/api/v2/user", "", "", 401, 1001},
		{"user without client identifier", "/api/v2/user", token, "", 400, 1000},
		{"resources with neither", "/api/v2/resources", "", "", 400, 1000},
		{"resources without token", "/api/v2/resources", "", gate, 401, 1001},
		{"ping without token", "/api/v2/ping", "", gate, 401, 1001},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, get(t, s, c.path, "X-Plex-Token", c.token, "X-Plex-Client-Identifier", c.client), c.status, c.code)
		})
	}
	t.Run("a token for one server", func(t *testing.T) {
		list := decode[[]resource](t, get(t, s, "/api/v2/resources", "X-Plex-Token", token))
		for _, x := range list {
			if x.ClientIdentifier == plextest.Attic {
				wantError(t, get(t, s, "/api/v2/user", "X-Plex-Token", x.AccessToken), 401, 1001)
				return
			}
		}
		t.Error("casey sees no Attic")
	})
}

func TestUser(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	is := func(s string) *string { return &s }
	for _, c := range []struct {
		name string
		want user
	}{
		{"robin", user{ID: 70010009, Username: is("robin"), Title: "robin", Email: is("robin@example.org"), Home: true, HomeAdmin: true}},
		{"sam", user{ID: 70010003, Username: is("sam"), Title: "sam", Email: is("sam@example.org"), Home: true}},
		{"Kiddo", user{ID: 70010002, Title: "Kiddo", Home: true, Restricted: true}},
		{"casey", user{ID: 70010001, Username: is("casey"), Title: "casey", Email: is("casey@example.org")}},
		{"mallory", user{ID: 70010007, Username: is("mallory"), Title: "mallory", Email: is("mallory@example.org")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.AuthToken = s.Token(c.name, gate)
			res := get(t, s, "/api/v2/user", "X-Plex-Token", c.want.AuthToken)
			if len(res.Cookies()) == 0 || res.Header.Get("X-Request-Id") == "" {
				t.Error("lacks what a healthy answer carries")
			}
			if res.ContentLength < 3<<10 {
				t.Errorf("%d bytes; the real one has many kB", res.ContentLength)
			}
			if diff := cmp.Diff(c.want, decode[user](t, res)); diff != "" {
				t.Error(diff)
			}
			b := text(t, get(t, s, "/api/v2/user", "X-Plex-Token", c.want.AuthToken, "Accept", "text/plain"))
			if !strings.Contains(b, fmt.Sprintf(`<user id="%d"`, c.want.ID)) || !strings.Contains(b, "<entitlements/>") {
				t.Errorf("XML is %.300s", b)
			}
		})
	}
}

type resource struct {
	Name             string `json:"name" xml:"name,attr"`
	ClientIdentifier string `json:"clientIdentifier" xml:"clientIdentifier,attr"`
	Provides         string `json:"provides" xml:"provides,attr"`
	AccessToken      string `json:"accessToken" xml:"accessToken,attr"`
	OwnerID          *int64 `json:"ownerId" xml:"-"`
	Owned            bool   `json:"owned" xml:"owned,attr"`
	Home             bool   `json:"home" xml:"home,attr"`
	Presence         bool   `json:"presence" xml:"presence,attr"`
}

// sees sums up the servers among a person's resources.
func sees(t *testing.T, s *plextest.Server, name string) string {
	t.Helper()
	var b strings.Builder
	players := 0
	for _, x := range decode[[]resource](t, get(t, s, "/api/v2/resources", "X-Plex-Token", s.Token(name, gate))) {
		if !strings.Contains(x.Provides, "server") {
			players++
			continue
		}
		fmt.Fprintf(&b, "%s %.4s %s", x.Name, x.ClientIdentifier, x.Provides)
		for _, f := range []struct {
			on   bool
			name string
		}{{x.Owned, " owned"}, {x.Home, " home"}, {!x.Presence, " offline"}} {
			if f.on {
				b.WriteString(f.name)
			}
		}
		if x.OwnerID != nil {
			fmt.Fprintf(&b, " of %d", *x.OwnerID)
		}
		b.WriteString("; ")
	}
	if players < 2 {
		t.Errorf("%d players listed, want a television and the app itself", players)
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func TestResources(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	for _, c := range []struct{ name, want string }{
		{"mallory", ""},
		{"frankie", ""},
		{"pat", ""},
		{"ivan", "Attic 0123 server owned"},
		{"otto", "Cellar 89ab server,client offline of 70010009"},
		{"casey", "Attic 0123 server of 70010009"},
		{"sam", "Attic 0123 server home of 70010009"},
		{"Kiddo", "Attic 0123 server home of 70010009"},
		{"robin", "Attic 0123 server owned; Cellar 89ab server,client owned offline of 70010009"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := sees(t, s, c.name); got != c.want {
				t.Errorf("sees %q, want %q", got, c.want)
			}
		})
	}
	t.Run("in XML", func(t *testing.T) {
		v := decode[struct {
			XMLName xml.Name   `xml:"resources"`
			List    []resource `xml:"resource"`
		}](t, get(t, s, "/api/v2/resources", "X-Plex-Token", s.Token("sam", gate), "Accept", ""))
		if last := v.List[len(v.List)-1]; last.ClientIdentifier != plextest.Attic || !last.Home || last.Owned {
			t.Errorf("sam sees %+v", last)
		}
	})
}

func TestChangesOfTheWorld(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	step := func(what, name, want string) {
		t.Helper()
		if got := sees(t, s, name); got != want {
			t.Errorf("%s: %s sees %q, want %q", what, name, got, want)
		}
	}
	const attic = "Attic 0123 server of 70010009"
	s.Unshare("casey", plextest.Attic)
	step("unshared", "casey", "")
	s.Share("casey", plextest.Attic, "Films")
	step("shared again", "casey", attic)
	s.RemoveFriend("casey")
	step("no friend any more", "casey", "")
	s.RemoveFriend("sam")
	step("out of the home", "sam", "")
	s.Share("pat", plextest.Attic)
	step("accepted", "pat", attic)
	s.Invite("mallory", plextest.Attic)
	step("invited", "mallory", "")
	s.ShareBy("ivan", "mallory", plextest.Attic)
	step("shared by the impostor", "mallory", "Attic 0123 server of 70010008")
	s.AddMachine(plextest.Machine{ID: plextest.Attic, Name: "Attic", Owner: "frankie", Provides: "client,player"})
	step("a player with the server's identifier", "frankie", "")
	s.EditMachine("robin", plextest.Attic, func(m *plextest.Machine) { m.Offline = true })
	step("offline", "pat", "Attic 0123 server offline of 70010009")

	s.Rename("casey", "robin")
	s.SetEmail("casey", "robin@example.org")
	u := decode[user](t, get(t, s, "/api/v2/user", "X-Plex-Token", s.Token("casey", gate)))
	if u.ID != 70010001 || *u.Username != "robin" || u.Title != "robin" || *u.Email != "robin@example.org" {
		t.Errorf("renamed casey is %+v", u)
	}
	token := s.Token("robin", gate)
	s.RemovePerson("robin")
	step("the owner's account deleted", "pat", "")
	if res := get(t, s, "/api/v2/user", "X-Plex-Token", token); res.StatusCode != 401 {
		t.Errorf("a deleted account's token got %d", res.StatusCode)
	}
}

type container struct {
	Size  int `xml:"size,attr"`
	Users []struct {
		Title, Username, Email string
		ID                     int64 `xml:"id,attr"`
		Home                   int   `xml:"home,attr"`
		Restricted             int   `xml:"restricted,attr"`
		Servers                []struct {
			Machine string `xml:"machineIdentifier,attr"`
			Pending int    `xml:"pending,attr"`
			Number  int    `xml:"numLibraries,attr"`
		} `xml:"Server"`
	} `xml:"User"`
	Server struct {
		Machine  string `xml:"machineIdentifier,attr"`
		Sections []struct {
			Title string `xml:"title,attr"`
		} `xml:"Section"`
	}
	Shares []struct {
		Username string `xml:"username,attr"`
		All      int    `xml:"allLibraries,attr"`
		UserID   int64  `xml:"userID,attr"`
		Accepted int64  `xml:"acceptedAt,attr"`
		Sections []struct {
			Title  string `xml:"title,attr"`
			Shared int    `xml:"shared,attr"`
		} `xml:"Section"`
	} `xml:"SharedServer"`
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	if res := get(t, s, "/api/users", "X-Plex-Token", "test-token-made-up"); res.StatusCode != 401 ||
		!strings.Contains(text(t, res), "<errors><error>") && !strings.HasPrefix(res.Header.Get("Content-Type"), "application/xml") {
		t.Errorf("a bad token got %d, %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	list := func(name string) string {
		var b strings.Builder
		res := call(t, s, "GET", "/api/users", nil, "X-Plex-Token", s.Token(name, gate), "Accept", "application/json") // v1 asks for no client identifier
		for _, u := range decode[container](t, res).Users {
			fmt.Fprintf(&b, "%d home=%d restricted=%d", u.ID, u.Home, u.Restricted)
			for _, x := range u.Servers {
				fmt.Fprintf(&b, " [%.4s pending=%d libraries=%d]", x.Machine, x.Pending, x.Number)
			}
			b.WriteString("\n")
		}
		return b.String()
	}
	want := `70010001 home=0 restricted=0 [0123 pending=0 libraries=2]
70010002 home=1 restricted=1 [0123 pending=0 libraries=4]
70010003 home=1 restricted=0 [0123 pending=0 libraries=4]
70010004 home=0 restricted=0
70010005 home=0 restricted=0 [0123 pending=1 libraries=4]
70010006 home=0 restricted=0 [89ab pending=0 libraries=2]
`
	if diff := cmp.Diff(want, list("robin")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("70010009 home=0 restricted=0\n", list("casey")); diff != "" {
		t.Error(diff)
	}
	if got := list("mallory"); got != "" {
		t.Errorf("mallory has friends: %s", got)
	}
	raw := text(t, get(t, s, "/api/users", "X-Plex-Token", s.Token("robin", gate)))
	if !strings.Contains(raw, `title="Kiddo" username="" email=""`) || !strings.Contains(raw, `filterTelevision=""/>`) {
		t.Errorf("a managed person or a self-closing User is missing in %s", raw)
	}
}

func TestSharedServers(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	const attic = "/api/servers/" + plextest.Attic + "/shared_servers"
	for _, name := range []string{"casey", "sam", "mallory"} {
		if res := get(t, s, attic, "X-Plex-Token", s.Token(name, gate)); res.StatusCode != 404 {
			t.Errorf("%s, who does not own the server, got %d", name, res.StatusCode)
		}
	}
	if v := decode[container](t, get(t, s, attic, "X-Plex-Token", s.Token("ivan", gate))); len(v.Shares) != 0 {
		t.Errorf("the impostor sees the real server's shares: %+v", v)
	}
	step := func(what, want string) {
		t.Helper()
		var b strings.Builder
		v := decode[container](t, get(t, s, attic, "X-Plex-Token", s.Token("robin", gate)))
		for _, x := range v.Shares {
			fmt.Fprintf(&b, "%d %s accepted=%v all=%d:", x.UserID, x.Username, x.Accepted > 0, x.All)
			for _, l := range x.Sections {
				if l.Shared == 1 {
					fmt.Fprintf(&b, " %q", l.Title)
				}
			}
			b.WriteString("\n")
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	const others = `70010002  accepted=true all=1: "Films" "Shows" "Music" "Home, Videos"
70010003 sam accepted=true all=1: "Films" "Shows" "Music" "Home, Videos"
70010005 pat accepted=false all=1: "Films" "Shows" "Music" "Home, Videos"
`
	step("at first", "70010001 casey accepted=true all=0: \"Films\" \"Shows\"\n"+others)
	s.GiveLibraries("casey", plextest.Attic, "Music")
	s.TakeLibraries("casey", plextest.Attic, "Films")
	step("one given, one taken", "70010001 casey accepted=true all=0: \"Shows\" \"Music\"\n"+others)
	s.TakeLibraries("pat", plextest.Attic, "Music")
	step("one of all taken", "70010001 casey accepted=true all=0: \"Shows\" \"Music\"\n"+
		strings.Replace(others, `pat accepted=false all=1: "Films" "Shows" "Music"`, `pat accepted=false all=0: "Films" "Shows"`, 1))
}

func TestLibraries(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	for _, c := range []struct{ name, server, want string }{
		{"robin", plextest.Attic, `["Films" "Shows" "Music" "Home, Videos"]`},
		{"robin", plextest.Cellar, `["Films" "Books"]`},
		{"ivan", plextest.Attic, `["Films"]`}, // the impostor's own
	} {
		var titles []string
		v := decode[container](t, get(t, s, "/api/servers/"+c.server, "X-Plex-Token", s.Token(c.name, gate)))
		for _, l := range v.Server.Sections {
			titles = append(titles, l.Title)
		}
		if got := fmt.Sprintf("%q", titles); got != c.want || v.Size != len(titles) || v.Server.Machine != c.server {
			t.Errorf("%s, %.4s: %s (size %d, of %q), want %s", c.name, c.server, got, v.Size, v.Server.Machine, c.want)
		}
	}
	for name, want := range map[string]int{"casey": 404, "mallory": 404} {
		if res := get(t, s, "/api/servers/"+plextest.Attic, "X-Plex-Token", s.Token(name, gate)); res.StatusCode != want {
			t.Errorf("%s, who does not own the server, got %d", name, res.StatusCode)
		}
	}
	if res := get(t, s, "/api/servers/"+plextest.Attic, "X-Plex-Token", "test-token-made-up"); res.StatusCode != 401 {
		t.Errorf("a bad token got %d", res.StatusCode)
	}
	s.Fail(plextest.Libraries, plextest.Maintenance())
	if res := get(t, s, "/api/servers/"+plextest.Attic, "X-Plex-Token", s.Token("robin", gate)); res.StatusCode != 503 {
		t.Errorf("made to fail, it got %d", res.StatusCode)
	}
}

func TestManyPeople(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t)
	s.AddPeople(2000, plextest.Shared)
	for _, p := range s.People() {
		if p.ID == 0 || p.Title == "" || p.UUID == "" {
			t.Fatalf("not filled in: %+v", p)
		}
		s.Token(p.Name, gate)
	}
	v := decode[container](t, get(t, s, "/api/users", "X-Plex-Token", s.Token("robin", gate)))
	if v.Size != 2006 || len(v.Users) != 2006 {
		t.Errorf("%d users, size says %d", len(v.Users), v.Size)
	}
	if got := len(s.People()); got != 2009 {
		t.Errorf("%d people", got)
	}
}
