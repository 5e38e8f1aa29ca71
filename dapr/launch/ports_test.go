package launch

import (
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A child holds copies of its parent's sockets between fork and exec: the second look at a port must not
// take the first one's socket for somebody else's.
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
		block, err := takeBlock()
		require.NoError(t, err)
		ports := make([]usedPort, blockSize)
		for i := range ports {
			ports[i] = usedPort{block.base + i, "a look", "PORT_BASE"}
		}
		err = checkFree(ports)
		block.release()
		require.NoError(t, err)
	}
}
