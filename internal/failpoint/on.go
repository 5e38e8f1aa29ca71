//go:build failpoints

package failpoint

import (
	"os"
	"path/filepath"
	"syscall"
)

var dir = os.Getenv("FAILPOINT_DIR")

// Reach kills this process, as kill -9 does, if the step is armed.
func Reach(step string) {
	if dir != "" && os.Remove(filepath.Join(dir, step)) == nil {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal has arrived
	}
}
