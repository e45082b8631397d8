package deploy_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// makeKey fills in the page on which a person makes a key, and copies what it shows.
func (b *browser) makeKey(pages string) string {
	b.t.Helper()
	made := b.submit(b.open(pages+"/keys"), "/keys", "name=nzb360", "ends=30")
	key := regexp.MustCompile(`usher_[A-Z2-7]{52}`).FindString(made.body)
	if key == "" {
		b.t.Fatalf("no key on the page: %s\n%s", made.Status, made.body)
	}
	return key
}

// showing are the ways to show a key. Basic's user name does not count.
func showing(key string) map[string]http.Header {
	return map[string]http.Header{
		"Bearer":                {"Authorization": {"Bearer " + key}},
		"bearer, lower case":    {"authorization": {"bearer " + key}},
		"Basic":                 {"Authorization": {basic("robin", key)}},
		"Basic, nobody's name":  {"Authorization": {basic("", key)}},
		"X-Usher-Key":           {"X-Usher-Key": {key}},
		"x-usher-key":           {"x-usher-key": {key}},
		"X-Usher-Key and Basic": {"X-Usher-Key": {key}, "Authorization": {basic("x", key)}},
	}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// keptBack wants the app to have seen no key, in none of the three forms and nowhere else.
func keptBack(t *testing.T, how, key string, got arrival) {
	t.Helper()
	for name, values := range got.Header {
		for _, value := range values {
			_, encoded, _ := strings.Cut(value, " ")
			plain, _ := base64.StdEncoding.DecodeString(encoded)
			if strings.Contains(value, key) || strings.Contains(string(plain), key) {
				t.Errorf("%s: the key reached the app in %s", how, name)
			}
		}
	}
	if values, ok := got.Header["X-Usher-Key"]; ok {
		t.Errorf("%s: the app saw X-Usher-Key %q", how, values)
	}
}

// keyRefused: a wrong key is 401 to everybody, also to a browser and beside a good session, and the app is not asked.
func keyRefused(t *testing.T, h *house, g guests) {
	const wrong = "usher_TESTKEYTHATNOBODYHASEVERMADE"
	for name, shown := range showing(wrong) {
		for _, who := range []*browser{g.nobody, g.casey} {
			for _, as := range []http.Header{asScript, asPage} {
				got := who.get(h.url("app", "/wrong-key"), as, shown)
				challenge, tried := got.Header["Www-Authenticate"], strings.Contains(name, "Basic")
				if got.StatusCode != http.StatusUnauthorized || got.Header.Get("Location") != "" {
					t.Errorf("%s: got %s to %q, want 401", name, got.Status, got.Header.Get("Location"))
				}
				if tried && (len(challenge) != 1 || challenge[0] != `Basic realm="Usher", charset="UTF-8"`) || !tried && len(challenge) != 0 {
					t.Errorf("%s: WWW-Authenticate %q", name, challenge)
				}
			}
		}
	}
	// A program's other credentials are tried as a key, a browser's are not: it sends the app's by itself.
	other := http.Header{"Authorization": {basic("app", "password of the app's own")}}
	if got := g.nobody.get(h.url("app", "/wrong-key"), asScript, other); got.StatusCode != http.StatusUnauthorized || len(got.Header["Www-Authenticate"]) != 1 {
		t.Errorf("another password: got %s, WWW-Authenticate %q", got.Status, got.Header["Www-Authenticate"])
	}
	toSignIn(t, h, g.nobody.get(h.url("app", "/wrong-key?a=1"), asPage, other))
	notReached(t, h, "/wrong-key")
}

// keyDoubled: of two credentials nobody knows which one the app would take.
func keyDoubled(t *testing.T, h *house, g guests) {
	key := g.key
	for name, lines := range map[string][]string{
		"the same twice":         {"Authorization: Bearer " + key, "Authorization: Bearer " + key},
		"and the app's own":      {"Authorization: Bearer " + key, "Authorization: " + basic("app", "own")},
		"behind the app's own":   {"Authorization: " + basic("app", "own"), "Authorization: Bearer " + key},
		"in one line":            {"Authorization: " + basic("app", "own") + ", Bearer " + key},
		"two that differ":        {"Authorization: Bearer " + key, "X-Usher-Key: usher_TESTKEYTHATNOBODYHASEVERMADE"},
		"X-Usher-Key twice":      {"X-Usher-Key: " + key, "X-Usher-Key: " + key},
		"X-Usher-Key, then none": {"X-Usher-Key: " + key, "X-Usher-Key:"},
	} {
		for _, who := range []*browser{g.nobody, g.casey} {
			cookie := "Cookie: " + who.cookies(h.url("app", "/")) + "\r\n"
			got := rawGet(t, who, "app", "/doubled", "Sec-Fetch-Mode: cors\r\n"+cookie+strings.Join(lines, "\r\n")+"\r\n")
			if got.StatusCode != http.StatusUnauthorized && got.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: got %s, want 401", name, got.Status)
			}
		}
	}
	notReached(t, h, "/doubled")
}

// keyPasses: a key carries its person's identity to the app and never goes there itself.
func keyPasses(t *testing.T, h *house, g guests) {
	key := g.key
	for name, shown := range showing(key) {
		for _, who := range []*browser{g.nobody, g.robin} { // a key decides, also beside a session
			for _, as := range []http.Header{asScript, asPage} {
				got := who.get(h.url("app", "/key"), as, shown).arrival(t)
				if user := got.all("Remote-User"); len(user) != 1 || user[0] != "casey" {
					t.Errorf("%s: the app saw Remote-User %q, want casey", name, user)
				}
				if own := got.all("Authorization"); len(own) != 0 {
					t.Errorf("%s: the app saw Authorization %q", name, own)
				}
				keptBack(t, name, key, got)
			}
		}
		if got := g.nobody.get(h.url("owner", "/owners-key"), asScript, shown); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s at the owner's app: got %s, want 403", name, got.Status)
		}
	}
	notReached(t, h, "/owners-key")
	owners := g.robin.makeKey(h.url("auth", ""))
	got := g.nobody.get(h.url("owner", "/key"), asScript, http.Header{"X-Usher-Key": {owners}}).arrival(t)
	if user := got.all("Remote-User"); len(user) != 1 || user[0] != "robin" {
		t.Errorf("the owner's key: the app saw Remote-User %q, want robin", user)
	}
	keptBack(t, "the owner's key", owners, got)
	post := g.nobody.do(http.MethodPost, h.url("app", "/key"), strings.NewReader("{}"), asScript, http.Header{"X-Usher-Key": {key}}).arrival(t)
	if post.Method != http.MethodPost {
		t.Errorf("the app got a %s", post.Method)
	}
	keptBack(t, "POST", key, post)
	res, rw := upgrade(t, g.nobody, "app", "/key-socket", http.Header{"Authorization": {"Bearer " + key}})
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("WebSocket: got %s, want 101", res.Status)
	}
	fmt.Fprint(rw, "hello\n")
	rw.Flush()
	if line, err := rw.ReadString('\n'); line != `["casey"]: hello`+"\n" {
		t.Errorf("WebSocket: got %q (%v) back, want it of casey", line, err)
	}
	// Beside the key the app may have credentials of its own.
	for _, own := range []string{"Bearer of-the-app", basic("app", "own")} {
		got := g.nobody.get(h.url("app", "/key"), asScript, http.Header{"X-Usher-Key": {key}, "Authorization": {own}}).arrival(t)
		if values := got.all("Authorization"); len(values) != 1 || values[0] != own {
			t.Errorf("beside a key: the app saw Authorization %q, want %q", values, own)
		}
		keptBack(t, "beside "+own, key, got)
	}
	// "Connection: X-Usher-Key" takes it away before Usher sees it, or leaves it: never on to the app.
	for _, hops := range []string{"close, X-Usher-Key, Authorization", "x-usher-key, authorization, Remote-User"} {
		for name, shown := range showing(key) {
			for _, who := range []*browser{g.nobody, g.casey} {
				if got := who.get(h.url("app", "/key-hops"), asScript, shown, http.Header{"Connection": {hops}}); got.StatusCode != http.StatusUnauthorized {
					keptBack(t, name+" and Connection: "+hops, key, got.arrival(t))
				}
			}
		}
	}
}

// ownAuthorization: what a client shows to the app reaches it as it is, and nothing where there is nothing.
func ownAuthorization(t *testing.T, h *house, g guests) {
	for _, own := range []string{"", basic("app", "own"), "Bearer of-the-app", "Token 0123", `Digest username="app", uri="/"`, "ApiKey usher"} {
		as := http.Header{}
		if own != "" {
			as["Authorization"] = []string{own}
		}
		got := g.casey.get(h.url("app", "/own"), asPage, as).arrival(t)
		switch values, there := got.Header["Authorization"]; {
		case own == "" && there:
			t.Errorf("the app saw Authorization %q that nobody sent", values)
		case own != "" && (len(values) != 1 || values[0] != own):
			t.Errorf("the app saw Authorization %q, want %q", values, own)
		}
		if user := got.all("Remote-User"); len(user) != 1 || user[0] != "casey" {
			t.Errorf("beside %q the app saw Remote-User %q, want casey", own, user)
		}
	}
	// One that Usher cannot give back goes: the app sees what Usher has seen, or nothing.
	for name, lines := range map[string]string{
		"twice":               "Authorization: Bearer one\r\nAuthorization: Bearer two\r\n",
		"twice, in two cases": "Authorization: Bearer one\r\nauthorization: Bearer two\r\n",
		"not ASCII":           "Authorization: Bearer caf\u00e9\r\n",
	} {
		got := rawGet(t, g.casey, "app", "/own", "Cookie: "+g.casey.cookies(h.url("app", "/"))+"\r\n"+lines)
		if got.StatusCode == http.StatusBadRequest { // some proxies refuse these
			continue
		}
		if values, there := got.arrival(t).Header["Authorization"]; there {
			t.Errorf("%s: the app saw Authorization %q", name, values)
		}
	}
	got := g.casey.get(h.url("app", "/own"), asPage, http.Header{"X-Usher-Key": {""}}).arrival(t)
	keptBack(t, "an empty one", "\x00", got)
}

// keySlowed: whoever guesses is slowed down, as far as the proxy can say so, and nobody else is.
func keySlowed(t *testing.T, h *house, g guests) {
	mine := http.Header{"X-Usher-Key": {g.key}}
	g.nobody.get(h.url("app", "/slowed"), asScript, mine).arrival(t)
	want := http.StatusTooManyRequests
	if h.proxy.asksHere { // nginx knows 401 and 403
		want = http.StatusUnauthorized
	}
	var got page
	for i := range 40 {
		got = g.nobody.get(h.url("app", "/guessed"), asScript, http.Header{"X-Usher-Key": {fmt.Sprintf("usher_TESTGUESS%d", i)}})
	}
	if got.StatusCode != want || (want == http.StatusTooManyRequests) != (got.Header.Get("Retry-After") != "") {
		t.Errorf("got %s, Retry-After %q, want %d", got.Status, got.Header.Get("Retry-After"), want)
	}
	notReached(t, h, "/guessed")
	g.nobody.get(h.url("app", "/slowed"), asScript, mine).arrival(t)
}
