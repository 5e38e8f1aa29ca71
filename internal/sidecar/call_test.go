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
	body := io.NopCloser(strings.NewReader(r.body))
	return &sidecar.Response{Status: r.status, Header: http.Header{}, Body: body}, nil
}

// A reply that is cut off must not be decoded: a quote without lines would become an order without lines.
func TestReplyThatIsCutOffIsUnavailable(t *testing.T) {
	t.Parallel()
	const complete = `{"lines":[{"sku":"HAT","quantity":2}],"total":{"amount":1,"currency":"EUR"}}`
	call := func(body string, out any) error {
		app := replying{http.StatusOK, body}
		return sidecar.Call(t.Context(), app, "cart", http.MethodPost, "/internal/quotes", nil, nil, out)
	}
	for n := range len(complete) {
		err := call(complete[:n], &map[string]any{})
		require.ErrorIs(t, err, sidecar.ErrUnavailable, complete[:n])
		require.True(t, fault.Is(err, "unavailable"), complete[:n])
	}
	var got map[string]any
	require.NoError(t, call(complete, &got))
	require.Len(t, got, 2)
	require.NoError(t, call("", nil), "a reply that is ignored may be empty")
}
