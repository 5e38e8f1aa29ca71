// Package ports reserves TCP ports of this machine: blocks that no two launchers share, and the place that each
// program has in a block.
package ports

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

// Used is a port that will be listened on, and the variable that changes it.
type Used struct {
	Port     int
	For      string
	Variable string
}

// CheckFree returns an error for the first port that is in use. The error names the process that has the port and the
// variable that changes it.
func CheckFree(list []Used) error {
	for _, u := range list {
		if Free(u.Port) {
			continue
		}
		return fmt.Errorf("port %d (%s) is in use%s: set %s to another one", u.Port, u.For, Holder(u.Port), u.Variable)
	}
	return nil
}

// retryFor is how long Free tries a port again that cannot be bound.
const retryFor = 500 * time.Millisecond

// Free reports whether the port can be bound now or within half a second. It tries again because a process that this
// program is just starting holds, between fork and exec, a copy of every socket that is open here, and so of the one of
// an earlier check.
func Free(port int) bool {
	for deadline := time.Now().Add(retryFor); ; time.Sleep(10 * time.Millisecond) {
		if Bindable(port) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// Bindable reports whether the port can be bound on the loopback address and on all addresses: the dapr CLI checks the
// latter.
func Bindable(port int) bool {
	for _, host := range []string{"127.0.0.1", ""} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// Holder names the process that listens on the port, in the form " by NAME (pid N)"; empty if the system does not tell.
func Holder(port int) string {
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

// Block is a block of BlockSize ports from Base on. No other launcher on this machine gets it until Release.
type Block struct {
	Base int
	lock *flock.Flock
}

// Reserve finds a block of which every port is free. It avoids the ports that systems assign to clients, so that a
// program that was killed can listen on its ports again.
func Reserve() (*Block, error) {
	if err := makeLockDir(); err != nil {
		return nil, err
	}
	const first, last = 10000, 32600
	blocks := (last - first) / BlockSize
	start := rand.IntN(blocks)
	for i := range blocks {
		base := first + (start+i)%blocks*BlockSize
		if base == DefaultBase {
			continue
		}
		lock := lockOf(base)
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue
		}
		if allBindable(base) {
			return &Block{Base: base, lock: lock}, nil
		}
		_ = lock.Unlock()
	}
	return nil, fmt.Errorf("no block of %d free ports between %d and %d", BlockSize, first, last)
}

// ReserveAt reserves a block that an earlier run had. It fails while another launcher has it, and does not check
// whether the ports are free.
func ReserveAt(base int) (*Block, error) {
	if err := makeLockDir(); err != nil {
		return nil, err
	}
	lock := lockOf(base)
	if ok, err := lock.TryLock(); err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("another launcher has reserved the ports from %d on", base), err)
	}
	return &Block{Base: base, lock: lock}, nil
}

// Release lets other launchers reserve the block. It does nothing for a nil Block.
func (b *Block) Release() {
	if b != nil {
		_ = b.lock.Unlock()
	}
}

func allBindable(base int) bool {
	for p := base; p < base+BlockSize; p++ {
		if !Bindable(p) { // no second try: there are other blocks
			return false
		}
	}
	return true
}

func lockDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("haberdash-ports-%d", os.Getuid()))
}

func makeLockDir() error {
	if err := os.MkdirAll(lockDir(), 0o755); err != nil {
		return fmt.Errorf("reserve ports: %w", err)
	}
	return nil
}

func lockOf(base int) *flock.Flock { return flock.New(filepath.Join(lockDir(), strconv.Itoa(base))) }
