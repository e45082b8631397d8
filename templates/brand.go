package templates

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
)

// Brand is what of the pages is the owner's. All of it may be zero.
type Brand struct {
	Title   string  // the name on every page; "" is "Usher"
	Message string  // a line at the foot of every page that people see
	Logo    Logo    // beside the title
	Accent  *Colour // of the button that leads on; what stands on it, and the ring of the focus, is reckoned from it
	Floor   *Floor  // behind the pages
	// Backdrop is a small JPEG that is stretched over what is behind the pages.
	Backdrop []byte
}

// Logo is a picture that the caller has made: PNG or JPEG, small.
type Logo struct {
	Picture       []byte
	Width, Height int // in CSS pixels
}

// Floor is a colour for those who read in the light, and one for the dark.
type Floor struct{ Light, Dark Colour }

// logoView is a logo as the layout shows it.
type logoView struct {
	Source        template.URL
	Width, Height int
}

func (l Logo) view() logoView {
	return logoView{pictureURL(l.Picture, 4<<10), l.Width, l.Height}
}

// pictureURL is a picture inside of a page, "" for what is none that a page may have: no more than so many bytes, and nothing that a
// browser could read as a document.
func pictureURL(picture []byte, most int) template.URL {
	kind := ""
	switch {
	case len(picture) > most:
	case bytes.HasPrefix(picture, []byte("\x89PNG\r\n\x1a\n")):
		kind = "png"
	case bytes.HasPrefix(picture, []byte("\xff\xd8\xff")):
		kind = "jpeg"
	}
	if kind == "" {
		return ""
	}
	return template.URL("data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString(picture))
}

// Paper and Print are the colours of the page's icon, which is no part of the style.
func (v view) Paper() string { return strings.TrimPrefix(v.Brand.accent().String(), "#") }
func (v view) Print() string {
	if v.Brand.Accent == nil {
		return "1c1400"
	}
	return strings.TrimPrefix(v.Brand.Accent.ink().String(), "#")
}

func (b Brand) accent() Colour {
	if b.Accent == nil {
		return Colour{0xe5, 0xa0, 0x0d}
	}
	return *b.Accent
}

// style is what the brand adds to the pages' style. It is made of numbers and of base64 alone, so that nothing in a setting
// can end a rule.
func (b Brand) style() string {
	var light, dark, rules strings.Builder
	if b.Accent != nil {
		b.Accent.tint(&light, &dark, &rules)
	}
	if b.Floor != nil {
		b.Floor.Light.lay(&light, lightCard, 45)
		b.Floor.Dark.lay(&dark, darkCard, 12)
	}
	if b.Logo.Width > 0 { // grows with the letters beside it
		fmt.Fprintf(&rules, ".brand img { width: %.4grem; height: auto; }\n", float64(b.Logo.Width)/16)
	}
	if picture := pictureURL(b.Backdrop, 4<<10); picture != "" {
		light.WriteString("--veil: rgba(255, 255, 255, .3); ")
		dark.WriteString("--veil: rgba(0, 0, 0, .5); ")
		fmt.Fprintf(&rules, "body { background: linear-gradient(var(--veil), var(--veil)) fixed, url(%s) center / cover no-repeat fixed var(--floor); }\n", picture)
		rules.WriteString("@media (forced-colors: active) { body { background-image: none; } }\n")
	}
	if b.Floor != nil || len(b.Backdrop) > 0 { // what is written there stands on the card's colour, whatever is behind
		rules.WriteString("footer { max-width: 26rem; margin: 1rem auto 0; padding: .5rem 1rem; border-radius: 1.25rem; background: var(--card); }\n")
	}
	css := rules.String()
	if dark.Len() > 0 {
		css = fmt.Sprintf("@media (prefers-color-scheme: dark) { :root { %s} }\n", dark.String()) + css
	}
	if light.Len() > 0 {
		css = fmt.Sprintf(":root { %s}\n", light.String()) + css
	}
	return css
}

// tint makes the colour the accent.
func (c Colour) tint(light, dark, rules *strings.Builder) {
	fmt.Fprintf(light, "--accent: %s; --accent-over: %s; --on-accent: %s; ", c, c.over(), c.ink())
	for _, on := range []struct {
		css          *strings.Builder
		card, toward Colour
		query        string
	}{{light, lightCard, black, "light"}, {dark, darkCard, white, "dark"}} {
		ring := c.against(on.card, on.toward, 4.5)
		fmt.Fprintf(on.css, "--focus: %s; --tick: %s; ", ring, ring)
		if contrast(c, on.card) < 1.5 { // or button and ticket could not be told from what they stand on
			fmt.Fprintf(rules, "@media (prefers-color-scheme: %s) { .go { border-color: var(--focus); } .paper { fill: var(--focus); } .print { fill: var(--card); } }\n", on.query)
		}
	}
}

// lay makes the colour what is behind the card, with so many hundredths of light from above.
func (c Colour) lay(css *strings.Builder, card Colour, glow int) {
	if c.luminance() < 0.3 {
		glow = 12
	}
	fmt.Fprintf(css, "--floor: %s; --light: %s; ", c, c.mix(white, glow))
	if contrast(c, card) >= 1.25 { // the holes show what is behind, where that can be seen
		fmt.Fprintf(css, "--hole: %s; ", c)
	}
}
