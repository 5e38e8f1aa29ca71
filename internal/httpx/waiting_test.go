package httpx_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx"
)

// patientServer lets so many connections wait. /body reads a body as the gateway does, /busy says when it is there, and waits for release.
func patientServer(t *testing.T, most int) (dial func(send string) net.Conn, release chan struct{}) {
	s := httpx.NewServer(httpx.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry(), MaxWaiting: most})
	release = make(chan struct{})
	s.Router.Post("/body", func(w http.ResponseWriter, r *http.Request) {
		arrived := httpx.Await(r.Context())
		_, _ = io.ReadAll(r.Body)
		arrived()
	})
	s.Router.Get("/busy", func(w http.ResponseWriter, r *http.Request) {
		release <- struct{}{}
		<-release
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return func(send string) net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
		_, err = io.WriteString(conn, send)
		require.NoError(t, err)
		return conn
	}, release
}

func status(t *testing.T, c net.Conn) int {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	return res.StatusCode
}

// closed waits for the server to close the connection, without an answer.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	b, err := io.ReadAll(c)
	require.Empty(t, b)
	if err != nil {
		require.ErrorContains(t, err, "reset") // what was sent had not been read
	}
}

const whole = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

func TestTheLongestWaitingMakesRoom(t *testing.T) {
	t.Parallel()
	dial, release := patientServer(t, 2)
	busy := dial("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n") // waits for the server, not the server for it
	<-release
	half := dial("GET /healthz HTTP/1.1\r\nHos")
	slowBody := dial("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
	_, err := io.ReadFull(slowBody, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))) // its body is being waited for
	require.NoError(t, err)
	silent := dial("")
	closed(t, half)
	dial("")
	closed(t, slowBody)
	dial("")
	closed(t, silent)
	close(release)
	require.Equal(t, http.StatusOK, status(t, busy))
}

func TestIdleConnectionsMakeRoomToo(t *testing.T) {
	t.Parallel()
	dial, _ := patientServer(t, 1)
	idle := dial(whole)
	require.Equal(t, http.StatusOK, status(t, idle))
	require.Eventually(t, func() bool {
		dial("")
		return reads(idle) == io.EOF
	}, 5*time.Second, time.Millisecond)
}

// reads tells what reading gives just now.
func reads(c net.Conn) error {
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return err
}

func TestManySilentClientsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	dial, _ := patientServer(t, 20)
	for range 200 {
		dial("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
		dial(strings.Repeat("X", 100))
		require.Equal(t, http.StatusOK, status(t, dial(whole)))
	}
}
