package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// finding is one thing that got through.
type finding struct {
	Level  string   `json:"level"` // "hole", or "note" for what no recipe closes
	Kind   kind     `json:"kind"`
	Header string   `json:"header,omitempty"`
	Text   string   `json:"text"`
	Sent   []string `json:"sent,omitempty"` // what was sent, for each time that it got through
	Fix    *line    `json:"fix,omitempty"`
}

// ownName reports whether it is about an identity header that no recipe names:
// one of USHER_HEADERS.
func (f *finding) ownName() bool {
	return slices.Contains([]kind{identity, alias, atOpen, unnamed, hop}, f.Kind) && !strings.HasPrefix(f.Header, "Remote-") && !strings.HasPrefix(f.Header, "X-Forwarded-")
}

// report is what a doctor has to say.
type report struct {
	URL      string     `json:"url"`
	Proxy    string     `json:"proxy,omitempty"` // "nginx 1.22.1"; "" where nobody could tell
	SeenBy   string     `json:"seen_by,omitempty"`
	Requests int        `json:"requests"`
	Findings []*finding `json:"findings"`
	NotSeen  []string   `json:"not_seen"` // what the doctor could not look at, and why
	Problem  string     `json:"problem,omitempty"`
	Exit     int        `json:"exit"`

	recipe *recipe
}

// hole adds what got through, once for each kind and header.
func (r *report) hole(k kind, header, sent, text string) {
	r.add("hole", k, header, sent, text, r.recipe.closes(k, header))
}

// note adds what is worth knowing and no recipe prevents.
func (r *report) note(k kind, header, sent, text string) {
	r.add("note", k, header, sent, text, nil)
}

func (r *report) add(level string, k kind, header, sent, text string, fix *line) {
	for _, f := range r.Findings {
		if f.Level == level && f.Kind == k && f.Header == header {
			if sent != "" && !slices.Contains(f.Sent, sent) {
				f.Sent = append(f.Sent, sent)
			}
			return
		}
	}
	f := &finding{Level: level, Kind: k, Header: header, Text: text, Fix: fix}
	if sent != "" {
		f.Sent = []string{sent}
	}
	r.Findings = append(r.Findings, f)
}

func (r *report) notSeen(format string, args ...any) {
	r.NotSeen = append(r.NotSeen, fmt.Sprintf(format, args...))
}

// holes counts them.
func (r *report) holes() int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == "hole" {
			n++
		}
	}
	return n
}

// finish puts the worst first and decides: a hole outweighs what could not be
// looked at.
func (r *report) finish() {
	rank := func(f *finding) int {
		n := slices.Index(kinds, f.Kind)
		if f.Level == "note" {
			n += len(kinds)
		}
		return n
	}
	slices.SortStableFunc(r.Findings, func(a, b *finding) int { return rank(a) - rank(b) })
	switch {
	case r.holes() > 0:
		r.Exit = 1
	case r.Problem != "":
		r.Exit = 2
	}
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// maxSent bounds how many ways a line names.
const maxSent = 4

// writeText writes a line for each finding, and a summary. What came from the
// other side is in it only quoted.
func (r *report) writeText(w io.Writer) {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-8s  %s", strings.ToUpper(f.Level), f.Text)
		if n := len(f.Sent); n > maxSent {
			fmt.Fprintf(w, " Sent: %s and %d more.", strings.Join(f.Sent[:maxSent], "; "), n-maxSent)
		} else if n > 0 {
			fmt.Fprintf(w, " Sent: %s.", strings.Join(f.Sent, "; "))
		}
		switch {
		case f.Fix != nil && f.ownName():
			fmt.Fprintf(w, " Closed by a line for it like that of %s: %s", f.Fix.File, f.Fix.Text)
		case f.Fix != nil:
			fmt.Fprintf(w, " Closed by %s: %s", f.Fix.File, f.Fix.Text)
		case f.Level == "hole" && r.recipe == nil:
			fmt.Fprint(w, " Which line closes it depends on the proxy, which does not say what it is: --proxy NAME.")
		}
		fmt.Fprintln(w)
	}
	if r.Problem != "" {
		fmt.Fprintf(w, "%-8s  %s\n", "PROBLEM", r.Problem)
	}
	for _, text := range r.NotSeen {
		fmt.Fprintf(w, "%-8s  %s\n", "NOT SEEN", text)
	}
	proxy, by, requests := r.Proxy, r.SeenBy, "requests"
	if r.Requests == 1 {
		requests = "request"
	}
	if proxy == "" {
		proxy = "a proxy that does not say what it is"
	}
	if by == "" {
		by = "nobody told what reaches the app"
	} else {
		by += " told what reaches the app"
	}
	fmt.Fprintf(w, "\n%s: %d %s through %s; %s. %s\n", r.URL, r.Requests, requests, proxy, by, r.verdict())
}

func (r *report) verdict() string {
	switch n := r.holes(); {
	case n == 1:
		return "1 hole."
	case n > 1:
		return fmt.Sprintf("%d holes.", n)
	case r.Problem != "":
		return "The doctor could not look."
	case len(r.NotSeen) > 0:
		return "No hole in what could be seen."
	}
	return "No hole."
}
