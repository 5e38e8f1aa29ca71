package launch

import "syscall"

// childAttributes: a group of its own, so that a terminal's Ctrl-C reaches the launcher alone, and death
// with the launcher even where the guard was killed too. A process that runs as somebody else may still pass
// through the directories above its data, which are often root's alone.
func childAttributes(u *user) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if u != nil {
		a.Credential = &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
		const dacOverride = 1 // CAP_DAC_OVERRIDE of linux/capability.h
		a.AmbientCaps = []uintptr{dacOverride}
	}
	return a
}
