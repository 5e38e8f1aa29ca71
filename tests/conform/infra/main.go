// Command infra tries a state store, a message broker or both against the promises of docs/infrastructure.md, with the
// conformance suites of the ports. STATE and PUBSUB name folders of components: those in components/, or others. It
// starts no servers: those that the components name must run, and be empty. It prints one sentence for each promise,
// and exits with 1 if one is broken. `make conform` runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/toolchain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := conform(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "conform:", err)
		os.Exit(1)
	}
}

func conform(ctx context.Context) error {
	state, pubsub := os.Getenv("STATE"), os.Getenv("PUBSUB")
	if state == "" && pubsub == "" {
		return errors.New("set STATE, PUBSUB or both to a folder of components, such as STATE=redis or PUBSUB=../my/pubsub")
	}
	broken := 0
	for _, kind := range []struct {
		variable, folder string
		options          config.Options
		suite            suite
	}{
		{"STATE", state, config.Options{State: state}, stateSuite},
		{"PUBSUB", pubsub, config.Options{PubSub: pubsub}, brokerSuite},
	} {
		if kind.folder == "" {
			continue
		}
		n, err := try(ctx, kind.variable, kind.options, kind.suite)
		if err != nil {
			return err
		}
		broken += n
	}
	if broken > 0 {
		return fmt.Errorf("%d promises are not kept: see docs/infrastructure.md", broken)
	}
	return nil
}

// try runs a suite on the folder of a variable and returns how many promises are not kept.
func try(ctx context.Context, variable string, o config.Options, s suite) (broken int, err error) {
	if o, err = o.Complete(); err != nil {
		return 0, err
	}
	if _, err := toolchain.EnsureTools(ctx, o.Root, false, os.Stderr, o.Folders()...); err != nil {
		return 0, err
	}
	if _, err := o.SecretValues(); err != nil {
		return 0, err
	}
	folder, used, err := o.Chosen(variable, s.components...)
	if err != nil {
		return 0, err
	}
	ordered, err := o.Ordered()
	if err != nil {
		return 0, err
	}
	fmt.Printf("%s (%s)\n", folder, strings.Join(used, ", "))
	began := time.Now()
	if variable == "STATE" {
		dir, err := os.MkdirTemp("", "conform-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		if err := copyState(folder, dir); err != nil {
			return 0, err
		}
		folder = dir
	}
	results, err := s.run(ctx, o.Root, variable+"="+folder)
	if err != nil {
		return 0, err
	}
	for _, p := range s.promises {
		sentence, kept := p.verdict(results, ordered)
		fmt.Println("  " + sentence)
		if !kept {
			broken++
		}
	}
	fmt.Printf("  tried in %s\n", time.Since(began).Round(time.Second))
	return broken, nil
}

// run runs the tests of a suite and returns their results.
func (s suite) run(ctx context.Context, root, choice string) (results, error) {
	args := []string{"test", "-json", "-count=1", "-p=1", "-timeout=10m", "-run", s.tests()}
	if s.oneByOne {
		args = append(args, "-parallel=1")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, s.packages...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), choice, config.GivenServers+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return results{}, err
	}
	if err := cmd.Start(); err != nil {
		return results{}, err
	}
	found, err := read(out)
	failed := cmd.Wait()
	if ctx.Err() != nil {
		return found, ctx.Err()
	}
	var exit *exec.ExitError
	if failed != nil && !errors.As(failed, &exit) {
		err = errors.Join(err, failed)
	}
	return found, err
}
