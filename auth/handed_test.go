package auth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/plex/plextest"
)

type madePIN struct {
	ID   int64
	Code string
}

func asksItself(s *setup) { s.BrowserPIN = true }

// makePIN asks plex.tv for a PIN as the script of a page does, for a client identifier.
func (w *world) makePIN(client string) (made madePIN) {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/api/v2/pins?strong=true&X-Plex-Client-Identifier="+client, nil)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Origin", site)
	rec := httptest.NewRecorder()
	w.plex.ServeHTTP(rec, r)
	if err := json.Unmarshal(rec.Body.Bytes(), &made); err != nil || made.ID == 0 {
		w.t.Fatalf("%d, %v", rec.Code, err)
	}
	return made
}

// form is the sign-in form with the PIN in it.
func (p madePIN) form() url.Values {
	return url.Values{"rd": {"/"}, "keep": {"0"}, "pin_id": {strconv.FormatInt(p.ID, 10)}, "pin_code": {p.Code}}
}

// codeIn is the code in an answer that leads to Plex.
func (w *world) codeIn(res *http.Response) string {
	w.t.Helper()
	_, fragment, _ := strings.Cut(res.Header.Get("Location"), "#?")
	q, err := url.ParseQuery(fragment)
	if err != nil || res.StatusCode != http.StatusSeeOther || q.Get("code") == "" {
		w.t.Fatalf("%s leads to %q", res.Status, res.Header.Get("Location"))
	}
	return q.Get("code")
}

// wantOwn checks that a browser was given a PIN of the server's own, and that the one handed over is bound to nothing.
func (b *browser) wantOwn(res *http.Response, handed madePIN) {
	b.t.Helper()
	code := b.codeIn(res)
	if code == handed.Code || b.plex.AskedBy(code) != "" {
		b.t.Fatal("the PIN that was handed over is used")
	}
	_ = b.plex.Approve(handed.Code, "mallory") // some are claimed, or over
	if res := b.get(callback); setsSession(res) {
		b.t.Error("whoever made the PIN decides who signs in")
	}
	b.wantSessions(mallory, 0)
	if strings.Contains(b.log.String(), handed.Code) || strings.Contains(b.log.String(), code) {
		b.t.Error("a code is in the log")
	}
}

// Every lie about a PIN ends in one of the server's own, and the liar's is never bound to the browser.
func TestHandedPINLies(t *testing.T) {
	t.Parallel()
	change := func(name string, values ...string) func(*browser, madePIN, url.Values, http.Header) {
		return func(_ *browser, _ madePIN, form url.Values, _ http.Header) { form[name] = values }
	}
	header := func(name string, values ...string) func(*browser, madePIN, url.Values, http.Header) {
		return func(_ *browser, _ madePIN, _ url.Values, h http.Header) { h[name] = values }
	}
	for name, lie := range map[string]func(*browser, madePIN, url.Values, http.Header){
		"a form of nobody knows whose page":  header("Sec-Fetch-Site"),
		"a form that no page has sent":       header("Sec-Fetch-Site", "none"),
		"two words about the page":           header("Sec-Fetch-Site", "same-origin", "cross-site"),
		"an id alone":                        change("pin_code"),
		"a code alone":                       change("pin_id"),
		"two codes":                          func(_ *browser, p madePIN, f url.Values, _ http.Header) { f.Add("pin_code", p.Code) },
		"two ids":                            func(_ *browser, _ madePIN, f url.Values, _ http.Header) { f.Add("pin_id", f.Get("pin_id")) },
		"an id and none":                     func(_ *browser, _ madePIN, f url.Values, _ http.Header) { f.Add("pin_id", "") },
		"an id that is a path":               func(_ *browser, _ madePIN, f url.Values, _ http.Header) { f.Set("pin_id", f.Get("pin_id")+"/../1") },
		"an id with a query":                 func(_ *browser, _ madePIN, f url.Values, _ http.Header) { f.Set("pin_id", f.Get("pin_id")+"?x=1") },
		"an id in another spelling":          func(_ *browser, _ madePIN, f url.Values, _ http.Header) { f.Set("pin_id", "0"+f.Get("pin_id")) },
		"an id with a sign":                  func(_ *browser, _ madePIN, f url.Values, _ http.Header) { f.Set("pin_id", "+"+f.Get("pin_id")) },
		"an id with a line end":              func(_ *browser, _ madePIN, f url.Values, _ http.Header) { f.Set("pin_id", f.Get("pin_id")+"\n") },
		"an id below nought":                 change("pin_id", "-1"),
		"nought":                             change("pin_id", "0"),
		"an id that is no number":            change("pin_id", "NaN"),
		"an id beyond all numbers":           change("pin_id", "99999999999999999999"),
		"another id":                         change("pin_id", "601223344"),
		"a weak code, which can be guessed":  change("pin_code", "AB1C"),
		"another code":                       change("pin_code", strings.Repeat("a", 25)),
		"a code in capitals":                 func(_ *browser, p madePIN, f url.Values, _ http.Header) { f.Set("pin_code", strings.ToUpper(p.Code)) },
		"a code with more":                   func(_ *browser, p madePIN, f url.Values, _ http.Header) { f.Set("pin_code", p.Code+"a") },
		"a code that would forge a log line": change("pin_code", "aaaaaaaaaa\nlevel=ERROR aaa"),
		"a code of 10 kB":                    change("pin_code", strings.Repeat("a", 10<<10)),
		"claimed by the attacker already": func(b *browser, p madePIN, _ url.Values, _ http.Header) {
			if err := b.plex.Approve(p.Code, "mallory"); err != nil {
				b.t.Error(err)
			}
		},
		"made before this server began": func(b *browser, _ madePIN, _ url.Values, _ http.Header) { b.plex.Advance(30 * time.Second) },
		"over":                          func(b *browser, _ madePIN, _ url.Values, _ http.Header) { b.plex.Advance(31 * time.Minute) },
		"another client's": func(b *browser, _ madePIN, f url.Values, _ http.Header) {
			for name, values := range b.makePIN("test-client-thief").form() {
				f[name] = values
			}
		},
		"another browser's, which the server made": func(b *browser, _ madePIN, f url.Values, _ http.Header) {
			code := b.codeIn(b.world.browser().post(site+"/login", url.Values{"rd": {"/"}}))
			f.Set("pin_code", code)
			f.Set("pin_id", strconv.FormatInt(601223346, 10)) // the one after ours
		},
		"another browser's, which that browser made": func(b *browser, p madePIN, _ url.Values, _ http.Header) {
			if got := b.codeIn(b.world.browser().post(site+"/login", p.form())); got != p.Code {
				b.t.Error("it was not given to the first either")
			}
		},
		"plex.tv is silent about it": func(b *browser, _ madePIN, _ url.Values, _ http.Header) {
			b.plex.Fail(plextest.CheckPIN, plextest.Maintenance())
		},
		"plex.tv says nothing about it": func(b *browser, _ madePIN, _ url.Values, _ http.Header) {
			b.plex.Fail(plextest.CheckPIN, plextest.EmptyObject())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, asksItself)
			b, handed, h := w.browser(), w.makePIN(clientID), http.Header{}
			form := handed.form()
			lie(b, handed, form, h)
			res := b.do(http.MethodPost, site+"/login", form, h)
			w.plex.Heal()
			b.wantOwn(res, handed)
			b.get(b.approve(res.Header.Get("Location"), "casey"))
			if name != "another browser's, which that browser made" {
				w.wantSessions(casey, 1)
			}
		})
	}
	t.Run("in the address", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, asksItself)
		b, handed := w.browser(), w.makePIN(clientID)
		b.wantOwn(b.post(site+"/login?"+handed.form().Encode(), nil), handed)
	})
	t.Run("switched off", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		b, handed := w.browser(), w.makePIN(clientID)
		b.wantOwn(b.post(site+"/login", handed.form()), handed)
		if body := text(b.get(site + "/login")); strings.Contains(body, "pin_code") || strings.Contains(body, clientID) {
			t.Error("the page asks all the same")
		}
	})
	t.Run("a page of another site of ours", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *setup) { s.BrowserPIN, s.urls = true, []string{site, "https://auth.example.org"} })
		b, handed := w.browser(), w.makePIN(clientID)
		if res := b.do(http.MethodPost, site+"/login", handed.form(), http.Header{"Sec-Fetch-Site": nil, "Origin": {"https://auth.example.org"}}); res.StatusCode != http.StatusForbidden {
			t.Error(res.Status)
		}
	})
	for name, h := range map[string]http.Header{
		"another site": {"Sec-Fetch-Site": {"cross-site"}}, "a sibling host": {"Sec-Fetch-Site": {"same-site"}},
		"another origin": {"Sec-Fetch-Site": nil, "Origin": {"https://evil.com"}}, "no origin": {"Sec-Fetch-Site": nil, "Origin": {"null"}},
	} {
		t.Run("a form of "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, asksItself)
			b, handed := w.browser(), w.makePIN(clientID)
			if res := b.do(http.MethodPost, site+"/login", handed.form(), h); res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
				t.Errorf("%s", res.Status)
			}
		})
	}
}

// A PIN is made in advance and laid out for somebody: its age counts, however long the server has been there.
func TestHandedPINMadeInAdvance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asksItself)
		time.Sleep(time.Hour)
		handed := w.makePIN(clientID)
		time.Sleep(2 * time.Minute)
		if got := w.codeIn(w.browser().post(site+"/login", handed.form())); got != handed.Code {
			t.Error("two minutes are too long")
		}
		handed = w.makePIN(clientID)
		time.Sleep(2*time.Minute + time.Second)
		b := w.browser()
		b.wantOwn(b.post(site+"/login", handed.form()), handed)
	})
}

// Both hang: the browser waits for the check no longer than three seconds, and is then given the server's own PIN.
func TestHandedPINDoesNotWaitForPlex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asksItself)
		b, handed, began := w.browser(), w.makePIN(clientID), time.Now()
		w.plex.Fail(plextest.CheckPIN, plextest.Hung())
		res := b.post(site+"/login", handed.form())
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		w.plex.Heal()
		b.wantOwn(res, handed)
	})
}

func TestHandedPINIsUsedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asksItself)
	handed := w.makePIN(clientID)
	b := w.browser()
	before := w.plex.Requests(plextest.CreatePIN)
	res := b.post(site+"/login", handed.form())
	if w.codeIn(res) != handed.Code || w.plex.AskedBy(handed.Code) != site || w.plex.Requests(plextest.CreatePIN) != before {
		t.Fatal("it is not used")
	}
	again := b.post(site+"/login", w.makePIN(clientID).form()) // a second tab
	if w.codeIn(again) != handed.Code {
		t.Error("a second tab ends the sign-in of the first")
	}
	if res := b.get(b.approve(res.Header.Get("Location"), "casey")); !setsSession(res) {
		t.Fatalf("callback: %s", res.Status)
	}
	w.wantSessions(casey, 1)
	b.wantOwn(b.post(site+"/login", handed.form()), handed) // the way back to a page that is filled in
	if log := w.log.String(); strings.Contains(log, handed.Code) || strings.Contains(log, "test-token-") {
		t.Error("a secret is in the log")
	}
}

// Plex warns of a PIN of the server's: one that the browser has made since is the better one.
func TestHandedPINTakesThePlaceOfTheServersOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asksItself)
	b := w.browser()
	first := w.codeIn(b.post(site+"/login", url.Values{"rd": {"/"}}))
	handed := w.makePIN(clientID)
	res := b.post(site+"/login", handed.form())
	if got := w.codeIn(res); got == first || got != handed.Code {
		t.Error("it is not used")
	}
	if w.codeIn(b.post(site+"/login", url.Values{"rd": {"/"}})) != handed.Code { // without script after all
		t.Error("it is not used again")
	}
	b.get(b.approve(res.Header.Get("Location"), "casey"))
	w.wantSessions(casey, 1)
}

// The page of a sign-in that is over asks for the next PIN as the sign-in page does.
func TestThePageOfASignInThatIsOverAsksPlexItself(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*setup){"on": asksItself, "off": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, change)
			b := w.browser()
			b.begin("/")
			w.plex.Advance(time.Hour)
			over, login := b.get(callback), b.get(site+"/login")
			body := text(over)
			if over.StatusCode != http.StatusGone {
				t.Fatalf("%s\n%s", over.Status, body)
			}
			offers := regexp.MustCompile(`data-pins="([^"]*)"`)
			own, like := offers.FindStringSubmatch(body), offers.FindStringSubmatch(text(login))
			if on := change != nil; on != (own != nil) || !slices.Equal(own, like) {
				t.Errorf("it asks %q, the sign-in page %q", own, like)
			}
			for _, directive := range []string{"connect-src", "script-src"} {
				if got, want := directiveOf(over, directive), directiveOf(login, directive); got != want {
					t.Errorf("%q, that of the sign-in page is %q", got, want)
				}
			}
			if got := directiveOf(over, "connect-src"); change != nil && got != "connect-src "+w.plex.URL+"/api/v2/pins" {
				t.Errorf("%q", got)
			}
			handed := w.makePIN(clientID)
			if got := w.codeIn(b.post(site+"/login", handed.form())); (got == handed.Code) != (change != nil) {
				t.Error("what it hands over is not taken, or should not be")
			}
		})
	}
}

// directiveOf is a directive of a page's policy, "" for none.
func directiveOf(res *http.Response, name string) string {
	for d := range strings.SplitSeq(res.Header.Get("Content-Security-Policy"), "; ") {
		if strings.HasPrefix(d, name+" ") {
			return d
		}
	}
	return ""
}

func TestHandedPINGoesToOneOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asksItself)
	handed := w.makePIN(clientID)
	got := make([]string, 8)
	var all sync.WaitGroup
	for i := range got {
		b := w.browser()
		all.Go(func() { got[i] = w.codeIn(b.post(site+"/login", handed.form())) })
	}
	all.Wait()
	n := 0
	for _, code := range got {
		if code == handed.Code {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d browsers share a sign-in", n)
	}
}

func TestHandedPINsHaveTheSameBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asksItself)
		for i := range 30 {
			handed := w.makePIN(clientID)
			res := w.browser().post(site+"/login", handed.form())
			if want := http.StatusTooManyRequests; i >= 10 && res.StatusCode != want || i < 10 && w.codeIn(res) != handed.Code {
				t.Errorf("the %d. at once: %s", i+1, res.Status)
			}
		}
		if n := w.plex.Requests(plextest.CheckPIN); n != 10 {
			t.Errorf("plex.tv was asked %d times", n)
		}
	})
}
