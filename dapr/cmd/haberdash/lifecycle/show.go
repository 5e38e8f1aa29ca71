package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/logs"
	"haberdash/dapr/launch/rundir"
)

// Status prints what runs. It returns ErrReported if the shop is not running or one of its processes has stopped.
func Status(_ context.Context, o config.Options, _ []string) error {
	dir, err := RunDir(o)
	if err != nil {
		return err
	}
	st, err := rundir.ReadState(dir)
	if err != nil {
		return err
	}
	if locked, err := rundir.Running(dir); err != nil || !locked {
		fmt.Println("not running")
		if st.Status == rundir.Failed {
			fmt.Println("the last start failed:", st.Error)
		}
		return errors.Join(err, ErrReported)
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPID\tPORTS\tMEMORY\tSTATE")
	var total uint64
	for _, p := range append(st.Processes, st.Supervisor) {
		state, memory := "running", p.Memory()
		if p.Exit != "" {
			state = "stopped: " + p.Exit
		}
		total += memory
		fmt.Fprintf(t, "%s\t%d\t%s\t%d MB\t%s\n", p.Name, p.PID, ports(p.Ports), memory>>20, state)
	}
	fmt.Fprintf(t, "total\t\t\t%d MB\t%s\n", total>>20, st.Status)
	t.Flush()
	if st.Status == rundir.Broken || st.Error != "" {
		fmt.Println(st.Error)
		return ErrReported
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

// Logs prints the logs of all processes, or of the app that args name and its sidecar. With -f in args it also prints
// new lines until ctx ends.
func Logs(ctx context.Context, o config.Options, args []string) error {
	dir, err := RunDir(o)
	if err != nil {
		return err
	}
	follow := false
	var app string
	for _, a := range args {
		if a == "-f" {
			follow = true
		} else {
			app = a
		}
	}
	r := logs.NewReader(dir, app)
	for {
		found, err := r.Print(os.Stdout)
		if err != nil {
			return err
		}
		if !found && !follow {
			return fmt.Errorf("no logs of %q in %s", app, dir)
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}
