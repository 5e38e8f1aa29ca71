package pictures

import "fmt"

func buttons(s *sheet) {
	s.button(150, 170, 72)
	s.button(262, 150, 46)
	s.button(244, 262, 60)
}

func (s *sheet) button(x, y, r float64) {
	s.circle(x, y+r*.08, r, s.dark)
	s.circle(x, y, r, s.ink)
	s.circle(x, y, r*.74, s.light)
	s.circle(x, y, r*.68, s.ink)
	for _, d := range [][2]float64{{-1, -1}, {1, -1}, {-1, 1}, {1, 1}} {
		s.circle(x+d[0]*r*.22, y+d[1]*r*.22, r*.11, s.dark)
	}
}

func ribbon(s *sheet) {
	s.path("M196 286 C252 312 292 276 344 296 L336 338 C288 316 244 352 186 326 Z", s.dark)
	s.path("M96 300 C130 330 170 330 204 322 L230 284 L130 270 Z", s.dark)
	s.circle(178, 198, 118, s.ink)
	s.circle(178, 198, 104, s.light)
	s.circle(178, 198, 98, s.ink)
	s.circle(178, 198, 84, s.light)
	s.circle(178, 198, 78, s.ink)
	s.circle(178, 198, 56, "#f3e9d8")
	s.circle(178, 198, 22, s.ground)
	s.line("M216 314 C262 336 296 300 336 314", 3, s.light)
}

func thread(s *sheet) {
	s.path("M130 268 H270 L286 312 Q200 330 114 312 Z", wood)
	s.ellipse(200, 268, 70, 12, mix(wood, "#ffffff", .3))
	s.rect(138, 122, 124, 146, 14, s.ink)
	for i := range 9 {
		s.line(fmt.Sprintf("M140 %d Q200 %d 260 %d", 136+15*i, 148+15*i, 136+15*i), 3, s.dark)
	}
	s.rect(150, 126, 14, 138, 7, s.light)
	s.path("M114 84 Q200 66 286 84 L270 128 Q200 142 130 128 Z", wood)
	s.ellipse(200, 84, 86, 14, mix(wood, "#ffffff", .3))
	s.ellipse(200, 84, 18, 5, mix(wood, "#000000", .4))
	s.line("M262 240 C330 250 296 318 346 322", 4, s.ink)
}

func yarn(s *sheet) {
	s.line("M276 266 C330 292 262 330 346 326", 7, s.ink)
	ball := "M80 202 a118 118 0 1 0 236 0 a118 118 0 1 0 -236 0 Z"
	s.path(ball, s.ink)
	s.clip("y", ball, func() {
		for i := range 6 {
			s.line(fmt.Sprintf("M%d 70 C%d 150 %d 260 %d 340", 70+34*i, 150+30*i, 130+34*i, 40+42*i), 6, s.dark)
		}
		for i := range 5 {
			s.line(fmt.Sprintf("M60 %d C150 %d 250 %d 340 %d", 150+36*i, 90+36*i, 100+36*i, 170+36*i), 6, s.light)
		}
	})
}

func needles(s *sheet) {
	s.line("M92 262 C150 180 150 320 214 250 S 262 120 300 118", 5, "#b9603d")
	for i := range 5 {
		x := float64(120 + 36*i)
		s.group(fmt.Sprintf("rotate(18 %g 200)", x), func() {
			shade := mix(s.ink, "#ffffff", float64(i%3)*.12)
			s.path(fmt.Sprintf("M%g 88 q7 0 7 12 L%g 318 L%g 100 q0 -12 7 -12 Z", x, x, x-7), shade)
			s.ellipse(x, 106, 2.4, 9, s.ground)
		})
	}
}

func pincushion(s *sheet) {
	for i, p := range [][4]float64{{150, 170, 112, 84}, {184, 150, 172, 66}, {222, 150, 238, 70}, {256, 172, 296, 96}} {
		s.line(fmt.Sprintf("M%g %g L%g %g", p[0], p[1], p[2], p[3]), 4, steel)
		s.circle(p[2], p[3], 13, []string{"#d7a63d", "#3e8285", "#fbf5ea", "#7b4a6b"}[i])
	}
	s.path("M74 236 C74 170 136 142 200 142 C264 142 326 170 326 236 "+
		"C326 298 268 322 200 322 C132 322 74 298 74 236 Z", s.ink)
	for _, d := range []string{"M200 150 C112 184 112 276 200 318", "M200 150 C288 184 288 276 200 318", "M200 150 V318"} {
		s.line(d, 4, s.dark)
	}
	s.path("M200 168 L178 146 L196 154 L200 130 L206 154 L226 146 Z", "#45694f")
	s.path("M98 222 Q106 188 138 172 Q116 200 114 240 Z", s.light)
}

func scissors(s *sheet) {
	blade := func() {
		s.path("M192 212 L214 70 Q224 64 226 82 L218 222 Z", steel)
		s.path("M214 70 Q224 64 226 82 L222 150 Z", "#d5dade")
		s.line("M205 214 L176 262", 20, s.ink)
		fmt.Fprintf(s, `<ellipse cx="152" cy="290" rx="32" ry="40" fill="none" stroke="%s" stroke-width="19" `+
			`transform="rotate(28 152 290)"/>`, s.ink)
	}
	s.group("rotate(9 200 212)", blade)
	s.group("translate(400 0) scale(-1 1) rotate(9 200 212)", blade)
	s.circle(200, 212, 11, s.dark)
	s.circle(200, 212, 4, "#f2ead9")
}

func tape(s *sheet) {
	s.path("M200 290 H338 Q350 290 350 302 V326 Q350 338 338 338 H188 Z", s.ink)
	for i := range 12 {
		s.line(fmt.Sprintf("M%d 292 v%d", 206+12*i, 12+10*((i+1)%2)), 3, s.dark)
	}
	s.rect(338, 286, 14, 56, 3, brass)
	s.circle(184, 212, 126, s.dark)
	s.circle(184, 212, 116, s.ink)
	for i := range 36 {
		s.group(fmt.Sprintf("rotate(%d 184 212)", 10*i), func() {
			s.line(fmt.Sprintf("M184 100 v%d", 12+8*((i+1)%2)), 3, s.dark)
		})
	}
	s.circle(184, 212, 82, s.dark)
	s.circle(184, 212, 74, s.light)
	s.circle(184, 212, 30, s.ground)
}

func zip(s *sheet) {
	s.path("M150 64 L194 64 L194 330 L150 330 Z", s.ink)
	s.path("M206 64 L250 64 L250 330 L206 330 Z", s.ink)
	s.path("M194 64 L194 150 L160 64 Z", s.ground)
	s.path("M206 64 L206 150 L240 64 Z", s.ground)
	for i := range 13 {
		y := float64(158 + 13*i)
		s.rect(188, y, 14, 7, 2, brass)
		s.rect(198, y+6, 14, 7, 2, brass)
	}
	for i := range 6 {
		f := float64(i)
		s.rect(162+f*5, 72+f*13, 12, 7, 2, brass)
		s.rect(226-f*5, 72+f*13, 12, 7, 2, brass)
	}
	s.path("M180 138 H220 L228 172 Q200 186 172 172 Z", mix(brass, "#000000", .18))
	s.rect(191, 166, 18, 62, 8, brass)
	s.rect(196, 200, 8, 18, 4, s.ground)
	s.line("M160 80 V326 M240 80 V326", 2, s.light)
}

func cloth(s *sheet) {
	for i := range 3 {
		y := float64(256 - 58*i)
		fill, edge := s.ink, s.dark
		if i == 1 {
			fill, edge = s.light, s.ink
		}
		s.rect(84, y, 232, 56, 26, edge)
		s.path(fmt.Sprintf("M110 %g H316 V%g H110 Q98 %g 110 %g Z", y+6, y+26, y+16, y+6), fill)
		s.path(fmt.Sprintf("M110 %g H316 V%g H110 Q98 %g 110 %g Z", y+30, y+50, y+40, y+30), fill)
	}
	s.path("M206 140 H292 L304 258 Q248 274 196 258 Z", s.dark)
	for i := range 4 {
		s.line(fmt.Sprintf("M%d 150 L%d 254", 222+20*i, 214+26*i), 3, s.light)
	}
}
