package deploy_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// forgotten is a recipe pasted in part.
type forgotten struct {
	name   string
	edits  []edit // the first place of each
	status int    // of every answer at the app's host; 0: the proxy does not start
	says   string // why not
}

// parts are what a person may leave out without noticing, by proxy. The line by which an app asks at all is not among them where
// nothing can tell: that is the doctor's to find, and the README's to say.
func parts(t *testing.T) map[string][]forgotten {
	const unknown = `unknown "usher_server" variable`
	server, swagServer := "    include usher/usher-server.conf;\n", "    include /config/nginx/usher-server.conf;\n"
	return map[string][]forgotten{
		"nginx": {
			{"usher-server.conf in one server block", []edit{{"example.conf", server, ""}}, 500, ""},
			{"usher-server.conf in all", []edit{{"example.conf", server, ""}, {"example.conf", server, ""}}, 0, unknown},
		},
		"swag": {
			{"usher-server.conf in one server block", []edit{{"app.subdomain.conf", swagServer, ""}}, 500, ""},
			{"usher-server.conf in all", []edit{{"app.subdomain.conf", swagServer, ""}, {"app.subdomain.conf", swagServer, ""}}, 0, unknown},
		},
		"nginx-proxy-manager": {
			{"the end of the paste", []edit{{"advanced.conf", rest(t, "nginx-proxy-manager/advanced.conf", "# nginx asks here"), ""}}, 500, ""},
		},
		"caddy": {
			{"usher.caddy", []edit{{"Caddyfile", "import usher.caddy\n", ""}}, 0, "usher"},
			{"the check's path", []edit{{"Caddyfile", "import usher /auth/caddy\n", "import usher /\n"}}, 500, ""},
			{"the check's address", []edit{{"Caddyfile", "import usher /auth/caddy\n", "import usher\n"}}, 500, ""},
			{"forward_auth's uri", []edit{{"usher.caddy", "uri {args[0]}", ""}}, 0, "uri"},
		},
		"traefik": {
			{"the middleware itself", []edit{{"dynamic.yml", "    usher:\n      forwardAuth:", "    other:\n      forwardAuth:"}}, 404, ""},
			{"the check's path", []edit{{"dynamic.yml", "4181/auth/traefik\n", "4181\n"}}, 500, ""},
			{"the check's address", []edit{{"dynamic.yml", "address: http://127.0.0.1:4181/auth/traefik\n", "\n"}}, 500, ""},
		},
		"haproxy": {
			{"usher.lua", []edit{{"haproxy.cfg", "    lua-load-per-thread /etc/haproxy/usher.lua\n", ""}}, 0, "lua.usher"},
			{"the line that asks", []edit{{"haproxy.cfg", "    http-request lua.usher http://127.0.0.1:4181/auth/haproxy\n", ""}}, 503, ""},
			{"the check's path", []edit{{"haproxy.cfg", "4181/auth/haproxy\n", "4181\n"}}, 500, ""},
		},
		"caddy-docker-proxy": {
			{"the check's path", []edit{{"labels.yml", "import: usher /auth/caddy\n", "import: usher /\n"}}, 500, ""},
		},
	}
}

// rest is a file from a line on.
func rest(t *testing.T, file, line string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(text), line)
	if i < 0 {
		t.Fatalf("%q is not in %s", line, file)
	}
	return string(text[i:])
}

// TestForgotten: whoever pastes a part of a recipe has an app that is closed, or a proxy that does not start.
func TestForgotten(t *testing.T) {
	watchSources(t)
	for _, p := range proxies() {
		if len(parts(t)[p.name]) == 0 {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, p, p.site)
			guests := map[string]*browser{"nobody": h.browser(t), "casey": h.signedIn(t, "casey"), "mallory": h.signedIn(t, "mallory")}
			for _, part := range parts(t)[p.name] {
				t.Run("without "+part.name, func(t *testing.T) { h.lacks(t, part, guests) })
			}
		})
	}
}

func (h *house) lacks(t *testing.T, part forgotten, guests map[string]*browser) {
	edited := 0
	h = h.behind(t, func(file, text string) string {
		for _, e := range part.edits {
			if e.file == file && strings.Contains(text, e.line) {
				text = strings.Replace(text, e.line, e.with, 1)
				edited++
			}
		}
		return text
	})
	if edited != len(part.edits) {
		t.Fatal("the recipe has no such line")
	}
	if part.status == 0 {
		select {
		case <-h.server.done:
		case <-time.After(deadline):
			t.Fatal("the proxy starts")
		}
		if h.server.cmd.ProcessState.Success() || !strings.Contains(h.server.log.String(), part.says) {
			t.Errorf("%v, want an end that says %q:\n%s", h.server.cmd.ProcessState, part.says, h.server.log.String())
		}
		return
	}
	h.awaitProxy(t, "app")
	if file, ok := strings.CutSuffix(part.name, " in one server block"); ok {
		session := filepath.Join(t.TempDir(), "session")
		write(t, session, guests["casey"].cookies(h.url("app", "/"))+"\n")
		got := h.doctor(t, session, "--proxy", h.proxy.name, h.url("app", "/"))
		if got.Exit != 2 || !strings.Contains(got.Problem, file) {
			t.Errorf("the doctor does not name %s: exit %d, %s", file, got.Exit, got.Problem)
		}
	}
	for name, guest := range guests {
		for _, path := range []string{"/" + part.name + "/" + name, "/" + part.name + "/" + name + ".js"} {
			for _, as := range []http.Header{asPage, asScript} {
				got := h.browserWith(t, guest.jar).get(h.url("app", path), as, http.Header{"Remote-User": {"robin"}})
				if got.StatusCode != part.status {
					t.Errorf("%s: got %s, want %d", name, got.Status, part.status)
				}
			}
			notReached(t, h, path)
		}
	}
}

// TestNginxLocationWithoutTheInclude: a location that lacks our lines lets no stranger in.
func TestNginxLocationWithoutTheInclude(t *testing.T) {
	watchSources(t)
	t.Parallel()
	p := proxies()[0]
	p.change = func(file, text string) string {
		return strings.ReplaceAll(text, "    include usher/usher-server.conf;\n", "    include usher/usher-server.conf;\n    location /api { proxy_pass http://127.0.0.1:8080; }\n")
	}
	h := newHouse(t, p, p.site)
	for name, want := range map[string]int{"nobody": http.StatusUnauthorized, "mallory": http.StatusForbidden} {
		b := h.browser(t)
		if name != "nobody" {
			b = h.signedIn(t, name)
		}
		for _, as := range []http.Header{asPage, asScript} {
			if got := b.get(h.url("app", "/api/"+name), as, appsKey, http.Header{"Remote-User": {"robin"}}); got.StatusCode != want {
				t.Errorf("%s: got %s, want %d", name, got.Status, want)
			}
		}
		notReached(t, h, "/api/"+name)
	}
}
