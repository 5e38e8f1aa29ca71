package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"haberdash/dapr/launch"
)

func down(ctx context.Context, o launch.Options, _ []string) error {
	was, err := launch.Down(ctx, o)
	if err != nil {
		return err
	}
	if was {
		fmt.Println("stopped; data stays")
	} else {
		fmt.Println("not running")
	}
	return nil
}

func clean(ctx context.Context, o launch.Options, _ []string) error {
	if err := launch.Clean(ctx, o); err != nil {
		return err
	}
	fmt.Println("stopped; data removed")
	return nil
}

// status exits with 1 where the shop is not running or something of it has stopped.
func status(_ context.Context, o launch.Options, _ []string) error {
	dir, err := launch.RunDirOf(o)
	if err != nil {
		return err
	}
	st, err := launch.ReadState(dir)
	if err != nil {
		return err
	}
	if locked, err := launch.Running(dir); err != nil || !locked {
		fmt.Println("not running")
		if st.Status == launch.Failed {
			fmt.Println("the last start failed:", st.Error)
		}
		return errors.Join(err, errQuiet)
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPID\tPORTS\tRSS\tSTATE")
	var total uint64
	for _, p := range append(st.Processes, st.Supervisor) {
		state, rss := "running", p.RSS()
		if p.Exit != "" {
			state = "stopped: " + p.Exit
		}
		total += rss
		fmt.Fprintf(t, "%s\t%d\t%s\t%d MB\t%s\n", p.Name, p.PID, ports(p.Ports), rss>>20, state)
	}
	fmt.Fprintf(t, "total\t\t\t%d MB\t%s\n", total>>20, st.Status)
	t.Flush()
	if st.Status == launch.Broken || st.Error != "" {
		fmt.Println(st.Error)
		return errQuiet
	}
	return nil
}

func ports(m map[string]int) string {
	var list []string
	for name, port := range m {
		list = append(list, fmt.Sprintf("%s %d", name, port))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// logs prints what all, or one app and its sidecar, have logged; -f goes on until interrupted.
func logs(ctx context.Context, o launch.Options, args []string) error {
	dir, err := launch.RunDirOf(o)
	if err != nil {
		return err
	}
	followOn := false
	var app string
	for _, a := range args {
		if a == "-f" {
			followOn = true
		} else {
			app = a
		}
	}
	l := launch.NewLogs(dir, app)
	for {
		found, err := l.Print(os.Stdout)
		if err != nil {
			return err
		}
		if !found && !followOn {
			return fmt.Errorf("no logs of %q in %s", app, dir)
		}
		if !followOn {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}
