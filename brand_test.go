package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/picture"
	"usher/templates"
)

func TestBrand(t *testing.T) {
	t.Parallel()
	p := image.NewGray(image.Rect(0, 0, 400, 200))
	p.Set(1, 1, color.White)
	var asPNG, asJPEG bytes.Buffer
	if err := png.Encode(&asPNG, p); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, p, nil); err != nil {
		t.Fatal(err)
	}
	logo, back := filepath.Join(t.TempDir(), "logo"), filepath.Join(t.TempDir(), "back.png") // a name says nothing
	if err := os.WriteFile(logo, asPNG.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(back, append(asJPEG.Bytes(), make([]byte, 900<<10)...), 0o600); err != nil {
		t.Fatal(err)
	}
	small, _, size, err := picture.Logo(asPNG.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	behind, err := picture.Backdrop(asJPEG.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	orange, dark := templates.Colour{R: 0xff, G: 0x88}, templates.Colour{R: 0x10, G: 0x20, B: 0x30}
	for name, c := range map[string]struct {
		env  environment
		want templates.Brand
	}{
		"none":         {environment{}, templates.Brand{}},
		"words":        {environment{Title: "Robin’s", Message: " Write to robin. "}, templates.Brand{Title: "Robin’s", Message: "Write to robin."}},
		"a logo":       {environment{Logo: logo}, templates.Brand{Logo: templates.Logo{Picture: small, Width: size.Width, Height: size.Height}}},
		"an accent":    {environment{Accent: "#FF8800"}, templates.Brand{Accent: &orange}},
		"one colour":   {environment{Background: "#102030"}, templates.Brand{Floor: &templates.Floor{Light: dark, Dark: dark}}},
		"two colours":  {environment{Background: "#ff8800, #102030"}, templates.Brand{Floor: &templates.Floor{Light: orange, Dark: dark}}},
		"a background": {environment{Background: back}, templates.Brand{Backdrop: behind}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wrong problems
			got := readBrand(c.env, &wrong)
			if len(wrong) > 0 {
				t.Error(wrong)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
