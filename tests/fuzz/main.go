// Command fuzz starts a shop and tests its API with Schemathesis, which generates requests that the OpenAPI document
// allows and requests that it does not allow. It runs without authentication, as a customer and as an administrator. It
// fails when an answer has a 5xx status, or one that the document does not describe, and when a body that was accepted
// is accepted again with a member twice or with the name of a member in another case.
//
// Environment variables: EXAMPLES is the number of generated requests for each operation in each phase (default 20),
// SEED is the seed of the generator (default 1), AS runs for one kind of caller only (nobody, customer or admin).
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
	program, err := installSchemathesis(ctx, filepath.Join(here, "requirements.txt"))
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
		data, err := prepareData(ctx, api.New(s.GatewayURL()), caller)
		if err != nil {
			return fmt.Errorf("prepare the shop: %w", err)
		}
		if err := fuzz(ctx, program, here, s.GatewayURL(), caller, data, done); err != nil {
			failed = errors.Join(failed, fmt.Errorf("as %s: %w", caller, err))
			continue
		}
		fmt.Printf("as %s: every answer is described, and none has a 5xx status, after %s\n",
			caller, time.Since(began).Round(time.Second))
	}
	ambiguous := done.takeAmbiguous()
	if ambiguous == 0 && failed == nil {
		failed = errors.New("no ambiguous body was sent")
	}
	fmt.Printf("%d bodies were sent again with a member twice, or in another case\n", ambiguous)
	refused := done.onlyRefused()
	fmt.Printf("%d of %d operations succeeded at least once; only refused: %s\n",
		len(done)-len(refused), len(done), strings.Join(refused, ", "))
	return failed
}

// fuzz runs Schemathesis for one kind of caller, in a directory with its settings and the dictionaries. It adds the
// answers to done.
func fuzz(ctx context.Context, program, here, url, caller string, data testData, done tally) error {
	dir, err := os.MkdirTemp("", "haberdash-fuzz-data-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	text, err := os.ReadFile(filepath.Join(here, "schemathesis.toml"))
	if err != nil {
		return err
	}
	files := map[string]string{"schemathesis.toml": string(text)}
	for name, entries := range data.dictionaries {
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
		"run", url+"/openapi.json", "--url", url,
		"--seed", cmp.Or(os.Getenv("SEED"), "1"), "--max-examples", cmp.Or(os.Getenv("EXAMPLES"), "20"),
		"--warnings", "off", "--no-color")
	command.Dir, command.Stdout, command.Stderr = dir, os.Stdout, os.Stderr
	command.Env = append(os.Environ(),
		"SCHEMATHESIS_HOOKS="+filepath.Join(here, "hooks.py"), "PYTHONDONTWRITEBYTECODE=1",
		"FUZZ_SHOP="+url, "FUZZ_AS="+caller, "FUZZ_EMAIL="+data.email, "FUZZ_PASSWORD="+data.password)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	failed := command.Run()
	text, err = os.ReadFile(filepath.Join(dir, "tally.json"))
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, done.add(text))
}
