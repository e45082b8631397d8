package templates_test

import (
	"fmt"
	"net/url"
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

// pins is where a page's script asks plex.tv for a PIN.
const pins = "https://plex.tv/api/v2/pins?strong=true&X-Plex-Client-Identifier=test-client-usher&X-Plex-Product=Usher%20%26%20more"

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
		{ID: "A", Name: "Firefox", System: "Linux", Address: "192.0.2.7", Since: signedIn, LastSeen: signedIn, This: true},
		{ID: "B", Name: "Safari", System: "iPhone", Address: "2001:db8:4f:2::9", Since: signedIn.AddDate(0, -1, 0), LastSeen: signedIn.AddDate(0, 0, -2), End: pages + "/devices/end"},
	}
	told := []templates.Header{{Name: "Remote-User", Value: "casey"}, {Name: "Remote-Name", Value: "casey"}, {Name: "Remote-Email"},
		{Name: "Remote-Groups", Value: "shared,friend,library:Films,library:Home_ Videos,library:Music,library:Shows"}, {Name: "Remote-Id", Value: "70010001"}}
	places := []templates.Place{{Host: "sonarr.example.com", Address: "https://sonarr.example.com/", Reach: templates.Closed},
		{Host: "photos.example.com", Address: "https://photos.example.com/", Reach: templates.Open}, {Host: "*.docs.example.com", Reach: templates.Partly},
		{Host: "films.example.com", Address: "https://films.example.com/", Reach: templates.Unknown}}
	keys := []templates.Key{
		{ID: "A", Name: "nzb360 on my phone", Hosts: []string{"sonarr.example.com", "*.media.example.com"}, Made: signedIn, Ends: signedIn.AddDate(1, 0, 0), LastUsed: signedIn, Address: "2001:db8:4f:2::9"},
		{ID: "B", Name: "A script", Made: signedIn, Ends: signedIn.AddDate(0, 0, 30)},
	}
	all := []sample{
		{"sign-in", 200, templates.SignIn{Action: pages + "/login", Return: app, Host: host, Keep: 720 * time.Hour, FormAction: form, Device: pages + "/login/device", Cookie: true}},
		{"sign-in-asks", 200, templates.SignIn{Action: pages + "/login", Return: app, Host: host, Keep: 720 * time.Hour, FormAction: form, Device: pages + "/login/device", PINs: pins, Cookie: true}},
		{"sign-in-bare", 200, templates.SignIn{Action: pages + "/login", FormAction: form}},
		{"sign-in-switch", 200, templates.SignIn{Action: pages + "/login", Return: app, Host: host, Keep: 24 * time.Hour, FormAction: form, SignedInAs: "mallory", Plex: "https://app.plex.tv"}},
		{"sign-in-hours", 200, templates.SignIn{Action: pages + "/login", Return: app, Host: host, Keep: 36 * time.Hour, FormAction: form, Dropped: true, Unfinished: pages + "/login/callback"}},
		{"waiting", 200, templates.Waiting{Poll: pages + "/login/poll", Again: pages + "/login", Continue: "https://app.plex.tv/auth#?clientID=x&code=y", Host: host, Left: 25*time.Minute + 7*time.Second}},
		{"link", 200, templates.Link{Code: "K4T9", At: "https://plex.tv/link/?pin=K4T9", Left: 899 * time.Second, Poll: pages + "/login/poll", Here: pages + "/login/device?rd=" + app, Back: pages + "/login",
			Host: host, Address: "203.0.113.9", Browser: "Samsung Internet", System: "TV", Action: pages + "/login/device", Return: app}},
		{"link-bare", 200, templates.Link{Code: "0OI1", At: "http://127.0.0.1:34567/link/?pin=0OI1", Left: 59 * time.Second, Poll: pages + "/login/poll", Browser: "Firefox", System: "Linux"}},
		{"link-over", 410, templates.Link{Host: host, Back: pages + "/login", Action: pages + "/login/device", Return: app, Keep: true, Cookie: true}},
		{"expired", 410, templates.Expired{Again: pages + "/login", Action: pages + "/login", Return: app, Keep: 720 * time.Hour, FormAction: form, Cookie: true}},
		{"expired-asks", 410, templates.Expired{Action: pages + "/login", Return: app, Keep: 720 * time.Hour, FormAction: form, PINs: pins, Cookie: true}},
		{"expired-link", 410, templates.Expired{Again: pages + "/login"}},
		{"no-cookies", 400, templates.CookieLost{What: templates.NoCookies, Host: host, Pages: "auth.example.com", Domain: "example.com", Again: pages + "/login"}},
		{"session-not-kept", 400, templates.CookieLost{What: templates.SessionNotKept, Host: host, Pages: "auth.example.com", Domain: "example.com", Again: pages + "/login"}},
		{"session-not-arriving", 400, templates.CookieLost{What: templates.SessionNotArriving, Host: host, Pages: "auth.example.com", Again: pages + "/login"}},
		{"framed", 200, templates.Framed{Top: pages + "/login", Host: host, Frames: []string{"https://example.com:*", "https://*.example.com:*"}}},
		{"framed-by-nobody", 200, templates.Framed{Top: pages + "/login"}},
		{"unavailable", 503, templates.Unavailable{Again: app, RetrySeconds: 30}},
		{"unavailable-tries", 503, templates.Unavailable{Again: app, Retry: pages + "/login?rd=x&try=2", RetrySeconds: 30}},
		{"not-set-up", 503, templates.NotSetUp{}},
		{"unreachable", 400, templates.Unreachable{Host: "photos.example.net", Pages: []string{pages, "https://auth.example.org"}}},
		{"unreachable-http", 400, templates.Unreachable{Host: host, Insecure: true, HTTPS: app}},
		{"home", 200, templates.Home{Person: casey, Tier: "shared", Owner: "robin", Allowed: true, Admin: true, Until: until, Keep: true, Devices: devices, SignOut: pages + "/logout",
			View: templates.OwnersView, At: signedIn, Reach: templates.Open, Places: places, MorePlaces: true, Told: told}},
		{"home-managed", 200, templates.Home{Person: kiddo, Tier: "home", Owner: "robin", Allowed: true, Until: until, Devices: devices[:1], SignOut: pages + "/logout",
			View: templates.BothViews, At: signedIn, OnlyHost: host, Reach: templates.Partly, Told: told}},
		{"home-refused", 200, templates.Home{Person: mallory, Tier: "anyone", SignOut: pages + "/logout", View: templates.PersonsView, At: signedIn, Reach: templates.Closed, Reason: templates.NoShare}},
		{"home-keys", 200, templates.Home{Person: casey, Tier: "shared", Allowed: true, Until: until, Keep: true, SignOut: pages + "/logout", Keys: pages + "/keys", LastKeys: keys}},
		{"home-much", 200, much(pages)},
		{"keys", 200, templates.Keys{Make: pages + "/keys", End: pages + "/keys/end", Home: pages + "/", Domain: "example.com", Keys: keys, Form: templates.KeyForm{Days: 365}}},
		{"keys-none", 200, templates.Keys{Make: pages + "/keys", End: pages + "/keys/end", Home: pages + "/", OnlyHost: host, Form: templates.KeyForm{Days: 365}}},
		{"keys-problem", 400, templates.Keys{Make: pages + "/keys", End: pages + "/keys/end", Home: pages + "/", Domain: "example.com", Keys: keys[:1],
			Form: templates.KeyForm{Problem: templates.KeyHostAway, About: "app.example.net", Name: "LunaSea", Days: 90, Hosts: []string{"sonarr.example.com", "app.example.net"}}}},
		{"new-key", 200, templates.NewKey{Secret: "usher_ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ", Key: keys[0], Back: pages + "/keys"}},
		{"sign-out", 200, templates.SignOut{Action: pages + "/logout", Return: app, Stay: app, Person: casey}},
		{"signed-out", 200, templates.SignedOut{Again: pages + "/login", Plex: "https://app.plex.tv"}},
		{"who", 200, who(pages, app)},
		{"who-alone", 200, templates.Who{Action: pages + "/who", Again: pages + "/who?rd=x", Stay: app, Me: casey,
			Members: []templates.Member{{UUID: "1", Person: templates.Person{Name: "sam"}, Shut: templates.OwnAccount}}}},
		{"who-pin", 200, asksPIN(pages, app, "")},
		{"who-pin-wrong", 403, asksPIN(pages, app, templates.WhoPIN)},
		{"who-pin-form", 400, asksPIN(pages, app, templates.WhoPINForm)},
		{"who-pin-tries", 429, asksPIN(pages, app, templates.WhoTries)},
		{"who-nobody", 403, templates.Who{Me: mallory, Stay: app, Problem: templates.WhoNobody}},
		{"language", 200, templates.ChooseLanguage{Action: pages + "/language", Return: app}},
		{"too-many", 429, templates.TooMany{Seconds: 42, Again: pages + "/login"}},
		{"problem", 404, templates.NoSuchPage()},
		{"problem-bare", 405, templates.Problem{Status: 405}},
	}
	all = append(all, setupSamples()...)
	for _, reason := range reasons() {
		all = append(all, sample{"refused " + string(reason), 403, templates.Refused{
			Person: mallory, Reason: reason, Host: host, Again: app, Switch: pages + "/login?switch=1", Plex: "https://app.plex.tv", Request: "7F3K-Q2",
		}})
	}
	for name, asking := range map[string]templates.Asking{
		"form":    {Action: pages + "/ask", Why: "sealed", Return: app},
		"problem": {Action: pages + "/ask", Why: "sealed", Return: app, TooLong: true, Message: "Hello robin,\nit is Mallory from work."},
		"link":    {Link: pages + "/refused?rd=x&why=y#ask"},
		"asked":   {Asked: signedIn, Message: "Hello robin, it is Mallory from work.\nYou wanted to show me the pictures of the trip."},
		"no":      {Asked: signedIn, From: signedIn.AddDate(0, 0, 7)},
		"full":    {Full: true},
	} {
		all = append(all, sample{"refused-ask-" + name, 403, templates.Refused{
			Person: mallory, Reason: templates.NoShare, Host: host, Again: app, Switch: pages + "/login?switch=1", Request: "7F3K-Q2", Asking: asking,
		}})
	}
	return append(all, officeSamples()...)
}

// who is a Plex Home with everything that can be in one.
func who(pages, app string) templates.Who {
	return templates.Who{Action: pages + "/who", Return: app, Again: pages + "/who?rd=x", Stay: app, Me: templates.Person{Name: "robin"}, Problem: templates.WhoRefused,
		Members: []templates.Member{{UUID: "9f000000042c42c2", Person: kiddo}, {UUID: "9f000000042c6a34", Person: templates.Person{Name: "Teen"}, Ask: pages + "/who?rd=x&member=y"},
			{UUID: "3", Person: templates.Person{Name: "Bartholomew-Maximilian of the attic"}}, {UUID: "4", Person: templates.Person{}}, {UUID: "5", Person: templates.Person{Name: "ليلى"}, Ask: pages + "/who?rd=x&member=y"},
			{UUID: "6", Person: templates.Person{Name: "sam"}, Shut: templates.OwnAccount}, {UUID: "7", Person: templates.Person{Name: "Junior"}, Shut: templates.ShutOut},
			{UUID: "8", Person: templates.Person{Name: "Boss"}, Shut: templates.Above}}}
}

func asksPIN(pages, app string, problem templates.WhoProblem) templates.Who {
	page := who(pages, app)
	page.Chosen, page.Problem, page.Seconds = page.Members[1], problem, 290
	return page
}

// much is the page of somebody who has a lot of everything.
func much(pages string) templates.Home {
	day := time.Date(2026, time.November, 21, 20, 15, 0, 0, time.UTC)
	page := templates.Home{Person: casey, Tier: "shared", Allowed: true, Until: day, Keep: true, SignOut: pages + "/logout", Keys: pages + "/keys", MoreKeys: 45,
		View: templates.OwnersView, At: day, Reach: templates.Closed, Reason: templates.NeedsHome}
	groups := "shared,friend"
	for i := range 33 {
		groups += fmt.Sprintf(",library:Films of the year %d", 1980+i)
		host := fmt.Sprintf("app-number-%d.example.com", i)
		page.Places = append(page.Places, templates.Place{Host: host, Address: "https://" + host + "/", Reach: templates.Open})
	}
	for i := range 12 {
		page.Devices = append(page.Devices, templates.Device{ID: fmt.Sprint(i), Name: "Samsung Internet", System: "Android", Address: "2001:db8:ffff:ffff:ffff:ffff:ffff:fff" + fmt.Sprint(i%10),
			LastSeen: day.AddDate(0, 0, -i), This: i == 0})
		if i > 0 {
			page.Devices[i].End = pages + "/devices/end"
		}
	}
	for i := range 5 {
		page.LastKeys = append(page.LastKeys, templates.Key{Name: fmt.Sprint("Key number ", i), Hosts: []string{"sonarr.example.com", "radarr.example.com", "lidarr.example.com"}, LastUsed: day})
	}
	page.Told = []templates.Header{{Name: "X-Forwarded-Preferred-Username", Value: "casey"}, {Name: "Remote-Email", Value: "a.very.long.address.of.somebody@subdomain.of.a.long.example.org"},
		{Name: "Remote-Groups", Value: groups}, {Name: "X-Plex-Avatar", Value: "https://plex.tv/users/0123456789abcdef/avatar?c=1700000000"}, {Name: "Remote-Name"}}
	return page
}

func reasons() []templates.Reason {
	return []templates.Reason{
		templates.NoShare, templates.NeedsFriend, templates.NeedsLibrary, templates.NeedsHome, templates.NeedsOwner,
		templates.NeedsNamed, templates.KeptOut, "",
	}
}

// hostile is every page with one value wherever text or an address can be given. Addresses that a page cannot do
// without keep a good one.
func hostile(v string) []sample {
	const post = "https://auth.example.com/post"
	who := templates.Person{Name: v, Username: v + "1", Email: v + "2", Detail: v + "3"}
	device := templates.Device{ID: v, Name: v, System: v, Address: v, End: post, Since: time.Unix(0, 0), LastSeen: time.Unix(0, 0), This: true}
	key := templates.Key{ID: v, Name: v, Hosts: []string{v}, Made: time.Unix(0, 0), LastUsed: time.Unix(0, 0), Address: v}
	return append(append(hostileSetup(v), hostileOffice(v)...), []sample{
		{"sign-in", 200, templates.SignIn{Action: post, Return: v, Host: v, Keep: 720 * time.Hour, SignedInAs: v, PINs: v, Device: v, Plex: v, Dropped: true, Unfinished: v, Cookie: true}},
		{"waiting", 200, templates.Waiting{Poll: post, Again: v, Continue: v, Host: v, Left: time.Hour}},
		{"link", 200, templates.Link{Code: v, At: v, Poll: post, Here: v, Back: v, Host: v, Address: v, Browser: v, System: v}},
		{"link-to", 200, templates.Link{Code: "K4T9", At: "https://plex.tv/" + url.QueryEscape(v) + "?pin=" + v, Poll: post, Host: v}},
		{"link-over", 410, templates.Link{Back: v, Host: v, Action: post, Return: v, Cookie: true}},
		{"expired", 410, templates.Expired{Again: v}},
		{"expired-form", 410, templates.Expired{Action: post, Return: v, Keep: -1, PINs: v, Cookie: true}},
		{"cookie-lost", 400, templates.CookieLost{What: templates.Loss(v), Host: v, Pages: v, Domain: v, Again: v}},
		{"session-not-kept", 400, templates.CookieLost{What: templates.SessionNotKept, Host: v, Pages: v, Again: v}},
		{"session-not-arriving", 400, templates.CookieLost{What: templates.SessionNotArriving, Host: v, Pages: v, Domain: v, Again: v}},
		{"framed", 200, templates.Framed{Top: v, Host: v}},
		{"refused", 403, templates.Refused{Person: who, Reason: templates.Reason(v), Words: v, Host: v, Again: v, Switch: v, Plex: v, Request: v}},
		{"refused-ask", 403, templates.Refused{Person: who, Asking: templates.Asking{Action: post, Why: v, Return: v, TooLong: true, Message: v}}},
		{"refused-asked", 403, templates.Refused{Person: who, Asking: templates.Asking{Asked: time.Unix(0, 0), Message: v}}},
		{"refused-link", 403, templates.Refused{Person: who, Asking: templates.Asking{Link: v}}},
		{"unavailable", 503, templates.Unavailable{Again: v, RetrySeconds: -1}},
		{"unavailable-tries", 503, templates.Unavailable{Again: v, Retry: v, RetrySeconds: 1}},
		{"unreachable", 400, templates.Unreachable{Host: v, Pages: []string{v, v}}},
		{"unreachable-http", 400, templates.Unreachable{Host: v, Insecure: true, HTTPS: v}},
		{"home", 200, templates.Home{Person: who, Admin: true, Desk: v, Tier: v, Owner: v, Devices: []templates.Device{device, device}, SignOut: post, Keys: v, View: templates.View(v), At: time.Unix(0, 0),
			OnlyHost: v, Reach: templates.Reach(v), Reason: templates.Reason(v), Told: []templates.Header{{Name: v, Value: v}}}},
		{"home-places", 200, templates.Home{Person: who, Reach: templates.Closed, Reason: templates.Reason(v), Places: []templates.Place{{Host: v, Address: v, Reach: templates.Reach(v)}},
			Keys: post, LastKeys: []templates.Key{key}}},
		{"home-shared", 200, templates.Home{Person: who, Tier: "shared", Owner: v, Dropped: true}},
		{"keys", 200, templates.Keys{Make: post, End: post, Home: v, Domain: v, Keys: []templates.Key{key}, Form: templates.KeyForm{Problem: templates.KeyHostAway, About: v, Name: v, Hosts: []string{v}}}},
		{"keys-only", 200, templates.Keys{Make: post, End: post, OnlyHost: v}},
		{"new-key", 200, templates.NewKey{Secret: "usher_", Key: key, Back: v}},
		{"sign-out", 200, templates.SignOut{Action: post, Return: v, Stay: v, Person: who}},
		{"signed-out", 200, templates.SignedOut{Again: v, Plex: v}},
		{"who", 200, templates.Who{Action: post, Return: v, Again: v, Stay: v, Me: who, Problem: templates.WhoProblem(v),
			Members: []templates.Member{{UUID: v, Person: who}, {UUID: v, Person: who, Ask: v}, {UUID: v, Person: who, Shut: templates.Shut(v)}, {UUID: v, Person: who, Shut: templates.ShutOut}}}},
		{"who-pin", 200, templates.Who{Action: post, Return: v, Again: v, Chosen: templates.Member{UUID: "x" + v, Person: who}}},
		{"who-link", 200, templates.Home{Person: who, Who: v}},
		{"who-link-refused", 403, templates.Refused{Person: who, Who: v}},
		{"language", 200, templates.ChooseLanguage{Action: post, Return: v}},
		{"too-many", 429, templates.TooMany{Again: v}},
		{"problem", 400, templates.Problem{Title: v, Text: v}},
		{"problem-kind", 400, templates.Problem{Kind: templates.Behind, Address: v}},
	}...)
}

func newPages(t testing.TB) *templates.Pages {
	t.Helper()
	pages, err := templates.New("")
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
