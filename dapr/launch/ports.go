package launch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"
	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// A shop uses the gateway's port and one block: ten ports for what stands behind the sidecars, then
// ten for each app in the order of dapr/apps.yaml.
const (
	DefaultGatewayPort = 8080
	DefaultPortBase    = 23100 // below the ports that systems hand out to clients (32768 and up)
	blockSize          = 100
)

const (
	portPlacement = iota
	portPlacementHealth
	portPlacementMetrics
	portPlacementRaft
	portScheduler
	portSchedulerHealth
	portSchedulerMetrics
	portEtcdClient
	portEtcdPeer
	portBroker
	portFirstApp // gateway, where it gets a port of a free block
)

// The end of the block is sentry's, where there is one.
const (
	portSentry = iota + 90
	portSentryHealth
)

// A usedPort is a port that a shop will listen on and the variable that moves it.
type usedPort struct {
	Port     int
	For      string
	Variable string
}

// checkFree names the first port that is taken, by whom, and the variable that changes it.
func checkFree(ports []usedPort) error {
	for _, p := range ports {
		if free(p.Port) {
			continue
		}
		return fmt.Errorf("port %d (%s) is in use%s: set %s to another one", p.Port, p.For, holder(p.Port), p.Variable)
	}
	return nil
}

// lookAgain is for how long a port that cannot be bound is tried again.
const lookAgain = 500 * time.Millisecond

// free reports whether the port can be bound, now or in a moment: a process that this one starts at the
// same time holds a copy of every open socket, those of an earlier look too, until it has become the
// program that it is to be.
func free(port int) bool {
	for deadline := time.Now().Add(lookAgain); ; time.Sleep(10 * time.Millisecond) {
		if bindable(port) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// bindable tries the loopback address and the wildcard: the dapr CLI insists on the latter.
func bindable(port int) bool {
	for _, host := range []string{"127.0.0.1", ""} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

func holder(port int) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conns, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return ""
	}
	for _, c := range conns {
		if c.Status != "LISTEN" || int(c.Laddr.Port) != port || c.Pid == 0 {
			continue
		}
		if p, err := process.NewProcess(c.Pid); err == nil {
			if name, err := p.Name(); err == nil {
				return fmt.Sprintf(" by %s (pid %d)", name, c.Pid)
			}
		}
	}
	return ""
}

// A portBlock is a block of ports that no other launcher on this machine takes while it is held.
type portBlock struct {
	base int
	lock *flock.Flock
}

// takeBlock finds a block whose every port is free. A lock file keeps parallel processes apart; ports
// that systems hand out to clients are avoided, so that a killed process can come back to its own.
func takeBlock() (*portBlock, error) {
	if err := makeDir(blockLocks()); err != nil {
		return nil, err
	}
	const first, last = 10000, 32600
	blocks := (last - first) / blockSize
	start := rand.IntN(blocks)
	for i := range blocks {
		base := first + (start+i)%blocks*blockSize
		if base == DefaultPortBase {
			continue
		}
		lock := blockLock(base)
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue
		}
		if blockFree(base) {
			return &portBlock{base: base, lock: lock}, nil
		}
		_ = lock.Unlock()
	}
	return nil, errors.New("no block of 100 free ports between 10000 and 32600")
}

// takeBlockAgain takes the block that was had before. It fails where another launcher holds it.
func takeBlockAgain(base int) (*portBlock, error) {
	if err := makeDir(blockLocks()); err != nil {
		return nil, err
	}
	lock := blockLock(base)
	if ok, err := lock.TryLock(); err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("another launcher holds the ports from %d on", base), err)
	}
	return &portBlock{base: base, lock: lock}, nil
}

func blockLocks() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("haberdash-ports-%d", os.Getuid()))
}

func blockLock(base int) *flock.Flock {
	return flock.New(filepath.Join(blockLocks(), strconv.Itoa(base)))
}

func blockFree(base int) bool {
	for p := base; p < base+blockSize; p++ {
		if !bindable(p) { // there are other blocks: no second look
			return false
		}
	}
	return true
}

func (b *portBlock) release() {
	if b != nil {
		_ = b.lock.Unlock()
	}
}
