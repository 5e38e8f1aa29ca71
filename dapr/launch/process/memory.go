package process

import (
	"bufio"
	"fmt"
	"os"

	"github.com/shirou/gopsutil/v4/process"
)

// Memory returns the memory that the process uses, in bytes; 0 for a process that has stopped. On Linux it is the
// proportional set size: of memory that several processes share, such as the program of the sidecars, each counts its
// part, so that the sum over processes is what they take together. Elsewhere it is the resident memory.
func (p *Process) Memory() uint64 {
	if !p.Alive() {
		return 0
	}
	if bytes, ok := proportionalSetSize(p.PID); ok {
		return bytes
	}
	ps, err := process.NewProcess(int32(p.PID))
	if err != nil {
		return 0
	}
	m, err := ps.MemoryInfo()
	if err != nil {
		return 0
	}
	return m.RSS
}

// proportionalSetSize reads it from Linux's /proc; ok is false where there is none.
func proportionalSetSize(pid int) (bytes uint64, ok bool) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kilobytes uint64
		if n, _ := fmt.Sscanf(lines.Text(), "Pss: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10, true
		}
	}
	return 0, false
}
