package hasher_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/service/hasher"
)

func BenchmarkHash(b *testing.B) {
	h, err := hasher.New(hasher.OWASP, 1, 1)
	require.NoError(b, err)
	for b.Loop() {
		_, err := h.Hash(b.Context(), "x")
		require.NoError(b, err)
	}
}
