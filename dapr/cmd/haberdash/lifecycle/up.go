package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/runfile"
	"haberdash/internal/roster"
)

// Up builds what is missing, starts the shop in the background and waits until it is ready.
func Up(ctx context.Context, o config.Options, _ []string) error { return start(ctx, o) }

// Backing starts only placement, scheduler and broker in the background.
func Backing(ctx context.Context, o config.Options, _ []string) error {
	o.BackingOnly = true
	return start(ctx, o)
}

func start(ctx context.Context, o config.Options) error {
	began := time.Now()
	dir, err := launch.Build(ctx, o)
	if errors.Is(err, rundir.ErrRunning) {
		return alreadyRunning(ctx, o, dir)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: nothing was started")
	}
	if err != nil {
		return err
	}
	what := "all"
	if o.BackingOnly {
		what = "backing"
	}
	cmd, err := startSupervisor(o, dir, "supervise", what)
	if err != nil {
		return err
	}
	if err = waitForSupervisor(ctx, dir, cmd); errors.Is(err, rundir.ErrRunning) {
		return alreadyRunning(ctx, o, dir)
	} else if err != nil {
		return err
	}
	st, err := rundir.ReadState(dir)
	if err != nil {
		return err
	}
	printAddresses(dir, st, o.BackingOnly)
	fmt.Printf("ready after %s\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// alreadyRunning waits for a shop that another command has started or is starting, and says whether it is older than
// the source. It changes nothing of what runs.
func alreadyRunning(ctx context.Context, o config.Options, dir string) error {
	st, err := waitForOther(ctx, dir, "the shop", restartShop)
	if err != nil {
		return err
	}
	fmt.Println("already running")
	printAddresses(dir, st, backingOnly(st))
	for _, app := range o.Joined {
		if !slices.ContainsFunc(st.Joined, func(j roster.Joined) bool { return j.App == app.ID }) {
			fmt.Printf("%s does not run: %s\n", app.ID, restartShop)
		}
	}
	for _, app := range o.Replacements {
		if st.Replaced[app.ID] != app.Dir {
			fmt.Printf("%s is not replaced by the app in %s: %s\n", app.ID, app.Dir, restartShop)
		}
	}
	if backingOnly(st) {
		return nil
	}
	return reportOutdated(ctx, o, st)
}

// restartShop tells how to start a shop again.
const restartShop = "`make down`, then `make up` starts it again"

// backingOnly reports whether only what apps need runs, and not the apps.
func backingOnly(st rundir.State) bool {
	return !slices.ContainsFunc(st.Processes, func(p process.Process) bool { return p.Kind == process.KindApp })
}

func printAddresses(dir string, st rundir.State, backingOnly bool) {
	if backingOnly {
		fmt.Printf("placement  127.0.0.1:%d\nscheduler  127.0.0.1:%d\n", st.PortBase, st.PortBase+4)
		// The rendered file has the choices and ports of this start.
		fmt.Printf("next:      set -a; . %s; set +a; %s run -f %s\n",
			launch.EnvFile(dir), filepath.Join(dir, "tools", "bin", "dapr"), runfile.Rendered(dir))
		fmt.Printf("with Tye:  set -a; . %s; set +a; PATH=%s:$PATH tye run %s\n",
			launch.EnvFile(dir), filepath.Join(dir, "tools", "bin"), runfile.TyeFile(dir))
		return
	}
	fmt.Printf("shop           http://localhost:%d\n", st.GatewayPort)
	fmt.Printf("API            http://localhost:%d/docs\n", st.GatewayPort)
	email, password := launch.Administrator(dir)
	fmt.Printf("administrator  %s / %s\n", email, password)
	fmt.Printf("mail           %s\n", filepath.Join(dir, "mail"))
	if st.Choices["SECURE"] != "" {
		fmt.Println("sidecars       authenticate by certificates, and refuse what dapr/secure does not allow")
	}
}

// Supervise runs the shop until the program is asked to stop. It is the main function of the supervisor.
func Supervise(ctx context.Context, o config.Options, args []string) error {
	o.SkipBuild = true
	o.BackingOnly = len(args) == 1 && args[0] == "backing"
	o.Log = timestamped{os.Stdout}
	syscall.Umask(0o077) // what the shop writes is for its owner
	defer process.CloseGuard()
	observed := make(chan os.Signal, 1)
	signal.Notify(observed, observeSignal)
	s, err := launch.Start(ctx, o)
	if err != nil {
		return err
	}
	requests, err := serveActions(ctx, s)
	if err != nil {
		return errors.Join(err, s.Stop(context.Background()))
	}
	defer requests.Close()
	fmt.Fprintln(o.Log, "ready")
	for ctx.Err() == nil {
		select {
		case <-observed:
			if err := s.FollowObserve(ctx); err != nil {
				fmt.Fprintln(o.Log, err)
			}
		case <-ctx.Done():
		}
	}
	fmt.Fprintln(o.Log, "stopping")
	requests.Close()
	return s.Stop(context.Background())
}
