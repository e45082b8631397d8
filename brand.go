package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"usher/picture"
	"usher/templates"
)

const (
	maxBackground = 1 << 20 // bytes of the file
	maxMessage    = 200     // letters
)

// readBrand is what of the pages is the owner's. Pictures are read here, once, and what a page shows is made of them.
func readBrand(env environment, p *problems) templates.Brand {
	b := templates.Brand{Title: env.Title, Message: strings.TrimSpace(env.Message)}
	if strings.ContainsFunc(b.Message, unicode.IsControl) || !utf8.ValidString(b.Message) || utf8.RuneCountInString(b.Message) > maxMessage {
		p.add("MESSAGE", "takes one line of at most %d letters", maxMessage)
	}
	if env.Logo != "" {
		file, err := readSmall(env.Logo, maxFile)
		if err != nil {
			p.add("LOGO", "%w; name a file that Usher's user can read", err)
		} else if logo, _, size, err := picture.Logo([]byte(file)); err != nil {
			p.add("LOGO", "%s %w", env.Logo, err)
		} else {
			b.Logo = templates.Logo{Picture: logo, Width: size.Width, Height: size.Height}
		}
	}
	if env.Accent != "" {
		accent, err := templates.ParseColour(env.Accent)
		if err != nil {
			p.add("ACCENT", "%w", err)
		}
		b.Accent = &accent
	}
	readBackground(env.Background, &b, p)
	return b
}

func readBackground(text string, b *templates.Brand, p *problems) {
	if text == "" {
		return
	}
	if !strings.HasPrefix(text, "#") {
		file, err := readSmall(text, maxBackground)
		if err != nil {
			p.add("BACKGROUND", "%w; write colours such as #203040, or name a file that Usher's user can read", err)
		} else if b.Backdrop, err = picture.Backdrop([]byte(file)); err != nil {
			p.add("BACKGROUND", "%s %w", text, err)
		}
		return
	}
	colours := list(text)
	if len(colours) == 1 {
		colours = append(colours, colours[0])
	}
	light, err := templates.ParseColour(colours[0])
	dark, err2 := templates.ParseColour(colours[1])
	if err != nil || err2 != nil || len(colours) != 2 {
		p.add("BACKGROUND", "takes a colour such as #203040, two of them, for light and for dark, or a file")
		return
	}
	b.Floor = &templates.Floor{Light: light, Dark: dark}
}
