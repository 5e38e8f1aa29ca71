package pictures

import "fmt"

// drawings has a function for each kind of article.
var drawings = map[string]func(*sheet){
	"fedora": fedora, "boater": boater, "cap": flatCap, "beanie": beanie, "beret": beret, "scarf": scarf,
	"square": square, "tie": tie, "bowtie": bowTie, "pocket": pocket, "braces": braces, "gloves": gloves,
	"umbrella": umbrella, "socks": socks,
	"buttons": buttons, "ribbon": ribbon, "thread": thread, "yarn": yarn, "needles": needles, "pincushion": pincushion,
	"scissors": scissors, "tape": tape, "zip": zip, "cloth": cloth,
}

const (
	wood  = "#b98a5a"
	steel = "#aeb6be"
	brass = "#c9a24e"
)

func fedora(s *sheet) {
	s.ellipse(200, 278, 150, 34, s.dark)
	s.ellipse(200, 270, 150, 32, s.ink)
	s.path("M112 268 C112 170 128 112 166 116 Q200 142 234 116 C272 112 288 170 288 268 Q200 296 112 268 Z", s.ink)
	s.path("M166 116 Q200 142 234 116 Q214 168 200 168 Q186 168 166 116 Z", s.dark)
	s.path("M112 236 Q200 264 288 236 L288 268 Q200 298 112 268 Z", s.dark)
	s.path("M128 190 Q134 142 152 130 Q140 176 142 226 L126 222 Z", s.light)
}

func boater(s *sheet) {
	s.ellipse(200, 282, 156, 34, s.dark)
	s.ellipse(200, 274, 156, 32, s.ink)
	s.path("M122 158 L116 262 Q200 290 284 262 L278 158 Z", s.ink)
	s.ellipse(200, 158, 78, 20, s.light)
	s.path("M119 214 Q200 240 281 214 L284 262 Q200 290 116 262 Z", "#3b4a6b")
	s.path("M118 230 Q200 256 282 230 L283 242 Q200 268 117 242 Z", "#e9e2d2")
}

func flatCap(s *sheet) {
	s.path("M84 262 C92 176 168 132 238 142 C300 150 330 204 326 262 C260 246 150 246 84 262 Z", s.ink)
	s.path("M84 262 C150 240 260 242 326 262 C352 274 350 300 318 300 "+
		"C240 284 160 284 92 300 C60 300 62 274 84 262 Z", s.dark)
	for i := range 6 {
		x := 128 + 30*i
		s.line(fmt.Sprintf("M%d 238 l14 -22 l14 22", x), 4, s.light)
		s.line(fmt.Sprintf("M%d 204 l14 -22 l14 22", x+10), 4, s.light)
	}
	s.ellipse(236, 146, 16, 6, s.dark)
}

func beanie(s *sheet) {
	s.circle(200, 104, 36, s.light)
	s.path("M104 254 C100 150 150 116 200 116 C250 116 300 150 296 254 Z", s.ink)
	for i := range 5 {
		s.line(fmt.Sprintf("M%d 240 Q%d 170 %d 132", 136+32*i, 144+28*i, 168+16*i), 5, s.dark)
	}
	s.rect(94, 244, 212, 62, 22, s.dark)
	for i := range 9 {
		s.line(fmt.Sprintf("M%d 256 V294", 112+22*i), 5, s.ink)
	}
}

func beret(s *sheet) {
	s.group("rotate(-9 200 220)", func() {
		s.line("M196 138 q4 -18 18 -24", 9, s.dark)
		s.path("M66 214 C70 150 150 130 204 134 C290 138 342 176 334 222 "+
			"C328 262 262 270 200 270 C130 270 62 256 66 214 Z", s.ink)
		s.path("M104 196 C124 164 170 154 210 156 C168 166 136 180 118 206 Z", s.light)
		s.path("M112 258 Q200 290 292 256 L284 292 Q200 316 122 292 Z", s.dark)
	})
}

func scarf(s *sheet) {
	s.group("rotate(6 250 280)", func() { s.tail(212, 196, 66, 122) })
	s.group("rotate(-10 150 280)", func() { s.tail(136, 190, 66, 140) })
	s.line("M116 158 C116 96 284 96 284 158 C284 214 116 214 116 158 Z", 58, s.ink)
	s.line("M122 176 C150 210 250 210 278 176", 10, s.dark)
	s.line("M140 124 C170 102 230 102 260 124", 8, s.light)
}

// tail draws the end of a scarf, with stripes and a fringe.
func (s *sheet) tail(x, y, w, h float64) {
	for i := range 6 {
		s.line(fmt.Sprintf("M%g %g v20", x+7+float64(i)*(w-14)/5, y+h), 5, s.dark)
	}
	s.rect(x, y, w, h, 6, s.ink)
	s.rect(x, y+h-54, w, 10, 0, s.light)
	s.rect(x, y+h-36, w, 18, 0, s.dark)
}

func square(s *sheet) {
	s.group("rotate(45 200 206)", func() {
		s.rect(98, 104, 204, 204, 8, s.dark)
		s.rect(112, 118, 176, 176, 4, "#fbf5ea")
		s.rect(124, 130, 152, 152, 4, s.ink)
	})
	for _, p := range [][2]float64{{200, 148}, {148, 206}, {252, 206}, {200, 264}, {200, 206}} {
		for _, d := range [][2]float64{{0, -13}, {13, 0}, {0, 13}, {-13, 0}} {
			s.circle(p[0]+d[0], p[1]+d[1], 10, s.light)
		}
		s.circle(p[0], p[1], 8, "#f6dc9a")
	}
}

func tie(s *sheet) {
	blade := "M184 128 L216 128 L246 288 L200 338 L154 288 Z"
	s.path("M206 128 L226 128 L258 262 L226 306 L206 290 Z", s.dark)
	s.path(blade, s.ink)
	s.clip("b", blade, func() {
		for i := range 7 {
			s.line(fmt.Sprintf("M130 %d L270 %d", 220+34*i, 130+34*i), 8, s.light)
		}
	})
	s.path("M172 74 L228 74 L220 130 L180 130 Z", s.dark)
	s.path("M172 74 L228 74 L224 96 L178 104 Z", s.ink)
}

func bowTie(s *sheet) {
	s.path("M200 206 C160 150 104 136 76 148 Q64 206 76 264 C104 276 160 262 200 206 Z", s.ink)
	s.path("M200 206 C240 150 296 136 324 148 Q336 206 324 264 C296 276 240 262 200 206 Z", s.ink)
	s.path("M200 206 C160 196 118 196 92 206 C118 216 160 216 200 206 Z", s.dark)
	s.path("M200 206 C240 196 282 196 308 206 C282 216 240 216 200 206 Z", s.dark)
	s.line("M92 164 Q124 164 152 184", 7, s.light)
	s.line("M308 164 Q276 164 248 184", 7, s.light)
	s.rect(174, 172, 52, 68, 16, s.dark)
	s.rect(182, 178, 12, 56, 6, s.ink)
}

func pocket(s *sheet) {
	s.path("M128 222 L150 116 L196 214 Z", s.light)
	s.path("M158 222 L206 92 L246 222 Z", s.ink)
	s.path("M212 222 L262 122 L276 222 Z", s.light)
	s.line("M164 208 L206 96 L240 206", 5, s.dark)
	s.path("M96 212 H304 V286 Q304 312 278 312 H122 Q96 312 96 286 Z", "#3f434e")
	s.rect(96, 206, 208, 26, 6, "#555a67")
	s.line("M106 246 V286 Q106 302 122 302 H278 Q294 302 294 286 V246", 2, "#6b707d")
}

func braces(s *sheet) {
	s.line("M138 84 L252 306", 26, s.ink)
	s.line("M262 84 L148 306", 26, s.ink)
	s.line("M138 84 L252 306", 5, s.light)
	s.line("M262 84 L148 306", 5, s.light)
	s.path("M176 176 L224 176 L212 220 L188 220 Z", "#7a563d")
	for _, x := range []float64{138, 262} {
		s.rect(x-20, 92, 40, 22, 5, brass)
	}
	for _, x := range []float64{148, 252} {
		s.rect(x-18, 282, 36, 22, 5, brass)
		s.line(fmt.Sprintf("M%g 306 l-14 30 M%g 306 l14 30", x, x), 10, "#7a563d")
	}
}

func gloves(s *sheet) {
	s.group("translate(22 8) rotate(12 250 220)", func() { s.glove(s.dark, s.ink) })
	s.group("translate(378 8) scale(-1 1) rotate(8 250 220)", func() { s.glove(s.ink, s.dark) })
}

func (s *sheet) glove(fill, seam string) {
	for i, top := range []float64{126, 104, 108, 134} {
		s.rect(192+float64(i)*25, top, 23, 110, 11.5, fill)
	}
	s.line("M204 250 L166 204", 26, fill)
	s.rect(192, 184, 98, 96, 18, fill)
	s.rect(198, 270, 86, 48, 8, seam)
	for i := range 3 {
		s.line(fmt.Sprintf("M%d 206 v38", 218+24*i), 3, seam)
	}
}

func umbrella(s *sheet) {
	s.line("M200 96 V298 C200 338 252 338 252 302", 11, wood)
	s.line("M200 66 V90", 9, wood)
	canopy := "M58 218 C62 128 130 84 200 84 C270 84 338 128 342 218 Q318 192 295 218 Q271 192 248 218 " +
		"Q224 192 200 218 Q176 192 152 218 Q129 192 105 218 Q82 192 58 218 Z"
	s.path(canopy, s.ink)
	s.path("M200 84 C172 110 156 160 152 218 Q129 192 105 218 C108 160 140 108 200 84 Z", s.light)
	s.path("M200 84 C228 110 244 160 248 218 Q271 192 295 218 C292 160 260 108 200 84 Z", s.dark)
}

func socks(s *sheet) {
	s.group("translate(54 -6)", func() { s.sock(s.dark, s.ink, s.light) })
	s.group("translate(-30 8)", func() { s.sock(s.ink, s.dark, s.light) })
}

func (s *sheet) sock(fill, ends, stripe string) {
	s.path("M164 96 H236 V226 Q236 250 214 266 L164 304 Q130 326 108 300 "+
		"Q92 276 118 256 L154 228 Q164 220 164 208 Z", fill)
	s.path("M118 256 Q92 276 108 300 Q130 326 164 304 L140 252 L132 245 Z", ends)
	s.path("M236 200 V226 Q236 250 214 266 Q196 236 214 204 Z", ends)
	s.rect(160, 88, 80, 34, 8, ends)
	s.rect(164, 140, 72, 9, 0, stripe)
	s.rect(164, 160, 72, 9, 0, stripe)
}
