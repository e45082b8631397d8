package plextest

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
)

// avatarSide is in pixels. Real ones are as large as people upload them.
const avatarSide = 200

// avatar is a person's picture: somebody's outline on a colour of their own.
func (s *Server) avatar(r *http.Request) reply {
	s.mu.Lock()
	var id int64
	for _, p := range s.people {
		if p.UUID == r.PathValue("uuid") {
			id = p.ID
		}
	}
	s.mu.Unlock()
	if id == 0 {
		return reply{status: http.StatusNotFound}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, outline(id)); err != nil {
		panic("plextest: " + err.Error()) // our own pictures always encode
	}
	return reply{status: http.StatusOK, typ: "image/png", body: b.Bytes()}
}

func outline(id int64) image.Image {
	grounds := []color.RGBA{{0x3b, 0x6e, 0x8f, 0xff}, {0x8f, 0x4f, 0x3b, 0xff}, {0x4d, 0x7a, 0x4a, 0xff}, {0x75, 0x4a, 0x7a, 0xff}, {0x8a, 0x6d, 0x2f, 0xff}}
	ground := grounds[id%int64(len(grounds))]
	p := image.NewRGBA(image.Rect(0, 0, avatarSide, avatarSide))
	within := func(x, y, cx, cy, r int) bool { return (x-cx)*(x-cx)+(y-cy)*(y-cy) < r*r }
	for y := range avatarSide {
		for x := range avatarSide {
			p.SetRGBA(x, y, ground)
			if within(x, y, 100, 78, 38) || within(x, y, 100, 196, 72) {
				p.SetRGBA(x, y, color.RGBA{0xf3, 0xee, 0xe5, 0xff})
			}
		}
	}
	return p
}
