package deploy_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// edit takes a line out of a recipe's file, or puts another in its place.
type edit struct{ file, line, with string }

// weaker is a recipe with one line taken away, and what the doctor must find in it: "kind header". Where it
// finds nothing, beyond says why it cannot.
type weaker struct {
	edit
	finds  string
	beyond string
}

// weaknesses are the lines that protect, by proxy. A proxy joins with a row here and one in echoes.
func weaknesses() map[string][]weaker {
	return map[string][]weaker{
		"nginx": append(inNginx("usher-server.conf", "usher-server.conf", "usher-answers.conf", "$remote_addr"),
			weaker{edit{"example.conf", "proxy_set_header X-Forwarded-For $remote_addr;", ""}, "forwarded X-Forwarded-For", ""},
			weaker{edit{"usher-answers.conf", `if ($usher_server = "") { return 500; }`, ""}, "", inPart},
			weaker{edit{"example.conf", "proxy_set_header X-Forwarded-Host $http_host;", ""}, "forwarded X-Forwarded-Host", ""},
			weaker{edit{"example.conf", "proxy_set_header X-Forwarded-Proto $scheme;", ""}, "forwarded X-Forwarded-Proto", ""}),
		"caddy": {
			{edit{"Caddyfile", "import usher /auth/caddy\n", "\n"}, "open", ""},
			{edit{"usher.caddy", "request_header @names_ours -Connection", ""}, "hop Remote-User", ""},
			{edit{"usher.caddy", " Authorization X-Usher-Key", " X-Usher-Key"}, "key Authorization", ""},
			{edit{"usher.caddy", " Authorization X-Usher-Key", " Authorization"}, "key X-Usher-Key", ""},
			{edit{"usher.caddy", "copy_headers Remote-User Remote-Name Remote-Email Remote-Groups Remote-Id Authorization X-Usher-Key", ""}, "unnamed Remote-User", ""},
			{edit{"usher.caddy", "copy_headers Remote-User Remote-Name Remote-Email Remote-Groups Remote-Id Authorization X-Usher-Key\n", "header_up X-Forwarded-Uri {header.X-Forwarded-Uri}\n"}, "unnamed Remote-User", ""},
			{edit{"usher.caddy", "header_up X-Forwarded-Uri {http.request.orig_uri}", "header_up X-Forwarded-Host {header.X-Forwarded-Host}"}, "told X-Forwarded-Host", ""},
			{edit{"usher.caddy", "request_header -Remote*", ""}, "", "Caddy 2.11.4 takes the five away by itself and drops names with _ and .; the line is for what they miss"},
			{edit{"usher.caddy", "header_up X-Forwarded-Uri {http.request.orig_uri}", ""}, "", "Caddy sends the same by itself where no handle_path or rewrite stands before"},
		},
		"traefik": {
			{edit{"dynamic.yml", "middlewares: [usher]", ""}, "open", ""},
			{edit{"dynamic.yml", "- Remote-User\n", "\n"}, "identity Remote-User", ""},
			{edit{"dynamic.yml", "- Remote-Name\n", "\n"}, "identity Remote-Name", ""},
			{edit{"dynamic.yml", "- Remote-Email\n", "\n"}, "identity Remote-Email", ""},
			{edit{"dynamic.yml", "- Remote-Groups\n", "\n"}, "identity Remote-Groups", ""},
			{edit{"dynamic.yml", "- Remote-Id\n", "\n"}, "identity Remote-Id", ""},
			{edit{"dynamic.yml", "- Authorization\n", "\n"}, "key Authorization", ""},
			{edit{"dynamic.yml", "- X-Usher-Key\n", "\n"}, "key X-Usher-Key", ""},
			{edit{"traefik.yml", "aliasHeadersStrategy: delete", ""}, "alias Remote-User", ""},
			{edit{"traefik.yml", `address: ":443"`, "address: \":443\"\n    forwardedHeaders:\n      insecure: true"}, "told X-Forwarded-Host", ""},
			{edit{"dynamic.yml", "maxResponseBodySize: 65536", ""}, "", "it bounds what Traefik reads of an answer, and Usher's are small"},
		},
		"haproxy": { // a set-header line that is missing refuses everybody: there is no row for those
			{edit{"haproxy.cfg", haproxyAsks, "backend app\n"}, "open", ""},
			{edit{"haproxy.cfg", "http-request deny deny_status 503 unless { var(txn.usher_passed) -m bool }", ""}, "", "it counts where Usher does not answer, and the doctor cannot stop Usher"},
			{edit{"haproxy.cfg", "option http-restrict-req-hdr-names delete", ""}, "alias Remote-User", ""},
			{edit{"haproxy.cfg", "http-request del-header connection if { req.fhdr(connection) -i -m reg remote|x-forwarded }", ""}, "", "HAProxy takes nothing away at a client's word; the line is for a proxy of the app's own behind it"},
			{edit{"haproxy.cfg", "http-request del-header ^remote- -m reg", ""}, "", "usher.lua replaces the five by itself; the line is for other names"},
			{edit{"haproxy.cfg", "http-request del-header ^x-forwarded- -m reg", ""}, "", "the three that count are set anew behind it; the line is for the others"},
			{edit{"haproxy.cfg", "http-request return status 404 if { path,url_dec -i -m sub /auth/ }", ""}, "", "it is about the sign-in host, and the doctor asks the app's alone"},
			{edit{"usher.lua", "txn.http:req_set_header(name, value[0])", ""}, "unnamed Remote-User", ""},
			{edit{"usher.lua", `txn.http:req_del_header("authorization")`, ""}, "key Authorization", ""},
			{edit{"usher.lua", `txn.http:req_del_header("x-usher-key")`, ""}, "key X-Usher-Key", ""},
		},
		"swag": append(inNginx("usher-server.conf", "usher-server.conf", "usher-location.conf", "$remote_addr"),
			weaker{edit{"usher-location.conf", `if ($usher_server = "") { return 500; }`, ""}, "", inPart},
			weaker{edit{"usher.subdomain.conf", `if ($uri ~ "^/auth/") { return 404; }`, ""}, "", "it is about the sign-in host, and the doctor asks the app's alone"}),
		"nginx-proxy-manager": append(inNginx("advanced.conf", "advanced.conf", "advanced.conf", "$realip_remote_addr"),
			weaker{edit{"advanced.conf", `if ($uri ~ "^/__usher") { return 500; }`, ""}, "", inPart},
			weaker{edit{"advanced.conf", "proxy_set_header X-Forwarded-Host $http_host;", ""}, "forwarded X-Forwarded-Host", ""},
			weaker{edit{"pages.conf", `if ($uri ~ "^/auth/") { return 404; }`, ""}, "", "it is about the sign-in host, and the doctor asks the app's alone"}),
		"caddy-docker-proxy": {
			{edit{"labels.yml", "caddy.route.0_import: usher /auth/caddy\n", "\n"}, "open", ""},
			{edit{"labels.yml", `caddy_1.route.2_request_header: "@names_ours -Connection"`, ""}, "hop Remote-User", ""},
			{edit{"labels.yml", " Authorization X-Usher-Key", " X-Usher-Key"}, "key Authorization", ""},
			{edit{"labels.yml", " Authorization X-Usher-Key", " Authorization"}, "key X-Usher-Key", ""},
			{edit{"labels.yml", "caddy_1.route.5_forward_auth.1_copy_headers: Remote-User Remote-Name Remote-Email Remote-Groups Remote-Id Authorization X-Usher-Key", ""}, "unnamed Remote-User", ""},
			{edit{"labels.yml", "X-Forwarded-Uri {http.request.orig_uri}", "X-Forwarded-Host {header.X-Forwarded-Host}"}, "told X-Forwarded-Host", ""},
			{edit{"labels.yml", "caddy_1.route.0_request_header: -Remote*", ""}, "", "Caddy 2.11.4 takes the five away by itself and drops names with _ and .; the line is for what they miss"},
			{edit{"labels.yml", "caddy_0.0_respond: /auth/* 404", ""}, "", "it is about the sign-in host, and the doctor asks the app's alone"},
		},
	}
}

// inPart is of lines that TestForgotten holds.
const inPart = "it counts where the recipe was pasted in part, and here all of it is"

// inNginx are the lines that protect in every recipe for nginx, in the files of one.
func inNginx(asks, server, answers, client string) []weaker {
	return []weaker{
		{edit{asks, "auth_request /__usher;", ""}, "open", ""},
		{edit{server, "internal;", ""}, "check", ""},
		{edit{server, `if ($usher_hosts !~* "^(\S+) \1(:\d+)?$") { return 403; }`, ""}, "host", ""},
		{edit{server, "proxy_set_header X-Original-Method $request_method;", ""}, "told X-Original-Method", ""},
		{edit{server, "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;", ""}, "told X-Original-URL", ""},
		{edit{server, "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;", "proxy_set_header X-Original-URL $scheme://$http_x_forwarded_host$request_uri;"}, "told X-Forwarded-Host", ""},
		{edit{server, "proxy_set_header X-Forwarded-For " + client + ";", ""}, "", "it decides whose address the log names and whose budget a sign-in costs, and no answer shows it"},
		{edit{answers, "proxy_set_header Remote-User   $usher_user;", ""}, "identity Remote-User", ""},
		{edit{answers, "proxy_set_header Remote-Name   $usher_name;", ""}, "identity Remote-Name", ""},
		{edit{answers, "proxy_set_header Remote-Email  $usher_email;", ""}, "identity Remote-Email", ""},
		{edit{answers, "proxy_set_header Remote-Groups $usher_groups;", ""}, "identity Remote-Groups", ""},
		{edit{answers, "proxy_set_header Remote-Id     $usher_id;", ""}, "identity Remote-Id", ""},
		{edit{answers, "proxy_set_header Authorization $usher_app_auth;", ""}, "key Authorization", ""},
		{edit{answers, `proxy_set_header X-Usher-Key   "";`, ""}, "key X-Usher-Key", ""},
		{edit{answers, "$upstream_http_remote_user;", "$upstream_http_remote_usr;"}, "unnamed Remote-User", ""},
		{edit{server, "location ^~ /__usher {", "underscores_in_headers on;\nlocation ^~ /__usher {"}, "alias Remote-User", ""},
	}
}

// haproxyAsks are the two lines that a backend is closed by.
const haproxyAsks = `backend app
    http-request lua.usher http://127.0.0.1:4181/auth/haproxy
    http-request deny deny_status 503 unless { var(txn.usher_passed) -m bool }
`

// echoes says behind which line of which file the README's lines go that send /doctor/echo to Usher.
func echoes() map[string]edit {
	return map[string]edit{
		"nginx":   {file: "example.conf", line: "    include usher/usher-server.conf;\n"},
		"caddy":   {file: "Caddyfile", line: "\t\timport usher /auth/caddy\n"},
		"traefik": {file: "dynamic.yml", line: "  routers:\n"},
		"haproxy": {file: "haproxy.cfg", line: haproxyAsks},
		"swag":    {file: "app.subdomain.conf", line: "    include /config/nginx/usher-server.conf;\n"},

		"nginx-proxy-manager": {file: "advanced.conf", line: "auth_request /__usher;\n"},
		"caddy-docker-proxy":  {file: "labels.yml", line: "      caddy.route.0_import: usher /auth/caddy\n"},
	}
}

// pasteEcho reads those lines.
func pasteEcho(t *testing.T, recipe string) edit {
	t.Helper()
	e, ok := echoes()[recipe]
	if !ok {
		t.Fatal("nobody says where the lines go")
	}
	readme, err := os.ReadFile(filepath.Join(recipe, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)\n```[a-z]+\n(.*?)```\n").FindAllStringSubmatch(string(readme), -1) {
		if strings.Contains(block[1], "/doctor/echo") {
			e.with = e.line + block[1]
		}
	}
	if e.with == "" {
		t.Fatalf("%s/README.md does not say how /doctor/echo gets to Usher", recipe)
	}
	return e
}

// prescription is what usher doctor --json prints.
type prescription struct {
	Proxy    string
	SeenBy   string `json:"seen_by"`
	Requests int
	Findings []struct {
		Level, Kind, Header, Text string
		Fix                       *struct{ File, Line string }
	}
	Problem string
	Exit    int

	printed string
}

// TestDoctor: the recipes as they are have no hole, and each has one when a line that protects is taken away.
func TestDoctor(t *testing.T) {
	watchSources(t)
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			if p.name == "envoy" {
				t.Skip("only a stand-in runs here, and the doctor is for proxies")
			}
			h := newHouse(t, p, p.site)
			session := h.sessionFile(t, "casey")
			t.Run("the recipe as it is", func(t *testing.T) {
				got := h.doctor(t, session, "--proxy", p.name, h.url("app", "/"))
				if got.Exit != 0 || got.SeenBy != "a JSON echo" {
					t.Errorf("exit %d:\n%s", got.Exit, got.printed)
				}
			})
			t.Run("with Usher's own echo", func(t *testing.T) {
				h := h.with(t, pasteEcho(t, p.name))
				got := h.doctor(t, session, "--echo", "--proxy", p.name, h.url("app", ""))
				if got.Exit != 0 || got.SeenBy != "Usher's echo" {
					t.Errorf("exit %d:\n%s", got.Exit, got.printed)
				}
			})
			if len(weaknesses()[p.name]) == 0 {
				t.Error("no line of this recipe is known to protect")
			}
			for _, w := range weaknesses()[p.name] {
				t.Run(w.file+" without "+strings.TrimSpace(w.line), func(t *testing.T) { h.weakened(t, w, session) })
			}
		})
	}
}

func (h *house) weakened(t *testing.T, w weaker, session string) {
	h = h.with(t, w.edit)
	got := h.doctor(t, session, "--proxy", h.proxy.name, h.url("app", "/"))
	var found []string
	for _, f := range got.Findings {
		if f.Level == "hole" {
			found = append(found, strings.TrimSpace(f.Kind+" "+f.Header))
		}
		if f.Kind+" "+f.Header == w.finds && f.Fix == nil {
			t.Errorf("does not say what closes %s", w.finds)
		}
	}
	switch {
	case w.finds == "" && got.Exit != 0:
		t.Errorf("said to be beyond the doctor, and it finds %q", found)
	case w.finds != "" && (got.Exit != 1 || !slices.Contains(found, w.finds)):
		t.Errorf("exit %d, finds %q, want %q\n%s", got.Exit, found, w.finds, got.printed)
	}
}

// with is the same house behind a proxy whose recipe is changed, on an address of its own.
func (h *house) with(t *testing.T, e edit) *house {
	t.Helper()
	edited := false
	changed := h.behind(t, func(file, text string) string {
		if file != e.file {
			return text
		}
		edited = strings.Contains(text, e.line)
		return strings.ReplaceAll(text, e.line, e.with)
	})
	if !edited {
		t.Fatalf("%q is not in %s", e.line, e.file)
	}
	changed.awaitProxy(t, "app")
	return changed
}

// behind starts another proxy before the same house, with a changed recipe, and does not wait for it.
func (h *house) behind(t *testing.T, change func(file, text string) string) *house {
	t.Helper()
	changed := *h
	changed.front = freeAddress(t)
	changed.proxy.change = change
	changed.server = changed.proxy.run(t, &changed, h.proxy.site)
	return &changed
}

// sessionFile holds the cookie of somebody who has signed in.
func (h *house) sessionFile(t *testing.T, person string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), person)
	write(t, path, h.signedIn(t, person).cookies(h.url("app", "/"))+"\n")
	return path
}

// doctor runs usher doctor against the house. It asks from an address that no proxy trusts because it is its own.
func (h *house) doctor(t *testing.T, session string, args ...string) prescription {
	t.Helper()
	binary, err := usherBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"doctor", "--json", "--ca", filepath.Join(h.ca.dir, "ca.crt"), "--connect", h.relay(t), "--cookie", session}, args...)...)
	for _, e := range h.env {
		if strings.HasPrefix(e, "USHER_DATA_DIR=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	got := prescription{printed: out.String() + errOut.String()}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Exit != cmd.ProcessState.ExitCode() {
		t.Fatalf("exit %d, %v:\n%s", cmd.ProcessState.ExitCode(), err, got.printed)
	}
	secret, err := os.ReadFile(session)
	if err != nil {
		t.Fatal(err)
	}
	if _, value, _ := strings.Cut(strings.TrimSpace(string(secret)), "="); strings.Contains(got.printed, value) {
		t.Error("the report holds the session")
	}
	return got
}

// relay passes connections on to the proxy from another loopback address than its own.
func (h *house) relay(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			proxy, err := dialer.Dial("tcp", h.front)
			if err != nil {
				client.Close()
				continue
			}
			pass := func(to, from net.Conn) {
				io.Copy(to, from)
				to.Close()
				from.Close()
			}
			go pass(proxy, client)
			go pass(client, proxy)
		}
	}()
	return ln.Addr().String()
}
