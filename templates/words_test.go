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
	const form = "https://auth.example.com/keys"
	until := time.Date(2026, time.December, 21, 23, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		page     templates.Page
		says     []string
		saysNone []string
	}{
		"nothing to keep": {
			page: templates.SignIn{Action: "https://auth.example.com/login"}, says: []string{"This is for people"}, saysNone: []string{"Keep me", "signed in as"},
		},
		"keep for a day":             {page: templates.SignIn{Action: "https://auth.example.com/login", Keep: 24 * time.Hour}, says: []string{"Keep me signed in for a day"}},
		"keep for a day and a half":  {page: templates.SignIn{Action: form, Keep: 36 * time.Hour}, says: []string{"Keep me signed in for 36 hours"}},
		"keep for a day, nearly two": {page: templates.SignIn{Action: form, Keep: 48*time.Hour - time.Second}, says: []string{"Keep me signed in for 47 hours"}},
		"keep for days and a half":   {page: templates.SignIn{Action: form, Keep: 60 * time.Hour}, says: []string{"Keep me signed in for 2 days"}},
		"keep for an hour":           {page: templates.SignIn{Action: form, Keep: 119 * time.Minute}, says: []string{"Keep me signed in for an hour"}},
		"keep for minutes":           {page: templates.SignIn{Action: form, Keep: 59*time.Minute + 59*time.Second}, says: []string{"Keep me signed in for 59 minutes"}},
		"keep for seconds":           {page: templates.SignIn{Action: form, Keep: 59 * time.Second}, saysNone: []string{"Keep me"}},
		"a sign-in that is left":     {page: templates.Waiting{Poll: form, Left: 119 * time.Second}, says: []string{"You have a minute left"}},
		"a sign-in nearly over":      {page: templates.Waiting{Poll: form, Left: time.Second}, says: []string{"You have a minute left"}},
		"nobody knows how long":      {page: templates.Waiting{Poll: form}, saysNone: []string{"left"}},
		"dropped":                    {page: templates.SignIn{Action: form, Dropped: true, Host: "auth.example.com"}, says: []string{"does not belong here", "You go to auth.example.com instead"}},
		"dropped, at home":           {page: templates.Home{Dropped: true}, says: []string{"does not belong here", "You are on your own page instead"}},
		"unfinished":                 {page: templates.SignIn{Action: form, Unfinished: form}, says: []string{"Plex has not confirmed it", "Look again"}},
		"expired, to be renewed":     {page: templates.Expired{Action: form, Keep: 48 * time.Hour}, says: []string{"Start again", "Keep me signed in for 2 days"}},
		"no share":                   {page: templates.Refused{Reason: templates.NoShare}, says: []string{"No access to this server"}, saysNone: []string{"Plex itself"}},
		"not this app":               {page: templates.Refused{Reason: templates.NeedsHome, Switch: form, Plex: "https://app.plex.tv"}, says: []string{"No access to this app", "Plex itself may stay signed in", "Sign out at Plex"}},
		"tries by itself":            {page: templates.Unavailable{Retry: form, RetrySeconds: 30}, says: []string{"in 30 seconds. This page does so by itself."}},
		"tries no more":              {page: templates.Unavailable{RetrySeconds: 30}, saysNone: []string{"by itself"}},
		"another account":            {page: templates.SignIn{Action: "https://auth.example.com/login", SignedInAs: "casey"}, says: []string{"signed in as casey", "sign out of Plex"}},
		"owner":                      {page: templates.Home{Tier: "owner", Owner: "robin", Allowed: true}, says: []string{"You own the Plex server"}, saysNone: []string{"no access", "Sign out", "administer"}},
		"admin":                      {page: templates.Home{Admin: true}, says: []string{"You administer this Usher"}},
		"home":                       {page: templates.Home{Tier: "home", Owner: "robin"}, says: []string{"Member of robin’s Plex Home", "no access"}},
		"home, no name":              {page: templates.Home{Tier: "home"}, says: []string{"Member of the Plex Home"}},
		"shared":                     {page: templates.Home{Tier: "shared", Owner: "robin"}, says: []string{"Shared with you by robin"}},
		"friend":                     {page: templates.Home{Tier: "friend"}, says: []string{"Friend of the owner on Plex"}},
		"kept":                       {page: templates.Home{Until: until, Keep: true}, says: []string{"Until21 December 2026"}, saysNone: []string{"close the browser"}},
		"not kept":                   {page: templates.Home{Until: until}, says: []string{"You close the browser, or 21 December 2026"}},
		"said just now":              {page: templates.Home{Tier: "shared", View: templates.OwnersView, At: time.Now()}, says: []string{"Shared with youPlex said so just now, to the owner’s account."}},
		"a clock set back":           {page: templates.Home{Tier: "shared", View: templates.BothViews, At: time.Now().Add(time.Hour)}, says: []string{"Plex said so just now, to the owner’s account and to your own."}},
		"said a while ago":           {page: templates.Home{Tier: "shared", View: templates.PersonsView, At: time.Now().Add(-61 * time.Second)}, says: []string{"Plex said so a minute ago, to your own account."}},
		"said hours ago":             {page: templates.Home{Tier: "shared", View: "?", At: time.Now().Add(-23 * time.Hour)}, says: []string{"Plex said so 23 hours ago."}},
		"said days ago":              {page: templates.Home{Tier: "shared", View: "?", At: time.Now().Add(-49 * time.Hour)}, says: []string{"Plex said so 2 days ago."}},
		"never said":                 {page: templates.Home{Tier: "shared", View: templates.OwnersView}, says: []string{"Shared with you"}, saysNone: []string{"Plex said"}},
		"open":                       {page: templates.Home{Allowed: true, Reach: templates.Open}, says: []string{"Where you may go Every app here that has no rule of its own is open to you."}, saysNone: []string{"From", "now"}},
		"closed, a rule":             {page: templates.Home{Allowed: true, Reach: templates.Closed, Reason: templates.NeedsHome}, says: []string{"are not open to you. This is for members of the owner’s Plex Home"}},
		"closed":                     {page: templates.Home{Reach: templates.Closed, Reason: templates.NeedsHome}, says: []string{"no access to the apps here at the moment. This is for members"}, saysNone: []string{"Where you may go"}},
		"not known":                  {page: templates.Home{Reach: templates.Unknown}, says: []string{"is not known now: Plex has not said which libraries"}},
		"this app":                   {page: templates.Home{Allowed: true, OnlyHost: "a.example", Reach: templates.Open}, says: []string{"a.example is open to you.", "Each app here has a page of its own"}},
		"this app, partly":           {page: templates.Home{Allowed: true, OnlyHost: "a.example", Reach: templates.Partly}, says: []string{"a.example is open to you in part."}},
		"this app, closed":           {page: templates.Home{Allowed: true, OnlyHost: "a.example", Reach: templates.Closed, Reason: templates.KeptOut}, says: []string{"a.example is not open to you. The owner has chosen to keep this account out."}},
		"this app, unknown":          {page: templates.Home{OnlyHost: "a.example", Reach: templates.Unknown}, says: []string{"Whether a.example is open to you is not known now"}},
		"places": {page: templates.Home{Reach: templates.Closed, Places: []templates.Place{{Host: "a.example", Reach: templates.Open}, {Host: "*.b.example", Reach: templates.Partly}, {Host: "c.example", Reach: templates.Closed}, {Reach: templates.Unknown}}},
			says: []string{"AppOpen a.exampleYes *.b.exampleIn part c.exampleNo Not known As of now"}},
		"told nothing":      {page: templates.Home{Told: []templates.Header{{Name: "Remote-Email"}, {Name: "Remote-Id", Value: "7"}}}, says: []string{"Remote-EmailEmpty Remote-Id7"}},
		"a key of many":     {page: templates.Home{Keys: form, LastKeys: []templates.Key{{Name: "K", Hosts: []string{"a", "b", "c", "d"}}, {Name: "L"}}, MoreKeys: 3}, says: []string{"K a, b and 2 more Never used L All apps Never used And 3 more."}},
		"never seen":        {page: templates.Home{Devices: []templates.Device{{}}}, says: []string{"An unknown device"}, saysNone: []string{"0001", "This one"}},
		"no keys":           {page: templates.Home{SignOut: form}, saysNone: []string{"Keys", "keys"}},
		"keys, signing out": {page: templates.Home{SignOut: form, Keys: form}, says: []string{"Keys for programs", "leaves your keys as they are"}},
		"a key never used":  {page: templates.Keys{Make: form, End: form, Keys: []templates.Key{{}}}, says: []string{"A key", "All apps", "Never used", "Revoke", "also everywhere, does not end it"}, saysNone: []string{"You have no keys", "from"}},
		"a key of one host": {page: templates.Keys{Make: form, End: form, Keys: []templates.Key{{Hosts: []string{"a.example"}, LastUsed: until, Address: "192.0.2.7"}}}, says: []string{"a.example", "Last used 21 December 2026 from 192.0.2.7"}, saysNone: []string{"All apps"}},
		"keys for one host": {page: templates.Keys{Make: form, End: form, OnlyHost: "a.example"}, says: []string{"You have no keys", "for a.example alone"}, saysNone: []string{"Which apps?"}},
		"a new key":         {page: templates.NewKey{Secret: "usher_ABC"}, says: []string{"usher_ABC", "only time", "Basic", "Authorization: Bearer usher_…", "X-Usher-Key: usher_…"}},
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
		"a bare status":     {page: templates.Problem{Status: 405}, says: []string{"That did not work", "405"}},
		"no status either":  {page: templates.Problem{}, says: []string{"That did not work"}, saysNone: []string{"Status"}},
	} {
		t.Run(name, func(t *testing.T) { // one by one: some tell of now
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
