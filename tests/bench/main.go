// Command bench measures a shop with real sidecars. It starts a shop on free ports, runs each case with 1, 16 and 64
// clients, prints a table, and writes .run/bench.json. The table also has the raw figures of the sidecar and of a bare
// HTTP handler in the same run; the aims for the gateway are ratios to them. The load generator runs on the same cores
// as the shop.
//
// Settings, from the environment: STATE and PUBSUB choose the infrastructure, CASES is a regular expression of cases,
// which must name the flood to measure it, CLIENTS is one number of clients, and DURATION is that of each measurement;
// default: 5s. OBSERVED=on compares a shop that `make observe` shows with one that nothing looks at.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/tests/bench/lag"
	"haberdash/tests/bench/measure"
)

func main() {
	if os.Getenv(bareHandlerVariable) != "" {
		if err := serveBareHandler(); err != nil {
			fmt.Fprintln(os.Stderr, "bare handler:", err)
			os.Exit(1)
		}
		return
	}
	if address := os.Getenv(floodVariable); address != "" {
		if err := sendFlood(address); err != nil {
			fmt.Fprintln(os.Stderr, "flood:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx)
	process.CloseGuard()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	set, err := readSettings()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "haberdash-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o, err := config.FromEnv()
	if err != nil {
		return err
	}
	out := filepath.Join(cmp.Or(o.RunDir, ".run"), "bench.json")
	if os.Getenv("OBSERVED") == "on" {
		o.Log = os.Stderr
		return compareObserved(ctx, o, dir, set)
	}
	o.RunDir, o.FreePorts, o.GatewayPort, o.Log = dir, true, 0, os.Stderr
	o.Env = map[string]string{
		"RATE_LIMIT": map[bool]string{true: "on", false: "off"}[withFlood()], "LOG_LEVEL": "warn",
		"TRUSTED_PROXIES": "127.0.0.1/32", // so that the clients of a case can choose their addresses
	}
	o, _, stop, err := o.WithServers(ctx)
	if err != nil {
		return err
	}
	defer stop()
	s, err := launch.Start(ctx, o)
	if err != nil {
		return err
	}
	defer s.Stop(context.WithoutCancel(ctx))
	results, err := measureAll(ctx, s, set)
	if err != nil {
		return err
	}
	compareWithRawInvoke(results)
	printResults(results)
	return writeResults(out, results)
}

// settings say what is measured.
type settings struct {
	duration time.Duration  // of each measurement
	clients  []int          // each case runs with each of these numbers
	cases    *regexp.Regexp // of the names of cases
}

func readSettings() (set settings, err error) {
	set = settings{duration: 5 * time.Second, clients: []int{1, 16, 64}}
	if text := os.Getenv("DURATION"); text != "" {
		if set.duration, err = time.ParseDuration(text); err != nil {
			return set, fmt.Errorf("DURATION: %w", err)
		}
	}
	if text := os.Getenv("CLIENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return set, fmt.Errorf("CLIENTS: %q is not a number of clients", text)
		}
		set.clients = []int{n}
	}
	if set.cases, err = regexp.Compile(os.Getenv("CASES")); err != nil {
		return set, fmt.Errorf("CASES: %w", err)
	}
	return set, nil
}

// measureAll measures the selected cases.
func measureAll(ctx context.Context, s *launch.Shop, set settings) (results []measure.Result, err error) {
	cases, stop, err := prepareCases(ctx, s)
	if err != nil {
		return nil, err
	}
	defer stop()
	for _, c := range cases {
		if !set.cases.MatchString(c.Name) {
			continue
		}
		if c.Name == rawInvoke && os.Getenv("SECURE") == "1" {
			fmt.Fprintf(os.Stderr, "%s: skipped, because with SECURE=1 the access rules deny this call\n", c.Name)
			continue
		}
		for _, n := range set.clients {
			if c.Pause > 0 && n > 1 {
				continue
			}
			before, err := lag.Read(s)
			if err != nil {
				return nil, err
			}
			r, err := measure.Measure(ctx, c, baselineOf(c, cases), n, set.duration, cpuOf(s))
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(os.Stderr, "%s, %d clients: %.0f/s; CPU ms each: %s\n",
				r.Case, r.Clients, r.PerSecond, r.CPUByProcess())
			if r.Lag95, err = lag.Since(ctx, s, before); err != nil {
				return nil, err
			}
			results = append(results, r)
		}
	}
	return results, nil
}

// baselineOf returns the baseline of a case, or nil if it has none.
func baselineOf(c measure.Case, cases []measure.Case) *measure.Case {
	if i := slices.IndexFunc(cases, func(other measure.Case) bool { return other.Name == c.Baseline }); i >= 0 {
		return &cases[i]
	}
	return nil
}

// cpuOf returns a function that returns the processor time that each process of the shop has used. On a busy machine it
// varies less than the elapsed time.
func cpuOf(s *launch.Shop) measure.CPU {
	return func() map[string]time.Duration {
		used := map[string]time.Duration{}
		forEachProcess(s, func(name string, p *gopsutil.Process) {
			if t, err := p.Times(); err == nil {
				used[name] = time.Duration((t.User + t.System) * float64(time.Second))
			}
		})
		return used
	}
}

// memoryByProcess returns the resident memory of each process of the shop, in megabytes.
func memoryByProcess(s *launch.Shop) map[string]float64 {
	used := map[string]float64{}
	forEachProcess(s, func(name string, p *gopsutil.Process) {
		if m, err := p.MemoryInfo(); err == nil {
			used[name] = float64(m.RSS) / 1e6
		}
	})
	return used
}

func forEachProcess(s *launch.Shop, do func(name string, p *gopsutil.Process)) {
	for _, p := range s.State().Processes {
		if found, err := gopsutil.NewProcess(int32(p.PID)); err == nil {
			do(p.Name, found)
		}
	}
}
