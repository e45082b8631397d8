package main

import (
	"encoding/json"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"usher/auth"
)

const (
	wordHeader  = auth.EchoHeader
	probeHeader = "X-Usher-Probe"
)

// seen is what reached the app, as the app told it.
type seen struct {
	by     string              // whose echo: "Usher's echo", "whoami", …
	header map[string][]string // names as the app spells them
}

// all are the values of a header in every spelling that some app takes for
// it: CGI, WSGI and PHP fold letter case, "_" and "." into one name.
func (s *seen) all(name string) []string {
	var spellings []string
	for spelling := range s.header {
		if fold(spelling) == fold(name) {
			spellings = append(spellings, spelling)
		}
	}
	slices.Sort(spellings)
	var values []string
	for _, spelling := range spellings {
		values = append(values, s.header[spelling]...)
	}
	return values
}

// aliased reports whether a value arrived under a name with "_" or ".".
func (s *seen) aliased(name, value string) bool {
	for spelling, values := range s.header {
		if fold(spelling) == fold(name) && strings.ContainsAny(spelling, "_.") && strings.Contains(strings.Join(values, ","), value) {
			return true
		}
	}
	return false
}

func fold(name string) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
}

// parseEcho reads the answer of an app that tells its headers: Usher's own
// echo, traefik/whoami, or any JSON with an object "headers" in it. It is one
// only if the nonce of this very run is in it.
func parseEcho(body []byte, nonce string) *seen {
	s := parseJSONEcho(body)
	if s == nil {
		s = parseWhoami(string(body))
	}
	if s == nil || !slices.Contains(s.all(probeHeader), nonce) {
		return nil
	}
	return s
}

func parseJSONEcho(body []byte) *seen {
	var top map[string]any
	if json.Unmarshal(body, &top) != nil {
		return nil
	}
	s := &seen{by: "a JSON echo", header: map[string][]string{}}
	if top["usher_echo"] == true {
		s.by = "Usher's echo"
	}
	headers := findHeaders(top, 3)
	if headers == nil {
		return nil
	}
	for name, value := range headers {
		switch v := value.(type) {
		case string:
			s.header[name] = []string{v}
		case []any:
			for _, one := range v {
				if text, ok := one.(string); ok {
					s.header[name] = append(s.header[name], text)
				}
			}
		}
	}
	return s
}

// findHeaders looks for an object named header or headers.
func findHeaders(in map[string]any, depth int) map[string]any {
	for name, value := range in {
		inner, ok := value.(map[string]any)
		if !ok || depth == 0 {
			continue
		}
		if lower := strings.ToLower(name); lower == "header" || lower == "headers" {
			return inner
		}
		if found := findHeaders(inner, depth-1); found != nil {
			return found
		}
	}
	return nil
}

var requestLine = regexp.MustCompile(`^GET \S+ HTTP/\d(\.\d)?$`)

// parseWhoami reads the request as traefik/whoami writes it: some lines of its
// own, the request line, and the headers.
func parseWhoami(text string) *seen {
	s := &seen{by: "whoami", header: map[string][]string{}}
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if !in {
			in = requestLine.MatchString(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			break
		}
		s.header[name] = append(s.header[name], textproto.TrimString(value))
	}
	if !in {
		return nil
	}
	return s
}
