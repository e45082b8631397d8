package templates

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// view is what templates see: the page, and its words. In every template, also in those that others call, it is $.
type view struct {
	Brand   Brand
	Logo    logoView
	Style   template.CSS
	Scripts []template.JS
	Wide    bool
	In      named  // the language
	Choose  string // address of the page of languages; may be empty
	Page    any
	wording words
}

// With is the same view of another thing, to call a template with.
func (v view) With(page any) view {
	v.Page = page
	return v
}

// phrase is a text of the catalogue that stands within another.
type phrase string

// Say is a text of the catalogue as HTML: escaped, with each value in it escaped as well and set apart from the direction of the
// text around it. The arguments are names of placeholders and their values; n picks the plural form.
func (v view) Say(key string, args ...any) template.HTML {
	return template.HTML(fill(v.text(key, args), args, template.HTMLEscapeString, func(value any) string {
		switch value := value.(type) {
		case template.HTML: // of our own functions
			return string(value)
		case int:
			return strconv.Itoa(value)
		case phrase:
			return template.HTMLEscapeString(string(value))
		default:
			return "<bdi>" + template.HTMLEscapeString(show(fmt.Sprint(value))) + "</bdi>"
		}
	}))
}

// Text is a text of the catalogue for attributes and titles, not escaped yet.
func (v view) Text(key string, args ...any) string {
	return fill(v.text(key, args), args, func(s string) string { return s }, func(value any) string {
		if number, ok := value.(int); ok {
			return strconv.Itoa(number)
		}
		return show(fmt.Sprint(value))
	})
}

// text is the text of a key, for the number n among the arguments.
func (v view) text(key string, args []any) string {
	n := 0
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == "n" {
			n, _ = args[i+1].(int)
		}
	}
	return v.wording.find(key, n)
}

// fill puts values in place of {placeholders}. What has no value, and a brace alone, stays as it is.
func fill(text string, args []any, literal func(string) string, value func(any) string) string {
	var b strings.Builder
	for text != "" {
		before, behind, found := strings.Cut(text, "{")
		name, rest, closed := strings.Cut(behind, "}")
		at := -1
		for i := 0; found && closed && i+1 < len(args); i += 2 {
			if args[i] == name {
				at = i + 1
			}
		}
		b.WriteString(literal(before))
		switch {
		case at >= 0:
			b.WriteString(value(args[at]))
			text = rest
		case found:
			b.WriteString(literal("{"))
			text = behind
		default:
			text = ""
		}
	}
	return b.String()
}

// Day is a date in words.
func (v view) Day(t time.Time) template.HTML { return when(t, v.day(t)) }

func (v view) day(t time.Time) string {
	return v.Text("date.day", "day", t.Day(), "month", v.wording.find(months()[t.Month()-1], 0), "year", t.Year())
}

// Ago is how long ago something was, in words, never longer than it is.
func (v view) Ago(t time.Time) template.HTML { return when(t, v.ago(t)) }

func (v view) ago(t time.Time) string {
	switch d := time.Since(t); {
	case d < time.Minute: // also where a clock was set back
		return v.Text("ago.now")
	case d < time.Hour:
		return v.Text("ago.minutes", "n", int(d/time.Minute))
	case d < 24*time.Hour:
		return v.Text("ago.hours", "n", int(d/time.Hour))
	default:
		return v.Text("ago.days", "n", int(d/(24*time.Hour)))
	}
}

// Wait is a time to wait, such as "in 30 seconds", never shorter than it is.
func (v view) Wait(seconds int) phrase {
	switch {
	case seconds <= 0:
		return phrase(v.Text("wait.soon"))
	case seconds < 90:
		return phrase(v.Text("wait.seconds", "n", seconds))
	case seconds < 90*60:
		return phrase(v.Text("wait.minutes", "n", (seconds+59)/60))
	default:
		return phrase(v.Text("wait.hours", "n", (seconds+3599)/3600))
	}
}

// Keeping offers to stay signed in for a time, said in whole days, hours or minutes and never longer than it is; "" where it is too short
// to be worth a choice.
func (v view) Keeping(d time.Duration) template.HTML {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day, d >= day && d%day < time.Hour:
		return v.Say("keep.days", "n", int(d/day))
	case d >= time.Hour:
		return v.Say("keep.hours", "n", int(d/time.Hour))
	case d >= time.Minute:
		return v.Say("keep.minutes", "n", int(d/time.Minute))
	}
	return ""
}

// Languages are all languages to choose from.
func (v view) Languages() []named { return names() }

// Hosts are the hosts that a key is for.
func (v view) Hosts(names []string) template.HTML {
	if len(names) == 0 {
		return v.Say("key.all")
	}
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = "<bdi>" + template.HTMLEscapeString(show(name)) + "</bdi>"
	}
	return template.HTML(strings.Join(shown, template.HTMLEscapeString(v.Text("list.comma"))))
}

// Device is what somebody signed in with; either may be unknown.
func (v view) Device(browser, system string) string {
	browser, system = show(browser), show(system)
	switch {
	case browser+system == "":
		return v.Text("device.unknown")
	case browser == "" || system == "":
		return browser + system
	}
	return v.Text("device.on", "browser", browser, "system", system)
}

// when is a time in words that programs can read as well.
func when(t time.Time, words string) template.HTML {
	return template.HTML(`<time datetime="` + stamp(t) + `">` + template.HTMLEscapeString(words) + `</time>`)
}

// host is the name of a host, for [view.Say].
func host(name string) template.HTML {
	return template.HTML(`<bdi class="host">` + template.HTMLEscapeString(show(name)) + `</bdi>`)
}

// strong is a value that stands out, for [view.Say].
func strong(value string) template.HTML {
	return template.HTML("<b><bdi>" + template.HTMLEscapeString(show(value)) + "</bdi></b>")
}

// code is what somebody types as it is, for [view.Say].
func code(text string) template.HTML {
	return template.HTML("<code>" + template.HTMLEscapeString(text) + "</code>")
}
