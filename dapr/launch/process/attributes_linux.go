package process

import "syscall"

// childAttributes give a child a process group of its own, so that Ctrl-C in a terminal reaches this program alone, and
// have Linux kill it when this program dies, even if the guard was killed too.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
