package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const maxRules = 1000

// ParseRules reads a rules file: a YAML list of rules. Its error joins one for
// every problem, each beginning with the line it is on. Warnings are for rules
// that can never match. hostName brings a host name into the normal form of
// [Request] and says whether it is one.
//
// An empty file is an error: it is what an interrupted write leaves, and taken
// at its word it would lift every restriction.
func ParseRules(text []byte, known Context, hostName func(string) (string, bool)) (rules Rules, warnings []string, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return Rules{}, nil, errors.New("line 1: the file has no rules; to have none, unset USHER_RULES_FILE")
	} else if err != nil {
		problem := strings.TrimPrefix(err.Error(), "yaml: ")
		if !strings.HasPrefix(problem, "line ") { // so the library says of the first
			problem = "line 1: " + problem
		}
		return Rules{}, nil, errors.New(problem + "; quote what begins with * or !")
	}
	if more := (&yaml.Node{}); !errors.Is(d.Decode(more), io.EOF) {
		return Rules{}, nil, fmt.Errorf("line %d: a second document; put all rules into one list", max(1, more.Line))
	}
	f := file{known: known, hostName: hostName}
	f.read(doc.Content[0])
	if len(f.problems) > 0 {
		return Rules{}, nil, errors.Join(f.problems...)
	}
	rules = Rules{f.rules}
	return rules, rules.shadows(), nil
}

// shadows tells of rules that can never match because an earlier one always
// does.
func (rs Rules) shadows() (warnings []string) {
	for i := range rs.list {
		for j := range rs.list[:i] {
			if rs.list[j].covers(&rs.list[i]) {
				warnings = append(warnings, fmt.Sprintf("line %d: this rule never matches, for the one on line %d always does before it; put it further up, or remove it", rs.list[i].Line, rs.list[j].Line))
				break
			}
		}
	}
	return warnings
}

// file is a rules file while it is read.
type file struct {
	known    Context
	hostName func(string) (string, bool)
	rules    []Rule
	problems []error
}

func (f *file) bad(at *yaml.Node, format string, args ...any) {
	f.problems = append(f.problems, fmt.Errorf("line %d: "+format, append([]any{max(1, at.Line)}, args...)...))
}

func (f *file) read(root *yaml.Node) {
	switch {
	case root.Kind != yaml.SequenceNode:
		f.bad(root, "the file must be a list of rules, each beginning with \"- \"")
		return
	case len(root.Content) == 0:
		f.bad(root, "the file has no rules; to have none, unset USHER_RULES_FILE")
	case len(root.Content) > maxRules:
		f.bad(root, "%d rules are more than %d", len(root.Content), maxRules)
		return
	}
	for _, item := range root.Content {
		f.readRule(item)
	}
}

var keys = []string{"host", "path", "method", "network", "preset", "allow", "bypass"}

func (f *file) readRule(item *yaml.Node) {
	if item.Kind != yaml.MappingNode {
		f.bad(item, "a rule is a set of keys: %s", strings.Join(keys, ", "))
		return
	}
	before := len(f.problems)
	r := Rule{Line: item.Line}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(item.Content); i += 2 {
		key, value := item.Content[i], item.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || !slices.Contains(keys, key.Value):
			f.bad(key, "unknown key %q; the keys are %s", key.Value, strings.Join(keys, ", "))
		case seen[key.Value] != nil:
			f.bad(key, "%q is there twice", key.Value)
		default:
			f.readKey(&r, key.Value, value)
		}
		seen[key.Value] = value
	}
	if slices.ContainsFunc(r.Paths, func(p PresetPath) bool { return p.Path == "" }) {
		r.Paths = nil // "/" is every path
	}
	if len(f.problems) == before {
		f.judge(item, &r, seen)
	}
	if len(f.problems) == before {
		f.rules = append(f.rules, r)
	}
}

func (f *file) readKey(r *Rule, key string, value *yaml.Node) {
	switch key {
	case "bypass":
		if value.Kind != yaml.ScalarNode || value.Value != "true" {
			f.bad(value, "bypass takes true and nothing else; remove it, or write allow")
		}
		r.Bypass = true
	case "allow":
		f.readAllow(r, value)
	case "preset":
		f.readPreset(r, value)
	default:
		for _, v := range f.texts(key, value) {
			f.readValue(r, key, v)
		}
	}
}

func (f *file) readValue(r *Rule, key string, v *yaml.Node) {
	switch key {
	case "host":
		name, wild := strings.CutPrefix(v.Value, "*.")
		normal, ok := f.hostName(name)
		if !ok || strings.HasPrefix(normal, "[") && wild {
			f.bad(v, "%q is no host such as app.example.com or *.example.com, without a port", v.Value)
			return
		}
		if wild {
			normal = "*." + normal
		}
		r.Hosts = append(r.Hosts, normal)
	case "path":
		p, err := ParsePath(v.Value)
		if err != nil || !p.plain || strings.ContainsAny(v.Value, "*%?") {
			f.bad(v, "%q is no plain path such as /api, which stands for itself and for what is below it: no *, %%, ?, ; or dots alone", v.Value)
			return
		}
		r.Paths = append(r.Paths, PresetPath{Path: strings.TrimSuffix(v.Value, "/")})
	case "method":
		if v.Value == "" || strings.Trim(v.Value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			f.bad(v, "%q is no method; write them like GET", v.Value)
		}
		r.Methods = append(r.Methods, v.Value)
	case "network":
		n, err := parseNetwork(v.Value)
		if err != nil {
			f.bad(v, "%q is no network such as 192.168.0.0/16", v.Value)
		}
		r.Networks = append(r.Networks, n)
	}
}

// parseNetwork reads a network, or one address.
func parseNetwork(text string) (netip.Prefix, error) {
	n, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errors.New("no network")
		}
		n = netip.PrefixFrom(a, a.BitLen())
	}
	if n.Addr().Is4In6() {
		if n.Bits() < 96 {
			return netip.Prefix{}, errors.New("no network")
		}
		n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n.Masked(), nil
}

func (f *file) readAllow(r *Rule, value *yaml.Node) {
	var words []string
	for _, v := range f.texts("allow", value) {
		words = append(words, v.Value)
	}
	if words == nil {
		return
	}
	var err error
	if r.Policy, err = Parse(strings.Join(words, ",")); err == nil {
		err = r.Policy.Check(f.known)
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			f.bad(value, "%s", strings.TrimSuffix(line, "\n"))
		}
	}
}

func (f *file) readPreset(r *Rule, value *yaml.Node) {
	all := Presets()
	i := slices.IndexFunc(all, func(p Preset) bool { return value.Kind == yaml.ScalarNode && p.Name == value.Value })
	if i < 0 {
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
		}
		f.bad(value, "unknown preset %q; there are %s", value.Value, strings.Join(names, ", "))
		return
	}
	r.Preset, r.Paths, r.Methods = all[i].Name, all[i].Paths, all[i].Methods
}

// texts are the values of a key that takes one or a list.
func (f *file) texts(key string, value *yaml.Node) (all []*yaml.Node) {
	items := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		if items = value.Content; len(items) == 0 {
			f.bad(value, "%s is an empty list; remove the key, or name something", key)
		}
	}
	for _, v := range items {
		if v.Kind != yaml.ScalarNode || v.Tag == "!!null" || v.Value == "" {
			f.bad(v, "%s takes a text, or a list of them; quote what begins with * or !", key)
			continue
		}
		all = append(all, v)
	}
	return all
}

// judge refuses a rule whose keys do not go together.
func (f *file) judge(item *yaml.Node, r *Rule, has map[string]*yaml.Node) {
	anyClient := len(r.Networks) == 0 || slices.ContainsFunc(r.Networks, func(n netip.Prefix) bool { return n.Bits() == 0 })
	switch {
	case (has["allow"] == nil) == (has["bypass"] == nil):
		f.bad(item, "a rule needs either allow or bypass: true")
	case has["preset"] != nil && (has["path"] != nil || has["method"] != nil):
		f.bad(has["preset"], "a preset brings its own path and method; write two rules")
	case has["preset"] != nil && len(r.Hosts) == 0:
		f.bad(has["preset"], "a preset needs the host of its app")
	case r.Bypass && len(r.Hosts)+len(r.Paths) == 0 && anyClient:
		f.bad(item, "this would let everybody into every app unseen; name a host or a path")
	}
}
