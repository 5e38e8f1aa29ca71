package launch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Tools are the programs that a local shop needs beside its own.
type Tools struct {
	Dapr, Daprd, Placement, Scheduler, Sentry, Broker string

	// RuntimePath is what the dapr CLI reads from DAPR_RUNTIME_PATH: it looks for daprd in
	// <RuntimePath>/.dapr/bin. Empty: the CLI's own default.
	RuntimePath string
}

const runtimeVersion = "1.18.1" // of github.com/dapr/dapr in dapr/local/go.mod

type tool struct {
	name, module, pkg, out string
	args                   []string
}

// The sidecar comes first: it takes longest, and the others reuse most of what it compiles.
func toolList() []tool {
	stamp := "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=" + runtimeVersion +
		" -X github.com/dapr/kit/logger.DaprVersion=" + runtimeVersion
	return []tool{
		{"daprd", "dapr/local", "./daprd", ".dapr/bin/daprd", []string{"-tags", "stablecomponents", "-ldflags", stamp}},
		{"placement", "dapr/local", "./placement", "bin/placement", []string{"-ldflags", stamp}},
		{"scheduler", "dapr/local", "./scheduler", "bin/scheduler", []string{"-ldflags", stamp}},
		{"sentry", "dapr/local", "./sentry", "bin/sentry", []string{"-ldflags", stamp}},
		{"broker", "dapr/local", "./broker", "bin/broker", []string{"-ldflags", "-s -w"}},
		{"dapr", "dapr/local/cli", ".", "bin/dapr", []string{"-ldflags", "-s -w"}},
	}
}

// EnsureTools returns the pinned tools, building those that the user's cache lacks. Processes that
// need them at the same time build them once: the others wait.
func EnsureTools(ctx context.Context, root string, system bool, log io.Writer) (Tools, error) {
	key, err := toolsKey(root)
	if err != nil {
		return Tools{}, err
	}
	cache, err := CacheDir()
	if err != nil {
		return Tools{}, err
	}
	dir := filepath.Join(cache, "tools", key)
	list := toolList()
	if system {
		list = list[4:5] // the broker alone: Dapr has none
	}
	if err := buildTools(ctx, root, dir, list, log); err != nil {
		return Tools{}, err
	}
	prune(filepath.Join(cache, "tools"), dir)
	t := Tools{RuntimePath: dir}
	for name, to := range map[string]*string{
		"daprd": &t.Daprd, "placement": &t.Placement, "scheduler": &t.Scheduler, "sentry": &t.Sentry,
		"broker": &t.Broker, "dapr": &t.Dapr,
	} {
		for _, c := range toolList() {
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
				return Tools{}, fmt.Errorf("DAPR=system: %s is neither in ~/.dapr/bin nor on the PATH: run `dapr init --slim`, or leave DAPR out", name)
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
	if err := makeDir(dir); err != nil {
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
	fmt.Fprintf(log, "tools: building %d programs into %s (once; several minutes with an empty Go cache)\n", len(todo), dir)
	began := time.Now()
	for i, t := range todo {
		what := fmt.Sprintf("tools: %d of %d: %s", i+1, len(todo), t.name)
		out := filepath.Join(dir, t.out)
		if err := makeDir(filepath.Dir(out)); err != nil {
			return err
		}
		args := append([]string{"build", "-trimpath", "-o", out + ".new"}, t.args...)
		if err := goRun(ctx, filepath.Join(root, t.module), what, log, append(args, t.pkg)...); err != nil {
			return err
		}
		if err := os.Rename(out+".new", out); err != nil {
			return err
		}
	}
	fmt.Fprintf(log, "tools: ready after %s\n", time.Since(began).Round(time.Second))
	return nil
}

// prune removes tools of other versions that nobody has used for a month: 400 MB each.
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

// toolsKey names the tools by all they are built from.
func toolsKey(root string) (string, error) {
	var files []string
	base := filepath.Join(root, "dapr", "local")
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasSuffix(path, ".go") || strings.HasPrefix(d.Name(), "go.")) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the toolchain's sources: %w", err)
	}
	sort.Strings(files)
	sum := sha256.New()
	fmt.Fprintln(sum, toolList())
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		rel, _ := filepath.Rel(base, f)
		fmt.Fprintf(sum, "%s %d\n", filepath.ToSlash(rel), len(b))
		sum.Write(b)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// CacheDir is where what is built or fetched once is kept: HABERDASH_CACHE, or haberdash in the user's cache.
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

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return fmt.Errorf("cannot write to %s: %w", dir, err)
	}
	probe, err := os.CreateTemp(dir, ".probe")
	if err != nil {
		return fmt.Errorf("cannot write to %s: %w", dir, errors.Unwrap(err))
	}
	probe.Close()
	return os.Remove(probe.Name())
}
