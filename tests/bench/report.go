package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"haberdash/internal/roster"
	"haberdash/tests/bench/measure"
)

// compareWithRawInvoke sets OfRaw of each result for which the raw invocation was measured with as many clients.
func compareWithRawInvoke(results []measure.Result) {
	raw := map[int]float64{} // by number of clients
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

// printResults prints the table, the verdicts, and the lag of consumers.
func printResults(results []measure.Result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "case\tclients\tper second\tof raw invoke\tCPU ms\tp50 ms\tp99 ms\terrors\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.2f\t%.1f\t%.1f\t%.1f\t%d\t\n",
			r.Case, r.Clients, r.PerSecond, r.OfRaw, r.CPU, r.P50, r.P99, r.Errors)
	}
	w.Flush()
	for _, r := range results {
		if v := r.Judged; v != nil {
			verdict := "met"
			if !v.Met {
				verdict = "NOT met"
			}
			fmt.Printf("%s, %d clients: %.2f of the %s of %q (aim: %s, %s)\n",
				r.Case, r.Clients, v.Ratio, v.What, v.Against, v.Aim, verdict)
		}
	}
	for _, r := range results {
		for _, app := range roster.FollowersOf(roster.OrdersLog) {
			if r.Lag95[app] > 0 {
				fmt.Printf("%s, %d clients: %s has handled 95%% of the events within %.0f ms\n",
					r.Case, r.Clients, app, r.Lag95[app])
			}
		}
	}
}

func writeResults(path string, results []measure.Result) error {
	b, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
