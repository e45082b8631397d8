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

func npmRecipe() proxy {
	return proxy{
		name: "nginx-proxy-manager", site: "advanced.conf", overlay: "overlay.conf", run: runNPM,
		available:     func(t *testing.T) { findNginx(t) },
		refusesByPage: true, asksHere: true, undecided: 500, unanswered: 500, refusesTwoHosts: true,
	}
}

// runNPM runs nginx with what Nginx Proxy Manager's image writes around the Advanced tab of a proxy host, reduced
// to what touches it: the server for names that no other has, the networks whose X-Real-IP is believed, the forwarding
// address, its proxy.conf, "Block Common Exploits", "Cache Assets", a custom location, the place for Let's Encrypt, and
// the switch "HTTP/2 Support".
func runNPM(t *testing.T, h *house, site string) *process {
	dir := folder(t)
	write(t, filepath.Join(dir, "conf.d", "include", "proxy.conf"), `add_header X-Served-By $host;
proxy_set_header Host $host;
proxy_set_header X-Forwarded-Scheme $scheme;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Real-IP $remote_addr;
proxy_pass $forward_scheme://$server:$port$request_uri;
`)
	write(t, filepath.Join(dir, "acme", ".well-known", "acme-challenge", "token"), "answer")
	pasted := folder(t)
	h.paste(t, "nginx-proxy-manager", pasted, strings.NewReplacer("usher:4181", h.listen))
	tab := func(name string) string {
		text, err := os.ReadFile(filepath.Join(pasted, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	app := tab("advanced.conf")
	hosts := map[string]string{"app": app + tab("overlay.conf")}
	if site != "overlay.conf" {
		hosts = map[string]string{
			"auth":  tab("pages.conf"),
			"app":   app,
			"owner": uncomment(t, app, "auth_request /__usher/owner;"),
		}
	}
	fallback := filepath.Join(dir, "conf.d", "default.conf")
	write(t, fallback, fmt.Sprintf("server { listen %s ssl; server_name localhost; ssl_reject_handshake on; return 444; }\n", h.front))
	sites := []string{fallback}
	for name, advanced := range hosts {
		host, port, err := net.SplitHostPort(h.app.Listener.Addr().String())
		if name == "auth" {
			host, port, err = net.SplitHostPort(h.listen)
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "proxy_host", name+".conf")
		write(t, path, fmt.Sprintf(`server {
	set $forward_scheme http;
	set $server %q;
	set $port %s;
	listen %s ssl http2;
	server_name %s.usher.test;
	ssl_certificate %s/site.crt;
	ssl_certificate_key %[5]s/site.key;
	location ^~ /.well-known/acme-challenge/ {
		auth_basic off;
		allow all;
		root %[6]s/acme;
	}
	location ~* ^.*\.(css|js)$ {
		include conf.d/include/proxy.conf;
	}
	if ($query_string ~ "[a-zA-Z0-9_]=(http|https)://") { return 403; }
	location /custom {
		proxy_set_header Host $host;
		proxy_pass $forward_scheme://$server:$port;
	}
%[7]s
}
`, host, port, h.front, name, h.ca.dir, dir, advanced))
		sites = append(sites, path)
	}
	// The image's networks are the private ones; the tests' clients come from loopback.
	return startNginx(t, dir, "set_real_ip_from 127.0.0.0/8; real_ip_header X-Real-IP; real_ip_recursive on;", sites)
}

// uncomment takes the "#" before a line that a recipe offers.
func uncomment(t *testing.T, text, line string) string {
	t.Helper()
	before, after, ok := strings.Cut(text, "#     "+line)
	if !ok {
		t.Fatalf("the recipe does not offer %q", line)
	}
	return before + line + after
}

// TestNPMOwnLocations: what Nginx Proxy Manager adds beside the Advanced tab lets no stranger in, and Let's
// Encrypt's questions are answered.
func TestNPMOwnLocations(t *testing.T) {
	watchSources(t)
	t.Parallel()
	h := newHouse(t, npmRecipe(), "advanced.conf")
	for _, host := range []string{"app", "owner"} {
		for _, path := range []string{"/app.js", "/private/x.css", "/custom/items", "/.well-known/acme-challenge/../../custom/items"} {
			got := h.browser(t).get(h.url(host, path), asScript, appsKey, http.Header{"Remote-User": {"robin"}})
			if got.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s%s: got %s, want 401", host, path, got.Status)
			}
			notReached(t, h, path)
		}
		got := h.browser(t).get(h.url(host, "/.well-known/acme-challenge/token"), asScript)
		if got.StatusCode != http.StatusOK || got.body != "answer" {
			t.Errorf("Let's Encrypt at %s: got %s %q", host, got.Status, got.body)
		}
	}
	notReached(t, h, "/custom/items")
}
