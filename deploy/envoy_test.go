package deploy_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func envoyRecipe() proxy {
	return proxy{
		name: "envoy", site: "envoy.yaml", run: runEnvoy,
		rules:     "- host: owner.usher.test\n  allow: owner\n",
		available: func(*testing.T) {}, undecided: 503, unanswered: 503, refusesTwoHosts: true,
	}
}

// envoy stands in for Envoy, which is not to be had everywhere: it does what Envoy documents of the fields of the
// recipe that it reads. It shows that what the recipe says suffices, not that Envoy does it.
type envoy struct {
	t       *testing.T
	h       *house
	filters []envoyFilter
	hosts   []envoyHost
	client  *http.Client
}

type envoyFilter struct {
	Name   string
	Config struct {
		Mutations struct {
			Request []struct {
				Remove string
				Append struct {
					Action string `yaml:"append_action"`
					Header struct{ Key, Value string }
				}
			} `yaml:"request_mutations"`
		}
		HTTPService struct {
			PathPrefix string `yaml:"path_prefix"`
			Response   struct {
				Upstream patterns `yaml:"allowed_upstream_headers"`
			} `yaml:"authorization_response"`
		} `yaml:"http_service"`
		StatusOnError  map[string]string `yaml:"status_on_error"`
		AllowedHeaders patterns          `yaml:"allowed_headers"`
	} `yaml:"typed_config"`
}

type patterns struct {
	Patterns []struct{ Exact, Prefix string }
}

type envoyHost struct {
	Name    string
	Domains []string
	Filters map[string]struct{ Disabled bool } `yaml:"typed_per_filter_config"`
	Routes  []struct {
		Match struct {
			Prefix string
			Cased  *bool `yaml:"case_sensitive"`
		}
		Route  struct{ Cluster string }
		Direct struct{ Status int } `yaml:"direct_response"`
	}
}

func runEnvoy(t *testing.T, h *house, site string) *process {
	t.Helper()
	var file struct {
		Static struct {
			Listeners []struct {
				Chains []struct {
					Filters []struct {
						Config struct {
							Filters []envoyFilter `yaml:"http_filters"`
							Routes  struct {
								Hosts []envoyHost `yaml:"virtual_hosts"`
							} `yaml:"route_config"`
						} `yaml:"typed_config"`
					}
				} `yaml:"filter_chains"`
			}
		} `yaml:"static_resources"`
	}
	decodeLoosely(t, filepath.Join("envoy", site), &file)
	manager := file.Static.Listeners[0].Chains[0].Filters[0].Config
	e := &envoy{t: t, h: h, filters: manager.Filters, hosts: manager.Routes.Hosts, client: &http.Client{
		Timeout: deadline, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	cert, err := tls.LoadX509KeyPair(filepath.Join(h.ca.dir, "site.crt"), filepath.Join(h.ca.dir, "site.key"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", h.front)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: e, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	p := &process{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		server.ServeTLS(l, "", "")
	}()
	t.Cleanup(func() { server.Close(); <-p.done })
	return p
}

func (e *envoy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.IsAbs() { // Envoy takes the host of the request line; one that differs is none of its hosts here
		http.NotFound(w, r)
		return
	}
	for name := range r.Header {
		if strings.Contains(name, "_") { // headers_with_underscores_action
			delete(r.Header, name)
		}
	}
	if connection := strings.ToLower(r.Header.Get("Connection")); strings.Contains(connection, "upgrade") {
		r.Header["Connection"] = []string{"Upgrade"} // the header goes, those that it names stay
	} else {
		r.Header.Del("Connection")
	}
	peer, _, _ := net.SplitHostPort(r.RemoteAddr) // use_remote_address
	r.Header["X-Forwarded-For"] = append(r.Header["X-Forwarded-For"], peer)
	r.Header["X-Forwarded-Proto"] = []string{"https"}
	tidy(r)
	cluster, on := e.route(r)
	if cluster == "" {
		http.NotFound(w, r)
		return
	}
	for _, f := range e.filters {
		if on(f) && !e.pass(w, r, f) {
			return
		}
	}
	to := map[string]string{"usher": "http://" + e.h.listen, "app": e.h.app.URL}[cluster]
	at, err := url.Parse(to)
	if err != nil {
		e.t.Error(err)
	}
	forward := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.Header["X-Forwarded-For"], p.Out.Header["X-Forwarded-Proto"] = r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"]
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = at.Scheme, at.Host, r.Host
			p.Out.URL.RawQuery = r.URL.RawQuery
		},
		FlushInterval: -1,
	}
	forward.ServeHTTP(w, r)
}

// tidy is normalize_path and merge_slashes: escaped letters, digits and -._~ are written plainly, dot segments and
// doubled slashes go.
func tidy(r *http.Request) {
	raw, query, asked := strings.Cut(r.RequestURI, "?")
	raw = regexp.MustCompile(`%[0-9A-Fa-f]{2}`).ReplaceAllStringFunc(raw, func(escaped string) string {
		if plain, err := url.PathUnescape(escaped); err == nil && regexp.MustCompile(`^[\w.~-]$`).MatchString(plain) {
			return plain
		}
		return escaped
	})
	clean := path.Clean(raw)
	if strings.HasSuffix(raw, "/") && clean != "/" {
		clean += "/"
	}
	if u, err := url.ParseRequestURI(clean); err == nil {
		r.URL.Path, r.URL.RawPath = u.Path, u.RawPath
	}
	r.RequestURI = clean
	if asked {
		r.RequestURI += "?" + query
	}
}

// route finds where a request goes, and which filters are on for it.
func (e *envoy) route(r *http.Request) (cluster string, on func(envoyFilter) bool) {
	host, _, _ := net.SplitHostPort(r.Host)
	host = strings.Replace(host, "usher.test", "example.com", 1)
	target, _, _ := strings.Cut(r.RequestURI, "?")
	for _, h := range e.hosts {
		if !slices.Contains(h.Domains, host) {
			continue
		}
		for _, route := range h.Routes {
			m := route.Match
			if !strings.HasPrefix(target, m.Prefix) && (m.Cased == nil || !strings.HasPrefix(strings.ToLower(target), m.Prefix)) {
				continue
			}
			return route.Route.Cluster, func(f envoyFilter) bool {
				return !h.Filters[f.Name].Disabled
			}
		}
	}
	return "", nil
}

// pass runs one filter, and says whether the request goes on.
func (e *envoy) pass(w http.ResponseWriter, r *http.Request, f envoyFilter) bool {
	for _, m := range f.Config.Mutations.Request {
		for name := range r.Header {
			if strings.EqualFold(name, m.Remove) {
				delete(r.Header, name)
			}
		}
		if m.Append.Action != "" {
			if m.Append.Action != "OVERWRITE_IF_EXISTS_OR_ADD" || m.Append.Header.Value != "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" {
				e.t.Errorf("%+v is more than this stand-in does", m.Append)
			}
			peer, _, _ := net.SplitHostPort(r.RemoteAddr)
			r.Header.Set(m.Append.Header.Key, peer)
		}
	}
	if f.Config.HTTPService.PathPrefix == "" {
		return true
	}
	// As Envoy asks: the client's method and Host, its path and query behind the prefix, and the headers allowed.
	check, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+e.h.listen+f.Config.HTTPService.PathPrefix+r.RequestURI, nil)
	if err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return false
	}
	check.Host = r.Host
	for name, values := range r.Header {
		if f.Config.AllowedHeaders.match(name) {
			check.Header[name] = values
		}
	}
	res, err := e.client.Do(check)
	if err != nil {
		http.Error(w, "", http.StatusServiceUnavailable) // status_on_error
		return false
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		for name, values := range res.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(res.StatusCode)
		io.Copy(w, res.Body)
		return false
	}
	for name, values := range res.Header {
		if f.Config.HTTPService.Response.Upstream.match(name) {
			r.Header[name] = values
		}
	}
	for name := range strings.SplitSeq(res.Header.Get("X-Envoy-Auth-Headers-To-Remove"), ",") {
		r.Header.Del(name)
	}
	return true
}

func (p patterns) match(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(p.Patterns, func(m struct{ Exact, Prefix string }) bool {
		return m.Exact != "" && m.Exact == name || m.Prefix != "" && strings.HasPrefix(name, m.Prefix)
	})
}
