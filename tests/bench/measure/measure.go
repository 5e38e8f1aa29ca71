// Package measure measures operations in a closed loop: each client begins the next operation when the one before has
// ended.
package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Case is an operation that is measured.
type Case struct {
	Name  string
	Setup func(ctx context.Context, clients int, d time.Duration) error // before each measurement; may be nil
	Op    func(ctx context.Context) error

	// Pause is the time that a client waits after each operation, so that nothing of the operation before is still
	// running. It is not measured.
	Pause time.Duration

	// Background, if set, runs while the operation is measured.
	Background func(ctx context.Context) error

	// Baseline is the name of the case with which this one is compared, if any. The aim is at least AtLeast times the
	// rate of the baseline, or at most AtMost times its 99th percentile.
	Baseline        string
	AtLeast, AtMost float64
}

// ErrDone is returned by an operation that has nothing left to do. The client ends.
var ErrDone = errors.New("nothing left to do")

// CPU returns the processor time that each process of the shop has used so far.
type CPU func() map[string]time.Duration

// turns is how often a case and its baseline are measured in turns. Other load on the machine, and its clock rate,
// change from minute to minute.
const turns = 4

// Measure measures a case with n clients for d. If there is a baseline, it is measured in turns with the case for as
// long, and the result has a verdict.
func Measure(ctx context.Context, c Case, baseline *Case, n int, d time.Duration, cpu CPU) (Result, error) {
	var own, base sample
	if baseline == nil {
		if err := own.measure(ctx, c, n, d, cpu); err != nil {
			return Result{}, err
		}
		return own.result(c, n), nil
	}
	for range turns {
		if err := base.measure(ctx, *baseline, n, d/turns, cpu); err != nil {
			return Result{}, err
		}
		if err := own.measure(ctx, c, n, d/turns, cpu); err != nil {
			return Result{}, err
		}
	}
	r := own.result(c, n)
	r.Judged = judge(c, r, base.result(*baseline, n))
	return r, nil
}

// Subject is a case of one of two shops.
type Subject struct {
	Case
	CPU CPU
}

// Compare measures two subjects in turns with n clients, each for d in a turn. Every second turn has the other order.
// It returns the results of each turn.
func Compare(ctx context.Context, a, b Subject, n int, d time.Duration, turns int) (ofA, ofB []Result, err error) {
	for turn := range turns {
		first, second, ofFirst, ofSecond := a, b, &ofA, &ofB
		if turn%2 == 1 {
			first, second, ofFirst, ofSecond = b, a, &ofB, &ofA
		}
		for _, one := range []struct {
			Subject
			results *[]Result
		}{{first, ofFirst}, {second, ofSecond}} {
			var s sample
			if err := s.measure(ctx, one.Case, n, d, one.CPU); err != nil {
				return nil, nil, err
			}
			*one.results = append(*one.results, s.result(one.Case, n))
		}
	}
	return ofA, ofB, nil
}

// sample has all measurements of a case so far.
type sample struct {
	mu         sync.Mutex
	times      []time.Duration // of successful operations
	errors     int
	firstError string
	took       time.Duration
	cpu        map[string]time.Duration // by process
}

// measure adds a measurement of d with n clients.
func (s *sample) measure(ctx context.Context, c Case, n int, d time.Duration, cpu CPU) error {
	if c.Setup != nil {
		if err := c.Setup(ctx, n, d); err != nil {
			return fmt.Errorf("%s: set up: %w", c.Name, err)
		}
	}
	fmt.Fprintf(os.Stderr, "%s, %d clients, for %s\n", c.Name, n, d)
	// Not a deadline: the client would send it to the sidecar, which would report the last operation as an error.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(d, cancel).Stop()
	backgroundDone := make(chan error, 1)
	background, stopBackground := context.WithCancel(ctx)
	defer stopBackground()
	if c.Background == nil {
		backgroundDone <- nil
	} else {
		go func() { backgroundDone <- c.Background(background) }()
	}
	var clients sync.WaitGroup
	start, before := time.Now(), cpu()
	for range n {
		clients.Go(func() { s.runClient(ctx, c) })
	}
	clients.Wait()
	s.took += time.Since(start)
	if s.cpu == nil {
		s.cpu = map[string]time.Duration{}
	}
	for name, after := range cpu() {
		s.cpu[name] += after - before[name]
	}
	stopBackground()
	if err := <-backgroundDone; err != nil {
		return fmt.Errorf("%s: background: %w", c.Name, err)
	}
	return nil
}

// runClient repeats the operation until ctx ends.
func (s *sample) runClient(ctx context.Context, c Case) {
	var own []time.Duration
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.times = append(s.times, own...)
	}()
	for ctx.Err() == nil {
		start := time.Now()
		err := c.Op(ctx)
		if err == ErrDone || ctx.Err() != nil { // cut off by the end of the measurement
			return
		}
		if err != nil {
			s.mu.Lock()
			s.errors, s.firstError = s.errors+1, err.Error()
			s.mu.Unlock()
			continue
		}
		own = append(own, time.Since(start))
		if c.Pause > 0 {
			select {
			case <-time.After(c.Pause):
			case <-ctx.Done():
			}
		}
	}
}

func (s *sample) result(c Case, n int) Result {
	r := Result{
		Case: c.Name, Clients: n, PerSecond: float64(len(s.times)) / s.took.Seconds(),
		Errors: s.errors, FirstErr: s.firstError,
	}
	if len(s.times) == 0 {
		return r
	}
	r.Processes = map[string]float64{}
	for name, used := range s.cpu {
		each := milliseconds(used) / float64(len(s.times))
		r.CPU += each
		r.Processes[name] = each
	}
	slices.Sort(s.times)
	r.P50, r.P99 = milliseconds(s.times[len(s.times)/2]), milliseconds(s.times[len(s.times)*99/100])
	return r
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
