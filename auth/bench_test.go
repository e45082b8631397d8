package auth_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
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

// What a check may cost at most, recorder included. It does not run beside
// other tests, which would be counted too.
func TestCheckStaysCheap(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	w := newWorld(t, nil)
	casey := w.signedIn("casey")
	for _, family := range families {
		r := casey.checkRequest(family, page, nil)
		check := func() {
			rec := httptest.NewRecorder()
			if w.usher.ServeHTTP(rec, r); rec.Code != http.StatusOK {
				t.Fatalf("%s: %d", family, rec.Code)
			}
		}
		const runs = 1000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		allocs := testing.AllocsPerRun(runs, check)
		runtime.ReadMemStats(&after)
		if size := (after.TotalAlloc - before.TotalAlloc) / runs; allocs > 20 || size > 3000 {
			t.Errorf("%s: %v allocations and %d bytes a check, want at most 20 and 3000", family, allocs, size)
		}
	}
}
