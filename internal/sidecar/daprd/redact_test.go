package daprd

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReasonsHaveNoPathAndNoQuery(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: cart, err: ` +
			`Get \"http://127.0.0.1:1/carts/secret?q=secret\u0026x=secret\": connection refused"}`: // as the sidecar words it
		`ERR_DIRECT_INVOKE: failed to invoke, id: cart, err: Get "http://127.0.0.1:1": connection refused`,
		`{"errorCode":"ERR","message":"Get http://127.0.0.1?q=secret: no"}`: "ERR: Get http://127.0.0.1 no",
		`{"errorCode":"ERR_DIRECT_INVOKE","message":"no host"}`:             "ERR_DIRECT_INVOKE: no host",
		`{"errorCode":"ERR","message":"http://127.0.0.1/secret`:             "the sidecar's error is no JSON",
	} {
		require.Equal(t, want, reasonOfSidecar([]byte(body)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1/secret?q=secret", nil)
	require.NoError(t, err)
	_, err = http.DefaultClient.Do(r)
	require.ErrorContains(t, err, "secret")
	require.NotContains(t, withoutAddress(err).Error(), "secret")
	require.ErrorIs(t, withoutAddress(err), context.Canceled)
}
