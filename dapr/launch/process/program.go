package process

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Program opens the program that the process runs, and returns the path that it was started from. After a build, the
// file at that path may be another program. Only Linux tells both: elsewhere the error is errors.ErrUnsupported.
func (p *Process) Program() (path string, program *os.File, err error) {
	if runtime.GOOS != "linux" {
		return "", nil, errors.ErrUnsupported
	}
	link := fmt.Sprintf("/proc/%d/exe", p.PID)
	if path, err = os.Readlink(link); err != nil {
		return "", nil, err
	}
	program, err = os.Open(link)
	return strings.TrimSuffix(path, " (deleted)"), program, err
}
