// Package toolchain finds the checkout and gets every program that a local shop runs: it builds Dapr's programs, the
// embedded broker and the apps, and downloads Kafka. What takes minutes is kept in the user's cache.
package toolchain

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

	"haberdash/dapr/launch/process"
)

// launcher is the package of the haberdash command.
const launcher = "./dapr/cmd/haberdash"

// BinDir is the directory of the programs of a checkout. Run directories elsewhere link to it, so that tests need not
// build the apps again. Apps with build tags have a directory of their own, so that nobody runs them by accident.
func BinDir(root string, tags ...string) string {
	return filepath.Join(root, ".run", strings.Join(append([]string{"bin"}, tags...), "-"))
}

// BuildApps builds every app: with build tags, or without any and then the haberdash command too. It takes about a
// second if nothing has changed.
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
		return build(ctx, root, BinDir(root, tags...), what, log, "-tags="+strings.Join(tags, ","), "./apps/...")
	}
	return build(ctx, root, BinDir(root), what, log, "./apps/...", launcher)
}

// BuildSome builds some apps of a checkout.
func BuildSome(ctx context.Context, root string, apps []string, log io.Writer) error {
	var packages []string
	for _, app := range apps {
		packages = append(packages, "./apps/"+app)
	}
	return build(ctx, root, BinDir(root), "build "+strings.Join(apps, ", "), log, packages...)
}

// BuildProgram builds a program of the checkout, whose package is relative to root, and returns its path.
func BuildProgram(ctx context.Context, root, pkg string, log io.Writer) (string, error) {
	name := filepath.Base(pkg)
	return filepath.Join(BinDir(root), name), build(ctx, root, BinDir(root), name, log, pkg)
}

// EnsureLauncher returns the path of the haberdash command, and builds it if it is missing.
func EnsureLauncher(ctx context.Context, root string, log io.Writer) (string, error) {
	path := filepath.Join(BinDir(root), filepath.Base(launcher))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return BuildProgram(ctx, root, launcher, log)
}

// build builds into a directory below .run; args are flags and packages.
func build(ctx context.Context, root, dir, what string, log io.Writer, args ...string) error {
	return buildModule(ctx, root, ".", dir, what, log, args...)
}

// buildModule is build for a module below root.
func buildModule(ctx context.Context, root, module, dir, what string, log io.Writer, args ...string) error {
	if err := MakeDir(dir); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(root, ".run", "build.lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return fmt.Errorf("waiting for another build: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	module = filepath.Join(root, module)
	return runGo(ctx, module, what, log, append([]string{"build", "-o", dir + "/"}, args...)...)
}

// goCommand is the go command without cgo. The programs that it builds do not contain the commit: with it, every commit
// would link them again, and the go command would fail in a checkout that belongs to another user. Nor do they contain
// what only a debugger reads, which takes a third of the time of linking: a debugger builds the program itself.
func goCommand(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
	bin, err := exec.LookPath("go")
	if err != nil {
		return nil, errors.New("the go command is missing: install Go (https://go.dev/dl) and put it on the PATH")
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	flags := strings.TrimSpace(os.Getenv("GOFLAGS") + " -buildvcs=false -ldflags=-w")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+flags)
	return cmd, nil
}

// runGo runs the go command and logs every ten seconds that it still runs.
func runGo(ctx context.Context, dir, what string, log io.Writer, args ...string) error {
	cmd, err := goCommand(ctx, dir, args...)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
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
				return fmt.Errorf("%s: go %s failed:\n%s", what, args[0], process.LastLines(out.String(), 20))
			}
			fmt.Fprintf(log, "%s: %s\n", what, time.Since(began).Round(100*time.Millisecond))
			return nil
		}
	}
}
