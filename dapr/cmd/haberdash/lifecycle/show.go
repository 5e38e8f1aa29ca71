package lifecycle

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/logs"
	launchports "haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
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
		if folder := st.Replaced[p.Name]; folder != "" {
			state += ", from " + folder
		}
		switch {
		case p.Detached:
			state = "detached" + heldBy(p)
		case p.Exit != "":
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

// heldBy names the program that runs in the place of a detached app.
func heldBy(p process.Process) string {
	if holder := launchports.Holder(p.Ports["http"]); holder != "" {
		return ", its port is used" + holder
	}
	return ""
}

func ports(m map[string]int) string {
	var list []string
	for name, port := range m {
		list = append(list, fmt.Sprintf("%s %d", name, port))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// Logs prints log lines: of all processes, or of the app that args name and its sidecar. With -f in args it also prints
// new lines until ctx ends.
func Logs(ctx context.Context, o config.Options, args []string) error {
	dir, err := RunDir(o)
	if err != nil {
		return err
	}
	var filter logs.Filter
	format := logs.Format{Colour: isatty.IsTerminal(os.Stdout.Fd()) && os.Getenv("NO_COLOR") == ""}
	flags := flag.NewFlagSet("logs", flag.ContinueOnError)
	follow := flags.Bool("f", false, "print new lines until interrupted")
	flags.StringVar(&filter.Level, "level", "", "the lowest level: debug, info, warn or error")
	flags.StringVar(&filter.Order, "order", "", "lines about an order, by its id or number")
	flags.StringVar(&filter.Trace, "trace", "", "lines of a trace, by its id or a traceparent header")
	flags.BoolVar(&format.JSON, "json", false, "print the lines as the processes have written them")
	if err := flags.Parse(args); err != nil {
		return ErrReported
	}
	filter.Process = flags.Arg(0)
	r, err := logs.NewReader(dir, filter, format)
	if err != nil {
		return err
	}
	for {
		found, err := r.Print(os.Stdout)
		if err != nil {
			return err
		}
		if !found && !*follow {
			return fmt.Errorf("no logs of %q in %s", filter.Process, dir)
		}
		if !*follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}
