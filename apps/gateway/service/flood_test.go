package service_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/shirou/gopsutil/v4/process"
	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
	"haberdash/internal/host"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar/memory"
)

// TestMain runs the gateway of the flood in its own process, so that its memory is measured without the clients'.
func TestMain(m *testing.M) {
	if os.Getenv("GATEWAY_UNDER_FLOOD") == "" {
		os.Exit(m.Run())
	}
	if err := serveFlooded(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveFlooded prints its address and runs a gateway as package main does, until its standard input ends.
func serveFlooded() error {
	host.BoundMemory()
	mesh := memory.NewMesh()
	for _, app := range []string{"catalog", "cart", "orders", "users"} {
		mesh.Join(app, http.HandlerFunc(echo))
	}
	g, err := service.New(service.Deps{
		Config: service.Config{CacheMegabytes: 32}, Invoker: mesh, Log: zerolog.Nop(),
		Verifier: identity.NewVerifier(keys{"k1": ed25519.PublicKey(make([]byte, ed25519.PublicKeySize))}, time.Now),
	})
	if err != nil {
		return err
	}
	server := httpserver.New(host.PublicServerOptions(
		httpserver.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry()}))
	g.Mount(server, func(context.Context) error { return nil })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return server.Serve(ctx, listener)
}

// flooded starts the process. It returns its address, and a function that returns its resident memory in bytes.
func flooded(t *testing.T) (address string, resident func() uint64) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "GATEWAY_UNDER_FLOOD=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	ps, err := process.NewProcess(int32(cmd.Process.Pid))
	require.NoError(t, err)
	return lines.Text(), func() uint64 {
		m, err := ps.MemoryInfo()
		require.NoError(t, err)
		return m.RSS
	}
}

// maxResident bounds the gateway's resident memory, in bytes.
const maxResident = 300 << 20

// Ten thousand connections send slow headers, slow bodies, floods of headers and nested JSON. They stay open as far as
// the gateway permits, while another client sends ordinary requests.
func TestRequestsAreServedDuringFloods(t *testing.T) {
	const connections = 10_000
	address, resident := flooded(t)
	long := strings.Repeat("x", 10<<10)
	var many strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&many, "X-%d: y\r\n", i)
	}
	kinds := []string{
		// No request.
		"",
		// A header that does not end.
		"GET /api/v1/products HTTP/1.1\r\nHost: x\r\nX-Slow: " + long,
		// Many headers that do not end.
		"GET /api/v1/products HTTP/1.1\r\nHost: x\r\n" + many.String(),
		// Too many headers, which are refused.
		"GET /api/v1/products HTTP/1.1\r\nHost: x\r\n" + many.String() + "\r\n",
		// A small body that does not end.
		"POST /api/v1/carts HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
		// A larger body that does not end.
		"POST /api/v1/carts HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n\"" + long,
		// Nested JSON, which is refused.
		"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n" + strings.Repeat("[", 10<<10),
		// An import that does not end, and reaches the app.
		"POST /api/v1/products/import HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n" +
			"Content-Length: 99999\r\n\r\n" + long,
	}
	var flood sync.WaitGroup
	var opened atomic.Int64
	end := make(chan struct{})
	next := make(chan int)
	for range 64 { // dialers
		flood.Go(func() {
			for i := range next {
				conn, err := net.DialTimeout("tcp", address, 10*time.Second)
				if err != nil {
					continue
				}
				opened.Add(1)
				_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
				_, _ = io.WriteString(conn, kinds[i%len(kinds)]) // an error: the gateway has closed the connection
				flood.Go(func() {
					<-end
					conn.Close()
				})
			}
		})
	}
	most, served, slowest := resident(), 0, time.Duration(0)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	request := func() {
		began := time.Now()
		res, err := client.Get("http://" + address + "/api/v1/products?q=hat")
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, http.StatusOK, res.StatusCode)
		served, slowest, most = served+1, max(slowest, time.Since(began)), max(most, resident())
	}
	for i := range connections {
		next <- i
		if i%100 == 0 {
			request()
		}
	}
	close(next)
	for range 50 {
		request()
	}
	close(end)
	flood.Wait()
	t.Logf("%d connections; %d requests served meanwhile, the slowest in %s; %d MB at most",
		opened.Load(), served, slowest, most>>20)
	// A low limit of open files may prevent some of the connections.
	require.Greater(t, opened.Load(), int64(1000))
	require.Less(t, most, uint64(maxResident))
	require.Less(t, slowest, 5*time.Second)
}
