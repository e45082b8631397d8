package auth_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/auth"
	"usher/plex"
	"usher/plex/plextest"
	"usher/session"
)

// recording is a plex.tv whose answers are made beforehand, so that making
// them is not measured.
type recording struct {
	answers map[string]*httptest.ResponseRecorder // by path
}

// record asks robin's questions, of that many people on the list. Where more,
// casey has one library more.
func record(t testing.TB, people int, more bool) *recording {
	t.Helper()
	s := plextest.New()
	t.Cleanup(s.Close)
	s.EditMachine("robin", plextest.Attic, func(m *plextest.Machine) {
		m.Libraries = append(m.Libraries, plextest.Library{Title: "Books", Type: "artist"}, plextest.Library{Title: "Kids", Type: "movie"})
	})
	s.AddPeople(people-6, plextest.Shared)
	if more {
		s.GiveLibraries("casey", plextest.Attic, "Music")
	}
	rec := &recording{answers: map[string]*httptest.ResponseRecorder{}}
	token := s.Token("robin", clientID)
	for _, path := range []string{"/api/v2/user", "/api/v2/resources", "/api/users", "/api/servers/" + plextest.Attic, "/api/servers/" + plextest.Attic + "/shared_servers"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("X-Plex-Token", token)
		r.Header.Set("X-Plex-Client-Identifier", clientID)
		r.Header.Set("Accept", "application/json")
		rec.answers[path] = httptest.NewRecorder()
		if s.ServeHTTP(rec.answers[path], r); rec.answers[path].Code != http.StatusOK {
			t.Fatalf("%s: %d", path, rec.answers[path].Code)
		}
	}
	return rec
}

func (rec *recording) RoundTrip(r *http.Request) (*http.Response, error) {
	a := rec.answers[r.URL.Path]
	return &http.Response{StatusCode: a.Code, Header: a.Header(), Body: io.NopCloser(bytes.NewReader(a.Body.Bytes())), ContentLength: -1, Request: r}, nil
}

// decode reads all of it as encoding/xml does, which is what to compare with.
func (rec *recording) decode(t testing.TB) {
	for path, a := range rec.answers {
		if strings.HasPrefix(path, "/api/v2/") {
			continue
		}
		d := xml.NewDecoder(bytes.NewReader(a.Body.Bytes()))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// cpu is what the process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heap is what is allocated and not yet freed, dead or alive.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// cost is the CPU that f takes, and by how much the heap grows meanwhile.
func cost(f func()) (took time.Duration, grown uint64) {
	runtime.GC()
	before, peak := heap(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(2 * time.Millisecond); ; {
			peak = max(peak, heap())
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	start := cpu()
	f()
	took = cpu() - start
	close(stop)
	<-stopped
	return took, max(peak, before) - before
}

// With 10,000 people on the owner's list and as many shares, one refresh, from
// the answers of plex.tv to the store on disk, stays under 200 ms of CPU and
// 50 MB. It does not run beside other tests, which would be counted too.
func TestRefreshStaysCheap(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector would be measured")
	}
	const people, mostCPU, mostHeap = 10_000, 200 * time.Millisecond, 50 << 20
	plexTV, other := record(t, people, false), record(t, people, true)
	keys, err := session.NewKeys(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	store, err := session.Open(filepath.Join(t.TempDir(), "usher.db"), keys, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	client, err := plex.New(plex.Config{ClientID: clientID, Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return plexTV.RoundTrip(r) })})
	if err != nil {
		t.Fatal(err)
	}
	open := func() *plex.Directory {
		d, err := plex.NewDirectory(plex.DirectoryConfig{Client: client, Store: auth.PlexStore(store), Servers: []string{plextest.Attic}, OwnerToken: "test-token-robin",
			Recheck: 1, Grace: time.Hour}) // so that every page asks anew
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	dir := open()
	defer func() { dir.Close() }()
	refresh := func() {
		if a, err := dir.Refresh(context.Background(), 70010001, 0); err != nil || len(a.Libraries) < 2 || !a.LibrariesKnown {
			t.Fatalf("%+v %v", a, err)
		}
	}
	yardstick, _ := cost(func() { plexTV.decode(t) })
	for _, c := range []struct {
		name    string
		prepare func()
	}{
		{"the first", func() {
			dir.Close()
			if err := auth.PlexStore(store).SaveOwner(nil); err != nil {
				t.Fatal(err)
			}
			dir = open()
		}},
		{"nothing changed", func() {}},
		{"a library given or taken", func() { plexTV, other = other, plexTV }},
		{"after a restart", func() { dir.Close(); dir = open() }},
	} {
		least, most := time.Hour, uint64(0)
		for range 3 { // of the CPU the least: the machine has other work
			c.prepare()
			took, grown := cost(refresh)
			least, most = min(least, took), max(most, grown)
		}
		t.Logf("%s: %v of CPU, %d MB; reading the lists by encoding/xml: %v", c.name, least, most>>20, yardstick)
		if least > mostCPU || least > yardstick/2 || most > mostHeap {
			t.Errorf("%s: %v of CPU and %d MB, want at most %v, half of %v, and %d MB", c.name, least, most>>20, mostCPU, yardstick, mostHeap>>20)
		}
	}
	if n := dir.View().People; n != people {
		t.Errorf("%d people", n)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
