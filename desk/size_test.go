package desk_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/session"
)

// However much there is, a page of the desk stays below 40 kB with its headers.
func TestPagesStaySmall(t *testing.T) {
	t.Parallel()
	w := newOfficeWorld(t)
	w.signedIn("casey", "")
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
	for i := range 60 {
		account := int64(casey)
		if i >= 30 {
			account = int64(80000000 + i)
		}
		if _, err := w.store.Begin(session.Session{Account: account, Audience: "media-and-more.example.com", Device: firefox, Address: fmt.Sprintf("2001:db8:1234:5678:9abc:def0:1234:%04x", i), Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if i < 45 {
			key := session.Key{Account: casey, Name: strings.Repeat("a program ", 5) + fmt.Sprint(i), Hosts: []string{"sonarr.example.com", "radarr.example.com"}, Ends: time.Now().Add(time.Hour)}
			if _, _, err := w.store.MakeKey(key); err != nil {
				t.Fatal(err)
			}
		}
		w.note(session.Event{Kind: session.EventAccess, Result: "refused", Account: casey, User: "casey", App: "media-and-more.example.com", Reason: "needs_library", RequestID: "7F3K-Q2"})
		if i >= 30 {
			if err := w.store.Rule(session.Ruling{Account: account, By: robin, Reason: strings.Repeat("because ", 20)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, path := range []string{"/admin", "/admin/people", "/admin/people/70010001", "/admin/devices", "/admin/keys", "/admin/events", "/admin/health"} {
		res, found := w.do(http.MethodGet, path, nil)
		body, err := io.ReadAll(res.Body)
		if !found || err != nil || len(body) > 39_000 {
			t.Errorf("%s: %d bytes, found %v, %v", path, len(body), found, err)
		}
	}
	if page := text(w.get("/admin/people/70010001")); !strings.Contains(page, "And 24 more") || !strings.Contains(page, "And 38 more") {
		t.Errorf("nothing leads to the other devices and keys: %s", page)
	}
}
