package sidecar_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// replying answers every call with a status and a body.
type replying struct {
	status int
	body   string
}

func (r replying) Invoke(context.Context, sidecar.Request) (*sidecar.Response, error) {
	return &sidecar.Response{Status: r.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(r.body))}, nil
}

// What is cut off must never look like an answer: a quote without lines once became an order without lines.
func TestAReplyThatIsCutOffIsAnOutage(t *testing.T) {
	t.Parallel()
	const whole = `{"lines":[{"sku":"HAT","quantity":2}],"total":{"amount":1,"currency":"EUR"}}`
	call := func(body string, out any) error {
		return sidecar.Call(t.Context(), replying{http.StatusOK, body}, "cart", http.MethodPost, "/internal/quotes", nil, nil, out)
	}
	for n := range len(whole) {
		err := call(whole[:n], &map[string]any{})
		require.ErrorIs(t, err, sidecar.ErrUnavailable, whole[:n])
		require.True(t, fault.Is(err, "unavailable"), whole[:n])
	}
	var got map[string]any
	require.NoError(t, call(whole, &got))
	require.Len(t, got, 2)
	require.NoError(t, call("", nil), "who wants no reply does not miss it")
}
