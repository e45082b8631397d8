// Package picture makes small pictures for the pages out of files from elsewhere: a person's face, the owner's logo, and what
// stands behind a page.
//
// It reads PNG, JPEG and the first frame of a GIF, by what the bytes are. It refuses everything else, SVG before all, which may
// hold scripts; more than 2000 pixels a side; and what cannot be made as small as a page needs it. What it returns is its own
// encoding of pixels: no byte of the file, no metadata. It trusts nobody, and bounds what a decoder may be made to do.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
)

// The most bytes of what is made, for a page has a budget.
const (
	MostFace     = 1280
	MostLogo     = 3 << 10
	MostBackdrop = 1 << 10
)

const (
	maxSide  = 2000 // pixels, of what is decoded
	maxScans = 100  // of a JPEG: each passes over the whole picture, and takes next to no bytes
	faceSide = 64
)

// format is one of those that are read. The image package's own register would take whatever any package has added.
type format struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// Face is the middle square as a JPEG of 64 pixels a side.
func Face(file []byte) ([]byte, error) {
	p, err := decode(file)
	if err != nil {
		return nil, err
	}
	b := p.Bounds()
	from := min(b.Dx(), b.Dy())
	corner := b.Min.Add(image.Pt((b.Dx()-from)/2, (b.Dy()-from)/2))
	return encodeJPEG(onWhite(scale(p, image.Rectangle{corner, corner.Add(image.Pt(from, from))}, faceSide, faceSide)), MostFace)
}

// Backdrop is the whole as a JPEG so small that it is out of focus once it fills a window.
func Backdrop(file []byte) ([]byte, error) {
	p, err := decode(file)
	if err != nil {
		return nil, err
	}
	w, h := fit(p.Bounds(), 48, 48)
	return encodeJPEG(soften(onWhite(scale(p, p.Bounds(), w, h))), MostBackdrop)
}

func decode(file []byte) (image.Image, error) {
	var f format
	switch http.DetectContentType(file) {
	case "image/png":
		f = format{png.DecodeConfig, png.Decode}
	case "image/jpeg":
		if bytes.Count(file, []byte{0xff, 0xda}) > maxScans {
			return nil, errors.New("is a JPEG made to keep its reader busy")
		}
		f = format{jpeg.DecodeConfig, jpeg.Decode}
	case "image/gif":
		f = format{gif.DecodeConfig, gif.Decode}
	default:
		return nil, errors.New("is no PNG, JPEG or GIF")
	}
	size, err := f.config(bytes.NewReader(file))
	if err != nil {
		return nil, errors.New("cannot be read as a picture")
	}
	if size.Width < 1 || size.Height < 1 || size.Width > maxSide || size.Height > maxSide {
		return nil, fmt.Errorf("has %d by %d pixels; at most %d a side are read", size.Width, size.Height, maxSide)
	}
	p, err := f.decode(bytes.NewReader(file))
	if err != nil || p.Bounds().Empty() {
		return nil, errors.New("cannot be read as a picture")
	}
	return p, nil
}

// encodeJPEG spends as much on quality as the bytes allow.
func encodeJPEG(p image.Image, most int) ([]byte, error) {
	for _, quality := range []int{90, 80, 70, 60, 50, 40, 30, 20, 10} {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, p, &jpeg.Options{Quality: quality}); err != nil {
			return nil, err
		}
		if out.Len() <= most {
			return out.Bytes(), nil
		}
	}
	return nil, errors.New("cannot be made small enough")
}

// fit is the size of a picture that is to be no larger than this, and is not made larger than it is.
func fit(b image.Rectangle, w, h int) (int, int) {
	if b.Dx() <= w && b.Dy() <= h {
		return b.Dx(), b.Dy()
	}
	if b.Dx()*h > b.Dy()*w {
		return w, max(1, b.Dy()*w/b.Dx())
	}
	return max(1, b.Dx()*h/b.Dy()), h
}

// scale makes a part of a picture w by h pixels large: each is the mean of those that it stands for.
func scale(p image.Image, part image.Rectangle, w, h int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			at := image.Rect(x*part.Dx()/w, y*part.Dy()/h, (x+1)*part.Dx()/w, (y+1)*part.Dy()/h).Add(part.Min)
			at.Max.X, at.Max.Y = max(at.Max.X, at.Min.X+1), max(at.Max.Y, at.Min.Y+1) // of a picture smaller than that
			out.SetRGBA(x, y, mean(p, at))
		}
	}
	return out
}

func mean(p image.Image, area image.Rectangle) color.RGBA {
	var r, g, b, a, n uint64
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			pr, pg, pb, pa := p.At(x, y).RGBA()
			r, g, b, a, n = r+uint64(pr), g+uint64(pg), b+uint64(pb), a+uint64(pa), n+1
		}
	}
	return color.RGBA{uint8(r / n >> 8), uint8(g / n >> 8), uint8(b / n >> 8), uint8(a / n >> 8)}
}

// onWhite puts white behind what is transparent: a JPEG knows nothing of that.
func onWhite(p *image.RGBA) *image.RGBA {
	for i := 0; i < len(p.Pix); i += 4 {
		white := 0xff - p.Pix[i+3]
		p.Pix[i], p.Pix[i+1], p.Pix[i+2], p.Pix[i+3] = p.Pix[i]+white, p.Pix[i+1]+white, p.Pix[i+2]+white, 0xff
	}
	return p
}

// soften lets each pixel run into its neighbours, so that no edge of one shows where a browser makes it as large as a hand.
func soften(p *image.RGBA) *image.RGBA {
	for range 2 {
		from := image.NewRGBA(p.Rect)
		copy(from.Pix, p.Pix)
		for y := range p.Rect.Dy() {
			for x := range p.Rect.Dx() {
				p.SetRGBA(x, y, mean(from, image.Rect(x-1, y-1, x+2, y+2).Intersect(p.Rect)))
			}
		}
	}
	return p
}
