package desk

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"usher/deploy"
	"usher/templates"
)

// Recipe is one proxy, and the files of deploy that it takes.
type Recipe struct {
	ID, Name string
	files    []templates.SetupFile // where the pages have a host of their own
	overlay  []templates.SetupFile // where they live below a path of each app's host
}

// Recipes are those of all proxies.
func Recipes() (all []Recipe, err error) {
	nginx := []string{"nginx/usher-server.conf", "nginx/usher-location.conf", "nginx/usher-answers.conf", "nginx/usher-pages.conf"}
	swag := []string{"swag/usher-server.conf", "swag/usher-location.conf"}
	for _, r := range []struct {
		id, name       string
		files, overlay []string
	}{
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
	} {
		one := Recipe{ID: r.id, Name: r.name}
		if one.files, err = read(r.files); err == nil {
			one.overlay, err = read(r.overlay)
		}
		if err != nil {
			return nil, fmt.Errorf("recipe %s: %w", r.id, err)
		}
		all = append(all, one)
	}
	return all, nil
}

func read(names []string) (files []templates.SetupFile, err error) {
	for _, name := range names {
		text, err := deploy.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, templates.SetupFile{Name: name, Text: string(text)})
	}
	return files, nil
}

// House is what the recipes leave open.
type House struct {
	Site Site   // where the pages live; zero: on every host
	Host string // one of those, in that case; "" and an address: it is not known
	Port string // on which Usher listens; "" is 4181
}

// Lines are the recipe's files, with a house's own names and port in the place of
// those that they have.
func (r Recipe) Lines(h House) []templates.SetupFile {
	own, overlay := h.names()
	files := slices.Clone(r.files)
	if overlay {
		files = slices.Clone(r.overlay)
	}
	for i := range files {
		files[i].Text = own.Replace(files[i].Text)
	}
	return files
}

// names are the house's own. Whose pages live below a path of each host is told apart.
func (h House) names() (own *strings.Replacer, overlay bool) {
	pairs := []string{"4181", cmp.Or(h.Port, "4181")}
	if h.Site.URL == nil {
		if strings.Contains(h.Host, ".") && strings.Trim(h.Host, "0123456789.") != "" {
			pairs = append(pairs, "app.example.com", h.Host)
		}
		return strings.NewReplacer(pairs...), true
	}
	host, domain := h.Site.URL.Hostname(), h.Site.Domain
	if base := h.Site.URL.Path; base != "" {
		return strings.NewReplacer(append(pairs, "app.example.com", host, "/_usher/", base+"/")...), true
	}
	pairs = append(pairs, "https://auth.example.com", h.Site.URL.String(), "auth.example.com", host)
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
	page := templates.SetupDone{Allow: set.Allow, Recipe: d.recipe(v.Host, v.Base+path+"/done", r.URL.Query())}
	for _, s := range set.Servers {
		page.Servers = append(page.Servers, cmp.Or(s.Name, s.ID))
	}
	d.write(w, http.StatusOK, page)
}

// recipes gives the lines for each proxy, once more.
func (o *Office) recipes(v *visit) {
	v.write(templates.OfficeRecipes{Office: v.desk("recipes"), Recipe: o.cfg.Setup.recipe(v.host, v.Base+v.at, v.r.URL.Query())})
}

// recipe is the one that is wanted, or the first, with the names of the site that is
// wanted, or of the first; the links to the others are below an address.
func (d *Desk) recipe(visited, address string, wanted url.Values) (page templates.Recipe) {
	current := d.recipes[max(0, slices.IndexFunc(d.recipes, func(r Recipe) bool { return r.ID == wanted.Get("proxy") }))]
	house, site := House{Host: visited, Port: d.cfg.Port}, 0
	if n, err := strconv.Atoi(wanted.Get("site")); err == nil && n > 0 && n < len(d.cfg.Sites) {
		site = n
	}
	to := func(r Recipe, site int) string {
		if site == 0 {
			return address + "?proxy=" + r.ID
		}
		return address + "?proxy=" + r.ID + "&site=" + strconv.Itoa(site)
	}
	for _, r := range d.recipes {
		page.Proxies = append(page.Proxies, templates.SetupLink{Name: r.Name, Address: to(r, site), Current: r.ID == current.ID})
	}
	if len(d.cfg.Sites) > 0 {
		house.Site = d.cfg.Sites[site]
	}
	if len(d.cfg.Sites) > 1 {
		for i, s := range d.cfg.Sites {
			page.Sites = append(page.Sites, templates.SetupLink{Name: s.URL.String(), Address: to(current, i), Current: i == site})
		}
	}
	page.Files = current.Lines(house)
	return page
}
