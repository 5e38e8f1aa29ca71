package keyring_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/service/keyring"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar/memory"
)

type clock struct {
	mu sync.Mutex
	t  time.Time
	n  int
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func (c *clock) id() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return fmt.Sprint("key", c.n)
}

func (c *clock) sign(k *keyring.Keyring) (string, error) {
	return k.Sign("u", c.id(), c.now(), identity.Claims{Roles: []string{"customer"}})
}

func TestReplicasThatStartAtOnceShareOneKey(t *testing.T) {
	t.Parallel()
	state, c := memory.NewState(), &clock{t: time.Now()}
	rings := make([]*keyring.Keyring, 20)
	start := make(chan struct{})
	var done sync.WaitGroup
	for i := range rings {
		done.Go(func() {
			<-start
			k, err := keyring.Open(t.Context(), state, "secret", c.now, c.id)
			if err != nil {
				t.Error(err)
			}
			rings[i] = k
		})
	}
	close(start)
	done.Wait()
	for i, k := range rings {
		require.Equal(t, rings[0].JWKS(), k.JWKS())
		require.Len(t, k.JWKS().Keys, 1)
		token, err := c.sign(k)
		require.NoError(t, err)
		_, err = identity.NewVerifier(rings[(i+1)%20], c.now).Verify(t.Context(), token)
		require.NoError(t, err)
	}
}

func TestTokensStayValidAfterARotation(t *testing.T) {
	t.Parallel()
	state, c := memory.NewState(), &clock{t: time.Now()}
	one, err := keyring.Open(t.Context(), state, "secret", c.now, c.id)
	require.NoError(t, err)
	two, err := keyring.Open(t.Context(), state, "secret", c.now, c.id)
	require.NoError(t, err)
	c.pass(keyring.Rotation)
	old, err := c.sign(one)
	require.NoError(t, err)
	require.NoError(t, one.Rotate(t.Context(), keyring.Rotation))
	require.Len(t, one.JWKS().Keys, 2)
	c.pass(3 * time.Minute)
	newer, err := c.sign(one)
	require.NoError(t, err)
	// The other replica reads the store when it sees the unknown key id.
	v := identity.NewVerifier(two, c.now)
	for _, token := range []string{old, newer} {
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	c.pass(7*time.Minute - time.Second)
	_, err = v.Verify(t.Context(), old)
	require.NoError(t, err, "the old token is valid until it expires")
	require.Len(t, one.JWKS().Keys, 2)
	c.pass(7 * time.Second) // 5 s are for clocks that differ
	_, err = v.Verify(t.Context(), old)
	require.Error(t, err)
	_, err = v.Verify(t.Context(), newer)
	require.NoError(t, err)
	c.pass(time.Hour)
	require.Len(t, one.JWKS().Keys, 1)
	_, ok, err := two.Key(t.Context(), "made up")
	require.NoError(t, err)
	require.False(t, ok)
}
