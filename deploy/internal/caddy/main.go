// Command caddy is the stock Caddy web server, in the version that the tests of the recipes run.
//
// It is a module of its own so that Caddy's dependencies never enter Usher's. It trusts and refuses
// what Caddy does.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
