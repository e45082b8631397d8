package deploy_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// proxy is one of the servers that the recipes are for.
type proxy struct {
	name          string
	site, overlay string // the files that are run, in the folder of that name
	run           func(t *testing.T, h *house, site string) *process
	available     func(t *testing.T) // skips or fails where it is not installed
	refusesByPage bool               // nginx: refusals are redirects to a page of the sign-in host
	undecided     int                // its status where Usher answers 503
	unanswered    int                // its status where Usher does not answer
	asksHere      bool               // nginx: asks under an address on the app's own host
	cutsUploads   bool               // HAProxy: refuses an upload and closes, whether or not the client listens

	rules  string                         // for what the recipe has no lines of its own
	change func(file, text string) string // for a broken recipe; nil leaves it as it is

	refusesTwoHosts bool // one in the request line and another in Host; Traefik reads the line alone
}

func proxies() []proxy {
	return []proxy{
		{
			name: "nginx", site: "example.conf", overlay: "overlay.conf", run: runNginx,
			available:     func(t *testing.T) { findNginx(t) },
			refusesByPage: true, asksHere: true, undecided: 500, unanswered: 500, refusesTwoHosts: true,
		},
		{
			name: "caddy", site: "Caddyfile", overlay: "overlay.Caddyfile", run: runCaddy,
			available: haveCaddy,
			undecided: 503, unanswered: 502, refusesTwoHosts: true,
		},
		{
			name: "traefik", site: "dynamic.yml", overlay: "overlay.yml", run: runTraefik,
			available: func(t *testing.T) {
				if _, err := traefikBinary(); err != nil {
					missing(t, "no Traefik 3.7.12 or later on PATH, and building one failed: "+err.Error())
				}
			},
			undecided: 503, unanswered: 500,
		},
		haproxyRecipe(),
		swagRecipe(),
		npmRecipe(),
		caddyLabelsRecipe(),
		envoyRecipe(),
	}
}

func haveCaddy(t *testing.T) {
	t.Helper()
	if _, err := caddyBinary(); err != nil {
		missing(t, "no Caddy 2.11.4 or later on PATH, and building one failed: "+err.Error())
	}
}

func runNginx(t *testing.T, h *house, site string) *process {
	dir := t.TempDir()
	h.paste(t, "nginx", filepath.Join(dir, "usher"), strings.NewReplacer(
		"example.com", "usher.test",
		"listen 443 ssl", "listen "+h.front+" ssl",
		"/etc/ssl/example.com", filepath.Join(h.ca.dir, "site"),
		"127.0.0.1:4181", h.listen,
		"127.0.0.1:8080", h.app.Listener.Addr().String(),
	))
	// One process in the foreground, so that stopping it stops all of it.
	main := fmt.Sprintf(`daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	include usher/%s;
}
`, site)
	write(t, filepath.Join(dir, "nginx.conf"), main)
	return start(t, nil, findNginx(t), "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
}

func runCaddy(t *testing.T, h *house, site string) *process {
	dir := t.TempDir()
	h.paste(t, "caddy", dir, strings.NewReplacer(
		"example.com", "usher.test",
		"127.0.0.1:4181", h.listen,
		"127.0.0.1:8080", h.app.Listener.Addr().String(),
	))
	return startCaddy(t, h, dir, site)
}

// startCaddy runs a Caddyfile with certificates of the house's own.
func startCaddy(t *testing.T, h *house, dir, site string) *process {
	t.Helper()
	caddy, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(h.front)
	main := fmt.Sprintf(`{
	log {
		level WARN
	}
	admin off
	persist_config off
	auto_https disable_redirects
	local_certs
	skip_install_trust
	https_port %s
	default_bind 127.0.0.1
	storage file_system %s
	pki {
		ca local {
			root {
				cert %[3]s/ca.crt
				key %[3]s/ca.key
			}
		}
	}
}
import %[4]s
`, port, t.TempDir(), h.ca.dir, site)
	write(t, filepath.Join(dir, "main.Caddyfile"), main)
	return start(t, nil, caddy, "run", "--adapter", "caddyfile", "--config", filepath.Join(dir, "main.Caddyfile"))
}

// paste copies a recipe's folder as a person would, with the names of their own house put in, and nothing else
// changed.
func (h *house) paste(t *testing.T, recipe, dir string, names *strings.Replacer) {
	t.Helper()
	files, err := os.ReadDir(recipe)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(recipe, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if h.proxy.change != nil {
			text = []byte(h.proxy.change(f.Name(), string(text)))
		}
		write(t, filepath.Join(dir, f.Name()), names.Replace(string(text)))
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
