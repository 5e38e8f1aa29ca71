package faultflag

import (
	"bytes"
	"runtime/debug"
)

// keepBallast keeps as much memory as MemoryBallast says. The caller has locked f.mu.
func (f *Flags) keepBallast() {
	size := int(MemoryBallast.Variants[variantOf(f.settings[MemoryBallast.Name])]) << 20
	if size == len(f.ballast) {
		return
	}
	f.ballast = bytes.Repeat([]byte{1}, size) // memory that is never written would take no room
	debug.FreeOSMemory()                      // what was kept before; the runtime would return it minutes later
}
