package templates

import (
	"errors"
	"html/template"
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
		"action": action, "code": code, "face": face, "glyphs": glyphs, "host": host, "initial": initial, "lines": lines, "linkPlace": linkPlace, "message": message,
		"minutes": minutes, "parts": parts, "qr": drawQR, "rd": rd, "seconds": seconds, "show": show, "spelled": spelled, "stamp": stamp, "strong": strong,
		"trouble": trouble, "web": web,
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

// seconds is a time that is left in whole seconds, minutes in whole minutes and one at least: never longer than it is otherwise.
func seconds(d time.Duration) int { return int(max(d, 0) / time.Second) }
func minutes(seconds int) int     { return max(seconds/60, 1) }

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

func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// face is a person's picture as an address within the page, "" for none.
func face(picture []byte) template.URL { return pictureURL(picture, 2<<10) }
