package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd/workflow"
)

// BenchmarkWorkflows measures the cost of an order's workflow. "start" starts a workflow that runs one activity and
// then waits for an event; "raise" sends the event, after which the workflow runs the activity again. The number in
// the name is the number of concurrent calls. For the sidecar, the scheduler and this process the benchmark reports
// the processor time and the growth of the memory.
//
//	go test -run '^$' -bench Workflows -benchtime 2000x ./internal/sidecar/daprd/workflow
func BenchmarkWorkflows(b *testing.B) {
	for _, calls := range []int{1, 4, 32} {
		b.Run(fmt.Sprintf("start/%d", calls), func(b *testing.B) { benchmark(b, calls, false) })
	}
	b.Run("raise/4", func(b *testing.B) { benchmark(b, 4, true) })
}

func benchmark(b *testing.B, calls int, raise bool) {
	e := startEngine(b)
	var steps, failures atomic.Int64
	e.startWorker(b, workflow.Options{}, func(h sidecar.WorkflowHost) {
		h.Activity("step", func(context.Context, json.RawMessage) (any, error) { return steps.Add(1), nil })
		h.Workflow("order", func(w sidecar.WorkflowContext) error {
			for {
				if err := w.Call("step", nil, nil, sidecar.RetryPolicy{}); err != nil {
					return err
				}
				if _, err := w.Wait("go", 24*time.Hour); err != nil {
					return err
				}
			}
		})
	})
	workflows := e.caller(workflow.Options{Calls: calls})
	all := func(do func(id string) error) {
		goal := steps.Load() + int64(b.N)
		next := make(chan string)
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() {
				for id := range next {
					for err := do(id); err != nil && !errors.Is(err, sidecar.ErrExists); err = do(id) {
						failures.Add(1)
					}
				}
			})
		}
		for i := range b.N {
			next <- fmt.Sprintf("order-%d", i)
		}
		close(next)
		wg.Wait()
		for steps.Load() < goal {
			time.Sleep(time.Millisecond)
		}
	}
	start := func(id string) error { return workflows.Start(b.Context(), "order", id, nil) }
	require.NoError(b, workflows.Start(b.Context(), "order", "first", nil)) // the engine is ready
	measured := func() { all(start) }
	if raise {
		all(start)
		measured = func() { all(func(id string) error { return workflows.Raise(b.Context(), id, "go") }) }
	}
	processes := map[string]int{"sidecar": e.sidecar.PID(), "scheduler": e.control.Scheduler.PID(), "app": os.Getpid()}
	before := map[string]resourceUse{}
	waitUntilIdle(b, e)
	for name, pid := range processes {
		before[name] = usage(b, pid)
	}
	failures.Store(0)
	b.ResetTimer()
	measured()
	b.StopTimer()
	waitUntilIdle(b, e)
	for name, pid := range processes {
		now := usage(b, pid)
		b.ReportMetric(1000*(now.cpu-before[name].cpu)/float64(b.N), name+"-cpu-ms/op")
		b.ReportMetric((now.rss-before[name].rss)/1024/float64(b.N), name+"-KB/op")
	}
	b.ReportMetric(float64(failures.Load())/float64(b.N), "failures/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

// resourceUse is what a process has used so far.
type resourceUse struct {
	cpu float64 // s
	rss float64 // bytes
}

func usage(b *testing.B, pid int) resourceUse {
	b.Helper()
	p, err := process.NewProcess(int32(pid))
	require.NoError(b, err)
	cpu, err := p.Times()
	require.NoError(b, err)
	mem, err := p.MemoryInfo()
	require.NoError(b, err)
	return resourceUse{cpu.User + cpu.System, float64(mem.RSS)}
}

// waitUntilIdle waits until the sidecar and the scheduler use no processor time.
func waitUntilIdle(b *testing.B, e *engine) {
	b.Helper()
	for before := -1.0; ; {
		now := usage(b, e.sidecar.PID()).cpu + usage(b, e.control.Scheduler.PID()).cpu
		if now-before < 0.02 {
			return
		}
		before = now
		time.Sleep(300 * time.Millisecond)
	}
}
