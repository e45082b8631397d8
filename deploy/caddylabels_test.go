package deploy_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func caddyLabelsRecipe() proxy {
	return proxy{
		name: "caddy-docker-proxy", site: "labels.yml", overlay: "overlay.yml", run: runCaddyLabels,
		available: haveCaddy, undecided: 503, unanswered: 502, refusesTwoHosts: true,
	}
}

// runCaddyLabels runs Caddy with the Caddyfile that caddy-docker-proxy makes of the labels.
func runCaddyLabels(t *testing.T, h *house, site string) *process {
	t.Helper()
	var labels, snippets composeFile
	pasted := t.TempDir()
	h.paste(t, "caddy-docker-proxy", pasted, strings.NewReplacer())
	decode(t, filepath.Join(pasted, site), &labels)
	decode(t, filepath.Join(pasted, "labels.yml"), &snippets)
	usher := snippets.Services["usher"].Labels
	if site == "overlay.yml" {
		maps.DeleteFunc(usher, func(name, _ string) bool { return strings.HasPrefix(name, "caddy_0") })
	}
	text := caddyfile(t, usher)
	for _, name := range slices.Sorted(maps.Keys(labels.Services)) {
		if name != "usher" {
			text += caddyfile(t, labels.Services[name].Labels)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, site), strings.NewReplacer(
		"example.com", "usher.test",
		"{{upstreams 4181}}", h.listen,
		"usher:4181", h.listen,
		"{{upstreams 8080}}", h.app.Listener.Addr().String(),
		"$$", "$", // docker compose reads one
	).Replace(text))
	return startCaddy(t, h, dir, site)
}

// directive is one line of a Caddyfile, with what stands in its braces.
type directive struct {
	args  string
	below map[string]*directive // by label: "0_import"
}

// caddyfile does to a container's labels what caddy-docker-proxy documents: each "." opens a level, "_0" behind
// "caddy" and "0_" before a directive tell those of one name apart and are dropped, siblings are sorted by that
// number and then by name, and snippets come before sites. Siblings of which one is not numbered fail the test.
func caddyfile(t *testing.T, labels map[string]string) string {
	t.Helper()
	root := &directive{}
	for label, args := range labels {
		at := root
		for _, part := range strings.Split(label, ".") {
			if at.below == nil {
				at.below = make(map[string]*directive)
			}
			if at.below[part] == nil {
				at.below[part] = &directive{}
			}
			at = at.below[part]
		}
		at.args = args
	}
	var sites, snippets strings.Builder
	for _, site := range slices.Sorted(maps.Keys(root.below)) {
		d := root.below[site]
		out := &sites
		if strings.HasPrefix(d.args, "(") {
			out = &snippets
		}
		fmt.Fprintf(out, "%s {\n", d.args)
		d.write(t, out, "\t")
		fmt.Fprint(out, "}\n")
	}
	return snippets.String() + sites.String()
}

func (d *directive) write(t *testing.T, out *strings.Builder, indent string) {
	t.Helper()
	number := func(label string) (int, string) {
		before, after, ok := strings.Cut(label, "_")
		if n, err := strconv.Atoi(before); ok && err == nil {
			return n, after
		}
		if len(d.below) > 1 {
			t.Errorf("the label …%s has siblings and no number", label)
		}
		return math.MaxInt, label
	}
	for _, label := range slices.SortedFunc(maps.Keys(d.below), func(a, b string) int {
		m, x := number(a)
		n, y := number(b)
		return cmp.Or(cmp.Compare(m, n), cmp.Compare(x, y))
	}) {
		_, name := number(label)
		below := d.below[label]
		fmt.Fprintf(out, "%s%s %s", indent, name, below.args)
		if len(below.below) > 0 {
			out.WriteString(" {\n")
			below.write(t, out, indent+"\t")
			out.WriteString(indent + "}")
		}
		out.WriteString("\n")
	}
}
