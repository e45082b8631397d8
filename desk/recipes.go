package desk

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"usher/deploy"
	"usher/templates"
)

// recipe is one proxy, and the files of deploy that it takes.
type recipe struct {
	id, name string
	files    []string // where the pages have a host of their own
	overlay  []string // where they live below a path of each app's host
}

func recipes() []recipe {
	nginx := []string{"nginx/usher-server.conf", "nginx/usher-location.conf", "nginx/usher-answers.conf", "nginx/usher-pages.conf"}
	swag := []string{"swag/usher-server.conf", "swag/usher-location.conf"}
	return []recipe{
		{"traefik", "Traefik, Docker labels", []string{"traefik/labels.yml"}, []string{"traefik/overlay.yml", "traefik/traefik.yml"}},
		{"traefik-files", "Traefik, files", []string{"traefik/dynamic.yml", "traefik/traefik.yml"}, []string{"traefik/overlay.yml", "traefik/traefik.yml"}},
		{"nginx", "nginx", append([]string{"nginx/example.conf"}, nginx...), append([]string{"nginx/overlay.conf"}, nginx...)},
		{"caddy", "Caddy", []string{"caddy/Caddyfile", "caddy/usher.caddy"}, []string{"caddy/overlay.Caddyfile", "caddy/usher.caddy"}},
		{"haproxy", "HAProxy", []string{"haproxy/haproxy.cfg", "haproxy/usher.lua"}, []string{"haproxy/overlay.cfg", "haproxy/usher.lua"}},
		{"swag", "SWAG", append([]string{"swag/usher.subdomain.conf", "swag/app.subdomain.conf"}, swag...), append([]string{"swag/overlay.subdomain.conf"}, swag...)},
		{"npm", "Nginx Proxy Manager", []string{"nginx-proxy-manager/advanced.conf", "nginx-proxy-manager/pages.conf"}, []string{"nginx-proxy-manager/advanced.conf", "nginx-proxy-manager/overlay.conf"}},
		{"caddy-docker-proxy", "caddy-docker-proxy", []string{"caddy-docker-proxy/labels.yml"}, []string{"caddy-docker-proxy/labels.yml", "caddy-docker-proxy/overlay.yml"}},
		{"kubernetes", "Kubernetes", []string{"kubernetes/traefik.yaml", "kubernetes/gateway.yaml", "kubernetes/ingress-nginx.yaml"}, []string{"kubernetes/traefik.yaml"}},
		{"envoy", "Envoy", []string{"envoy/envoy.yaml"}, []string{"envoy/envoy.yaml"}},
	}
}

// lines are the recipes' files by name.
type lines struct{ text map[string]string }

func newLines() (*lines, error) {
	l := &lines{map[string]string{}}
	for _, r := range recipes() {
		for _, name := range append(r.files, r.overlay...) {
			text, err := deploy.Files.ReadFile(name)
			if err != nil {
				return nil, fmt.Errorf("recipe %s: %w", r.id, err)
			}
			l.text[name] = string(text)
		}
	}
	return l, nil
}

// names puts a house's own names and port in the place of those that the
// recipes have. Whose pages live below a path of each host is told apart.
func (d *Desk) names(v Visit) (own *strings.Replacer, overlay bool) {
	pairs := []string{"4181", cmp.Or(d.cfg.Port, "4181")}
	if len(d.cfg.Sites) == 0 {
		if strings.Contains(v.Host, ".") && strings.Trim(v.Host, "0123456789.") != "" {
			pairs = append(pairs, "app.example.com", v.Host)
		}
		return strings.NewReplacer(pairs...), true
	}
	site := d.cfg.Sites[0]
	host, domain := site.URL.Hostname(), site.Domain
	if base := site.URL.Path; base != "" {
		return strings.NewReplacer(append(pairs, "app.example.com", host, "/_usher/", base+"/")...), true
	}
	pairs = append(pairs, "https://auth.example.com", site.URL.String(), "auth.example.com", host)
	if domain != "" {
		pairs = append(pairs, "example.com", domain)
	}
	return strings.NewReplacer(pairs...), false
}

// donePage gives the lines for a proxy.
func (d *Desk) donePage(w http.ResponseWriter, r *http.Request, v Visit, now *run) {
	if !now.done {
		see(w, v.Base+path)
		return
	}
	set := d.cfg.InForce()
	page := templates.SetupDone{Allow: set.Allow}
	for _, s := range set.Servers {
		page.Servers = append(page.Servers, cmp.Or(s.Name, s.ID))
	}
	page.Proxies, page.Files = d.recipe(v, v.Base+path+"/done", r.URL.Query().Get("proxy"))
	d.write(w, http.StatusOK, page)
}

// recipes gives the lines for each proxy, once more.
func (o *Office) recipes(v *visit) {
	page := templates.OfficeRecipes{Office: v.desk("recipes")}
	page.Proxies, page.Files = o.cfg.Setup.recipe(Visit{Base: v.Base, Host: v.host}, v.Base+v.at, v.query("proxy"))
	v.write(page)
}

// recipe leads to the recipes below an address, and gives the files of the one that is wanted, or of the first.
func (d *Desk) recipe(v Visit, address, wanted string) (links []templates.SetupLink, texts []templates.SetupFile) {
	own, overlay := d.names(v)
	all := recipes()
	current := all[0]
	for _, one := range all {
		if one.id == wanted {
			current = one
		}
	}
	for _, one := range all {
		links = append(links, templates.SetupLink{Name: one.name, Address: address + "?proxy=" + one.id, Current: one.id == current.id})
	}
	files := current.files
	if overlay {
		files = current.overlay
	}
	for _, name := range files {
		texts = append(texts, templates.SetupFile{Name: name, Text: own.Replace(d.lines.text[name])})
	}
	return links, texts
}
