package plex_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/plex"
	"usher/plex/plextest"
)

func TestForesee(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t, plextest.InMemory())
	c, err := plex.New(plex.Config{URL: s.URL, ClientID: "test-client", Transport: s.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	s.Invite("frankie", plextest.Cellar)
	token := plex.Token(s.Token("robin", "test-client"))
	account, err := c.Account(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	users, err := c.Users(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	for servers, want := range map[string][]string{
		plextest.Attic: {"robin: owner shared", "casey: friend shared", "frankie: ", "Kiddo: home friend shared", "otto: friend", "pat: invited", "sam: home friend shared"},
		plextest.Attic + "," + plextest.Cellar: {"robin: owner shared", "casey: friend shared", "frankie: invited", "Kiddo: home friend shared", "otto: friend shared",
			"pat: invited", "sam: home friend shared"},
		strings.Repeat("1", 40): {"robin: owner shared", "casey: friend", "frankie: ", "Kiddo: home friend", "otto: friend", "pat: ", "sam: home friend"},
	} {
		var got []string
		for _, f := range plex.Foresee(account, users, strings.Split(servers, ",")) {
			var is []string
			for _, w := range []struct {
				word string
				yes  bool
			}{{"owner", f.Owner}, {"home", f.Home}, {"friend", f.Friend}, {"shared", len(f.Servers) > 0}, {"invited", f.Invited}} {
				if w.yes {
					is = append(is, w.word)
				}
			}
			got = append(got, f.Account.Name()+": "+strings.Join(is, " "))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", servers, diff)
		}
	}
}

// TestOwnedServers: only what is a server, and the account's own, counts.
func TestOwnedServers(t *testing.T) {
	t.Parallel()
	server := []string{"server"}
	got := plex.OwnedServers(plex.Account{ID: 7}, []plex.Resource{
		{ID: "own", Provides: []string{"client", "server"}, Owned: true}, {ID: "told", Provides: server, Owned: true, OwnerID: 7},
		{ID: "player", Provides: []string{"player"}, Owned: true}, {ID: "shared", Provides: server, OwnerID: 8}, {ID: "claimed", Provides: server, Owned: true, OwnerID: 8},
		{ID: "own", Provides: server, Owned: true}, {Provides: server, Owned: true},
	})
	var ids []string
	for _, r := range got {
		ids = append(ids, r.ID)
	}
	if diff := cmp.Diff([]string{"own", "told"}, ids); diff != "" {
		t.Error(diff)
	}
}

// TestLinkPIN: a weak PIN, of four characters and a quarter of an hour.
func TestLinkPIN(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t, plextest.InMemory())
	c, err := plex.New(plex.Config{URL: s.URL, ClientID: "test-client", Transport: s.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	pin, err := c.CreateLinkPIN(t.Context())
	if err != nil || len(pin.Code) != 4 || c.LinkURL(pin) != s.URL+"/link/?pin="+pin.Code {
		t.Fatalf("%v, %d characters", err, len(pin.Code))
	}
	strong, err := c.CreatePIN(t.Context())
	if err != nil || strong.ExpiresAt.Sub(pin.ExpiresAt).Round(1e9).Minutes() != 15 {
		t.Errorf("%v: it ends %v before a strong one", err, strong.ExpiresAt.Sub(pin.ExpiresAt))
	}
	if err := s.Approve(pin.Code, "robin"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.CheckPIN(t.Context(), pin.ID); err != nil || got.Token == "" {
		t.Errorf("%v, no token", err)
	}
	s.Fail(plextest.CreatePIN, plextest.TooMany(0))
	if pin, err := c.CreateLinkPIN(t.Context()); err == nil || pin.ID != 0 {
		t.Errorf("refused: %v, %v", pin, err)
	}
}
