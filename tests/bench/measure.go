package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// benchCase is one thing that is measured. setup, if any, runs before each measurement, for that many
// clients and that long; op is done over and over by each client.
type benchCase struct {
	name  string
	setup func(ctx context.Context, clients int, d time.Duration) error
	op    func(ctx context.Context) error

	// rest is how long the one client waits after each op, which is not counted: so nothing of the one before is under
	// way. Without it, clients come one op after the other.
	rest time.Duration

	// beside, if any, goes on while op is measured.
	beside func(ctx context.Context) error

	// The case of the same run that this one is judged by, and how: at least that part of its rate, or at most that
	// multiple of its 99th percentile.
	against         string
	atLeast, atMost float64
}

// result of one case with one number of clients. Times are in milliseconds.
type result struct {
	Case      string  `json:"case"`
	Clients   int     `json:"clients"`
	PerSecond float64 `json:"perSecond"`
	OfRaw     float64 `json:"ofRawInvoke"` // PerSecond over that of the sidecar's raw invocation
	CPU       float64 `json:"cpuMs"`       // of all processes of the shop, for one operation
	// Processes is the same by process.
	Processes map[string]float64 `json:"cpuMsByProcess"`
	P50       float64            `json:"p50ms"`
	P99       float64            `json:"p99ms"`
	Errors    int                `json:"errors"`
	// Lag95 is within how many milliseconds of its commit an app has handled 95% of the events, by app.
	Lag95    map[string]float64 `json:"eventLag95ms,omitempty"`
	FirstErr string             `json:"firstError,omitempty"`
	Judged   *verdict           `json:"judged,omitempty"`
}

// verdict compares a result with another case of the same run and number of clients.
type verdict struct {
	Against string  `json:"against"`
	What    string  `json:"what"` // "rate" or "p99"
	Ratio   float64 `json:"ratio"`
	Aim     string  `json:"aim"`
	Met     bool    `json:"met"`
}

// judge gives nil without the other case.
func judge(c benchCase, r result, all []result) *verdict {
	for _, other := range all {
		if other.Case != c.against || other.Clients != r.Clients {
			continue
		}
		if c.atMost > 0 && other.P99 > 0 {
			ratio := r.P99 / other.P99
			return &verdict{c.against, "p99", ratio, fmt.Sprintf("at most %.2f", c.atMost), r.Errors == 0 && ratio <= c.atMost}
		}
		if c.atLeast > 0 && other.PerSecond > 0 {
			ratio := r.PerSecond / other.PerSecond
			return &verdict{c.against, "rate", ratio, fmt.Sprintf("at least %.2f", c.atLeast), r.Errors == 0 && ratio >= c.atLeast}
		}
	}
	return nil
}

// shares are the processes by what they cost, the dearest first.
func (r result) shares() string {
	names := slices.SortedFunc(maps.Keys(r.Processes), func(a, b string) int { return cmp.Compare(r.Processes[b], r.Processes[a]) })
	var b strings.Builder
	for _, name := range names {
		if r.Processes[name] >= 0.05 {
			fmt.Fprintf(&b, "%s %.1f ", name, r.Processes[name])
		}
	}
	return b.String()
}

// errDone is returned by an op that has nothing left to do: the measurement ends early.
var errDone = fmt.Errorf("nothing left to do")

// measure runs the case's op with n clients in a closed loop for d. cpu is the time that the shop's processes have
// used so far.
func measure(ctx context.Context, c benchCase, n int, d time.Duration, cpu func() map[string]time.Duration) (result, error) {
	if c.setup != nil {
		if err := c.setup(ctx, n, d); err != nil {
			return result{}, fmt.Errorf("%s: set up: %w", c.name, err)
		}
	}
	fmt.Fprintf(os.Stderr, "%s, %d clients, for %s\n", c.name, n, d)
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		times  []time.Duration
		errors atomic.Int64
		first  string
	)
	besides := make(chan error, 1)
	beside, leave := context.WithCancel(ctx)
	defer leave()
	if c.beside == nil {
		besides <- nil
	} else {
		go func() { besides <- c.beside(beside) }()
	}
	start, used := time.Now(), cpu()
	for range n {
		wg.Go(func() {
			var own []time.Duration
			for ctx.Err() == nil {
				began := time.Now()
				err := c.op(ctx)
				if err == errDone {
					break
				}
				if ctx.Err() != nil {
					break // cut off by the end of the measurement
				}
				if err != nil {
					errors.Add(1)
					mu.Lock()
					first = err.Error()
					mu.Unlock()
					continue
				}
				own = append(own, time.Since(began))
				if c.rest > 0 {
					select {
					case <-time.After(c.rest):
					case <-ctx.Done():
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, own...)
		})
	}
	wg.Wait()
	took := time.Since(start)
	leave()
	if err := <-besides; err != nil {
		return result{}, fmt.Errorf("beside %s: %w", c.name, err)
	}
	r := result{Case: c.name, Clients: n, PerSecond: float64(len(times)) / took.Seconds(), Errors: int(errors.Load()), FirstErr: first}
	if len(times) > 0 {
		r.Processes = map[string]float64{}
		for name, after := range cpu() {
			each := millis(after-used[name]) / float64(len(times))
			r.CPU += each
			r.Processes[name] = each
		}
	}
	slices.Sort(times)
	if len(times) > 0 {
		r.P50, r.P99 = millis(times[len(times)/2]), millis(times[len(times)*99/100])
	}
	return r, nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
