package auth_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/avatar"
	"usher/plex/plextest"
)

const faceShown = `<img class="face" src="data:image/jpeg;base64,`

// newFacedWorld is a world whose pages show the pictures that its plex.tv has.
func newFacedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	faces, err := avatar.New(avatar.Config{Plex: w.plex.URL, Transport: w.plex.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(faces.Close)
	w.restart(func(s *setup) { s.Faces = faces })
	return w
}

// A picture that does not come holds up no check, and a page for a moment only.
func TestNobodyWaitsForAPicture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFacedWorld(t)
		w.plex.Fail(plextest.Avatar, plextest.Hung())
		casey, mallory := w.signedIn("casey"), w.signedIn("mallory")
		began := time.Now()
		if res := casey.check("traefik", page, nil); res.StatusCode != http.StatusOK || w.plex.Requests(plextest.Avatar) != 0 {
			t.Errorf("who passes: %s, %d pictures asked for", res.Status, w.plex.Requests(plextest.Avatar))
		}
		if res := mallory.check("traefik", page, nil); res.StatusCode != http.StatusForbidden || strings.Contains(text(res), faceShown) {
			t.Errorf("who is refused: %s", res.Status)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the checks took %v", took)
		}
		for name, address := range map[string]string{"home": site + "/", "sign-out": site + "/logout"} {
			began := time.Now()
			res := casey.get(address)
			if body := text(res); res.StatusCode != http.StatusOK || strings.Contains(body, faceShown) || !strings.Contains(body, `<span class="face"`) {
				t.Errorf("%s: %s\n%s", name, res.Status, body)
			}
			if took := time.Since(began); took > 300*time.Millisecond {
				t.Errorf("%s took %v", name, took)
			}
		}
	})
}

func TestFaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFacedWorld(t)
		casey, mallory := w.signedIn("casey"), w.signedIn("mallory")
		for name, res := range map[string]*http.Response{
			"home":          casey.get(site + "/"),
			"sign-out":      casey.get(site + "/logout"),
			"the refused":   mallory.get(site + "/refused?rd=" + page),
			"a check after": mallory.check("traefik", page, nil),
		} {
			body := text(res)
			if !strings.Contains(body, faceShown) {
				t.Errorf("%s: %s, without a picture", name, res.Status)
			}
			if strings.Contains(body, "/avatar") {
				t.Errorf("%s: the browser would ask plex.tv for it", name)
			}
		}
		if n := w.plex.Requests(plextest.Avatar); n != 2 {
			t.Errorf("%d pictures were asked for", n)
		}
	})
}
