package hasher_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"

	"haberdash/apps/users/service/hasher"
	"haberdash/internal/fault"
)

var cheap = argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

func TestHashesMatchTheirPasswordOnly(t *testing.T) {
	t.Parallel()
	h, err := hasher.New(hasher.OWASP, 1, 1)
	require.NoError(t, err)
	hash, err := h.Hash(t.Context(), "pässword")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$"), hash)
	for password, want := range map[string]bool{"pässword": true, "pa\u0308ssword": true, "password": false, "": false} {
		ok, err := matches(t, h, password, hash)
		require.NoError(t, err)
		require.Equal(t, want, ok, password)
	}
	ok, err := matches(t, h, "no password has this hash", "")
	require.NoError(t, err)
	require.False(t, ok, "no password matches an empty hash")
	_, err = matches(t, h, "x", "damaged")
	require.Error(t, err)
}

func matches(t *testing.T, h *hasher.Hasher, password, hash string) (bool, error) {
	r, err := h.Reserve()
	require.NoError(t, err)
	defer r.Release()
	return r.Matches(t.Context(), password, hash)
}

// While one slow hash runs, two callers may wait. The hasher refuses all others.
func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	slow := cheap
	slow.Iterations, slow.Memory = 5, 4<<10
	h, err := hasher.New(slow, 1, 2)
	require.NoError(t, err)
	start := make(chan struct{})
	var done sync.WaitGroup
	var served, refused atomic.Int64
	for range 20 {
		done.Go(func() {
			<-start
			_, err := h.Hash(t.Context(), "x")
			switch {
			case err == nil:
				served.Add(1)
			case fault.Is(err, "unavailable") && fault.Of(err).RetryAfter > 0:
				refused.Add(1)
			}
		})
	}
	close(start)
	done.Wait()
	require.EqualValues(t, 20, served.Load()+refused.Load())
	require.GreaterOrEqual(t, served.Load(), int64(3))
	require.Positive(t, refused.Load())
}

// A reservation counts before its caller asks for a hash, and until its caller releases it.
func TestReservationsFillTheQueue(t *testing.T) {
	t.Parallel()
	h, err := hasher.New(cheap, 1, 1)
	require.NoError(t, err)
	first, err := h.Reserve()
	require.NoError(t, err)
	second, err := h.Reserve()
	require.NoError(t, err)
	_, err = h.Reserve()
	require.True(t, fault.Is(err, "unavailable"))
	_, err = h.Hash(t.Context(), "x")
	require.True(t, fault.Is(err, "unavailable"))
	require.Zero(t, h.Done())
	second.Release()
	hash, err := h.Hash(t.Context(), "x")
	require.NoError(t, err)
	ok, err := first.Matches(t.Context(), "x", hash)
	require.NoError(t, err)
	require.True(t, ok)
	first.Release()
}

func TestWaitingEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	h, err := hasher.New(cheap, 0, 1)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.Hash(ctx, "x")
	require.True(t, fault.Is(err, "unavailable"))
}
