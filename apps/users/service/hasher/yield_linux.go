package hasher

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// behind is how a worker's thread is scheduled (sched(7)): as one that computes and that nobody waits for. Beside
// others that want the core it gets about a tenth of it, and all of an idle one: with less nobody could sign in while
// the shop is full. It gives way within a tenth of a millisecond, by default it would be three (Linux 6.12; older
// kernels do not heed Runtime).
var behind = unix.SchedAttr{
	Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: 10, Runtime: uint64(100 * time.Microsecond),
}

// yieldToOthers lets the calling goroutine's thread stand back behind everything else that wants to run: other
// requests of this service, the sidecar, other apps on the machine. It needs no privilege. The runtime starts no
// threads from one that is locked, so none inherits it.
func yieldToOthers() {
	runtime.LockOSThread() // for good: the thread ends with its goroutine
	own := behind          // it is written to
	_ = unix.SchedSetAttr(0, &own, 0)
}
