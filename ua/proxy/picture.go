package proxy

import (
	"bytes"
	"encoding/binary"
	"image"
	_ "image/gif"  // the readers of image.DecodeConfig
	_ "image/jpeg" //
	_ "image/png"  //
	"slices"

	"github.com/postrider/postrider/mail"
)

// picture is an image that may be shown. Its octets are shared: never changed.
type picture struct {
	kind   string
	octets []byte
}

// magicSize is how many octets tell what a file is.
const magicSize = 64

// blank is a transparent point, in the place of those that watch.
var blank = picture{kind: "image/gif", octets: []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")}

// look decides about octets: a picture, the blank one in its place, or none.
func look(octets []byte) (picture, error) {
	kind := kindOf(octets)
	if kind == "" {
		return picture{}, notAPicture()
	}
	width, height, ok := size(kind, octets)
	switch {
	case !ok || width <= 0 || height <= 0:
		return picture{}, mail.Errorf(mail.Denied, "the picture is damaged")
	case width <= 2 && height <= 2:
		return blank, nil
	case int64(width)*int64(height) > maxPixels:
		return picture{}, mail.Errorf(mail.TooLarge, "the picture has too many points to be shown")
	}
	return picture{kind, octets}, nil
}

// kindOf tells a picture by its first octets; "" for anything else.
func kindOf(b []byte) string {
	has := func(at int, s string) bool { return len(b) >= at+len(s) && string(b[at:at+len(s)]) == s }
	switch {
	case has(0, "\x89PNG\r\n\x1a\n"):
		return "image/png"
	case has(0, "\xff\xd8\xff"):
		return "image/jpeg"
	case has(0, "GIF87a"), has(0, "GIF89a"):
		return "image/gif"
	case has(0, "RIFF") && has(8, "WEBPVP8"):
		return "image/webp"
	case has(4, "ftyp") && isAVIF(b):
		return "image/avif"
	case has(0, "BM") && len(b) >= 26 && slices.Contains([]uint32{12, 40, 52, 56, 64, 108, 124}, binary.LittleEndian.Uint32(b[14:])):
		return "image/bmp"
	case has(0, "\x00\x00\x01\x00") && len(b) >= 22 && b[4] > 0 && b[5] == 0:
		return "image/x-icon"
	}
	return ""
}

// isAVIF looks for the brand of AVIF among those of the file.
func isAVIF(b []byte) bool {
	end := min(int(min(binary.BigEndian.Uint32(b), 1<<16)), len(b), magicSize)
	for at := 8; at+4 <= end; at += 4 {
		if at == 12 { // a version stands there
			continue
		}
		if brand := string(b[at : at+4]); brand == "avif" || brand == "avis" {
			return true
		}
	}
	return false
}

// size is a picture's width and height in points.
func size(kind string, b []byte) (width, height int, ok bool) {
	switch kind {
	case "image/webp":
		return sizeWebP(b)
	case "image/avif":
		return sizeAVIF(b)
	case "image/bmp":
		if binary.LittleEndian.Uint32(b[14:]) == 12 {
			return int(binary.LittleEndian.Uint16(b[18:])), int(binary.LittleEndian.Uint16(b[20:])), true
		}
		h := int(int32(binary.LittleEndian.Uint32(b[22:]))) //nolint:gosec // below zero: from the top
		return int(int32(binary.LittleEndian.Uint32(b[18:]))), max(h, -h), true
	case "image/x-icon":
		width, height = int(b[6]), int(b[7])
		if width == 0 {
			width = 256
		}
		if height == 0 {
			height = 256
		}
		return width, height, true
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(b))
	return c.Width, c.Height, err == nil
}

// sizeWebP reads the three forms of WebP (RFC 9649 2.5 to 2.7).
func sizeWebP(b []byte) (width, height int, ok bool) {
	if len(b) < 30 {
		return 0, 0, false
	}
	switch string(b[12:16]) {
	case "VP8 ":
		if string(b[23:26]) != "\x9d\x01\x2a" {
			return 0, 0, false
		}
		return int(binary.LittleEndian.Uint16(b[26:]) & 0x3fff), int(binary.LittleEndian.Uint16(b[28:]) & 0x3fff), true
	case "VP8L":
		if b[20] != 0x2f {
			return 0, 0, false
		}
		bits := binary.LittleEndian.Uint32(b[21:])
		return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1, true
	case "VP8X":
		three := func(at int) int { return int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16 }
		return three(24) + 1, three(27) + 1, true
	}
	return 0, 0, false
}

// sizeAVIF finds the first property that tells a size: the box "ispe" near the beginning.
func sizeAVIF(b []byte) (width, height int, ok bool) {
	top := b[:min(len(b), 64<<10)]
	i := bytes.Index(top, []byte("ispe"))
	if i < 0 || len(top) < i+16 {
		return 0, 0, false
	}
	w, h := binary.BigEndian.Uint32(top[i+8:]), binary.BigEndian.Uint32(top[i+12:])
	return int(min(w, 1<<30)), int(min(h, 1<<30)), true
}
