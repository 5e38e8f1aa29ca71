// Command matrix runs one behaviour suite on every choice of infrastructure: the conformance suites of the ports on
// each state store and each broker, and the whole end-to-end suite on each combination of the two, with real servers.
// Arguments such as redis:kafka choose combinations; none means all. It prints a table, which stays in
// .run/matrix.md, and exits with 1 if anything failed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// combination of a state store and a broker, as folders in components/.
type combination struct{ state, pubsub string }

// run is a suite on a choice. The other of state and pubsub is empty in a conformance run.
type run struct {
	combination
	packages []string
	tests    string // a pattern; empty: all

	took time.Duration
	err  error
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := matrix(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

func matrix(ctx context.Context, args []string) error {
	states, brokers, err := choices()
	if err != nil {
		return err
	}
	wanted, err := wantedOf(args, states, brokers)
	if err != nil {
		return err
	}
	runs := plan(wanted)
	failed := 0
	for i := range runs {
		if runs[i].do(ctx); runs[i].err != nil {
			failed++
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	table := report(runs)
	fmt.Println(table)
	if err := os.WriteFile(filepath.Join(".run", "matrix.md"), []byte(table), 0o644); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d runs failed: see .run/matrix/", failed, len(runs))
	}
	return nil
}

// choices are the folders below components/, the embedded ones first.
func choices() (states, brokers []string, err error) {
	for _, kind := range []struct {
		name, first string
		to          *[]string
	}{{"state", "sqlite", &states}, {"pubsub", "embedded", &brokers}} {
		entries, err := os.ReadDir(filepath.Join("components", kind.name))
		if err != nil {
			return nil, nil, fmt.Errorf("run this in the checkout: %w", err)
		}
		for _, e := range entries {
			*kind.to = append(*kind.to, e.Name())
		}
		slices.SortStableFunc(*kind.to, func(a, b string) int {
			switch kind.first {
			case a:
				return -1
			case b:
				return 1
			}
			return strings.Compare(a, b)
		})
	}
	return states, brokers, nil
}

func wantedOf(args, states, brokers []string) (list []combination, err error) {
	for _, arg := range args {
		state, pubsub, _ := strings.Cut(arg, ":")
		if !slices.Contains(states, state) || !slices.Contains(brokers, pubsub) {
			return nil, fmt.Errorf("%q is no combination: one of %s, a colon, and one of %s", arg, strings.Join(states, ", "), strings.Join(brokers, ", "))
		}
		list = append(list, combination{state, pubsub})
	}
	if len(list) > 0 {
		return list, nil
	}
	for _, state := range states {
		for _, pubsub := range brokers {
			list = append(list, combination{state, pubsub})
		}
	}
	return list, nil
}

// plan has each store and each broker hold its port's suite, then each combination the whole.
func plan(wanted []combination) (runs []run) {
	var states, brokers []string
	for _, c := range wanted {
		if !slices.Contains(states, c.state) {
			states = append(states, c.state)
		}
		if !slices.Contains(brokers, c.pubsub) {
			brokers = append(brokers, c.pubsub)
		}
	}
	for _, s := range states {
		runs = append(runs, run{combination: combination{state: s},
			packages: []string{"./internal/sidecar/daprd", "./internal/sidecar/daprd/workflow", "./internal/commitlog"},
			tests:    "^(TestState|TestThroughSidecar|TestWorkflows)$"})
	}
	for _, b := range brokers {
		runs = append(runs, run{combination: combination{pubsub: b},
			packages: []string{"./internal/sidecar/daprd"}, tests: "^(TestMessages|TestDeadLetters)$"})
	}
	for _, c := range wanted {
		runs = append(runs, run{combination: c, packages: []string{"./tests/e2e"}})
	}
	return runs
}

func (r *run) name() string {
	return strings.Trim(r.state+"-"+r.pubsub, "-")
}

func (r *run) do(ctx context.Context) {
	dir := filepath.Join(".run", "matrix")
	if r.err = os.MkdirAll(dir, 0o755); r.err != nil {
		return
	}
	path := filepath.Join(dir, r.name()+".log")
	log, err := os.Create(path)
	if err != nil {
		r.err = err
		return
	}
	defer log.Close()
	args := []string{"test", "-count=1", "-timeout=15m", "-p=1"}
	if r.tests != "" {
		args = append(args, "-run", r.tests)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, r.packages...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	cmd.Env = append(os.Environ(), "STATE="+r.state, "PUBSUB="+r.pubsub)
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	r.err = cmd.Run()
	r.took = time.Since(began)
	fmt.Fprintf(os.Stderr, "%s: %s\n", r.name(), r.cell())
	if r.err != nil {
		var exit *exec.ExitError
		if !errors.As(r.err, &exit) {
			fmt.Fprintln(os.Stderr, r.err)
		}
		fmt.Fprint(os.Stderr, lastLines(path, 60))
	}
}

func (r run) cell() string {
	verdict := "passed"
	if r.err != nil {
		verdict = "FAILED"
	}
	return fmt.Sprintf("%s, %.0f s", verdict, r.took.Seconds())
}

func lastLines(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.SplitAfter(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// report is the table in Markdown: a store a row, a broker a column; what was not run is empty.
func report(runs []run) string {
	var states, brokers []string
	cells := map[combination]string{}
	for _, r := range runs {
		cells[r.combination] = r.cell()
		if r.state != "" && !slices.Contains(states, r.state) {
			states = append(states, r.state)
		}
		if r.pubsub != "" && !slices.Contains(brokers, r.pubsub) {
			brokers = append(brokers, r.pubsub)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| state \\ pubsub | suite of the port |")
	for _, p := range brokers {
		fmt.Fprintf(&b, " %s |", p)
	}
	fmt.Fprintf(&b, "\n|---|---|%s\n| suite of the port | |", strings.Repeat("---|", len(brokers)))
	for _, p := range brokers {
		fmt.Fprintf(&b, " %s |", cells[combination{pubsub: p}])
	}
	for _, s := range states {
		fmt.Fprintf(&b, "\n| %s | %s |", s, cells[combination{state: s}])
		for _, p := range brokers {
			fmt.Fprintf(&b, " %s |", cells[combination{s, p}])
		}
	}
	return b.String() + "\n"
}
