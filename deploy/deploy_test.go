// Package deploy_test runs the files that people copy: Traefik, nginx, Caddy and HAProxy with exactly the configuration of this
// folder, where only host names, addresses and certificate paths are put in, in front of Usher itself, a
// stand-in plex.tv and an app that tells which headers reached it.
//
// A proxy that is not installed skips its tests loudly, and fails them where CI=true.
package deploy_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The people and servers that plextest knows.
const (
	attic   = "0123456789abcdef0123456789abcdef01234567"
	robinID = "70010009"
)

// identity lists what every recipe must set or take away.
var identity = []string{"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Remote-Id"}

// replaced is what a proxy takes away from a client's request and sets as Usher's answer has it, or not at all.
var replaced = append(slices.Clone(identity), "Authorization", "X-Usher-Key", "X-Original-Url", "X-Rewrite-Url")

// Each is built once, into a folder that outlives the run: linking one takes longer than all scenarios.
var (
	usherBinary   = sync.OnceValues(func() (string, error) { return build("usher-under-test", "..", ".") })
	caddyBinary   = sync.OnceValues(findCaddy)
	traefikBinary = sync.OnceValues(findTraefik)
)

func build(name, module, pkg string) (string, error) {
	binary, err := filepath.Abs(filepath.Join("..", ".build", name))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, pkg)
	cmd.Dir = module
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", &buildError{module, err, out}
	}
	return binary, nil
}

type buildError struct {
	module string
	err    error
	out    []byte
}

func (e *buildError) Error() string {
	return "go build in " + e.module + ": " + e.err.Error() + "\n" + string(e.out)
}

// findCaddy prefers a caddy on PATH that is new enough for the recipe, and builds one otherwise.
func findCaddy() (string, error) {
	if path, err := exec.LookPath("caddy"); err == nil {
		if out, err := exec.Command(path, "version").Output(); err == nil && atLeast(string(out), 2, 11, 4) {
			return path, nil
		}
	}
	return build("caddy", filepath.Join("internal", "caddy"), ".")
}

// atLeast compares "v2.11.9 h1:…" with a version.
func atLeast(version string, want ...int) bool {
	version, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(version), "v"), " ")
	parts := strings.Split(version, ".")
	for i, w := range want {
		if i >= len(parts) {
			return false
		}
		got, err := strconv.Atoi(parts[i])
		if err != nil || got != w {
			return err == nil && got > w
		}
	}
	return true
}

func findNginx(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil { // Debian has it where only root's PATH looks
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		missing(t, "nginx is not installed: apt-get install nginx-light, or make test as root")
	}
	return path
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// watchSources lets go test's cache know that these tests depend on every Go file of Usher, which a child
// process builds: files that a test stats are part of the cache's key.
func watchSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return filepath.SkipDir
		case d.Type().IsRegular():
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"":                false,
		"(devel)":         false,
		"v2.6.2":          false,
		"v2.11.3 h1:abc=": false,
		"v2.11":           false,
		"v1.99.99":        false,
		"v2.11.4":         true,
		"v2.11.9 h1:abc=": true,
		"2.12.0":          true,
		"v3.0.0\n":        true,
	} {
		if got := atLeast(version, 2, 11, 4); got != want {
			t.Errorf("atLeast(%q, 2.11.4) = %v, want %v", version, got, want)
		}
	}
}
