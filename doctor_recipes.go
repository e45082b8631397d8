package main

// recipes are the proxies that the doctor can name lines for. A test holds
// every line against its file.
func recipes() []recipe {
	return []recipe{
		nginxRecipe(), caddyRecipe(), traefikRecipe(), haproxyRecipe(), swagRecipe(), npmRecipe(), caddyLabelsRecipe(),
	}
}

// inNginx are the lines that nginx has in every recipe, by the files they stand in: what asks, what the check
// is made of, and what becomes of an answer.
func inNginx(asks, server, answers string) (map[kind]line, map[kind]map[string]line) {
	lines := map[kind]line{
		anybody:  {asks, "auth_request /__usher;"},
		byPath:   {asks, "auth_request /__usher;"},
		told:     {server, "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;"},
		identity: {answers, "proxy_set_header Remote-User   $usher_user;"},
		alias:    {"deploy/nginx/README.md", "`underscores_in_headers` must stay off"},
		atOpen:   {answers, "proxy_set_header Remote-User   $usher_user;"},
		twoHosts: {server, `if ($usher_hosts !~* "^(\S+) \1(:\d+)?$") { return 403; }`},
		hop:      {answers, "proxy_set_header Remote-User   $usher_user;"},
		unnamed:  {answers, "auth_request_set $usher_user     $upstream_http_remote_user;"},
		check:    {server, "internal;"},
	}
	headers := map[kind]map[string]line{
		told: {"X-Original-Method": {server, "proxy_set_header X-Original-Method $request_method;"}},
		identity: {
			"Remote-Name":   {answers, "proxy_set_header Remote-Name   $usher_name;"},
			"Remote-Email":  {answers, "proxy_set_header Remote-Email  $usher_email;"},
			"Remote-Groups": {answers, "proxy_set_header Remote-Groups $usher_groups;"},
			"Remote-Id":     {answers, "proxy_set_header Remote-Id     $usher_id;"},
		},
		secret: {
			"Authorization": {answers, "proxy_set_header Authorization $usher_app_auth;"},
			"X-Usher-Key":   {answers, `proxy_set_header X-Usher-Key   "";`},
		},
	}
	return lines, headers
}

func nginxRecipe() recipe {
	const example = "deploy/nginx/example.conf"
	lines, headers := inNginx("deploy/nginx/usher-server.conf", "deploy/nginx/usher-server.conf", "deploy/nginx/usher-answers.conf")
	headers[forwarded] = map[string]line{
		"X-Forwarded-For":   {example, "proxy_set_header X-Forwarded-For $remote_addr;"},
		"X-Forwarded-Host":  {example, "proxy_set_header X-Forwarded-Host $http_host;"},
		"X-Forwarded-Proto": {example, "proxy_set_header X-Forwarded-Proto $scheme;"},
	}
	return recipe{
		name: "nginx", says: []string{"nginx", "openresty"}, needs: "1.18", advisory: "it is out of support, and the recipe was never run with it",
		silent: "usher-server.conf", lines: lines, headers: headers,
	}
}

func caddyRecipe() recipe {
	snippet := "deploy/caddy/usher.caddy"
	copies := line{snippet, "copy_headers Remote-User Remote-Name Remote-Email Remote-Groups Remote-Id Authorization X-Usher-Key"}
	before := line{"deploy/caddy/README.md", "another proxy stands before Caddy: name it in the global option `trusted_proxies`"}
	return recipe{
		name: "caddy", says: []string{"caddy", "1.1 caddy", "2.0 caddy"}, needs: "2.11.4",
		advisory: "CVE-2026-30851: from 2.10.0 to 2.11.1 forward_auth lets a client's own identity header through where Usher's answer lacks it",
		lines: map[kind]line{
			anybody:   {"deploy/caddy/Caddyfile", "import usher /auth/caddy"},
			byPath:    {"deploy/caddy/Caddyfile", "import usher /auth/caddy"},
			told:      before,
			identity:  {snippet, "request_header -Remote*"},
			alias:     {snippet, "request_header -Remote*"},
			atOpen:    {snippet, "request_header -Remote*"},
			hop:       {snippet, "request_header @names_ours -Connection"},
			forwarded: before,
			unnamed:   copies,
			secret:    copies,
		},
		headers: map[kind]map[string]line{
			told: {"X-Forwarded-Uri": {snippet, "header_up X-Forwarded-Uri {http.request.orig_uri}"}},
		},
	}
}

func traefikRecipe() recipe {
	dynamic, static := "deploy/traefik/dynamic.yml", "deploy/traefik/traefik.yml"
	believes := line{"deploy/traefik/README.md", "never `forwardedHeaders.insecure`"}
	r := recipe{
		name: "traefik", says: []string{"traefik"}, needs: "3.7.12",
		advisory: "CVE-2026-54763 and CVE-2026-88011: a client's Remote_User or Remote.User reaches the app",
		lines: map[kind]line{
			anybody:   {dynamic, "middlewares: [usher]"},
			byPath:    {dynamic, "middlewares: [usher]"},
			told:      believes,
			alias:     {static, "aliasHeadersStrategy: delete"},
			identity:  {dynamic, "- Remote-User"},
			atOpen:    {dynamic, "- Remote-User"},
			hop:       {dynamic, "- Remote-User"},
			forwarded: believes,
			unnamed:   {dynamic, "- Remote-User"},
		},
		headers: map[kind]map[string]line{identity: {}, unnamed: {}, secret: {
			"Authorization": {dynamic, "- Authorization"},
			"X-Usher-Key":   {dynamic, "- X-Usher-Key"},
		}},
	}
	for _, name := range []string{"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Remote-Id"} {
		r.headers[identity][name] = line{dynamic, "- " + name}
		r.headers[unnamed][name] = line{dynamic, "- " + name}
	}
	return r
}

// swagRecipe is nginx by its looks: only --proxy tells it from the others, as
// with the two that follow.
func swagRecipe() recipe {
	const server, location = "deploy/swag/usher-server.conf", "deploy/swag/usher-location.conf"
	lines, headers := inNginx(server, server, location)
	return recipe{name: "swag", silent: "usher-server.conf", lines: lines, headers: headers}
}

func npmRecipe() recipe {
	const tab = "deploy/nginx-proxy-manager/advanced.conf"
	lines, headers := inNginx(tab, tab, tab)
	headers[forwarded] = map[string]line{"X-Forwarded-Host": {tab, "proxy_set_header X-Forwarded-Host $http_host;"}}
	return recipe{name: "nginx-proxy-manager", lines: lines, headers: headers}
}

func caddyLabelsRecipe() recipe {
	const labels = "deploy/caddy-docker-proxy/labels.yml"
	r := caddyRecipe()
	r.name, r.says = "caddy-docker-proxy", nil
	for _, k := range []kind{anybody, byPath} {
		r.lines[k] = line{labels, "caddy.route.0_import: usher /auth/caddy"}
	}
	for _, k := range []kind{identity, alias, atOpen} {
		r.lines[k] = line{labels, "caddy_1.route.0_request_header: -Remote*"}
	}
	r.lines[hop] = line{labels, `caddy_1.route.2_request_header: "@names_ours -Connection"`}
	for _, k := range []kind{unnamed, secret} {
		r.lines[k] = line{labels, "caddy_1.route.5_forward_auth.1_copy_headers: Remote-User Remote-Name Remote-Email Remote-Groups Remote-Id Authorization X-Usher-Key"}
	}
	r.headers[told]["X-Forwarded-Uri"] = line{labels, "caddy_1.route.5_forward_auth.2_header_up: X-Forwarded-Uri {http.request.orig_uri}"}
	return r
}

// haproxyRecipe is of a proxy that never says what it is.
func haproxyRecipe() recipe {
	const config, lua = "deploy/haproxy/haproxy.cfg", "deploy/haproxy/usher.lua"
	asks := line{config, "http-request lua.usher http://127.0.0.1:4181/auth/haproxy"}
	takes := line{config, "http-request del-header ^remote- -m reg"}
	return recipe{
		name: "haproxy", needs: "2.6.12", advisory: "its HTTP client, by which the recipe asks, crashes under load",
		lines: map[kind]line{
			anybody:   asks,
			byPath:    asks,
			told:      {config, "http-request set-header X-Forwarded-Host %[req.fhdr(host)]"},
			identity:  takes,
			alias:     {config, "option http-restrict-req-hdr-names delete"},
			atOpen:    takes,
			hop:       {config, "http-request del-header connection if { req.fhdr(connection) -i -m reg remote|x-forwarded }"},
			forwarded: {config, "http-request del-header ^x-forwarded- -m reg"},
			unnamed:   {lua, "txn.http:req_set_header(name, value[0])"},
			check:     {config, "http-request return status 404 if { path,url_dec -i -m sub /auth/ }"},
		},
		headers: map[kind]map[string]line{
			secret: {
				"Authorization": {lua, `txn.http:req_del_header("authorization")`},
				"X-Usher-Key":   {lua, `txn.http:req_del_header("x-usher-key")`},
			},
			told: {"X-Forwarded-Proto": {config, "http-request set-header X-Forwarded-Proto https"}},
			forwarded: {
				"X-Forwarded-For":   {config, "http-request set-header X-Forwarded-For %[src]"},
				"X-Forwarded-Host":  {config, "http-request set-header X-Forwarded-Host %[req.fhdr(host)]"},
				"X-Forwarded-Proto": {config, "http-request set-header X-Forwarded-Proto https"},
			},
		},
	}
}
