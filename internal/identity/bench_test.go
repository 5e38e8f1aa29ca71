package identity_test

import (
	"strconv"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// BenchmarkVerify measures the verification of a token, which each request costs twice: at the gateway and at the app.
// "first" is a token that is not in the cache, "again" one that is. The aim is less than 60 µs.
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
		for n := range 20_000 { // more than the cache holds, so that none is in it
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
