package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"text/tabwriter"
	"time"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/observe"
	"haberdash/dapr/launch/rundir"
)

// observeSignal asks the supervisor of a shop to look for the servers of `make observe`.
const observeSignal = syscall.SIGUSR1

const restartObserve = "`make observe-down`, then `make observe` starts everything again; data stays"

func observeOptions(o config.Options) (observe.Options, error) {
	o, err := o.Complete()
	with := observe.Options{Root: o.Root, RunDir: o.RunDir, Log: o.Log}
	if os.Getenv("TRACES") != "off" {
		with.Tracing = launch.TracingSettings()
	}
	return with, err
}

// Observe starts in the background what shows the shop, and waits until it is ready. Then a running shop exports its
// traces.
func Observe(ctx context.Context, o config.Options, _ []string) error {
	began := time.Now()
	with, err := observeOptions(o)
	if err != nil {
		return err
	}
	dir := observe.Dir(with.RunDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	running, err := rundir.Running(dir)
	if err != nil {
		return err
	}
	if !running {
		if err := observe.Build(ctx, with); err != nil {
			return err
		}
		cmd, err := startSupervisor(o, dir, "observe-supervise")
		if err != nil {
			return err
		}
		fmt.Println("starting; OpenSearch takes longest, up to a minute on a busy machine")
		if err := waitForSupervisor(ctx, dir, cmd); errors.Is(err, rundir.ErrRunning) {
			running = true
		} else if err != nil {
			return err
		}
	}
	st, err := waitForOther(ctx, dir, "the servers", restartObserve)
	if err != nil {
		return err
	}
	if running {
		fmt.Println("already running")
	}
	traces, err := exportTraces(ctx, with.RunDir)
	if err != nil {
		return err
	}
	printObserve(st)
	fmt.Println("traces:", traces)
	fmt.Printf("ready after %s\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// exportTraces makes a running shop export its traces to running servers. It says what became of that.
func exportTraces(ctx context.Context, runDir string) (string, error) {
	vars, err := observe.TracingVars(runDir)
	if err != nil {
		return "", err
	}
	wanted := vars["OTEL_EXPORTER_OTLP_ENDPOINT"]
	if wanted == "" {
		return "off (TRACES=off)", nil
	}
	running, err := rundir.Running(runDir)
	if err != nil || !running {
		return "the shop is not running: `make up` starts it with traces", err
	}
	if _, err := waitForOther(ctx, runDir, "the shop", restartShop); err != nil {
		return "", err
	}
	for asked, printed := false, ""; ; {
		st, err := rundir.ReadState(runDir)
		switch {
		case err != nil:
			return "", err
		case st.Status != rundir.Ready:
			return "", fmt.Errorf("the shop is %s: %s\n%s", st.Status, st.Error, restartShop)
		case backingOnly(st):
			return "the apps run by hand: start them again with OTEL_EXPORTER_OTLP_ENDPOINT=" + wanted, nil
		case st.Traces == wanted:
			return "all apps export them", nil
		case st.Traces == "": // a program that would not understand the signal
			return "the shop runs an earlier version: " + restartShop, nil
		case st.Traces != rundir.NoTraces:
			return "the shop exports them to " + st.Traces + ", as it was started", nil
		case !asked:
			asked = true
			if err := syscall.Kill(st.Supervisor.PID, observeSignal); err != nil {
				return "", fmt.Errorf("ask the shop for traces: %w", err)
			}
		case st.Phase != "" && st.Phase != printed:
			printed = st.Phase
			fmt.Println(printed)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func printObserve(st rundir.State) {
	var memory uint64
	for _, p := range append(st.Processes, st.Supervisor) {
		memory += p.Memory()
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, a := range observe.Addresses(st) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", a.Name, a.URL, a.For)
	}
	fmt.Fprintf(t, "total\t%d MB\tmemory of these\n", memory>>20)
	t.Flush()
}

// SuperviseObserve runs the servers until the program is asked to stop. It is the main function of their supervisor.
func SuperviseObserve(ctx context.Context, o config.Options, _ []string) error {
	o.Log = timestamped{os.Stdout}
	with, err := observeOptions(o)
	if err != nil {
		return err
	}
	syscall.Umask(0o077) // log lines are for the owner of the shop
	return superviseServers(ctx, o.Log, func() (*observe.Servers, error) { return observe.Start(ctx, with) })
}

// ObserveDown stops the servers. Their data stays.
func ObserveDown(ctx context.Context, o config.Options, _ []string) error {
	with, err := observeOptions(o)
	if err != nil {
		return err
	}
	vars, err := observe.TracingVars(with.RunDir)
	if err != nil {
		return err
	}
	was, err := observe.Down(ctx, with)
	if err != nil {
		return err
	}
	if !was {
		fmt.Println("nothing is running")
		return nil
	}
	fmt.Println("stopped; data stays")
	shop, err := rundir.ReadState(with.RunDir)
	if err != nil {
		return err
	}
	if shop.Status == rundir.Ready && shop.Traces == vars["OTEL_EXPORTER_OTLP_ENDPOINT"] {
		fmt.Println("the shop goes on recording traces, and drops them: `make down`, then `make up` ends that")
	}
	return nil
}
