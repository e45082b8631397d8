package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// kind is one way in which a proxy can be wrong, the worst first.
type kind string

const (
	anybody   kind = "open"      // the app answers without a session
	byPath    kind = "path"      // … at a path of the client's making
	told      kind = "told"      // the client decides what Usher is asked about
	identity  kind = "identity"  // the client's own identity header reaches the app
	alias     kind = "alias"     // … under a name that apps fold into ours
	secret    kind = "key"       // what opens Usher reaches the app
	atOpen    kind = "open-path" // … at a path that is open on purpose
	twoHosts  kind = "host"      // request line and Host disagree, and Usher is asked about the wrong one
	hop       kind = "hop"       // "Connection: NAME" takes headers away
	forwarded kind = "forwarded" // the app believes the client's X-Forwarded-… to be the proxy's
	unnamed   kind = "unnamed"   // the app is not told who is there
	check     kind = "check"     // the check's own address answers clients
	outdated  kind = "outdated"  // the proxy is older than its recipe needs
)

var kinds = []kind{anybody, byPath, told, identity, alias, secret, atOpen, twoHosts, hop, forwarded, unnamed, check, outdated}

// line is one line of a recipe, as it stands in a file of deploy/.
type line struct {
	File string `json:"file"`
	Text string `json:"line"`
}

// recipe is what the doctor knows of one of deploy/'s.
type recipe struct {
	name     string
	says     []string // how its Server or Via header begins, in lower case
	needs    string   // the oldest version that the recipe works with; "" for an image that brings its own
	advisory string   // what is wrong with older ones
	silent   string   // the file without which it refuses everybody and writes nothing into its log
	lines    map[kind]line
	headers  map[kind]map[string]line // where each header has a line of its own
}

// closes is the line of the recipe against a finding, nil where the recipe has
// none because the proxy does it by itself.
func (r *recipe) closes(k kind, header string) *line {
	if r == nil {
		return nil
	}
	if l, ok := r.headers[k][header]; ok {
		return &l
	}
	if l, ok := r.lines[k]; ok {
		return &l
	}
	return nil
}

// proxyNamed finds a recipe by what --proxy says: caddy or caddy=2.11.4.
func proxyNamed(text string) (*recipe, string, error) {
	name, version, _ := strings.Cut(strings.ToLower(text), "=")
	var names []string
	for _, r := range recipes() {
		if r.name == name {
			if version != "" && versionOf(version) == nil {
				return nil, "", fmt.Errorf("--proxy: %q is no version such as %s", version, r.needs)
			}
			return &r, strings.TrimPrefix(version, "v"), nil
		}
		names = append(names, r.name)
	}
	return nil, "", fmt.Errorf("--proxy: there is no recipe for %q; there are %s", name, strings.Join(names, ", "))
}

// proxyOf finds a recipe by how a proxy presents itself: "nginx/1.22.1".
func proxyOf(h http.Header) (*recipe, string) {
	for _, said := range append(slices.Clone(h["Server"]), h["Via"]...) {
		for _, r := range recipes() {
			for _, start := range r.says {
				if rest, ok := strings.CutPrefix(strings.ToLower(said), start); ok {
					version, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), " ")
					if versionOf(version) == nil {
						version = ""
					}
					return &r, version
				}
			}
		}
	}
	return nil, ""
}

// versionOf reads 1.22.1, v2.11.4 or 3.7.12-rc.1; nil is none.
func versionOf(text string) []int {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "-")
	var parts []int
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		parts = append(parts, n)
	}
	return parts
}

// older reports whether a version comes before the one that is needed.
func older(version, needed string) bool {
	have, need := versionOf(version), versionOf(needed)
	for len(have) < len(need) {
		have = append(have, 0)
	}
	return version != "" && slices.Compare(have, need) < 0
}
