package launch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// installed finds a program of the system and says which Debian package has it where it is missing.
func installed(name, debian string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s is missing: install it (on Debian: apt-get install %s)", name, debian)
}

// runAs runs a program to its end and returns an error with its last words where it fails. It dies with the
// context, its children too, and works in the root directory: every user can be there.
func runAs(ctx context.Context, u *user, stdin string, args ...string) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "/", bytes.NewBufferString(stdin), &out, &out
	cmd.SysProcAttr = childAttributes(u)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var err error
	onSpawnerThread(func() { err = cmd.Start() })
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(args[0]), err, lastLines(out.String(), 12))
	}
	return nil
}

// ownedDir makes a directory for its owner alone.
func ownedDir(path string, u *user) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return give(path, u)
}

// give makes a file or directory the user's; nil: it is ours already.
func give(path string, u *user) error {
	if u == nil {
		return nil
	}
	return os.Chown(path, u.uid, u.gid)
}
