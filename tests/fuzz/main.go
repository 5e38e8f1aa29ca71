// Command fuzz starts a shop and has Schemathesis send requests to it: valid and invalid ones by the shop's OpenAPI
// document, without an account, as a customer and as an administrator. An answer of 5xx fails the run, and so does an
// answer that the document does not describe.
//
// Settings, from the environment: EXAMPLES is the number of requests for each operation in each random phase (default:
// 20), SEED is their random seed (default: 1), AS selects one caller: nobody, customer or admin.
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
	folder := filepath.Join(root, "tests", "fuzz")
	program, err := schemathesis(ctx, filepath.Join(folder, "requirements.txt"))
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
		start := time.Now()
		f, err := newFixture(ctx, api.New(s.GatewayURL()), caller)
		if err != nil {
			return fmt.Errorf("prepare the shop: %w", err)
		}
		if err := fuzz(ctx, program, folder, s.GatewayURL(), caller, f, done); err != nil {
			failed = errors.Join(failed, fmt.Errorf("as %s: %w", caller, err))
			continue
		}
		fmt.Printf("as %s: all answers are described, and none is a server error, after %s\n",
			caller, time.Since(start).Round(time.Second))
	}
	refused := done.onlyRefused()
	fmt.Printf("%d of %d operations succeeded at least once; always refused: %s\n",
		len(done)-len(refused), len(done), strings.Join(refused, ", "))
	return failed
}

// fuzz runs Schemathesis in a directory with its settings and the dictionaries of the fixture, and adds its answers to
// the tally.
func fuzz(ctx context.Context, program, folder, url, caller string, f fixture, done tally) error {
	dir, err := os.MkdirTemp("", "haberdash-fuzz-fixture-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	text, err := os.ReadFile(filepath.Join(folder, "schemathesis.toml"))
	if err != nil {
		return err
	}
	files := map[string]string{"schemathesis.toml": string(text)}
	for name, entries := range f.dictionaries {
		for _, e := range entries {
			files[name] += strconv.Quote(e) + "\n"
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	command := exec.CommandContext(ctx, program, "--config-file", filepath.Join(dir, "schemathesis.toml"),
		"run", url+"/openapi.json", "--url", url, "--seed", cmp.Or(os.Getenv("SEED"), "1"),
		"--max-examples", cmp.Or(os.Getenv("EXAMPLES"), "20"), "--warnings", "off", "--no-color")
	command.Dir, command.Stdout, command.Stderr = dir, os.Stdout, os.Stderr
	command.Env = append(os.Environ(),
		"SCHEMATHESIS_HOOKS="+filepath.Join(folder, "hooks.py"), "PYTHONDONTWRITEBYTECODE=1",
		"FUZZ_SHOP="+url, "FUZZ_AS="+caller, "FUZZ_EMAIL="+f.email, "FUZZ_PASSWORD="+f.password)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	failed := command.Run()
	text, err = os.ReadFile(filepath.Join(dir, "tally.json"))
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, done.add(text))
}
