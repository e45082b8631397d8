// Package deploy holds the files that people copy into their proxy, as they stand in this folder, for the pages that
// show them.
package deploy

import "embed"

// Files are the recipes: a folder a proxy.
//
//go:embed traefik/*.yml nginx/*.conf caddy/*addyfile caddy/*.caddy haproxy/*.cfg haproxy/*.lua swag/*.conf
//go:embed nginx-proxy-manager/*.conf caddy-docker-proxy/*.yml kubernetes/*.yaml envoy/*.yaml
var Files embed.FS
