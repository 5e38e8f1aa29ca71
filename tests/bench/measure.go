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

// judge compares a case with the one that it is judged by. Both were measured in turns.
func judge(c benchCase, own, other result) *verdict {
	if c.atMost > 0 && other.P99 > 0 {
		ratio := own.P99 / other.P99
		return &verdict{c.against, "p99", ratio, fmt.Sprintf("at most %.2f", c.atMost), own.Errors == 0 && ratio <= c.atMost}
	}
	if c.atLeast > 0 && other.PerSecond > 0 {
		ratio := own.PerSecond / other.PerSecond
		return &verdict{c.against, "rate", ratio, fmt.Sprintf("at least %.2f", c.atLeast), own.Errors == 0 && ratio >= c.atLeast}
	}
	return nil
}

// shares are the processes by what they cost, the dearest first.
func (r result) shares() string {
	names := slices.SortedFunc(maps.Keys(r.Processes), func(a, b string) int { return cmp.Compare(r.Processes[b], r.Processes[a]) })
	var b strings.Builder
	for _, name := range names {
		if r.Processes[name] >= 0.005 {
			fmt.Fprintf(&b, "%s %.2f ", name, r.Processes[name])
		}
	}
	return b.String()
}

// errDone is returned by an op that has nothing left to do: the measurement ends early.
var errDone = fmt.Errorf("nothing left to do")

// turns is how often a case and the one that it is judged by are measured, one after the other: what else the machine
// does, and how fast it runs, changes from minute to minute.
const turns = 4

// measure runs the case's op with n clients in a closed loop for d, and, in turns with it, that of the case that it is
// judged by for as long. cpu is the time that the shop's processes have used so far.
func measure(ctx context.Context, c benchCase, against *benchCase, n int, d time.Duration, cpu func() map[string]time.Duration) (result, error) {
	var own, other sample
	if against == nil {
		if err := own.add(ctx, c, n, d, cpu); err != nil {
			return result{}, err
		}
		return own.result(c, n), nil
	}
	for range turns {
		if err := other.add(ctx, *against, n, d/turns, cpu); err != nil {
			return result{}, err
		}
		if err := own.add(ctx, c, n, d/turns, cpu); err != nil {
			return result{}, err
		}
	}
	r := own.result(c, n)
	r.Judged = judge(c, r, other.result(*against, n))
	return r, nil
}

// sample is what was measured of a case so far.
type sample struct {
	mu     sync.Mutex
	times  []time.Duration
	errors int
	first  string
	took   time.Duration
	cpu    map[string]time.Duration
}

// add measures for d more.
func (s *sample) add(ctx context.Context, c benchCase, n int, d time.Duration, cpu func() map[string]time.Duration) error {
	if c.setup != nil {
		if err := c.setup(ctx, n, d); err != nil {
			return fmt.Errorf("%s: set up: %w", c.name, err)
		}
	}
	fmt.Fprintf(os.Stderr, "%s, %d clients, for %s\n", c.name, n, d)
	ctx, cancel := context.WithCancel(ctx) // no deadline: a sidecar would be told of it, and call the last op an error
	defer cancel()
	defer time.AfterFunc(d, cancel).Stop()
	besides := make(chan error, 1)
	beside, leave := context.WithCancel(ctx)
	defer leave()
	if c.beside == nil {
		besides <- nil
	} else {
		go func() { besides <- c.beside(beside) }()
	}
	var clients sync.WaitGroup
	start, used := time.Now(), cpu()
	for range n {
		clients.Go(func() { s.client(ctx, c) })
	}
	clients.Wait()
	s.took += time.Since(start)
	if s.cpu == nil {
		s.cpu = map[string]time.Duration{}
	}
	for name, after := range cpu() {
		s.cpu[name] += after - used[name]
	}
	leave()
	if err := <-besides; err != nil {
		return fmt.Errorf("beside %s: %w", c.name, err)
	}
	return nil
}

// client does the case's op until ctx ends.
func (s *sample) client(ctx context.Context, c benchCase) {
	var own []time.Duration
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.times = append(s.times, own...)
	}()
	for ctx.Err() == nil {
		began := time.Now()
		err := c.op(ctx)
		if err == errDone || ctx.Err() != nil { // cut off by the end of the measurement
			return
		}
		if err != nil {
			s.mu.Lock()
			s.errors, s.first = s.errors+1, err.Error()
			s.mu.Unlock()
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
}

func (s *sample) result(c benchCase, n int) result {
	r := result{Case: c.name, Clients: n, PerSecond: float64(len(s.times)) / s.took.Seconds(), Errors: s.errors, FirstErr: s.first}
	if len(s.times) == 0 {
		return r
	}
	r.Processes = map[string]float64{}
	for name, used := range s.cpu {
		each := millis(used) / float64(len(s.times))
		r.CPU += each
		r.Processes[name] = each
	}
	slices.Sort(s.times)
	r.P50, r.P99 = millis(s.times[len(s.times)/2]), millis(s.times[len(s.times)*99/100])
	return r
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
