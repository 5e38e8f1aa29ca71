package routes

import (
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
)

func TestStreamsOfAnOrderAreLimited(t *testing.T) {
	t.Parallel()
	var s streams
	var ends []func()
	for range maxStreamsOfAnOrder {
		end, err := s.begin("o")
		require.NoError(t, err)
		ends = append(ends, end)
	}
	_, err := s.begin("o")
	require.True(t, fault.Is(err, "too-many-requests"))
	require.Positive(t, fault.Of(err).RetryAfter)
	other, err := s.begin("other")
	require.NoError(t, err)
	other()
	ends[0]()
	_, err = s.begin("o")
	require.NoError(t, err)
	for _, end := range ends {
		end()
	}
	require.Empty(t, s.of)
}
