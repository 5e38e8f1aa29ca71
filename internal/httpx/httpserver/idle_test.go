package httpserver_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx/httpserver"
)

// serve runs a server until the test ends, and returns its address.
func serve(t *testing.T, s *httpserver.Server) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return listener.Addr().String()
}

// serveWithLimit runs a server with a limit for idle connections. Its route /body reads a body as the gateway does. Its
// route /busy sends to busy when it has received a request, and responds when it has received from busy.
func serveWithLimit(t *testing.T, limit int) (dial func(send string) net.Conn, busy chan struct{}) {
	s := newServer(httpserver.Options{MaxIdleConns: limit})
	busy = make(chan struct{})
	s.Router.Post("/body", func(w http.ResponseWriter, r *http.Request) {
		received := httpserver.AwaitBody(r.Context())
		_, _ = io.ReadAll(r.Body)
		received()
	})
	s.Router.Get("/busy", func(w http.ResponseWriter, r *http.Request) {
		busy <- struct{}{}
		<-busy
	})
	address := serve(t, s)
	return func(send string) net.Conn {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
		_, err = io.WriteString(conn, send)
		require.NoError(t, err)
		return conn
	}, busy
}

func readStatus(t *testing.T, c net.Conn) int {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	return res.StatusCode
}

// requireClosed waits until the server has closed the connection without a response.
func requireClosed(t *testing.T, c net.Conn) {
	t.Helper()
	b, err := io.ReadAll(c)
	require.Empty(t, b)
	if err != nil {
		require.ErrorContains(t, err, "reset") // the server had not read everything
	}
}

const completeRequest = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

func TestTheConnectionThatHasWaitedLongestIsClosed(t *testing.T) {
	t.Parallel()
	dial, busy := serveWithLimit(t, 2)
	served := dial("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n") // the client waits for the server: it is not idle
	<-busy
	halfHeader := dial("GET /healthz HTTP/1.1\r\nHos")
	slowBody := dial("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
	_, err := io.ReadFull(slowBody, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))) // the server waits for the body
	require.NoError(t, err)
	silent := dial("")
	requireClosed(t, halfHeader)
	dial("")
	requireClosed(t, slowBody)
	dial("")
	requireClosed(t, silent)
	close(busy)
	require.Equal(t, http.StatusOK, readStatus(t, served))
}

func TestConnectionsBetweenTwoRequestsCountAsIdle(t *testing.T) {
	t.Parallel()
	dial, _ := serveWithLimit(t, 1)
	idle := dial(completeRequest)
	require.Equal(t, http.StatusOK, readStatus(t, idle))
	require.Eventually(t, func() bool {
		dial("")
		return readError(idle) == io.EOF
	}, 5*time.Second, time.Millisecond)
}

// readError returns the error of a read that waits 10 ms at most.
func readError(c net.Conn) error {
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return err
}

func TestManySilentClientsDoNotKeepOthersOut(t *testing.T) {
	t.Parallel()
	dial, _ := serveWithLimit(t, 20)
	for range 200 {
		dial("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
		dial(strings.Repeat("X", 100))
		require.Equal(t, http.StatusOK, readStatus(t, dial(completeRequest)))
	}
}
