package templates_test

import (
	"testing"
	"time"

	"usher/templates"
)

// sample is a page as it comes in use, by the name under which the screenshots and failures speak of it.
type sample struct {
	name   string
	status int
	page   templates.Page
}

var (
	casey   = templates.Person{Name: "casey", Username: "casey", Email: "casey@example.org"}
	kiddo   = templates.Person{Name: "Kiddo", Detail: "Managed account in robin’s Plex Home"}
	mallory = templates.Person{Name: "Mallory the Third", Username: "mallory", Email: "mallory@example.org"}
)

func samples() []sample {
	const (
		pages = "https://auth.example.com"
		app   = "https://photos.example.com/albums?year=2026&by=casey"
		host  = "photos.example.com"
	)
	signedIn := time.Date(2026, time.November, 21, 20, 15, 0, 0, time.UTC)
	until := time.Date(2026, time.December, 21, 20, 15, 0, 0, time.UTC)
	form := []string{"https://app.plex.tv/auth"}
	devices := []templates.Device{
		{Name: "Firefox on Linux", Address: "192.0.2.7", Since: signedIn, LastSeen: signedIn, This: true},
		{Name: "Safari on iPhone", Address: "2001:db8:4f:2::9", Since: signedIn.AddDate(0, -1, 0), LastSeen: signedIn.AddDate(0, 0, -2)},
	}
	all := []sample{
		{"sign-in", 200, templates.SignIn{Action: pages + "/login", Return: app, Host: host, KeepDays: 30, FormAction: form}},
		{"sign-in-bare", 200, templates.SignIn{Action: pages + "/login", FormAction: form}},
		{"sign-in-switch", 200, templates.SignIn{Action: pages + "/login", Return: app, Host: host, KeepDays: 1, FormAction: form, SignedInAs: "mallory"}},
		{"waiting", 200, templates.Waiting{Poll: pages + "/login/poll", Again: pages + "/login", Continue: "https://app.plex.tv/auth#?clientID=x&code=y", Host: host}},
		{"expired", 400, templates.Expired{Again: pages + "/login"}},
		{"unavailable", 503, templates.Unavailable{Again: app, RetrySeconds: 30}},
		{"not-set-up", 503, templates.NotSetUp{}},
		{"unreachable", 400, templates.Unreachable{Host: "photos.example.net", Pages: []string{pages, "https://auth.example.org"}}},
		{"unreachable-http", 400, templates.Unreachable{Host: host, Insecure: true, HTTPS: app}},
		{"home", 200, templates.Home{Person: casey, Tier: "shared", Owner: "robin", Allowed: true, Until: until, Keep: true, Devices: devices, SignOut: pages + "/logout"}},
		{"home-managed", 200, templates.Home{Person: kiddo, Tier: "home", Owner: "robin", Allowed: true, Until: until, Devices: devices[:1], SignOut: pages + "/logout"}},
		{"home-refused", 200, templates.Home{Person: mallory, SignOut: pages + "/logout"}},
		{"sign-out", 200, templates.SignOut{Action: pages + "/logout", Return: app, Stay: app, Person: casey}},
		{"signed-out", 200, templates.SignedOut{Again: pages + "/login"}},
		{"too-many", 429, templates.TooMany{Seconds: 42, Again: pages + "/login"}},
		{"problem", 404, templates.Problem{Status: 404, Title: "There is nothing here", Text: "The address may have been mistyped."}},
		{"problem-bare", 405, templates.Problem{Status: 405}},
	}
	for _, reason := range reasons() {
		all = append(all, sample{"refused " + string(reason), 403, templates.Refused{
			Person: mallory, Reason: reason, Host: host, Again: app, Switch: pages + "/login?switch=1", Reference: "7F3K-Q2",
		}})
	}
	return all
}

func reasons() []templates.Reason {
	return []templates.Reason{
		templates.NoShare, templates.NeedsFriend, templates.NeedsHome, templates.NeedsOwner,
		templates.NeedsNamed, templates.KeptOut, "",
	}
}

// hostile is every page with one value wherever text or an address can be given. Addresses that a page cannot do
// without keep a good one.
func hostile(v string) []sample {
	const post = "https://auth.example.com/post"
	who := templates.Person{Name: v, Username: v + "1", Email: v + "2", Detail: v + "3"}
	device := templates.Device{Name: v, Address: v, Since: time.Unix(0, 0), LastSeen: time.Unix(0, 0), This: true}
	return []sample{
		{"sign-in", 200, templates.SignIn{Action: post, Return: v, Host: v, KeepDays: 30, SignedInAs: v}},
		{"waiting", 200, templates.Waiting{Poll: post, Again: v, Continue: v, Host: v}},
		{"expired", 400, templates.Expired{Again: v}},
		{"refused", 403, templates.Refused{Person: who, Reason: templates.Reason(v), Host: v, Again: v, Switch: v, Reference: v}},
		{"unavailable", 503, templates.Unavailable{Again: v, RetrySeconds: -1}},
		{"unreachable", 400, templates.Unreachable{Host: v, Pages: []string{v, v}}},
		{"unreachable-http", 400, templates.Unreachable{Host: v, Insecure: true, HTTPS: v}},
		{"home", 200, templates.Home{Person: who, Tier: v, Owner: v, Devices: []templates.Device{device, device}, SignOut: post}},
		{"home-shared", 200, templates.Home{Person: who, Tier: "shared", Owner: v}},
		{"sign-out", 200, templates.SignOut{Action: post, Return: v, Stay: v, Person: who}},
		{"signed-out", 200, templates.SignedOut{Again: v}},
		{"too-many", 429, templates.TooMany{Again: v}},
		{"problem", 400, templates.Problem{Title: v, Text: v}},
	}
}

func newPages(t testing.TB) *templates.Pages {
	t.Helper()
	pages, err := templates.New("")
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
