package httpserver_test

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx/httpserver"
)

func TestConnectionsThatAreNotAdmittedAreReset(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	var refusing atomic.Bool
	s.Admit(func(from netip.Addr) bool { return from == netip.MustParseAddr("127.0.0.1") && !refusing.Load() })
	address := serve(t, s)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	admitted := dial()
	_, err := io.WriteString(admitted, completeRequest)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, readStatus(t, admitted))

	refusing.Store(true)
	_, err = dial().Read(make([]byte, 1))
	require.Error(t, err)
	_, err = io.WriteString(admitted, completeRequest)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, readStatus(t, admitted), "open connections stay")

	refusing.Store(false)
	again := dial()
	_, err = io.WriteString(again, completeRequest)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, readStatus(t, again))
	require.Contains(t, get(s.Router, "/metrics").Body.String(), "\nhttp_refused_connections_total 1\n")
}
