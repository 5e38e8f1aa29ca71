// Command fuzz lets Schemathesis make requests of all that the shop's OpenAPI document allows, and of what it does not,
// against a shop of its own: as nobody, as a customer and as an administrator. Any answer of 5xx, and any that the
// document does not describe, fails it. EXAMPLES= is how many requests each operation gets in each phase that draws
// them, SEED= what they are drawn by, AS= one caller alone.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/toolchain"
	"haberdash/tests/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx)
	process.CloseGuard()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := toolchain.FindRoot()
	if err != nil {
		return err
	}
	here := filepath.Join(root, "tests", "fuzz")
	program, err := schemathesis(ctx, filepath.Join(here, "requirements.txt"))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "haberdash-fuzz-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o, err := config.FromEnv()
	if err != nil {
		return err
	}
	o.RunDir, o.FreePorts, o.GatewayPort, o.Log = dir, true, 0, os.Stderr
	o.Env = map[string]string{"RATE_LIMIT": "off", "LOG_LEVEL": "warn"}
	o, _, stop, err := o.WithServers(ctx)
	if err != nil {
		return err
	}
	defer stop()
	s, err := launch.Start(ctx, o)
	if err != nil {
		return err
	}
	defer s.Stop(context.WithoutCancel(ctx))

	var failed error
	done := tally{}
	for _, caller := range []string{"nobody", "customer", "admin"} {
		if only := os.Getenv("AS"); only != "" && only != caller {
			continue
		}
		began := time.Now()
		world, err := furnish(ctx, api.New(s.GatewayURL()), caller)
		if err != nil {
			return fmt.Errorf("prepare the shop: %w", err)
		}
		if err := fuzz(ctx, program, here, s.GatewayURL(), caller, world, done); err != nil {
			failed = errors.Join(failed, fmt.Errorf("as %s: %w", caller, err))
			continue
		}
		fmt.Printf("as %s: no answer of 5xx and none that is not described, after %s\n", caller, time.Since(began).Round(time.Second))
	}
	never := done.never()
	fmt.Printf("%d of %d operations were done; only refused: %s\n", len(done)-len(never), len(done), strings.Join(never, ", "))
	return failed
}

// fuzz runs Schemathesis in a directory with its settings and the world's dictionaries, and adds to what was done.
func fuzz(ctx context.Context, program, here, url, caller string, w world, done tally) error {
	dir, err := os.MkdirTemp("", "haberdash-fuzz-world-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	text, err := os.ReadFile(filepath.Join(here, "schemathesis.toml"))
	if err != nil {
		return err
	}
	files := map[string]string{"schemathesis.toml": string(text)}
	for name, entries := range w.dictionaries {
		for _, e := range entries {
			files[name] += strconv.Quote(e) + "\n"
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	command := exec.CommandContext(ctx, program, "--config-file", filepath.Join(dir, "schemathesis.toml"), "run", url+"/openapi.json", "--url", url,
		"--seed", cmp.Or(os.Getenv("SEED"), "1"), "--max-examples", cmp.Or(os.Getenv("EXAMPLES"), "20"),
		"--warnings", "off", "--no-color")
	command.Dir, command.Stdout, command.Stderr = dir, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), "SCHEMATHESIS_HOOKS="+filepath.Join(here, "hooks.py"), "PYTHONDONTWRITEBYTECODE=1",
		"FUZZ_SHOP="+url, "FUZZ_AS="+caller, "FUZZ_EMAIL="+w.email, "FUZZ_PASSWORD="+w.password)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	failed := command.Run()
	text, err = os.ReadFile(filepath.Join(dir, "tally.json"))
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, done.add(text))
}
