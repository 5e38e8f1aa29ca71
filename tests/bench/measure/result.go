package measure

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Result is the result of a case with one number of clients. Times are in milliseconds.
type Result struct {
	Case      string  `json:"case"`
	Clients   int     `json:"clients"`
	PerSecond float64 `json:"perSecond"`
	OfRaw     float64 `json:"ofRawInvoke"` // PerSecond divided by that of the raw invocation through the sidecar
	CPU       float64 `json:"cpuMs"`       // of all processes of the shop, for one operation
	// Processes has the processor time of each process for one operation.
	Processes map[string]float64 `json:"cpuMsByProcess"`
	P50       float64            `json:"p50ms"`
	P99       float64            `json:"p99ms"`
	Errors    int                `json:"errors"`
	// Lag95 is, for each app, the 95th percentile of the time from the commit of an event until the app has handled it.
	Lag95    map[string]float64 `json:"eventLag95ms,omitempty"`
	FirstErr string             `json:"firstError,omitempty"`
	Judged   *Verdict           `json:"judged,omitempty"`
}

// Verdict compares a result with the baseline of the same run and number of clients.
type Verdict struct {
	Against string  `json:"against"`
	What    string  `json:"what"` // rate or p99
	Ratio   float64 `json:"ratio"`
	Aim     string  `json:"aim"`
	Met     bool    `json:"met"`
}

// judge compares a result with that of its baseline. It returns nil if there is nothing to compare.
func judge(c Case, own, base Result) *Verdict {
	if c.AtMost > 0 && base.P99 > 0 {
		ratio := own.P99 / base.P99
		return &Verdict{
			Against: c.Baseline, What: "p99", Ratio: ratio, Aim: fmt.Sprintf("at most %.2f", c.AtMost),
			Met: own.Errors == 0 && ratio <= c.AtMost,
		}
	}
	if c.AtLeast > 0 && base.PerSecond > 0 {
		ratio := own.PerSecond / base.PerSecond
		return &Verdict{
			Against: c.Baseline, What: "rate", Ratio: ratio, Aim: fmt.Sprintf("at least %.2f", c.AtLeast),
			Met: own.Errors == 0 && ratio >= c.AtLeast,
		}
	}
	return nil
}

// CPUByProcess lists the processor time of each process for one operation, the highest first.
func (r Result) CPUByProcess() string {
	names := slices.SortedFunc(maps.Keys(r.Processes), func(a, b string) int {
		return cmp.Compare(r.Processes[b], r.Processes[a])
	})
	var b strings.Builder
	for _, name := range names {
		if r.Processes[name] >= 0.005 {
			fmt.Fprintf(&b, "%s %.2f ", name, r.Processes[name])
		}
	}
	return b.String()
}
