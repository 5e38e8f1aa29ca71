package launch

import "syscall"

// childAttributes: a group of its own, so that a terminal's Ctrl-C reaches the launcher alone, and death
// with the launcher even where the guard was killed too.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
