package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// Tools are the paths of the programs that a local shop needs beside its own.
type Tools struct {
	Dapr, Daprd, Placement, Scheduler, Sentry, Broker string

	// RuntimePath is the value of DAPR_RUNTIME_PATH, below which the dapr CLI finds daprd: <RuntimePath>/.dapr/bin.
	// Empty stands for the default of the CLI.
	RuntimePath string
}

// EnsureTools returns the tools at their pinned versions, and builds those that the user's cache does not have.
// Processes that need them at the same time build them once: the others wait. With system, all but the broker are those
// that `dapr init --slim` has installed. The sidecar has the types of components that the folders of the checkout have,
// and those of the given folders.
func EnsureTools(ctx context.Context, root string, system bool, log io.Writer, folders ...string) (Tools, error) {
	dir, err := toolsDir(root)
	if err != nil {
		return Tools{}, err
	}
	own, others, err := neededComponents(root, folders)
	if err != nil {
		return Tools{}, err
	}
	list, home := toolList(own), ""
	switch {
	case system:
		list = list[4:5] // the broker, which Dapr does not have
	case len(others) > 0:
		sum := sha256.Sum256([]byte(strings.Join(typesOf(others), " ")))
		home = "with-" + hex.EncodeToString(sum[:8])
		list[0] = sidecar(append(own, others...), home)
	}
	if err := buildTools(ctx, root, dir, list, log); err != nil {
		return Tools{}, err
	}
	prune(filepath.Dir(dir), dir)
	t := Tools{RuntimePath: filepath.Join(dir, home)}
	for name, to := range map[string]*string{
		"daprd": &t.Daprd, "placement": &t.Placement, "scheduler": &t.Scheduler, "sentry": &t.Sentry,
		"broker": &t.Broker, "dapr": &t.Dapr,
	} {
		for _, c := range list {
			if c.name == name {
				*to = filepath.Join(dir, c.out)
			}
		}
	}
	if system {
		return systemTools(t.Broker)
	}
	return t, nil
}

// toolsDir is the directory of the tools of a checkout in the user's cache.
func toolsDir(root string) (string, error) {
	key, err := cacheKey(root)
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	return filepath.Join(cache, "tools", key), err
}

// EnsureOfficialSidecar returns a directory with Dapr's own daprd, without what dapr/local adds, at the place where
// `dapr init` puts it in the home directory: <dir>/.dapr/bin.
func EnsureOfficialSidecar(ctx context.Context, root string, log io.Writer) (string, error) {
	dir, err := toolsDir(root)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, officialHome), buildTools(ctx, root, dir, []tool{officialSidecar()}, log)
}

// EnsureNATS returns the program of a NATS server, which `make infra` needs and no shop.
func EnsureNATS(ctx context.Context, root string, log io.Writer) (string, error) {
	dir, err := toolsDir(root)
	if err != nil {
		return "", err
	}
	t := natsServer()
	return filepath.Join(dir, t.out), buildTools(ctx, root, dir, []tool{t}, log)
}

func systemTools(broker string) (Tools, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return Tools{}, err
	}
	t := Tools{Broker: broker}
	for name, to := range map[string]*string{
		"dapr": &t.Dapr, "daprd": &t.Daprd, "placement": &t.Placement, "scheduler": &t.Scheduler,
	} {
		path := filepath.Join(home, ".dapr", "bin", name)
		if _, err := os.Stat(path); err != nil {
			if path, err = exec.LookPath(name); err != nil {
				return Tools{}, fmt.Errorf("DAPR=system: %s is neither in ~/.dapr/bin nor on the PATH: "+
					"run `dapr init --slim`, or leave DAPR out", name)
			}
		}
		*to = path
	}
	return t, nil
}

func buildTools(ctx context.Context, root, dir string, list []tool, log io.Writer) error {
	if len(missing(dir, list)) == 0 {
		return nil
	}
	if err := MakeDir(dir); err != nil {
		return err
	}
	lock := flock.New(dir + ".lock")
	if ok, err := lock.TryLock(); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Path(), err)
	} else if !ok {
		fmt.Fprintln(log, "tools: another process is building them; waiting")
		if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for the tools: %w", err)
		}
	}
	defer func() { _ = lock.Unlock() }()

	todo := missing(dir, list)
	if len(todo) == 0 {
		return nil
	}
	fmt.Fprintf(log, "tools: building %d programs into %s (once; several minutes with an empty Go cache)\n",
		len(todo), dir)
	began := time.Now()
	for i, t := range todo {
		what := fmt.Sprintf("tools: %d of %d: %s", i+1, len(todo), t.name)
		out := filepath.Join(dir, t.out)
		if err := buildTool(ctx, root, t, out+".new", what, log); err != nil {
			return err
		}
		if err := os.Rename(out+".new", out); err != nil {
			return err
		}
	}
	fmt.Fprintf(log, "tools: ready after %s\n", time.Since(began).Round(time.Second))
	return nil
}

func buildTool(ctx context.Context, root string, t tool, out, what string, log io.Writer) error {
	args := append([]string{"build", "-trimpath", "-o", out}, t.args...)
	module := filepath.Join(root, t.module)
	if t.components != nil {
		source, err := moduleDir(ctx, module, daprModule)
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "haberdash-daprd-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		file, err := overlay(root, source, dir, t.components)
		if err != nil {
			return err
		}
		args = append(args, "-overlay", file)
	}
	if err := MakeDir(filepath.Dir(out)); err != nil {
		return err
	}
	return runGo(ctx, module, what, log, append(args, t.pkg)...)
}

// prune removes tools of other versions that nobody has used for a month: each takes 400 MB.
func prune(all, used string) {
	now := time.Now()
	_ = os.Chtimes(used, now, now)
	entries, _ := os.ReadDir(all)
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && e.IsDir() && now.Sub(info.ModTime()) > 30*24*time.Hour {
			_ = os.RemoveAll(filepath.Join(all, e.Name()))
		}
	}
}

func missing(dir string, list []tool) []tool {
	var todo []tool
	for _, t := range list {
		if _, err := os.Stat(filepath.Join(dir, t.out)); err != nil {
			todo = append(todo, t)
		}
	}
	return todo
}

// CacheDir returns the directory for what is built or downloaded once: HABERDASH_CACHE, or haberdash in the user's
// cache.
func CacheDir() (string, error) {
	if dir := os.Getenv("HABERDASH_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", errors.New("no cache directory: set HABERDASH_CACHE, XDG_CACHE_HOME or HOME")
	}
	return filepath.Join(dir, "haberdash"), nil
}
