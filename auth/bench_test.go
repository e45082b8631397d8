package auth_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"
)

// identityHeaders are those of auth.DefaultHeaders.
var identityHeaders = []string{"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Remote-Id"}

// BenchmarkCheck is a check of a signed-in person whose cookie was seen before.
// BenchmarkBareHandler is what there is no getting below.
func BenchmarkCheck(b *testing.B) {
	w := newWorld(b, nil)
	serve(b, w.usher, w.signedIn("casey").checkRequest("traefik", page, nil))
}

func BenchmarkBareHandler(b *testing.B) {
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		for _, name := range identityHeaders {
			w.Header().Set(name, "casey")
		}
		w.WriteHeader(http.StatusOK)
	})
	serve(b, bare, httptest.NewRequest(http.MethodGet, "/auth/traefik", nil))
}

func serve(b *testing.B, h http.Handler, r *http.Request) {
	b.ReportAllocs()
	for b.Loop() {
		rec := httptest.NewRecorder()
		if h.ServeHTTP(rec, r); rec.Code != http.StatusOK {
			b.Fatalf("%d: %s", rec.Code, rec.Body)
		}
	}
}

// BenchmarkCheckByKey is the same check by a key.
func BenchmarkCheckByKey(b *testing.B) {
	w := newWorld(b, quiet)
	serve(b, w.usher, w.signedIn("casey").checkRequest("traefik", page, ways["bearer"](w.keyOf(casey))))
}

// quiet logs as an installation does: each use of a key is told at debug only.
func quiet(s *setup) { s.logTo = slog.NewTextHandler(io.Discard, nil) }

// What a check may cost at most, recorder included. It does not run beside
// other tests, which would be counted too.
func TestCheckStaysCheap(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	w := newWorld(t, quiet)
	b := w.signedIn("casey")
	key := w.keyOf(casey)
	check := func(r *http.Request) {
		rec := httptest.NewRecorder()
		if w.usher.ServeHTTP(rec, r); rec.Code != http.StatusOK {
			t.Fatalf("%d", rec.Code)
		}
	}
	requests := func(family string) map[string]*http.Request {
		all := map[string]*http.Request{"cookie": b.checkRequest(family, page, nil)}
		for way, give := range ways {
			all[way] = w.browser().checkRequest(family, page, give(key))
		}
		return all
	}
	for _, family := range families {
		for way, r := range requests(family) {
			const runs = 1000
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			allocs := testing.AllocsPerRun(runs, func() { check(r) })
			runtime.ReadMemStats(&after)
			if size := (after.TotalAlloc - before.TotalAlloc) / runs; allocs > 20 || size > 3000 {
				t.Errorf("%s by %s: %v allocations and %d bytes a check, want at most 20 and 3000", family, way, allocs, size)
			}
		}
	}
	// A key is as quick as a cookie. The quickest of many rounds of each, in turn, is what they cost by themselves.
	took := map[string]time.Duration{}
	all := requests("traefik")
	for range 100 {
		for way, r := range all {
			began := time.Now()
			for range 100 {
				check(r)
			}
			if d := time.Since(began); took[way] == 0 || d < took[way] {
				took[way] = d
			}
		}
	}
	for way, d := range took {
		t.Logf("%s: %v a check", way, d/100)
		if float64(d) > 1.5*float64(took["cookie"]) {
			t.Errorf("by %s it takes %v, by cookie %v", way, d/100, took["cookie"]/100)
		}
	}
}
