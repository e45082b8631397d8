package deploy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The ACME client that Traefik is built with: what go.mod of internal/traefik asks for, and its checksum.
const (
	lego    = "github.com/go-acme/lego/v5"
	legoAt  = lego + "@v5.3.1"
	legoSum = "h1:xYT4CLZecfsFYJ3G94Z3alJn6oBlUrGYJH5rpGfo5YE="
)

// noProviders stands in for lego's table of DNS providers.
const noProviders = `package dns

import (
	"errors"

	"` + lego + `/challenge"
)

func NewDNSChallengeProviderByName(string) (challenge.Provider, error) {
	return nil, errors.New("built without DNS providers")
}
`

// findTraefik prefers a traefik on PATH that is new enough for the recipe, and builds one otherwise.
func findTraefik() (string, error) {
	if path, err := exec.LookPath("traefik"); err == nil {
		out, err := exec.Command(path, "version").Output()
		version := regexp.MustCompile(`(?m)^Version:\s*(\S+)`).FindSubmatch(out)
		if err == nil && version != nil && atLeast(string(version[1]), 3, 7, 12) {
			return path, nil
		}
	}
	if err := copyLego(filepath.Join("..", ".build", "lego")); err != nil {
		return "", fmt.Errorf("%s: %w", legoAt, err)
	}
	return build("traefik", filepath.Join("internal", "traefik"), "github.com/traefik/traefik/v3/cmd/traefik")
}

// copyLego makes the copy of lego without DNS providers that go.mod of internal/traefik names, unless it is there.
// It is renamed into place whole, so that nobody builds half of it.
func copyLego(to string) error {
	if have, err := os.ReadFile(filepath.Join(to, "sum")); err == nil && string(have) == legoSum {
		return nil
	}
	from, err := downloadLego()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(to), "lego-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyGo(from, dir); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"go.mod":               "module " + lego + "\n\ngo 1.26.0\n",
		"providers/dns/dns.go": noProviders,
		"sum":                  legoSum,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.Rename(dir, to)
}

// downloadLego returns the folder of the module cache that holds it, and refuses any other text than the known.
func downloadLego() (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", legoAt)
	cmd.Dir = os.TempDir() // outside of a module whose replacements would count
	out, failed := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", errors.Join(failed, err)
	}
	switch {
	case module.Error != "":
		return "", errors.New(module.Error)
	case failed != nil:
		return "", failed
	case module.Sum != legoSum:
		return "", fmt.Errorf("its checksum is %s, want %s", module.Sum, legoSum)
	}
	return module.Dir, nil
}

// copyGo copies the Go files of a module's packages but for tests, commands and DNS providers.
func copyGo(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (name == "cmd" || name == "e2e" || name == "providers/dns"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case filepath.Dir(name) == "." || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o644)
	})
}

func runTraefik(t *testing.T, h *house, site string) *process {
	traefik, err := traefikBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	h.paste(t, "traefik", dir, strings.NewReplacer(
		"/etc/traefik/dynamic.yml", filepath.Join(dir, site),
		"/etc/ssl/example.com", filepath.Join(h.ca.dir, "site"),
		"example.com", "usher.test",
		`":443"`, h.front,
		`":80"`, freeAddress(t),
		"127.0.0.1:4181", h.listen,
		"127.0.0.1:8080", h.app.Listener.Addr().String(),
	))
	static := filepath.Join(dir, "traefik.yml")
	text, err := os.ReadFile(static)
	if err != nil {
		t.Fatal(err)
	}
	write(t, static, string(text)+"\nlog:\n  level: WARN\nglobal:\n  checkNewVersion: false\n")
	return start(t, nil, traefik, "--configFile="+static)
}

// TestTraefikWarnings: Traefik warns of lines whose absence is dangerous, and of what it cannot use.
func TestTraefikWarnings(t *testing.T) {
	watchSources(t)
	for _, p := range proxies() {
		if p.name != "traefik" {
			continue
		}
		for _, site := range []string{p.site, p.overlay} {
			t.Run(site, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t, p, site)
				h.browser(t).get(h.url("app", "/"), asPage).location(t) // the recipe is in force
				for line := range strings.Lines(h.server.log.String()) {
					if !strings.Contains(line, "can reject some encoded characters") { // every installation is told that
						t.Errorf("Traefik is not content with the recipe: %s", line)
					}
				}
			})
		}
	}
}
