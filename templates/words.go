package templates

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// shownRunes bounds what a page shows of one untrusted value: nobody's name makes the page unusable.
const shownRunes = 160

// wholeRunes bounds a value that is shown whole: the longest header that Usher sends.
const wholeRunes = 2048

// shownBytes bounds a file for copying, several times what the largest recipe has.
const shownBytes = 32 << 10

func funcs() template.FuncMap {
	return template.FuncMap{
		"action": action, "ago": ago, "day": day, "days": days, "initial": initial, "lines": lines, "message": message, "parts": parts, "rd": rd,
		"show": show, "stamp": stamp, "statusText": http.StatusText, "wait": wait, "web": web,
	}
}

// web is the address if it may be a link, otherwise "".
func web(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return address
}

// action is the address of a form or a poll, which has to be there.
func action(address string) (string, error) {
	if web(address) == "" {
		return "", errors.New("the page needs an absolute http(s) address to send to")
	}
	return address, nil
}

// rd is an address, or a sealed text, to carry through a form: whoever receives it checks it again, and takes no more than 4096 bytes.
func rd(address string) string {
	if _, err := url.Parse(address); err != nil || len(address) > 4096 {
		return ""
	}
	return address
}

// show makes a value fit to be read: no control characters, one line, not too long.
func show(s string) string { return strings.TrimSpace(oneLine(strings.TrimSpace(s), shownRunes)) }

// parts is a long value, whole, in pieces between which a line may be broken: behind each sign.
func parts(s, sign string) []string { return strings.SplitAfter(oneLine(s, wholeRunes), sign) }

func oneLine(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteRune('…')
			break
		}
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// lines makes a file fit to be copied: no control characters but those that end lines and set them in, not too long.
func lines(s string) string {
	if len(s) > shownBytes {
		s = s[:shownBytes]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}

// shownMessage bounds a text of somebody's own, in letters.
const shownMessage = 1000

// message is show for a longer text that may have more than one line.
func message(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\r':
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, s))
	if letters := []rune(s); len(letters) > shownMessage {
		return string(letters[:shownMessage]) + "…"
	}
	return s
}

// initial is the letter on a person's face.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return ""
}

func day(t time.Time) string   { return t.Format("2 January 2006") }
func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// ago is how long ago something was, in words, never longer than it is.
func ago(t time.Time) string {
	count := func(n int, one, many string) string {
		if n == 1 {
			return one + " ago"
		}
		return fmt.Sprintf("%d\u00a0%s ago", n, many)
	}
	switch d := time.Since(t); {
	case d < time.Minute: // also where a clock was set back
		return "just now"
	case d < time.Hour:
		return count(int(d/time.Minute), "a minute", "minutes")
	case d < 24*time.Hour:
		return count(int(d/time.Hour), "an hour", "hours")
	default:
		return count(int(d/(24*time.Hour)), "a day", "days")
	}
}

func days(n int) string {
	if n == 1 {
		return "a day"
	}
	return fmt.Sprintf("%d\u00a0days", n)
}

// wait is a time to wait in words, never shorter than it is.
func wait(seconds int) string {
	switch {
	case seconds <= 0:
		return "in a few minutes"
	case seconds == 1:
		return "in a second"
	case seconds < 90:
		return fmt.Sprintf("in %d\u00a0seconds", seconds)
	case seconds < 90*60:
		return fmt.Sprintf("in %d\u00a0minutes", (seconds+59)/60)
	default:
		return fmt.Sprintf("in %d\u00a0hours", (seconds+3599)/3600)
	}
}
