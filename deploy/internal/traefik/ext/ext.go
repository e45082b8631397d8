// Package ext is where Traefik leaves room for others to add to its dynamic configuration: upstream it is a module
// of Traefik's repository that no module proxy serves, and as empty as this one.
package ext

// HTTP adds nothing to the configuration.
type HTTP struct{}

// Router adds nothing to a router.
type Router struct{}
