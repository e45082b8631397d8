package templates

import (
	"fmt"
	"net/url"
	"strings"

	"rsc.io/qr"
)

// shownGlyphs bounds what a page shows of a code; those of plex.tv/link have four.
const shownGlyphs = 12

// quietEdge is how many modules of light a QR code needs around it to be found (ISO/IEC 18004, 9.1).
const quietEdge = 4

// glyphs are the letters and digits of a code, one by one.
func glyphs(code string) []string {
	all := strings.Split(show(code), "")
	return all[:min(len(all), shownGlyphs)]
}

// spelled is a code as a screen reader reads it letter by letter.
func spelled(code string) string { return strings.Join(glyphs(code), " ") }

// linkPlace is what somebody types into a browser to come to an address.
func linkPlace(address string) string {
	u, err := url.Parse(web(address))
	if err != nil || u.Host == "" || !plain(u.Host, "-._:") || !plain(u.Path, "-._/") {
		return "plex.tv/link"
	}
	return u.Host + strings.TrimRight(u.Path, "/")
}

// drawing is a QR code as SVG draws it: Size units wide with the quiet edge, the dark modules as one path.
type drawing struct {
	Size int
	Path string
}

// drawQR draws the QR code of a link; of anything else, and of one that is too long for a screen, there is none.
func drawQR(address string) (d drawing) {
	if web(address) == "" || len(address) > 128 {
		return drawing{}
	}
	code, err := qr.Encode(address, qr.L) // a screen has no dirt to correct
	if err != nil {
		return drawing{}
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			start := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > start {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", start+quietEdge, y+quietEdge, x-start, x-start)
			}
		}
	}
	return drawing{code.Size + 2*quietEdge, b.String()}
}
