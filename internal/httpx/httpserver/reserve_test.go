package httpserver_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/httpx/httpxtest"
)

// A client that opens a connection in reserve may send its first request after a while.
func TestAConnectionInReserveIsServed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		public bool
		after  time.Duration
		served bool
	}{
		"of the sidecar, as long as Go keeps it": {false, 90 * time.Second, true},
		"of a stranger":                          {true, 9 * time.Second, true},
		"of a stranger, for too long":            {true, 11 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := make(httpxtest.Pipes)
				ctx, end := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				s := newServer(httpserver.Options{Public: c.public})
				go func() { ended <- s.Serve(ctx, listener) }()
				client, conn := net.Pipe()
				listener <- conn
				time.Sleep(c.after)
				_, err := fmt.Fprint(client, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
				if c.served {
					require.NoError(t, err)
					res, err := http.ReadResponse(bufio.NewReader(client), nil)
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, res.StatusCode)
				} else {
					require.Error(t, err)
				}
				client.Close()
				end()
				require.NoError(t, <-ended)
			})
		})
	}
}
