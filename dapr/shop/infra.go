package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"haberdash/dapr/launch"
)

// infraOptions are the servers' directory, below the shop's, and those that SERVERS names.
func infraOptions(o launch.Options) (launch.InfraOptions, error) {
	dir, err := launch.RunDirOf(o)
	return launch.InfraOptions{
		Dir: filepath.Join(dir, "infra"), Servers: strings.Fields(os.Getenv("SERVERS")), Log: o.Log,
	}, err
}

// infra starts real servers in the background, under a supervisor in a session of its own.
func infra(ctx context.Context, o launch.Options, _ []string) error {
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
	if locked, err := launch.Running(with.Dir); err != nil {
		return err
	} else if locked {
		return infraAlreadyUp(ctx, with)
	}
	began := time.Now()
	cmd, err := supervisor(with.Dir, "infra-supervise")
	if err != nil {
		return err
	}
	if err = watch(ctx, with.Dir, cmd); errors.Is(err, launch.ErrRunning) { // another one was first
		return infraAlreadyUp(ctx, with)
	} else if err != nil {
		return err
	}
	st, err := launch.ReadState(with.Dir)
	if err != nil {
		return err
	}
	printServers(with.Dir, st)
	fmt.Printf("ready after %s\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// infraAlreadyUp waits for servers that somebody else is starting, and changes nothing.
func infraAlreadyUp(ctx context.Context, with launch.InfraOptions) error {
	const anew = "`make infra-down`, then `make infra` starts them anew; their data stays"
	for {
		st, err := launch.ReadState(with.Dir)
		if err != nil {
			return err
		}
		switch st.Status {
		case launch.Ready:
			for _, name := range with.Servers {
				if !slices.ContainsFunc(st.Processes, func(p launch.Process) bool { return p.Name == name }) {
					return fmt.Errorf("already running, but without %s: %s", name, anew)
				}
			}
			fmt.Println("already running")
			printServers(with.Dir, st)
			return nil
		case launch.Broken:
			return fmt.Errorf("already running, but %s\n%s", st.Error, anew)
		}
		if locked, err := launch.Running(with.Dir); err != nil || !locked {
			return errors.New("the servers that were starting have stopped: try again")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func printServers(dir string, st launch.State) {
	for _, p := range st.Processes {
		fmt.Printf("%-9s  127.0.0.1:%d\n", p.Name, p.Ports[p.Name])
	}
	fmt.Printf("variables  %s\n", launch.InfraVarsFile(dir))
}

// superviseInfra owns the servers: it lives until it is told to stop.
func superviseInfra(ctx context.Context, o launch.Options, _ []string) error {
	o.Log = stamped{os.Stdout}
	with, err := infraOptions(o)
	if err != nil {
		return err
	}
	defer launch.Leave()
	servers, err := launch.StartInfra(ctx, with)
	if err != nil {
		return err
	}
	for {
		select {
		case err := <-servers.Failed():
			fmt.Fprintln(o.Log, err)
		case <-ctx.Done():
			fmt.Fprintln(o.Log, "stopping")
			servers.Stop()
			return nil
		}
	}
}

func infraDown(ctx context.Context, o launch.Options, _ []string) error {
	with, err := infraOptions(o)
	if err != nil {
		return err
	}
	was, err := launch.InfraDown(ctx, with)
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
