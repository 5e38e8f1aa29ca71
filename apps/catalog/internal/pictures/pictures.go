// Package pictures draws articles of a haberdashery as SVG: a flat shape of each kind of article, in a colour, on a
// soft ground.
package pictures

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// colours that articles come in.
var colours = map[string]string{
	"navy": "#2f4368", "camel": "#c39a6b", "charcoal": "#4a4d54", "straw": "#e3c27e", "sage": "#8fa584",
	"brown": "#7d5a44", "olive": "#7b7c4b", "rust": "#b9603d", "cream": "#eadfc8", "red": "#c2453f", "black": "#35343a",
	"grey": "#8d9199", "plum": "#7b4a6b", "poppy": "#dc5d4b", "teal": "#3e8285", "mustard": "#d7a63d", "sky": "#85b3cf",
	"burgundy": "#7d2f3d", "green": "#45694f", "pearl": "#dfe3e4", "brass": "#c8a04c", "steel": "#98a3ad",
}

// sheet is a drawing of 400 by 400 in shades of one colour.
type sheet struct {
	bytes.Buffer
	ink, dark, light, ground string
}

const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img"><title>%s</title>`

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;")

// Draw draws an article of a kind, such as fedora, in a colour, such as navy. The same arguments give the same picture.
func Draw(title, kind, colour string) []byte {
	ink := colours[colour]
	soft := ink
	if pale(colour) { // would not show on a ground of its own tint
		soft = "#7d97a8"
	}
	s := &sheet{
		ink: ink, dark: mix(ink, "#1d1b22", .32), light: mix(ink, "#ffffff", .38), ground: mix(soft, "#fbf7f1", .86),
	}
	fmt.Fprintf(s, head, escape.Replace(title))
	s.rect(0, 0, 400, 400, 0, s.ground)
	s.circle(200, 196, 158, mix(soft, "#fffdfa", .72))
	s.ellipse(200, 338, 112, 9, mix(soft, "#fbf7f1", .55))
	drawings[kind](s)
	s.WriteString("</svg>\n")
	return s.Bytes()
}

func pale(colour string) bool { return colour == "cream" || colour == "pearl" }

// mix blends a colour with a share (0 to 1) of another; both are #rrggbb.
func mix(a, b string, share float64) string {
	out := "#"
	for i := 1; i < 7; i += 2 {
		x, _ := strconv.ParseUint(a[i:i+2], 16, 8)
		y, _ := strconv.ParseUint(b[i:i+2], 16, 8)
		out += fmt.Sprintf("%02x", int(float64(x)*(1-share)+float64(y)*share+.5))
	}
	return out
}

func (s *sheet) rect(x, y, w, h, r float64, fill string) {
	fmt.Fprintf(s, `<rect x="%g" y="%g" width="%g" height="%g" rx="%g" fill="%s"/>`, x, y, w, h, r, fill)
}

func (s *sheet) circle(x, y, r float64, fill string) {
	fmt.Fprintf(s, `<circle cx="%g" cy="%g" r="%g" fill="%s"/>`, x, y, r, fill)
}

func (s *sheet) ellipse(x, y, rx, ry float64, fill string) {
	fmt.Fprintf(s, `<ellipse cx="%g" cy="%g" rx="%g" ry="%g" fill="%s"/>`, x, y, rx, ry, fill)
}

// path fills an SVG path.
func (s *sheet) path(d, fill string) { fmt.Fprintf(s, `<path d="%s" fill="%s"/>`, d, fill) }

// line strokes an SVG path with round ends.
func (s *sheet) line(d string, width float64, stroke string) {
	fmt.Fprintf(s, `<path d="%s" fill="none" stroke="%s" stroke-width="%g" stroke-linecap="round" `+
		`stroke-linejoin="round"/>`, d, stroke, width)
}

// group draws with an SVG transform.
func (s *sheet) group(transform string, draw func()) {
	fmt.Fprintf(s, `<g transform="%s">`, transform)
	draw()
	s.WriteString("</g>")
}

// clip draws inside a path.
func (s *sheet) clip(id, d string, draw func()) {
	fmt.Fprintf(s, `<clipPath id="%s"><path d="%s"/></clipPath><g clip-path="url(#%s)">`, id, d, id)
	draw()
	s.WriteString("</g>")
}
