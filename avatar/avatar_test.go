package avatar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/avatar"
	"usher/picture"
)

const casey = "https://plex.tv/users/9f00aa11bb22cc33/avatar?c=1750000000"

func TestAddressesThatAreNeverAsked(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"none":                      "",
		"http":                      "http://plex.tv/users/x/avatar",
		"another host":              "https://example.com/a.png",
		"a host that ends like one": "https://evilplex.tv/a.png",
		"a host that begins so":     "https://plex.tv.example.com/a.png",
		"a user that looks like it": "https://plex.tv@example.com/a.png",
		"a user":                    "https://casey@plex.tv/a.png",
		"another port":              "https://plex.tv:8443/a.png",
		"loopback":                  "https://127.0.0.1/a.png",
		"link-local":                "https://169.254.169.254/latest/meta-data",
		"a private address":         "https://[fd00::1]/a.png",
		"no host":                   "https:///a.png",
		"a path":                    "/users/x/avatar",
		"a file":                    "file:///etc/passwd",
		"data":                      "data:image/png;base64,AAAA",
		"opaque":                    "https:plex.tv/a.png",
		"a trailing dot":            "https://plex.tv./a.png",
		"too long":                  "https://plex.tv/" + strings.Repeat("x", 600),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faces := newFaces(t, "https://plex.tv", func(r *http.Request) (*http.Response, error) {
				t.Errorf("%s was asked", r.URL)
				return nil, errors.New("refused")
			})
			if face := faces.Of(t.Context(), address); face != nil {
				t.Errorf("%d bytes", len(face))
			}
		})
	}
}

// Where plex.tv has a stand-in, nobody else learns that somebody signed in.
func TestStandInAlone(t *testing.T) {
	t.Parallel()
	faces := newFaces(t, "http://127.0.0.1:9", func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "127.0.0.1:9" {
			t.Errorf("%s was asked", r.URL)
		}
		return answer(200, picturePNG(t)), nil
	})
	for _, address := range []string{casey, "https://127.0.0.1:9/a.png", "http://127.0.0.1:8/a.png", "http://127.0.0.1/a.png"} {
		if faces.Of(t.Context(), address) != nil {
			t.Errorf("%s is shown", address)
		}
	}
	sooner(t, faces, "http://127.0.0.1:9/users/x/avatar")
}

// Whatever name plex.tv is asked by, its pictures are at plex.tv; a stand-in's are at the stand-in alone.
func TestWhatIsPlexItself(t *testing.T) {
	t.Parallel()
	for plex, itself := range map[string]bool{
		"https://plex.tv":               true,
		"https://plex.tv:443":           true,
		"https://clients.plex.tv":       true,
		"https://Clients.Plex.TV":       true,
		"https://plex.tv.evil.example":  false,
		"https://evilplex.tv":           false,
		"https://plex.tv@evil.example":  false,
		"https://evil.example/plex.tv":  false,
		"https://evil.example#.plex.tv": false,
		"http://plex.tv":                false,
	} {
		t.Run(plex, func(t *testing.T) {
			t.Parallel()
			faces := newFaces(t, plex, func(*http.Request) (*http.Response, error) { return answer(200, picturePNG(t)), nil })
			if !itself {
				if faces.Of(t.Context(), casey) != nil {
					t.Error("plex.tv is asked for a picture")
				}
				return
			}
			sooner(t, faces, casey)
		})
	}
}

func TestAnswersThatAreNotShown(t *testing.T) {
	t.Parallel()
	good := picturePNG(t)
	for name, res := range map[string]func() *http.Response{
		"not found":        func() *http.Response { return answer(404, good) },
		"an error":         func() *http.Response { return answer(500, good) },
		"nothing":          func() *http.Response { return answer(200, nil) },
		"SVG":              func() *http.Response { return answer(200, []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)) },
		"a page":           func() *http.Response { return answer(200, []byte("<!doctype html><p>Down for maintenance")) },
		"257 kB":           func() *http.Response { return answer(200, append(bytes.Clone(good), make([]byte, 257<<10)...)) },
		"said to be large": func() *http.Response { r := answer(200, good); r.ContentLength = 2 << 20; return r },
		"it never ends": func() *http.Response {
			r := answer(200, nil)
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(good), endless{}))
			r.ContentLength = -1
			return r
		},
		"it breaks off": func() *http.Response {
			r := answer(200, nil)
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(good[:50]), broken{}))
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faces := newFaces(t, "https://plex.tv", func(*http.Request) (*http.Response, error) { return res(), nil })
			if face := faces.Of(t.Context(), casey); face != nil {
				t.Errorf("%d bytes", len(face))
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		to    []string
		shown bool
	}{
		"to another of the hosts":   {[]string{"https://secure.gravatar.com/avatar/0"}, true},
		"three times":               {[]string{"https://assets.plex.tv/1", "https://assets.plex.tv/2", "https://assets.plex.tv/3"}, true},
		"four times":                {[]string{"https://assets.plex.tv/1", "https://assets.plex.tv/2", "https://assets.plex.tv/3", "https://assets.plex.tv/4"}, false},
		"to another host":           {[]string{"https://example.com/a.png"}, false},
		"to http":                   {[]string{"http://plex.tv/a.png"}, false},
		"to loopback":               {[]string{"http://127.0.0.1:32400/identity"}, false},
		"to a private address":      {[]string{"https://192.168.0.1/a.png"}, false},
		"to link-local":             {[]string{"http://169.254.169.254/latest/meta-data"}, false},
		"out by way of a good one":  {[]string{"https://assets.plex.tv/1", "https://[::1]/a.png"}, false},
		"to another scheme":         {[]string{"file:///etc/passwd"}, false},
		"to another port of itself": {[]string{"https://plex.tv:22/"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			faces := newFaces(t, "https://plex.tv", func(r *http.Request) (*http.Response, error) {
				n := int(asked.Add(1))
				if r.Header.Get("Referer") != "" || r.Header.Get("Cookie") != "" {
					t.Errorf("told: %v", r.Header)
				}
				if n > len(c.to) {
					if !c.shown {
						t.Errorf("%s was asked", r.URL)
					}
					return answer(200, picturePNG(t)), nil
				}
				res := answer(302, nil)
				res.Header.Set("Location", c.to[n-1])
				res.Header.Set("Set-Cookie", "a=b")
				return res, nil
			})
			if c.shown {
				sooner(t, faces, casey)
			} else if faces.Of(t.Context(), casey) != nil {
				t.Error("something is shown")
			}
		})
	}
}

// A redirect out of the stand-in's origin is refused by the transport that is in use, not by one of the test's.
func TestRedirectOfAStandIn(t *testing.T) {
	t.Parallel()
	private := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	defer private.Close()
	plex := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/own" {
			_, _ = w.Write(picturePNG(t))
			return
		}
		http.Redirect(w, r, private.URL, http.StatusFound)
	}))
	defer plex.Close()
	faces, err := avatar.New(avatar.Config{Plex: plex.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer faces.Close()
	if faces.Of(t.Context(), plex.URL+"/sends-on") != nil {
		t.Error("something is shown")
	}
	sooner(t, faces, plex.URL+"/own")
}

func TestNobodyWaitsForASlowPicture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		faces := newFaces(t, "https://plex.tv", func(r *http.Request) (*http.Response, error) {
			asked.Add(1)
			select {
			case <-time.After(2 * time.Second):
				return answer(200, picturePNG(t)), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		began := time.Now()
		if faces.Of(t.Context(), casey) != nil || time.Since(began) > 300*time.Millisecond {
			t.Errorf("waited %v", time.Since(began))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if faces.Of(gone, casey) != nil || faces.Known(casey) != nil || time.Since(began) > 300*time.Millisecond {
			t.Errorf("waited %v", time.Since(began))
		}
		time.Sleep(2 * time.Second)
		if faces.Known(casey) == nil || asked.Load() != 1 {
			t.Errorf("not there in the end, after %d questions", asked.Load())
		}
	})
}

func TestAFailureIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		faces := newFaces(t, "https://plex.tv", func(r *http.Request) (*http.Response, error) {
			asked.Add(1)
			<-r.Context().Done() // as long as it may
			return nil, r.Context().Err()
		})
		began := time.Now()
		for range 100 {
			faces.Of(t.Context(), casey)
		}
		if took := time.Since(began); asked.Load() != 1 || took > 4*time.Second {
			t.Errorf("%d questions in %v", asked.Load(), took)
		}
		time.Sleep(5 * time.Minute)
		faces.Of(t.Context(), casey)
		if asked.Load() != 2 {
			t.Errorf("%d questions", asked.Load())
		}
	})
}

func TestManyAskOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	faces := newFaces(t, "https://plex.tv", func(*http.Request) (*http.Response, error) {
		asked.Add(1)
		return answer(200, picturePNG(t)), nil
	})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { faces.Of(t.Context(), casey) })
	}
	all.Wait()
	if asked.Load() != 1 {
		t.Errorf("%d questions", asked.Load())
	}
}

// Whoever could give themselves picture after picture fills no memory: what goes is what has been here longest.
func TestBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked, atOnce, most atomic.Int32
		faces := newFaces(t, "https://plex.tv", func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			if n := atOnce.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer atOnce.Add(-1)
			time.Sleep(time.Millisecond)
			return answer(404, nil), nil // is remembered like a picture, and takes less time to make
		})
		address := func(i int) string { return fmt.Sprintf("https://plex.tv/users/%d/avatar", i) }
		for i := range 600 {
			faces.Known(address(i))
		}
		time.Sleep(time.Second)
		if n := asked.Load(); n != 512 || most.Load() > 4 {
			t.Errorf("%d questions, %d at once", n, most.Load())
		}
		time.Sleep(time.Second)
		for i := range 600 { // those that found no room before
			faces.Of(t.Context(), address(600+i))
		}
		for i, again := range map[int]int32{0: 1, 1199: 0} { // the first is gone, the last is not
			before := asked.Load()
			if faces.Of(t.Context(), address(i)); asked.Load()-before != again {
				t.Errorf("%d: asked %d times more", i, asked.Load()-before)
			}
		}
	})
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		faces := newFaces(t, "https://plex.tv", func(r *http.Request) (*http.Response, error) {
			asked.Add(1)
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		faces.Known(casey)
		faces.Close()
		if faces.Of(t.Context(), casey+"2") != nil || asked.Load() > 1 || time.Since(began) != 0 {
			t.Errorf("%d questions, %v", asked.Load(), time.Since(began))
		}
	})
}

func TestNone(t *testing.T) {
	t.Parallel()
	var faces *avatar.Faces
	if faces.Of(t.Context(), casey) != nil || faces.Known(casey) != nil {
		t.Error("a picture out of nothing")
	}
	faces.Close()
	for _, plex := range []string{"", "plex.tv", "ftp://plex.tv", "https://"} {
		if _, err := avatar.New(avatar.Config{Plex: plex}); err == nil {
			t.Errorf("%q is taken", plex)
		}
	}
}

func TestShown(t *testing.T) {
	t.Parallel()
	faces := newFaces(t, "https://plex.tv", func(r *http.Request) (*http.Response, error) {
		if r.URL.String() != casey || r.Header.Get("X-Plex-Token") != "" {
			t.Errorf("asked %s, %v", r.URL, r.Header)
		}
		return answer(200, picturePNG(t)), nil
	})
	if face := sooner(t, faces, casey); len(face) > picture.MostFace || !bytes.HasPrefix(face, []byte{0xff, 0xd8, 0xff}) {
		t.Errorf("%d bytes, %.8x", len(face), face)
	}
}

// sooner asks again for a while: a busy machine may take longer than a page waits.
func sooner(t *testing.T, faces *avatar.Faces, address string) []byte {
	t.Helper()
	for range 50 {
		if face := faces.Of(t.Context(), address); face != nil {
			return face
		}
	}
	t.Fatal("no picture")
	return nil
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newFaces(t *testing.T, plex string, f transport) *avatar.Faces {
	t.Helper()
	faces, err := avatar.New(avatar.Config{Plex: plex, Transport: f})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(faces.Close)
	return faces
}

func answer(status int, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1}
}

func picturePNG(t testing.TB) []byte {
	t.Helper()
	p := image.NewRGBA(image.Rect(0, 0, 70, 90))
	for x := range 70 {
		for y := range 90 {
			p.Set(x, y, color.RGBA{uint8(x), uint8(y), 0x80, 0xff})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
