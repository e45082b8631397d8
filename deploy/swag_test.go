package deploy_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func swagRecipe() proxy {
	return proxy{
		name: "swag", site: "app.subdomain.conf", overlay: "overlay.subdomain.conf", run: runSWAG,
		available:     func(t *testing.T) { findNginx(t) },
		refusesByPage: true, asksHere: true, undecided: 500, unanswered: 500, refusesTwoHosts: true,
	}
}

func runSWAG(t *testing.T, h *house, site string) *process { return runSWAGWith(t, h, site, "") }

// runSWAGWith runs nginx with what SWAG's image has around the files: http { } with its map, and the three files
// that the recipe includes, reduced to what touches it. The block stands in every protected server { }.
func runSWAGWith(t *testing.T, h *house, site, block string) *process {
	host, port, err := net.SplitHostPort(h.app.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t)
	names := []string{
		"example.com", "usher.test",
		"/config/nginx/", dir + "/",
		"listen 443 ssl", "listen " + h.front + " ssl http2", // the image's nginx.conf says "http2 on", which older nginx does not know
		"usher:4181", h.listen,
		"$upstream_app app", "$upstream_app " + host,
		"$upstream_port 8080", "$upstream_port " + port,
	}
	const include = "include /config/nginx/usher-server.conf;"
	block = strings.NewReplacer(names...).Replace(include + block)
	pasted := folder(t)
	h.paste(t, "swag", pasted, strings.NewReplacer(append([]string{include, block}, names...)...))
	write(t, filepath.Join(dir, "resolver.conf"), "resolver 127.0.0.1 valid=30s;\n")
	write(t, filepath.Join(dir, "ssl.conf"), fmt.Sprintf("ssl_certificate %s/site.crt;\nssl_certificate_key %[1]s/site.key;\n", h.ca.dir))
	write(t, filepath.Join(dir, "proxy.conf"), `proxy_http_version 1.1;
proxy_set_header Host $host;
proxy_set_header Connection $connection_upgrade;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Host $host:$server_port;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Original-Method $request_method;
proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
proxy_set_header X-Real-IP $remote_addr;
`)
	for _, name := range []string{"usher-server.conf", "usher-location.conf"} {
		if err := os.Rename(filepath.Join(pasted, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// The image's own site for names that no other has.
	write(t, filepath.Join(dir, "default.conf"), fmt.Sprintf("server { listen %s ssl http2 default_server; server_name _; include %s/ssl.conf; return 404; }\n", h.front, dir))
	sites := []string{filepath.Join(dir, "default.conf"), filepath.Join(pasted, site)}
	if site != "overlay.subdomain.conf" {
		sites = append(sites, filepath.Join(pasted, "usher.subdomain.conf"))
	}
	return startNginx(t, dir, `map $http_upgrade $connection_upgrade { default upgrade; "" close; }`, sites)
}

// folder is a TempDir without the test's name in it: nginx reads "$" and "{" in paths.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "usher-nginx-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startNginx runs the sites in an http { } with the given lines, in a folder of its own.
func startNginx(t *testing.T, dir, lines string, sites []string) *process {
	t.Helper()
	for _, site := range sites {
		lines += "\n\tinclude " + site + ";"
	}
	// One process in the foreground, so that stopping it stops all of it.
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	client_max_body_size 0; variables_hash_max_size 2048;
	%s
}
`, lines))
	return start(t, nil, findNginx(t), "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
}

// TestSWAGStockBlocks: the block that SWAG's stock files leave open for an app's /api lets no stranger in any
// more once usher-server.conf is included, though it has none of our lines.
func TestSWAGStockBlocks(t *testing.T) {
	watchSources(t)
	t.Parallel()
	p := swagRecipe()
	p.run = func(t *testing.T, h *house, site string) *process {
		return runSWAGWith(t, h, site, `
    location ~ (/app)?/api {
        include /config/nginx/proxy.conf;
        include /config/nginx/resolver.conf;
        set $upstream_app app;
        set $upstream_port 8080;
        proxy_pass http://$upstream_app:$upstream_port;
    }`)
	}
	h := newHouse(t, p, p.site)
	for _, path := range []string{"/api/items", "/x/api", "/app/api/items"} {
		got := h.browser(t).get(h.url("app", path), asScript, appsKey, http.Header{"Remote-User": {"robin"}})
		if got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: got %s, want 401", path, got.Status)
		}
		notReached(t, h, path)
	}
}
