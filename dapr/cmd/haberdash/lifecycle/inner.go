package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/control"
	"haberdash/dapr/launch/dev"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/launch/toolchain"
)

// Actions of the supervisor.
const (
	actionRestart = "restart"
	actionDetach  = "detach"
)

// serveActions lets commands ask the supervisor of a shop.
func serveActions(ctx context.Context, s *launch.Shop) (*control.Server, error) {
	return control.Serve(ctx, s.RunDir(), map[string]control.Action{
		actionRestart: func(ctx context.Context, apps []string) (any, error) { return s.RestartApps(ctx, apps...) },
		actionDetach: func(_ context.Context, apps []string) (any, error) {
			if len(apps) != 1 {
				return nil, errors.New("which app? one at a time: `make detach APP=orders`")
			}
			return s.Detach(apps[0])
		},
	})
}

// Restart restarts the apps that args name, or all, and waits until they are ready. Their sidecars go on running.
func Restart(ctx context.Context, o config.Options, args []string) error {
	dir, err := RunDir(o)
	if err != nil {
		return err
	}
	began := time.Now()
	restarted, err := restart(ctx, dir, names(args))
	if err != nil {
		return err
	}
	fmt.Printf("%s: ready after %s\n", strings.Join(restarted, ", "), time.Since(began).Round(100*time.Millisecond))
	return nil
}

func restart(ctx context.Context, runDir string, apps []string) (restarted []string, err error) {
	err = control.Ask(ctx, runDir, actionRestart, apps, &restarted)
	return restarted, err
}

// names splits lists of names at spaces and commas.
func names(args []string) []string {
	return strings.FieldsFunc(strings.Join(args, " "), func(r rune) bool { return r == ' ' || r == ',' })
}

// Detach stops the app that args name, leaves its sidecar running, and prints the environment in which its program can
// run elsewhere.
func Detach(ctx context.Context, o config.Options, args []string) error {
	dir, err := RunDir(o)
	if err != nil {
		return err
	}
	var d launch.Detached
	if err := control.Ask(ctx, dir, actionDetach, names(args), &d); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(d.Env)) {
		fmt.Printf("%s=%s\n", name, secrets.QuoteIfNeeded(d.Env[name]))
	}
	// Messages follow the environment on another stream, so that a script can read it.
	w := os.Stderr
	fmt.Fprintf(w, "\n%s is detached: its sidecar waits for a program with this environment, which is also in\n  %s\n",
		d.App, d.File)
	fmt.Fprintf(w, "a shell:     set -a; . %s; set +a; cd %s\n", secrets.Quote(d.File), secrets.Quote(d.Dir))
	if len(d.Command) > 0 {
		fmt.Fprintf(w, "then:        %s\n", quoted(d.Command))
	} else if source := sourceOf(o, d.App); source != "" {
		fmt.Fprintf(w, "then:        dlv debug %s\n", secrets.Quote(source))
	}
	fmt.Fprintf(w, "back again:  end that program, then make restart APP=%s\n", d.App)
	return nil
}

// quoted writes a command for a shell.
func quoted(command []string) string {
	var words []string
	for _, word := range command {
		words = append(words, secrets.QuoteIfNeeded(word))
	}
	return strings.Join(words, " ")
}

// sourceOf is the folder of the package main of an app that the checkout builds; empty for another app.
func sourceOf(o config.Options, app string) string {
	o, err := o.Complete()
	if err != nil {
		return ""
	}
	source := filepath.Join(o.Root, "apps", app)
	if _, err := os.Stat(filepath.Join(source, "main.go")); err != nil {
		return ""
	}
	return source
}

// Dev starts the shop if it does not run, and then builds and restarts what changes until it is interrupted. The shop
// goes on running.
func Dev(ctx context.Context, o config.Options, _ []string) error {
	o, err := o.Complete()
	if err != nil {
		return err
	}
	running, err := rundir.Running(o.RunDir)
	if err != nil {
		return err
	}
	if running {
		st, err := waitForOther(ctx, o.RunDir, "the shop", restartShop)
		if err != nil && st.Status != rundir.Broken { // a change may mend an app that has crashed
			return err
		}
	} else if err := start(ctx, o); err != nil {
		return err
	}
	st, err := rundir.ReadState(o.RunDir)
	if err != nil {
		return err
	}
	err = dev.Run(ctx, dev.Options{
		Root: o.Root, RunDir: o.RunDir, Log: os.Stdout, Except: slices.Collect(maps.Keys(st.Replaced)),
		Restart: func(ctx context.Context, apps []string) error {
			_, err := restart(ctx, o.RunDir, apps)
			return err
		},
	})
	if ctx.Err() != nil {
		fmt.Println("\nthe shop goes on running: `make down` stops it")
		return nil
	}
	return err
}

// reportOutdated builds the apps and says which processes run an older program, and which files of settings have
// changed since the start.
func reportOutdated(ctx context.Context, o config.Options, st rundir.State) error {
	o, err := o.Complete()
	if err != nil {
		return err
	}
	if err := toolchain.BuildApps(ctx, o.Root, o.Log); err != nil {
		return fmt.Errorf("what runs is older than the source, which does not compile: %w", err)
	}
	old, err := dev.Outdated(o.Root, append(slices.Clone(st.Processes), st.Supervisor))
	if err != nil {
		return err
	}
	settings, err := launch.ChangedSettings(o, st)
	if err != nil {
		return err
	}
	if at := slices.Index(old, st.Supervisor.Name); at >= 0 {
		old = slices.Delete(old, at, at+1)
		settings = append(settings, "the launcher")
	}
	if len(old) > 0 {
		fmt.Printf("older than the source: %s; `make restart APP=%s` starts what is built now\n",
			strings.Join(old, ", "), strings.Join(old, ","))
	}
	if len(settings) > 0 {
		fmt.Printf("changed since the start: %s; %s with the change\n", strings.Join(settings, ", "), restartShop)
	}
	if len(old)+len(settings) == 0 {
		fmt.Println("what runs is what the source says")
	}
	return nil
}
