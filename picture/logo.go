package picture

import (
	"bytes"
	"errors"
	"image"
	"image/draw"
	"image/png"
)

// Type is the media type of a picture.
type Type string

// The types of what is made.
const (
	PNG  Type = "image/png"
	JPEG Type = "image/jpeg"
)

// Size is in CSS pixels: on fine screens there are two of a picture's own to each, where it has as many.
type Size struct{ Width, Height int }

// A logo's place on the page.
const (
	logoWidth  = 160
	logoHeight = 36
)

// Logo is the whole, no larger than its place on the page. A picture that is transparent somewhere stays so.
func Logo(file []byte) ([]byte, Type, Size, error) {
	p, err := decode(file)
	if err != nil {
		return nil, "", Size{}, err
	}
	var size Size
	size.Width, size.Height = fit(p.Bounds(), logoWidth, logoHeight)
	for _, density := range []int{20, 15, 10, 7, 4} { // tenths; fewer pixels once fewer shades do not help
		w, h := fit(p.Bounds(), logoWidth*density/10, logoHeight*density/10)
		small := scale(p, p.Bounds(), w, h)
		for _, shades := range []int{256, 32, 16} {
			out, err := encodePNG(small, shades)
			if err != nil {
				return nil, "", Size{}, err
			}
			if len(out) <= MostLogo {
				return out, PNG, size, nil
			}
		}
		if small.Opaque() {
			if out, err := encodeJPEG(small, MostLogo); err == nil {
				return out, JPEG, size, nil
			}
		}
	}
	return nil, "", Size{}, errors.New("cannot be made small enough; take one with fewer colours")
}

// encodePNG keeps so many shades of each colour, and of how transparent it is.
func encodePNG(p *image.RGBA, shades int) ([]byte, error) {
	few := image.NewNRGBA(p.Rect)
	draw.Draw(few, p.Rect, p, p.Rect.Min, draw.Src)
	for i, v := range few.Pix {
		few.Pix[i] = uint8((int(v)*(shades-1) + 127) / 255 * 255 / (shades - 1))
	}
	var out bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few)
	return out.Bytes(), err
}
