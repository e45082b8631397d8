package picture_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"

	"usher/picture"
)

// made are the three things that are made, by one signature.
func made() map[string]func([]byte) ([]byte, error) {
	return map[string]func([]byte) ([]byte, error){
		"face":     picture.Face,
		"backdrop": picture.Backdrop,
		"logo": func(file []byte) ([]byte, error) {
			out, _, _, err := picture.Logo(file)
			return out, err
		},
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	whole := asPNG(t, noise(40, 40))
	for name, file := range map[string][]byte{
		"nothing":                        nil,
		"SVG with a script":              []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`),
		"SVG behind a declaration":       []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`),
		"a page":                         []byte(`<!doctype html><script>alert(1)</script>`),
		"JSON":                           []byte(`{"errors":[]}`),
		"WebP":                           []byte("RIFF\x24\x00\x00\x00WEBPVP8 \x18\x00\x00\x00"),
		"an icon":                        []byte("\x00\x00\x01\x00\x01\x00\x10\x10"),
		"half a picture":                 whole[:len(whole)/2],
		"a name and no picture":          []byte("\x89PNG\r\n\x1a\n"),
		"a JPEG's first bytes":           []byte("\xff\xd8\xff\xe0"),
		"a GIF's first bytes":            []byte("GIF89a"),
		"a bomb of 65535 by 65535":       pngHeader(65535, 65535),
		"a bomb, one pixel high":         pngHeader(1<<31-1, 1),
		"2001 pixels wide":               asPNG(t, image.NewGray(image.Rect(0, 0, 2001, 1))),
		"2001 pixels high":               asPNG(t, image.NewGray(image.Rect(0, 0, 1, 2001))),
		"a JPEG of 10000 scans":          append(asJPEG(t, noise(8, 8)), bytes.Repeat([]byte{0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0}, 10_000)...),
		"a GIF whose frame sticks out":   gifBeyond(t),
		"a GIF of a large empty surface": {'G', 'I', 'F', '8', '9', 'a', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x3b},
	} {
		for kind, make := range made() {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				if out, err := make(file); err == nil {
					t.Errorf("%d bytes were made of it", len(out))
				}
			})
		}
	}
}

func TestMade(t *testing.T) {
	t.Parallel()
	most := map[string]int{"face": picture.MostFace, "backdrop": picture.MostBackdrop, "logo": picture.MostLogo}
	frames := &gif.GIF{Image: []*image.Paletted{paletted(color.White), paletted(color.Black)}, Delay: []int{1, 1}}
	var animated bytes.Buffer
	if err := gif.EncodeAll(&animated, frames); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"noise, as wide as is read": asJPEG(t, noise(2000, 200)),
		"noise, transparent":        asPNG(t, noise(500, 400)),
		"one pixel":                 asPNG(t, noise(1, 1)),
		"a line":                    asPNG(t, noise(2000, 1)),
		"a pole":                    asPNG(t, noise(1, 2000)),
		"GIF":                       animated.Bytes(),
	} {
		for kind, make := range made() {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				out, err := make(file)
				if err != nil {
					t.Fatal(err)
				}
				if len(out) > most[kind] {
					t.Errorf("%d bytes", len(out))
				}
				p, _, err := image.Decode(bytes.NewReader(out))
				if err != nil {
					t.Fatal(err)
				}
				if b := p.Bounds(); kind == "face" && (b.Dx() != 64 || b.Dy() != 64) || b.Dx() > 320 || b.Dy() > 72 {
					t.Errorf("%v", b)
				}
			})
		}
	}
}

// What else a file holds stays behind: where a picture was taken, and a page hidden in it.
func TestNothingOfTheFileIsLeft(t *testing.T) {
	t.Parallel()
	const secret = "<script>test-place-52.5200N</script>"
	file := asJPEG(t, noise(80, 80))
	comment := append([]byte{0xff, 0xfe, 0, byte(len(secret) + 2)}, secret...)
	file = append(append(append([]byte{}, file[:2]...), comment...), append(file[2:], secret...)...)
	for kind, make := range made() {
		out, err := make(file)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if bytes.Contains(out, []byte(secret)) {
			t.Errorf("%s: it came through", kind)
		}
	}
}

func TestFaceIsTheMiddle(t *testing.T) {
	t.Parallel()
	p := image.NewNRGBA(image.Rect(0, 0, 300, 100)) // black ends, red in the middle; transparent below
	for x := range 300 {
		for y := range 50 {
			p.Set(x, y, color.NRGBA{A: 255})
			if x >= 100 && x < 200 {
				p.Set(x, y, color.NRGBA{R: 255, A: 255})
			}
		}
	}
	out, err := picture.Face(asPNG(t, p))
	if err != nil {
		t.Fatal(err)
	}
	face, err := jpeg.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[image.Point]string{{4, 4}: "red", {60, 20}: "red", {32, 60}: "white"} {
		r, g, b, _ := face.At(at.X, at.Y).RGBA()
		got := "neither"
		switch {
		case r > 0xe000 && g < 0x2000 && b < 0x2000:
			got = "red"
		case r > 0xf000 && g > 0xf000 && b > 0xf000:
			got = "white"
		}
		if got != want {
			t.Errorf("%v is %s, want %s", at, got, want)
		}
	}
}

func TestLogoStaysTransparent(t *testing.T) {
	t.Parallel()
	p := image.NewNRGBA(image.Rect(0, 0, 400, 100))
	for x := 100; x < 300; x++ {
		for y := range 100 {
			p.Set(x, y, color.NRGBA{R: 0x20, G: 0x80, B: 0xc0, A: 0xff})
		}
	}
	out, kind, size, err := picture.Logo(asPNG(t, p))
	if err != nil || kind != picture.PNG || size != (picture.Size{Width: 144, Height: 36}) {
		t.Fatalf("%s %v %v", kind, size, err)
	}
	logo, err := png.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, a := logo.At(2, 2).RGBA(); a != 0 {
		t.Error("the corner is not transparent")
	}
	if got := color.NRGBAModel.Convert(logo.At(logo.Bounds().Dx()/2, 9)); got != (color.NRGBA{0x20, 0x80, 0xc0, 0xff}) {
		t.Errorf("the middle is %v", got)
	}
}

func FuzzFace(f *testing.F) {
	f.Add(asPNG(f, noise(9, 9)))
	f.Add(asJPEG(f, noise(9, 9)))
	f.Fuzz(func(t *testing.T, file []byte) {
		if out, err := picture.Face(file); err == nil && (len(out) > picture.MostFace || !strings.HasPrefix(string(out), "\xff\xd8\xff")) {
			t.Errorf("%d bytes: %.8x", len(out), out)
		}
	})
}

func noise(w, h int) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range p.Pix {
		p.Pix[i] = uint8(r.Uint32())
	}
	return p
}

func paletted(c color.Color) *image.Paletted {
	return image.NewPaletted(image.Rect(0, 0, 90, 60), color.Palette{c})
}

func asPNG(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pngHeader says how large a picture is, and nothing more.
func pngHeader(w, h uint32) []byte {
	chunk := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
	chunk = append(chunk, 8, 6, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(out, chunk...), crc32.ChecksumIEEE(chunk))
}

func gifBeyond(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, paletted(color.White), nil); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	file[6], file[8] = 1, 1 // the surface of which the frame is a part
	return file
}
