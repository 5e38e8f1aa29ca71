package host

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar/daprd"
)

// clientOf returns a client of the sidecar at an address.
func clientOf(t *testing.T, address string) *daprd.Client {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	c, err := daprd.New(daprd.Options{HTTPPort: n, GRPCPort: n})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// lines receives the lines of a log.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestMissingSidecarIsLogged(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := closed.Addr().String()
	closed.Close()
	ctx, cancel := context.WithTimeout(t.Context(), sidecarLate+time.Second)
	defer cancel()
	log := make(lines, 10)
	err = awaitSidecar(ctx, clientOf(t, address), zerolog.New(log))
	require.ErrorContains(t, err, "wait for the sidecar at http://"+address)
	require.Len(t, log, 1)
	line := <-log
	require.Contains(t, line, "waiting for the sidecar")
	require.Contains(t, line, "connection refused")
}

func TestSidecarThatAnswersIsNotLogged(t *testing.T) {
	t.Parallel()
	var path atomic.Value
	sidecar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer sidecar.Close()
	log := make(lines, 10)
	require.NoError(t, awaitSidecar(t.Context(), clientOf(t, sidecar.Listener.Addr().String()), zerolog.New(log)))
	require.Equal(t, "/v1.0/healthz/outbound", path.Load())
	require.Empty(t, log)
}
