package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
)

// restartInfra tells how to start servers again that are broken, or other servers.
const restartInfra = "`make infra-down`, then `make infra` starts them again; their data stays"

// infraOptions are the options of the servers that SERVERS names, in a directory below that of the shop.
func infraOptions(o config.Options) (infra.Options, error) {
	dir, err := RunDir(o)
	return infra.Options{
		Dir: filepath.Join(dir, "infra"), Servers: strings.Fields(os.Getenv("SERVERS")), Log: o.Log,
	}, err
}

// Infra starts real servers in the background and waits until they are ready.
func Infra(ctx context.Context, o config.Options, _ []string) error {
	with, err := infraOptions(o)
	if err != nil {
		return err
	}
	if err := with.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(with.Dir, 0o755); err != nil {
		return err
	}
	if locked, err := rundir.Running(with.Dir); err != nil {
		return err
	} else if locked {
		return infraAlreadyRunning(ctx, with)
	}
	began := time.Now()
	cmd, err := startSupervisor(o, with.Dir, "infra-supervise")
	if err != nil {
		return err
	}
	if err = waitForSupervisor(ctx, with.Dir, cmd); errors.Is(err, rundir.ErrRunning) {
		return infraAlreadyRunning(ctx, with)
	} else if err != nil {
		return err
	}
	st, err := rundir.ReadState(with.Dir)
	if err != nil {
		return err
	}
	printServers(with.Dir, st)
	fmt.Printf("ready after %s\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// infraAlreadyRunning waits for servers that another command has started or is starting, and changes nothing.
func infraAlreadyRunning(ctx context.Context, with infra.Options) error {
	st, err := waitForOther(ctx, with.Dir, "the servers", restartInfra)
	if err != nil {
		return err
	}
	for _, name := range with.Servers {
		if !slices.ContainsFunc(st.Processes, func(p process.Process) bool { return p.Name == name }) {
			return fmt.Errorf("already running, but without %s: %s", name, restartInfra)
		}
	}
	fmt.Println("already running")
	printServers(with.Dir, st)
	return nil
}

func printServers(dir string, st rundir.State) {
	for _, p := range st.Processes {
		fmt.Printf("%-9s  127.0.0.1:%d\n", p.Name, p.Ports[p.Name])
	}
	fmt.Printf("variables  %s\n", infra.VarsFile(dir))
}

// SuperviseInfra runs the servers until the program is asked to stop. It is the main function of their supervisor.
func SuperviseInfra(ctx context.Context, o config.Options, _ []string) error {
	o.Log = timestamped{os.Stdout}
	with, err := infraOptions(o)
	if err != nil {
		return err
	}
	return superviseServers(ctx, o.Log, func() (*infra.Servers, error) { return infra.Start(ctx, with) })
}

// superviseServers starts servers and stops them when ctx ends.
func superviseServers[S interface{ Stop() }](ctx context.Context, log io.Writer, start func() (S, error)) error {
	defer process.CloseGuard()
	servers, err := start()
	if err != nil {
		return err
	}
	<-ctx.Done()
	fmt.Fprintln(log, "stopping")
	servers.Stop()
	return nil
}

// InfraDown stops the servers. Their data stays.
func InfraDown(ctx context.Context, o config.Options, _ []string) error {
	with, err := infraOptions(o)
	if err != nil {
		return err
	}
	was, err := infra.Down(ctx, with)
	if err != nil {
		return err
	}
	if was {
		fmt.Println("servers stopped; data stays")
	} else {
		fmt.Println("no servers are running")
	}
	return nil
}
