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

// clientOf talks to whatever is at a port.
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

// lines are what was logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestAMissingSidecarIsLoggedBeforeTheServiceGivesUp(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := nobody.Addr().String()
	nobody.Close()
	ctx, cancel := context.WithTimeout(t.Context(), sidecarLate+time.Second)
	defer cancel()
	log := make(lines, 10)
	err = awaitSidecar(ctx, clientOf(t, address), zerolog.New(log))
	require.ErrorContains(t, err, "wait for the sidecar at http://"+address)
	require.Len(t, log, 1)
	said := <-log
	require.Contains(t, said, "waiting for the sidecar")
	require.Contains(t, said, "connection refused")
}

func TestNothingIsLoggedOfASidecarThatAnswers(t *testing.T) {
	t.Parallel()
	var asked atomic.Value
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer there.Close()
	log := make(lines, 10)
	require.NoError(t, awaitSidecar(t.Context(), clientOf(t, there.Listener.Addr().String()), zerolog.New(log)))
	require.Equal(t, "/v1.0/healthz/outbound", asked.Load())
	require.Empty(t, log)
}
