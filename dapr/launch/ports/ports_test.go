package ports

import (
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Between fork and exec a child holds copies of its parent's sockets. A check must not report the socket of an earlier
// check as a port in use.
func TestPortsAreFreeWhileProcessesStart(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = exec.Command("true").Run()
				}
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	for range 20 {
		block, err := Reserve()
		require.NoError(t, err)
		used := make([]Used, BlockSize)
		for i := range used {
			used[i] = Used{block.Base + i, "a test", "PORT_BASE"}
		}
		err = CheckFree(used)
		block.Release()
		require.NoError(t, err)
	}
}

func TestCheckFreeNamesPortHolderAndVariable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	err = CheckFree([]Used{{port, "gateway", "GATEWAY_PORT"}})
	require.ErrorContains(t, err, "port "+strconv.Itoa(port)+" (gateway) is in use")
	require.ErrorContains(t, err, "set GATEWAY_PORT to another one")
	require.NoError(t, l.Close())
	require.NoError(t, CheckFree([]Used{{port, "gateway", "GATEWAY_PORT"}}))
}

func TestNoBlockIsReservedTwice(t *testing.T) {
	seen := map[int]bool{}
	for range 5 {
		b, err := Reserve()
		require.NoError(t, err)
		defer b.Release()
		require.False(t, seen[b.Base])
		seen[b.Base] = true
		_, err = ReserveAt(b.Base)
		require.ErrorContains(t, err, "another launcher has reserved the ports")
	}
}
