package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// binDir is where a checkout's own programs are built, whatever the run directory: shops on other run
// directories link to it, so a test never pays for linking the apps again. Apps with build tags stand apart,
// so that nobody runs one of them by accident.
func binDir(root string, tags ...string) string {
	return filepath.Join(root, ".run", strings.Join(append([]string{"bin"}, tags...), "-"))
}

// BuildApps builds every app, with build tags or, without any, the launcher too. What is up to date costs
// about a second.
func BuildApps(ctx context.Context, root string, log io.Writer, tags ...string) error {
	apps, err := filepath.Glob(filepath.Join(root, "apps", "*", "main.go"))
	if err != nil {
		return err
	}
	var names []string
	for _, a := range apps {
		names = append(names, filepath.Base(filepath.Dir(a)))
	}
	if len(names) == 0 {
		return errors.New("no apps to build: apps/*/main.go is empty")
	}
	what := "apps: " + strings.Join(names, ", ")
	if len(tags) > 0 {
		what += " (" + strings.Join(tags, ", ") + ")"
		return buildInto(ctx, root, binDir(root, tags...), what, log, "-tags="+strings.Join(tags, ","), "./apps/...")
	}
	return buildInto(ctx, root, binDir(root), what, log, "./apps/...", "./dapr/shop")
}

// buildInto builds into a directory below .run; args are flags and packages.
func buildInto(ctx context.Context, root, dir, what string, log io.Writer, args ...string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(root, ".run", "build.lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return fmt.Errorf("waiting for another build: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	return goRun(ctx, root, what, log, append([]string{"build", "-o", dir + "/"}, args...)...)
}

// goRun runs the go command without cgo and says every few seconds that it is still at it. Programs are
// not stamped with the commit: each commit would link them anew, and a checkout that belongs to another
// user would not build at all.
func goRun(ctx context.Context, dir, what string, log io.Writer, args ...string) error {
	bin, err := exec.LookPath("go")
	if err != nil {
		return errors.New("the go command is missing: install Go (https://go.dev/dl) and put it on the PATH")
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false"))
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(log, "%s … %s\n", what, time.Since(began).Round(time.Second))
		case err := <-done:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("%s: go %s failed:\n%s", what, args[0], lastLines(out.String(), 20))
			}
			fmt.Fprintf(log, "%s: %s\n", what, time.Since(began).Round(100*time.Millisecond))
			return nil
		}
	}
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
