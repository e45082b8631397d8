package templates

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Colour is an opaque colour in sRGB. It gets into a style as the numbers that it is, never as the text that it came from.
type Colour struct{ R, G, B uint8 }

// ParseColour reads #rrggbb.
func ParseColour(text string) (Colour, error) {
	n, err := strconv.ParseUint(text[min(1, len(text)):], 16, 24)
	if err != nil || len(text) != 7 || text[0] != '#' {
		return Colour{}, errors.New("takes a colour such as #e5a00d")
	}
	return Colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, nil
}

func (c Colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// The colours of the pages by which others are reckoned; a test holds them to the style.
var (
	black     = Colour{}
	white     = Colour{255, 255, 255}
	lightCard = white
	darkCard  = Colour{0x24, 0x1f, 0x19}
)

// luminance and contrast are those of https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
func (c Colour) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

func contrast(a, b Colour) float64 {
	light, dark := a.luminance(), b.luminance()
	if light < dark {
		light, dark = dark, light
	}
	return (light + 0.05) / (dark + 0.05)
}

// mix is a colour with so many hundredths of another in it.
func (c Colour) mix(with Colour, hundredths int) Colour {
	part := func(a, b uint8) uint8 { return uint8((int(a)*(100-hundredths) + int(b)*hundredths + 50) / 100) }
	return Colour{part(c.R, with.R), part(c.G, with.G), part(c.B, with.B)}
}

// over is the colour below a pointer: a little further from what is written on it, or nearer where there is no further.
func (c Colour) over() Colour {
	near, far := black, white
	if c.ink() == white {
		near, far = far, near
	}
	if over := c.mix(far, 14); contrast(c, over) > 1.05 {
		return over
	}
	return c.mix(near, 14)
}

// against is the colour itself, or as much nearer to another as it takes to stand out from what is behind it.
func (c Colour) against(behind, toward Colour, least float64) Colour {
	for hundredths := range 100 {
		if m := c.mix(toward, hundredths); contrast(m, behind) >= least {
			return m
		}
	}
	return toward
}

// ink is black or white, whichever is easier to read on the colour. One of the two always has a contrast above 4.5.
func (c Colour) ink() Colour {
	if contrast(c, black) >= contrast(c, white) {
		return black
	}
	return white
}
