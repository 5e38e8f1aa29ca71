package identity_test

import (
	"strconv"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// BenchmarkVerify is what a token costs each request, at the gateway and again at the app: the first, and any later.
// The aim is less than 60 µs.
func BenchmarkVerify(b *testing.B) {
	i := newIssuer(b)
	v := i.verifier()
	verify := func(b *testing.B, tokens func() string) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), tokens()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("first", func(b *testing.B) {
		var fresh []string
		for n := range 20_000 { // more than are kept: the first will be new again
			c := claims()
			c.ID = strconv.Itoa(n)
			fresh = append(fresh, sign(b, jwt.SigningMethodEdDSA, "k1", c, i.private))
		}
		n := -1
		verify(b, func() string { n++; return fresh[n%len(fresh)] })
	})
	b.Run("again", func(b *testing.B) {
		token := sign(b, jwt.SigningMethodEdDSA, "k1", claims(), i.private)
		verify(b, func() string { return token })
	})
}
