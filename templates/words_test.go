package templates_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html/atom"

	"usher/templates"
)

// words is what a page says, the way one reads it.
func words(t *testing.T, page templates.Page) string {
	t.Helper()
	doc, _ := render(t, newPages(t), sample{"", 200, page})
	return strings.Join(strings.Fields(text(first(doc, atom.Main))), " ")
}

func TestWhatPagesSay(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, time.December, 21, 23, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		page     templates.Page
		says     []string
		saysNone []string
	}{
		"nothing to keep": {
			page: templates.SignIn{Action: "https://auth.example.com/login"}, says: []string{"This is for people"}, saysNone: []string{"Keep me", "signed in as"},
		},
		"keep for a day":    {page: templates.SignIn{Action: "https://auth.example.com/login", KeepDays: 1}, says: []string{"Keep me signed in for a day"}},
		"another account":   {page: templates.SignIn{Action: "https://auth.example.com/login", SignedInAs: "casey"}, says: []string{"signed in as casey", "sign out of Plex"}},
		"owner":             {page: templates.Home{Tier: "owner", Owner: "robin", Allowed: true}, says: []string{"You own the Plex server"}, saysNone: []string{"no access", "Sign out"}},
		"home":              {page: templates.Home{Tier: "home", Owner: "robin"}, says: []string{"Member of robin’s Plex Home", "no access"}},
		"home, no name":     {page: templates.Home{Tier: "home"}, says: []string{"Member of the Plex Home"}},
		"shared":            {page: templates.Home{Tier: "shared", Owner: "robin"}, says: []string{"Shared with you by robin"}},
		"friend":            {page: templates.Home{Tier: "friend"}, says: []string{"Friend of the owner on Plex"}},
		"kept":              {page: templates.Home{Until: until, Keep: true}, says: []string{"Until21 December 2026"}, saysNone: []string{"close the browser"}},
		"not kept":          {page: templates.Home{Until: until}, says: []string{"You close the browser, or 21 December 2026"}},
		"never seen":        {page: templates.Home{Devices: []templates.Device{{}}}, says: []string{"Unknown device"}, saysNone: []string{"0001", "This one"}},
		"nobody's name":     {page: templates.SignOut{Action: "https://auth.example.com/logout"}, says: []string{"Plex account"}, saysNone: []string{"Stay signed in"}},
		"named once":        {page: templates.Refused{Person: templates.Person{Name: "casey", Username: "casey", Email: "casey"}}, says: []string{"as: Ccasey This account may"}},
		"a second":          {page: templates.TooMany{Seconds: 1}, says: []string{"in a second."}},
		"89 seconds":        {page: templates.TooMany{Seconds: 89}, says: []string{"in 89 seconds."}},
		"121 seconds":       {page: templates.TooMany{Seconds: 121}, says: []string{"in 3 minutes."}},
		"two hours":         {page: templates.Unavailable{RetrySeconds: 7200}, says: []string{"in 2 hours."}},
		"nobody knows when": {page: templates.Unavailable{RetrySeconds: -1}, says: []string{"in a few minutes."}},
		"set-up":            {page: templates.NotSetUp{}, says: []string{"USHER_SERVERS", "USHER_PLEX_TOKEN", "USHER_OWNER"}},
		"another domain":    {page: templates.Unreachable{Host: "a.example", Pages: []string{"https://auth.example.com"}}, says: []string{"a.example", "USHER_URL", "https://auth.example.com"}},
		"plain http":        {page: templates.Unreachable{Insecure: true, HTTPS: "https://a.example"}, says: []string{"USHER_INSECURE_COOKIES", "safe address"}},
		"a bare status":     {page: templates.Problem{Status: 405}, says: []string{"Method Not Allowed", "405"}},
		"no status either":  {page: templates.Problem{}, says: []string{"That did not work"}, saysNone: []string{"Status"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := words(t, tt.page)
			for _, s := range tt.says {
				if !strings.Contains(got, s) {
					t.Errorf("%q is not in: %s", s, got)
				}
			}
			for _, s := range tt.saysNone {
				if strings.Contains(got, s) {
					t.Errorf("%q is in: %s", s, got)
				}
			}
		})
	}
}

// Each reason has a sentence of its own; a constant without one would fall to the zero Reason's.
func TestEveryReasonHasASentence(t *testing.T) {
	t.Parallel()
	said := make(map[string]templates.Reason)
	for _, reason := range reasons() {
		got := words(t, templates.Refused{Reason: reason})
		if other, twice := said[got]; twice {
			t.Errorf("%q says the same as %q: %s", reason, other, got)
		}
		said[got] = reason
	}
}
