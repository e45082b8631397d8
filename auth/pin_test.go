package auth_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
)

func TestNoPINIsMadeUnasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.browser()
	form := url.Values{"rd": {"/"}, "keep": {"1"}}
	for name, a := range map[string]struct {
		method, address string
		header          http.Header
	}{
		"the sign-in page":         {"GET", site + "/login?rd=/", nil},
		"switching accounts":       {"GET", site + "/login?switch=1&rd=/", nil},
		"a HEAD":                   {"HEAD", site + "/login", nil},
		"a prefetch":               {"GET", site + "/login", http.Header{"Purpose": {"prefetch"}, "Sec-Purpose": {"prefetch;prerender"}, "X-Moz": {"prefetch"}}},
		"a poll":                   {"GET", poll, nil},
		"the callback":             {"GET", callback, nil},
		"the home page":            {"GET", site + "/", nil},
		"another method":           {"PUT", site + "/login", nil},
		"a method in a header":     {"GET", site + "/login", http.Header{"X-Http-Method-Override": {"POST"}, "X-Method-Override": {"POST"}}},
		"a method in the query":    {"GET", site + "/login?_method=POST", nil},
		"a form of another site":   {"POST", site + "/login", http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		"a form of a sibling host": {"POST", site + "/login", http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.example.com"}}},
		"Sec-Fetch-Site unknown":   {"POST", site + "/login", http.Header{"Sec-Fetch-Site": {"same-origin, cross-site"}}},
		"another origin":           {"POST", site + "/login", http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://evil.com"}}},
		"an origin below ours":     {"POST", site + "/login", http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://auth.example.com.evil.com"}}},
		"another port":             {"POST", site + "/login", http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://auth.example.com:8443"}}},
		"an origin that is null":   {"POST", site + "/login", http.Header{"Sec-Fetch-Site": nil, "Origin": {"null"}}},
		"a body that is too big":   {"POST", site + "/login?x=" + strings.Repeat("a", 10), http.Header{"X-Big": {"yes"}}},
	} {
		var body url.Values
		if a.method == http.MethodPost {
			body = form
		}
		if a.header.Get("X-Big") != "" {
			body = url.Values{"rd": {strings.Repeat("a", 20<<10)}}
		}
		res := b.do(a.method, a.address, body, a.header)
		if slices.ContainsFunc(res.Cookies(), func(c *http.Cookie) bool { return c.Name != wayName }) || res.StatusCode == http.StatusSeeOther && strings.HasPrefix(res.Header.Get("Location"), w.plex.AuthURL) {
			t.Errorf("%s begins a sign-in: %s", name, res.Status)
		}
		if a.method == http.MethodPost && res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	for _, proxy := range []string{"traefik", "caddy", "nginx", "haproxy", "envoy"} {
		for range 20 {
			b.check(proxy, page, nil)
		}
	}
	if n := w.plex.Requests(plextest.CreatePIN); n != 0 {
		t.Fatalf("%d PINs were made", n)
	}
	for name, header := range map[string]http.Header{
		"our own page":                 {"Sec-Fetch-Site": {"same-origin"}},
		"an older browser on our page": {"Sec-Fetch-Site": nil, "Origin": {site}},
		"no browser at all":            {"Sec-Fetch-Site": nil},
	} {
		if res := w.browser().do(http.MethodPost, site+"/login", form, header); res.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
}

// ask posts the sign-in form from an address, each time as a new browser.
func (w *world) ask(from string) *http.Response {
	w.t.Helper()
	b := w.browser()
	b.from = from
	return b.post(site+"/login", url.Values{"rd": {"https://app.example.com/x"}})
}

func (w *world) wantAsk(from string, want int) {
	w.t.Helper()
	if res := w.ask(from); res.StatusCode != want {
		w.t.Errorf("from %s: %s, want %d", from, res.Status, want)
	}
}

func TestBudgetOfAnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for range 10 {
			w.wantAsk("203.0.113.7", http.StatusSeeOther)
		}
		res := w.ask("203.0.113.7")
		body := text(res)
		after, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if res.StatusCode != http.StatusTooManyRequests || err != nil || after < 6 || after > 7 {
			t.Errorf("the eleventh at once: %s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
		}
		if !strings.Contains(body, "too many sign-ins") || !strings.Contains(body, site+"/login?rd=https%3A%2F%2Fapp.example.com%2Fx") || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("no page that says so and leads back:\n%s", body)
		}
		for range 50 {
			w.wantAsk("203.0.113.7", http.StatusTooManyRequests)
		}
		if n := w.plex.Requests(plextest.CreatePIN); n != 10 {
			t.Errorf("%d PINs: refusals cost some", n)
		}
		if n := strings.Count(w.log.String(), "event=sign_in result=too_many"); n == 0 || n > 11 {
			t.Errorf("51 refusals wrote %d warnings: anybody could fill the log", n)
		}
		w.wantAsk("203.0.113.8", http.StatusSeeOther) // hindered by nothing

		time.Sleep(time.Duration(after) * time.Second)
		w.wantAsk("203.0.113.7", http.StatusSeeOther) // as the page said
		w.wantAsk("203.0.113.7", http.StatusTooManyRequests)
		time.Sleep(5 * time.Second)
		w.wantAsk("203.0.113.7", http.StatusSeeOther)
		w.wantAsk("203.0.113.7", http.StatusTooManyRequests)
	})
}

func TestTheAddressThatCountsIsWhatTheProxySaw(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for i := range 10 { // the left part is the client's own invention
			w.wantAsk(fmt.Sprintf("198.51.100.%d, 203.0.113.7", i), http.StatusSeeOther)
		}
		w.wantAsk("198.51.100.77, 203.0.113.7", http.StatusTooManyRequests)
		w.wantAsk("203.0.113.7", http.StatusTooManyRequests)
		w.wantAsk("::ffff:203.0.113.7", http.StatusTooManyRequests)
	})
}

func TestIPv6AddressesCountByNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for i := range 10 {
			w.wantAsk(fmt.Sprintf("2001:db8:0:7:%x::%x", i, i), http.StatusSeeOther)
		}
		w.wantAsk("2001:db8:0:7:ffff:ffff:ffff:ffff", http.StatusTooManyRequests)
		w.wantAsk("[2001:db8:0:7::1]:4711", http.StatusTooManyRequests)
		w.wantAsk("2001:db8:0:8::1", http.StatusSeeOther)
	})
}

func TestBudgetOfAllTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		asked := func(n, from int) (passed int) {
			for i := range n {
				if w.ask(fmt.Sprintf("203.%d.%d.1", from, i)).StatusCode == http.StatusSeeOther {
					passed++
				}
			}
			return passed
		}
		if got := asked(200, 0); got != 60 {
			t.Errorf("%d at once, want 60", got)
		}
		time.Sleep(10 * time.Second)
		if got := asked(200, 1); got != 20 {
			t.Errorf("%d after ten seconds, want 20", got)
		}
		if n := w.plex.Requests(plextest.CreatePIN); n != 80 {
			t.Errorf("%d PINs for 80 sign-ins", n)
		}
		// Who was refused because of all the others has lost nothing.
		for range 10 {
			w.wantAsk("203.2.0.1", http.StatusTooManyRequests)
		}
		time.Sleep(5 * time.Second)
		for range 10 {
			w.wantAsk("203.2.0.1", http.StatusSeeOther)
		}
		w.wantAsk("203.2.0.1", http.StatusTooManyRequests)
	})
}

func TestOneBusyAddressHindersNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var all sync.WaitGroup
		stop := time.Now().Add(time.Minute)
		for range 4 {
			all.Go(func() {
				for time.Now().Before(stop) {
					w.ask("198.51.100.66")
					time.Sleep(300 * time.Millisecond)
				}
			})
		}
		for i := range 20 {
			time.Sleep(3 * time.Second)
			w.wantAsk(fmt.Sprintf("203.0.113.%d", i), http.StatusSeeOther)
		}
		all.Wait()
		if n := w.plex.Requests(plextest.CreatePIN); n > 20+10+10+1 {
			t.Errorf("%d PINs: the busy one got more than its share", n)
		}
	})
}

// underWay are browsers that have begun a sign-in each, the i-th from an address, and where Plex's page for it is.
func (w *world) underWay(n int, from func(i int) string) (waiting []*browser, forward []string) {
	w.t.Helper()
	for i := range n {
		b := w.browser()
		b.from = from(i)
		waiting, forward = append(waiting, b), append(forward, b.begin("/"))
		time.Sleep(6 * time.Second) // the budgets of those who begin
	}
	return waiting, forward
}

// poll asks how far these browsers' sign-ins are, each so often, not all in the same moment.
func (w *world) poll(waiting []*browser, every, during time.Duration) {
	var all sync.WaitGroup
	for i, b := range waiting {
		all.Go(func() {
			time.Sleep(every * time.Duration(i) / time.Duration(len(waiting)))
			for stop := time.Now().Add(during); time.Now().Before(stop); time.Sleep(every) {
				if res := b.get(poll); res.StatusCode != http.StatusOK || !strings.Contains(text(res), `"pending"`) {
					w.t.Errorf("the poll says %s", res.Status)
				}
			}
		})
	}
	all.Wait()
}

// However many sign-ins are under way, plex.tv is asked about them only so often for one address, and for all together:
// what it then refuses, it refuses to everybody.
func TestPlexIsAskedAboutPINsOnlySoOften(t *testing.T) {
	t.Parallel()
	const seconds = 10
	for name, tt := range map[string]struct {
		begun       int
		from        func(i int) string
		every       time.Duration
		least, most int
	}{
		"one address":        {200, func(int) string { return "203.0.113.66" }, time.Second, 10 * seconds, 20 + 10*seconds},
		"one network":        {200, func(i int) string { return fmt.Sprintf("2001:db8:0:7::%x", i) }, time.Second, 10 * seconds, 20 + 10*seconds},
		"sixty addresses":    {240, func(i int) string { return fmt.Sprintf("203.0.%d.66", i%60) }, time.Second, 50 * seconds, 50 + 50*seconds},
		"a family of twenty": {20, func(int) string { return "203.0.113.66" }, 2 * time.Second, 10 * seconds, 10 * seconds},
		"four such families": {80, func(i int) string { return fmt.Sprintf("203.0.%d.66", i%4) }, 2 * time.Second, 40 * seconds, 40 * seconds},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				waiting, forward := w.underWay(tt.begun, tt.from)
				w.poll(waiting, tt.every, seconds*time.Second)
				if n := w.plex.Requests(plextest.CheckPIN); n < tt.least || n > tt.most {
					t.Errorf("plex.tv was asked %d times in %d seconds, want %d to %d", n, seconds, tt.least, tt.most)
				}
				// Who was not looked at has lost nothing.
				last := len(waiting) - 1
				waiting[last].approve(forward[last], "casey")
				time.Sleep(time.Second)
				if got := state(t, waiting[last].get(poll)); got != "ok" {
					t.Errorf("approved: %s", got)
				}
				w.wantSessions(casey, 1)
			})
		})
	}
}

// What nobody was asked about is as it was: of a plex.tv that is silent a page is told so, and it asks on.
func TestAPollThatIsOneTooManySaysWhatWasSaidLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		waiting, forward := w.underWay(22, func(int) string { return "203.0.113.66" })
		w.plex.Fail(plextest.CheckPIN, plextest.ServerError())
		if got := state(t, waiting[0].get(poll)); got != "unavailable" {
			t.Fatal(got)
		}
		time.Sleep(3 * time.Second)
		w.plex.Heal()
		for _, b := range waiting[1:21] {
			b.get(poll)
		}
		for i, want := range map[int]string{0: "unavailable", 21: "pending"} {
			waiting[i].approve(forward[i], "casey")
			if got := state(t, waiting[i].get(poll)); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		if res := waiting[21].get(callback); res.StatusCode != http.StatusOK || setsSession(res) {
			t.Errorf("the callback: %s", res.Status)
		}
		if n := w.plex.Requests(plextest.CheckPIN); n != 21 {
			t.Errorf("plex.tv was asked %d times", n)
		}
		other := w.browser()
		other.signIn("sam", "/") // hindered by nothing
		time.Sleep(time.Second)
		for _, i := range []int{0, 21} {
			if got := state(t, waiting[i].get(poll)); got != "ok" {
				t.Errorf("a second later: %s", got)
			}
		}
	})
}
