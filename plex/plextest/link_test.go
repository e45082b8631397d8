package plextest_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"usher/plex"
	"usher/plex/plextest"
)

// TestLinkPage: a code is approved there once, by who is known; a strong one never.
func TestLinkPage(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t, plextest.InMemory())
	c, err := plex.New(plex.Config{URL: s.URL, ClientID: "test-client", Transport: s.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	weak, err := c.CreateLinkPIN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	strong, err := c.CreatePIN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: s.Transport()}
	read := func(res *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s, %v", res.Status, err)
		}
		return string(body)
	}
	if page := read(browser.Get(c.LinkURL(weak))); !strings.Contains(page, `value="`+weak.Code+`"`) || strings.Contains(page, "outcome") {
		t.Errorf("the code is not filled in:\n%s", page)
	}
	for _, a := range []struct {
		code, person string
		done         bool
	}{{strong.Code, "casey", false}, {"", "casey", false}, {weak.Code, "nobody", false}, {strings.ToLower(weak.Code), "casey", true}, {weak.Code, "mallory", false}} {
		page := read(browser.PostForm(s.URL+"/link", url.Values{"code": {a.code}, "person": {a.person}}))
		if strings.Contains(page, "Done.") != a.done {
			t.Errorf("%d letters by %s: done %t", len(a.code), a.person, !a.done)
		}
	}
	if pin, err := c.CheckPIN(t.Context(), weak.ID); err != nil || pin.Token == "" {
		t.Errorf("not approved: %v", err)
	}
	if pin, err := c.CheckPIN(t.Context(), strong.ID); err != nil || pin.Token != "" {
		t.Errorf("approved: %v", err)
	}
}
