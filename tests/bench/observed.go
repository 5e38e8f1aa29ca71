package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/observe"
	"haberdash/tests/bench/measure"
)

// observedCases are what customers do most.
var observedCases = []string{
	"gateway: one product, cached", "gateway: one product, not cached", "new cart with one item", placeOrder,
}

// observedTurns is how often both shops are measured in turns.
const observedTurns = 10

// compareObserved compares the processor time and the memory of two shops in one run: one shows itself to Prometheus
// and Jaeger (one trace of ten) as `make observe` sets them up, and nothing looks at the other. The time is that of the
// shop's own processes, without the servers that show it. Both shops write the same log lines; the store of logs does
// not run, because it would take a part of the caches while one of the shops is measured.
func compareObserved(ctx context.Context, o config.Options, dir string, set settings) error {
	o.FreePorts, o.GatewayPort = true, 0
	o.Env = map[string]string{"RATE_LIMIT": "off", "TRUSTED_PROXIES": "127.0.0.1/32"}
	start := func(name string) (config.Options, *launch.Shop, error) {
		o := o
		o.RunDir = filepath.Join(dir, name)
		o, err := o.Complete()
		if err != nil {
			return o, nil, err
		}
		s, err := launch.Start(ctx, o)
		return o, s, err
	}
	_, plain, err := start("plain")
	if err != nil {
		return err
	}
	defer plain.Stop(context.WithoutCancel(ctx))
	o, shown, err := start("shown")
	if err != nil {
		return err
	}
	defer shown.Stop(context.WithoutCancel(ctx))
	with := observe.Options{
		Root: o.Root, RunDir: o.RunDir, Log: o.Log, Servers: []string{"alertmanager", "prometheus", "jaeger"},
		Tracing: map[string]string{
			"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1",
		},
	}
	if err := observe.Build(ctx, with); err != nil {
		return err
	}
	servers, err := observe.Start(ctx, with)
	if err != nil {
		return err
	}
	defer servers.Stop()
	if err := shown.FollowObserve(ctx); err != nil {
		return err
	}
	return compareShops(ctx, plain, shown, set)
}

// compareShops measures the cases in turns and prints a table.
func compareShops(ctx context.Context, plain, shown *launch.Shop, set settings) error {
	ofPlain, stop, err := prepareCases(ctx, plain)
	if err != nil {
		return err
	}
	defer stop()
	ofShown, stop, err := prepareCases(ctx, shown)
	if err != nil {
		return err
	}
	defer stop()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "case\tclients\tCPU ms\tobserved\tmedian of the ratios\tfrom\tto\terrors\t")
	for i, c := range ofPlain {
		if !slices.Contains(observedCases, c.Name) || !set.cases.MatchString(c.Name) {
			continue
		}
		for _, n := range set.clients {
			a, b, err := measure.Compare(ctx,
				measure.Subject{Case: c, CPU: cpuOf(plain)}, measure.Subject{Case: ofShown[i], CPU: cpuOf(shown)},
				n, set.duration, observedTurns)
			if err != nil {
				return err
			}
			var ratios, before, after []float64
			errors := 0
			for turn := range a {
				before, after = append(before, a[turn].CPU), append(after, b[turn].CPU)
				ratios = append(ratios, b[turn].CPU/a[turn].CPU)
				errors += a[turn].Errors + b[turn].Errors
			}
			slices.Sort(ratios)
			fmt.Fprintf(os.Stderr, "%s, %d clients: CPU ms of each process\n", c.Name, n)
			for _, name := range slices.Sorted(maps.Keys(a[0].Processes)) {
				of := func(r measure.Result) float64 { return r.Processes[name] }
				fmt.Fprintf(os.Stderr, "  %-20s %.3f %.3f\n", name, medianOf(a, of), medianOf(b, of))
			}
			fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f\t%.3f\t%.3f\t%.3f\t%d\t\n", c.Name, n, median(before), median(after),
				median(ratios), ratios[0], ratios[len(ratios)-1], errors)
		}
	}
	fmt.Fprintln(w, "resident memory of\t\tMB\tobserved\t\t\t\t\t")
	before, after := memoryByProcess(plain), memoryByProcess(shown)
	for _, app := range plain.Apps() {
		fmt.Fprintf(w, "%s\t\t%.1f\t%.1f\t\t\t\t\t\n", app, before[app], after[app])
	}
	return w.Flush()
}

func medianOf(results []measure.Result, value func(measure.Result) float64) float64 {
	var values []float64
	for _, r := range results {
		values = append(values, value(r))
	}
	return median(values)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
