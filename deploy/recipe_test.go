package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestTraefikFiles reads the file provider's recipes as Traefik does.
func TestTraefikFiles(t *testing.T) {
	t.Parallel()
	for path, checks := range map[string]map[string]string{
		"traefik/dynamic.yml": {
			"usher":       "http://127.0.0.1:4181/auth/traefik",
			"usher-owner": "http://127.0.0.1:4181/auth/traefik/owner",
		},
		"traefik/overlay.yml": {"usher": "http://127.0.0.1:4181/auth/traefik"},
	} {
		t.Run(path, func(t *testing.T) { traefikFile(t, path, checks) })
	}
}

func traefikFile(t *testing.T, path string, checks map[string]string) {
	var file struct {
		HTTP struct {
			Middlewares map[string]struct {
				ForwardAuth struct {
					Address             string
					TrustForwardHeader  *bool    `yaml:"trustForwardHeader"`
					MaxResponseBodySize int64    `yaml:"maxResponseBodySize"`
					AuthResponseHeaders []string `yaml:"authResponseHeaders"`
				} `yaml:"forwardAuth"`
			}
			Routers map[string]struct {
				Rule, Service string
				EntryPoints   []string `yaml:"entryPoints"`
				Middlewares   []string
				TLS           map[string]string
			}
			Services map[string]struct {
				LoadBalancer struct{ Servers []struct{ URL string } } `yaml:"loadBalancer"`
			}
		}
		TLS any
	}
	decode(t, path, &file)
	if len(file.HTTP.Middlewares) != len(checks) {
		t.Errorf("%d middlewares that ask, want %d", len(file.HTTP.Middlewares), len(checks))
	}
	for name, want := range checks {
		m := file.HTTP.Middlewares[name].ForwardAuth
		if m.Address != want {
			t.Errorf("%s asks %q, want %q", name, m.Address, want)
		}
		if m.TrustForwardHeader == nil || !*m.TrustForwardHeader {
			t.Errorf("%s: trustForwardHeader is not set", name)
		}
		if m.MaxResponseBodySize != 65536 {
			t.Errorf("%s: maxResponseBodySize is %d", name, m.MaxResponseBodySize)
		}
		if !slices.Equal(m.AuthResponseHeaders, replaced) {
			t.Errorf("%s: authResponseHeaders are %q, want %q", name, m.AuthResponseHeaders, replaced)
		}
	}
	for name, r := range file.HTTP.Routers {
		if len(file.HTTP.Services[r.Service].LoadBalancer.Servers) == 0 {
			t.Errorf("router %s leads to %q, which has no server", name, r.Service)
		}
		for _, m := range r.Middlewares {
			if _, ok := file.HTTP.Middlewares[m]; !ok {
				t.Errorf("router %s names the middleware %q, which does not exist", name, m)
			}
		}
		if r.Service == "usher" && !strings.HasSuffix(r.Rule, checksClosed) && !strings.HasSuffix(r.Rule, "&& PathPrefix(`/_usher/`)") {
			t.Errorf("router %s lets clients ask below /auth/: %s", name, r.Rule)
		}
		if protected := len(r.Middlewares) > 0; protected == (r.Service == "usher") {
			t.Errorf("router %s: protected is %v", name, protected)
		}
	}
}

func TestTraefikStatic(t *testing.T) {
	t.Parallel()
	var file struct {
		EntryPoints map[string]struct {
			Address          string
			ForwardedHeaders struct {
				Insecure   bool
				TrustedIPs []string `yaml:"trustedIPs"`
			} `yaml:"forwardedHeaders"`
			HTTP struct {
				AliasHeadersStrategy string `yaml:"aliasHeadersStrategy"`
				Redirections         any
			} `yaml:"http"`
		} `yaml:"entryPoints"`
		Providers any
	}
	decode(t, "traefik/traefik.yml", &file)
	for _, name := range []string{"web", "websecure"} {
		entry := file.EntryPoints[name]
		if entry.HTTP.AliasHeadersStrategy != "delete" {
			t.Errorf("%s: aliasHeadersStrategy is %q, want delete", name, entry.HTTP.AliasHeadersStrategy)
		}
		if entry.ForwardedHeaders.Insecure || len(entry.ForwardedHeaders.TrustedIPs) != 0 {
			t.Errorf("%s: forwardedHeaders is %+v, want nobody trusted", name, entry.ForwardedHeaders)
		}
	}
}

type composeFile struct {
	Services map[string]struct {
		Image, Build, Restart string
		ContainerName         string   `yaml:"container_name"`
		ReadOnly              bool     `yaml:"read_only"`
		CapDrop               []string `yaml:"cap_drop"`
		SecurityOpt           []string `yaml:"security_opt"`
		Command               []string
		Ports, Networks       []string
		Volumes               []string
		Environment           any // a list or a map
		Labels                map[string]string
	}
	Volumes, Networks map[string]map[string]bool
}

// checksClosed keeps clients of the sign-in host off the addresses where proxies ask.
const checksClosed = " && !PathPrefix(`/auth/`)"

// TestComposeFiles reads the labels of both compose files: the middleware, and what it protects.
func TestComposeFiles(t *testing.T) {
	t.Parallel()
	for path, sample := range map[string]string{"../docker-compose.yml": "whoami", "traefik/labels.yml": "app"} {
		var file composeFile
		decode(t, path, &file)
		labels := file.Services["usher"].Labels
		const middleware = "traefik.http.middlewares.usher.forwardauth."
		for name, want := range map[string]string{
			"address":             "http://usher:4181/auth/traefik",
			"trustForwardHeader":  "true",
			"maxResponseBodySize": "65536",
			"authResponseHeaders": strings.Join(replaced, ","),
		} {
			if got := labels[middleware+name]; got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if rule := labels["traefik.http.routers.usher.rule"]; !strings.HasSuffix(rule, checksClosed) {
			t.Errorf("%s: clients can ask below /auth/: %s", path, rule)
		}
		for name, value := range labels {
			if strings.HasSuffix(name, ".authResponseHeaders") && value != strings.Join(replaced, ",") {
				t.Errorf("%s: %s lists %s", path, name, value)
			}
			if strings.HasPrefix(name, "traefik.http.routers.") && strings.HasSuffix(name, ".middlewares") {
				t.Errorf("%s: the sign-in pages are behind %s", path, value)
			}
		}
		if got := file.Services[sample].Labels["traefik.http.routers."+sample+".middlewares"]; got != "usher" {
			t.Errorf("%s: %s is behind %q, want usher", path, sample, got)
		}
	}
}

// TestComposeStack: what docker compose up starts is as closed as it can be.
func TestComposeStack(t *testing.T) {
	t.Parallel()
	var file composeFile
	decode(t, "../docker-compose.yml", &file)
	usher := file.Services["usher"]
	if !usher.ReadOnly || !slices.Equal(usher.CapDrop, []string{"ALL"}) || !slices.Contains(usher.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("usher may write or gain privileges: %+v", usher)
	}
	if usher.Build != "." || len(usher.Ports) != 0 {
		t.Errorf("usher is built from %q and publishes %q", usher.Build, usher.Ports)
	}
	command := file.Services["traefik"].Command
	for _, flag := range []string{
		"--entrypoints.web.http.aliasheadersstrategy=delete",
		"--entrypoints.websecure.http.aliasheadersstrategy=delete",
	} {
		if !slices.Contains(command, flag) {
			t.Errorf("traefik is not started with %s", flag)
		}
	}
	if flags := strings.Join(command, "\n"); strings.Contains(flags, "forwardedheaders") {
		t.Errorf("traefik believes somebody's X-Forwarded-…:\n%s", flags)
	}
}

// decodeLoosely passes over fields that the type does not know.
func decodeLoosely(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// decode refuses fields that the type does not know, so that a misspelt key cannot pass.
func decode(t *testing.T, path string, into any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestVariables: no recipe and no compose file names a variable that Usher would refuse at start.
func TestVariables(t *testing.T) {
	t.Parallel()
	watchSources(t)
	binary, err := usherBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "config")
	cmd.Env = []string{"USHER_DATA_DIR=" + t.TempDir()}
	known, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"../docker-compose.yml", "../Dockerfile"}
	for _, glob := range []string{"*/*.*", "*/*.d/*.*"} {
		found, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	variable := regexp.MustCompile(`USHER_[A-Z_]+`)
	names := 0
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue // fail2ban's are in folders of their own
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range variable.FindAllString(string(text), -1) {
			names++
			if !strings.Contains("\n"+string(known), "\n"+strings.TrimSuffix(name, "_FILE")+" ") {
				t.Errorf("%s names %s, which Usher does not know", path, name)
			}
		}
	}
	if names == 0 {
		t.Error("no variable found")
	}
}
