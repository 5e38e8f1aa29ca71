// Command matrix tests Haberdash on every choice of infrastructure, with real servers. It runs the conformance suites
// on each state store and each message broker, and the end-to-end tests on each combination of the two. Arguments such
// as redis:kafka select combinations; without arguments it tests all. It prints a table, writes it to .run/matrix.md,
// and exits with 1 if a run failed.
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

// combination is a state store and a broker, as the names of folders in components/.
type combination struct{ state, pubsub string }

// run is one run of tests. For the conformance suites of a state store, pubsub is empty; for those of a broker, state
// is.
type run struct {
	combination
	packages []string
	tests    string // the pattern for go test -run; empty for all tests

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
	wanted, err := combinations(args, states, brokers)
	if err != nil {
		return err
	}
	runs := plan(wanted)
	failed := 0
	for i := range runs {
		if runs[i].execute(ctx); runs[i].err != nil {
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

// choices returns the names of the folders in components/state and components/pubsub, those without a server first.
func choices() (states, brokers []string, err error) {
	for _, kind := range []struct {
		name, first string
		list        *[]string
	}{{"state", "sqlite", &states}, {"pubsub", "embedded", &brokers}} {
		entries, err := os.ReadDir(filepath.Join("components", kind.name))
		if err != nil {
			return nil, nil, fmt.Errorf("run this in the checkout: %w", err)
		}
		for _, e := range entries {
			*kind.list = append(*kind.list, e.Name())
		}
		slices.SortStableFunc(*kind.list, func(a, b string) int {
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

// combinations returns the combinations that args select, or all.
func combinations(args, states, brokers []string) (list []combination, err error) {
	for _, arg := range args {
		state, pubsub, _ := strings.Cut(arg, ":")
		if !slices.Contains(states, state) || !slices.Contains(brokers, pubsub) {
			return nil, fmt.Errorf("%q is no combination: expected one of %s, a colon, and one of %s",
				arg, strings.Join(states, ", "), strings.Join(brokers, ", "))
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

// onStores are the packages whose conformance suites run on each state store, and storeTests the tests that run them.
var onStores = []string{
	"./internal/sidecar/daprd", "./internal/sidecar/daprd/workflow", "./internal/commitlog", "./internal/consumer",
}

const storeTests = "^(TestState|TestStateWithoutItsServer|TestWorkflows|TestThroughSidecar)$"

// brokerTests are the tests of internal/sidecar/daprd that run on each message broker.
const brokerTests = "^(TestMessages|TestDeadLetters|TestSubscriptionsRouteByTheAttributesOfCloudEvents|" +
	"TestMessagesOfEarlierReleasesArrive|TestReplicasShareMessages|TestAppsUseOnlyTheirTopics)$"

// plan returns the runs: the conformance suites of each store and each broker, then the end-to-end tests of each
// combination.
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
		runs = append(runs, run{combination: combination{state: s}, packages: onStores, tests: storeTests})
	}
	for _, b := range brokers {
		runs = append(runs, run{
			combination: combination{pubsub: b},
			packages:    []string{"./internal/sidecar/daprd"}, tests: brokerTests,
		})
	}
	for _, c := range wanted {
		runs = append(runs, run{combination: c, packages: []string{"./tests/e2e"}})
	}
	return runs
}

func (r *run) name() string { return strings.Trim(r.state+"-"+r.pubsub, "-") }

// execute runs the tests and records their duration and error. Their output is in .run/matrix/.
func (r *run) execute(ctx context.Context) {
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
		fmt.Fprint(os.Stderr, lastLines(path, 60), failures(path))
	}
}

// cell is the result of the run, for the table.
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

// failures returns what the tests that failed printed, at most 40 lines each. The logs of the shop follow them in the
// output, so the last lines alone seldom name a test.
func failures(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	left := 0 // lines that may still be printed of the present test
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.Contains(line, "--- FAIL: ") || strings.HasPrefix(line, "panic: "):
			left = 40
		case !strings.HasPrefix(line, " "):
			left = 0
		}
		if left > 0 {
			b.WriteString(line)
			left--
		}
	}
	return b.String()
}

// report returns the table in Markdown: a row for each state store, a column for each broker. Cells without a run are
// empty.
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
