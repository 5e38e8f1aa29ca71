// Command bench measures a shop through real sidecars: it starts one of its own on free ports (STATE= and
// PUBSUB= choose the infrastructure), buys from it with 1, 16 and 64 clients, and prints a table beside the
// raw figures of the sidecar and of a bare handler in the same run. What the gateway is held to are ratios of them. The load generator runs on the same cores.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/internal/roster"
)

func main() {
	if os.Getenv(bareVariable) != "" {
		if err := serveBare(); err != nil {
			fmt.Fprintln(os.Stderr, "bare handler:", err)
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
	duration := 5 * time.Second
	if text := os.Getenv("DURATION"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("DURATION: %w", err)
		}
		duration = d
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
	out := o.RunDir
	if out == "" {
		out = ".run"
	}
	o.RunDir, o.FreePorts, o.GatewayPort, o.Log = dir, true, 0, os.Stderr
	o.Env = map[string]string{"RATE_LIMIT": "off", "LOG_LEVEL": "warn", "TRUSTED_PROXIES": "127.0.0.0/8"} // see guessing
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

	cases, done, err := prepare(ctx, s)
	if err != nil {
		return err
	}
	defer done()
	// Each case runs with these numbers of clients, for the duration each time.
	clients := []int{1, 16, 64}
	if text := os.Getenv("CLIENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("CLIENTS: %q is no number of clients", text)
		}
		clients = []int{n}
	}
	var results []result
	only, err := regexp.Compile(os.Getenv("CASES"))
	if err != nil {
		return fmt.Errorf("CASES: %w", err)
	}
	for _, c := range cases {
		if !only.MatchString(c.name) {
			continue
		}
		if c.name == rawInvoke && os.Getenv("SECURE") == "1" {
			fmt.Fprintf(os.Stderr, "%s: not with SECURE=1, nobody may ask for it\n", c.name)
			continue
		}
		for _, n := range clients {
			if c.rest > 0 && n > 1 {
				continue
			}
			before, err := lags(s)
			if err != nil {
				return err
			}
			r, err := measure(ctx, c, judgeOf(c, cases), n, duration, func() map[string]time.Duration { return cpuOf(s) })
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s, %d clients: %.0f/s; CPU ms each: %s\n", r.Case, r.Clients, r.PerSecond, r.shares())
			if r.Lag95, err = since(ctx, s, before); err != nil {
				return err
			}
			results = append(results, r)
		}
	}
	compare(results)
	print(results)
	return write(filepath.Join(out, "bench.json"), results)
}

// judgeOf is the case that another is judged by, nil if by none.
func judgeOf(c benchCase, cases []benchCase) *benchCase {
	if i := slices.IndexFunc(cases, func(other benchCase) bool { return other.name == c.against }); i >= 0 {
		return &cases[i]
	}
	return nil
}

// cpuOf is the processor time that each of a shop's processes has used: it tells less of a busy machine than the clock.
func cpuOf(s *launch.Shop) map[string]time.Duration {
	used := map[string]time.Duration{}
	for _, p := range s.State().Processes {
		if ps, err := gopsutil.NewProcess(int32(p.PID)); err == nil {
			if t, err := ps.Times(); err == nil {
				used[p.Name] = time.Duration((t.User + t.System) * float64(time.Second))
			}
		}
	}
	return used
}

// compare puts every case beside the raw invocation of the same run with as many clients.
func compare(results []result) {
	raw := map[int]float64{}
	for _, r := range results {
		if r.Case == rawInvoke {
			raw[r.Clients] = r.PerSecond
		}
	}
	for i, r := range results {
		if raw[r.Clients] > 0 {
			results[i].OfRaw = r.PerSecond / raw[r.Clients]
		}
	}
}

func print(results []result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "case\tclients\tper second\tof raw invoke\tCPU ms\tp50 ms\tp99 ms\terrors\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.2f\t%.1f\t%.1f\t%.1f\t%d\t\n", r.Case, r.Clients, r.PerSecond, r.OfRaw, r.CPU, r.P50, r.P99, r.Errors)
	}
	w.Flush()
	for _, r := range results {
		if v := r.Judged; v != nil {
			verdict := "met"
			if !v.Met {
				verdict = "NOT met"
			}
			fmt.Printf("%s, %d clients: %.2f of the %s of %q (aim: %s, %s)\n", r.Case, r.Clients, v.Ratio, v.What, v.Against, v.Aim, verdict)
		}
	}
	for _, r := range results {
		for _, app := range roster.FollowersOf(roster.OrdersLog) {
			if r.Lag95[app] > 0 {
				fmt.Printf("%s, %d clients: %s has handled 95%% of the events within %.0f ms\n", r.Case, r.Clients, app, r.Lag95[app])
			}
		}
	}
}

func write(path string, results []result) error {
	b, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
