package identity_test

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// BenchmarkVerify is what a token costs each request, at the gateway and again at the app. The aim is less than 60 µs.
func BenchmarkVerify(b *testing.B) {
	i := newIssuer(b)
	v, token := i.verifier(), sign(b, jwt.SigningMethodEdDSA, "k1", claims(), i.private)
	_, err := v.Verify(b.Context(), token)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
