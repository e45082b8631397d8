package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"rsc.io/qr"
)

// quiet is the light edge of a QR code without which no phone finds it, in
// modules.
const quiet = 2

// drawn is a QR code in text, two rows a line. Ink is drawn where the code is
// light, as on a dark terminal; phones read it either way round.
func drawn(code *qr.Code) string {
	light := func(x, y int) bool { return !code.Black(x, y) }
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			switch up, down := light(x, y), light(x, y+1) && y+1 < code.Size+quiet; {
			case up && down:
				b.WriteRune('█')
			case up:
				b.WriteRune('▀')
			case down:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// number reads an answer from 1 to n as an index; -1: it is none.
func number(text string, n int) int {
	i, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || i < 1 || i > n {
		return -1
	}
	return i - 1
}

// maxSaid bounds the names that are said of one choice.
const maxSaid = 300

// some says the names, and how many there are besides.
func some(names []string) string {
	said := make([]string, 0, maxSaid)
	for _, n := range names[:min(len(names), maxSaid)] {
		said = append(said, plain(n))
	}
	text := strings.Join(said, ", ")
	if more := len(names) - len(said); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// plain makes a name that anybody can choose harmless to a terminal.
func plain(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > 80 {
		name = string(runes[:80]) + "…"
	}
	if strings.TrimSpace(name) == "" {
		return "(no name)"
	}
	return name
}
