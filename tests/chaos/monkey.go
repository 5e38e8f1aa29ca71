package chaos

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// A monkey carries out a plan's blows, and starts again whatever has died.
type monkey struct {
	w      *World
	breath time.Duration // between two blows, at least
	began  time.Time

	mu     sync.Mutex
	diary  []string
	downs  map[string]time.Duration // of what is about to be killed
	deaths int
	active sync.WaitGroup
}

// revival is how long a process stays dead that killed itself at a step.
const revival = 300 * time.Millisecond

func newMonkey(w *World) *monkey {
	return &monkey{w: w, began: time.Now(), downs: map[string]time.Duration{}}
}

// strike gives the blows, each when it is due or, of those that are not when everybody is gone, at once: a plan is
// carried out whole. While it takes breath and the next one is due, nobody begins to buy, so that a blow falls where
// it was meant to whatever the shop's speed. It returns when the last one has been given.
func (m *monkey) strike(ctx context.Context, blows []Blow, over <-chan struct{}) {
	start := m.w.answers.Load()
	for _, b := range blows {
		m.w.pace.Store(start + int64(b.After))
		if m.w.await(ctx, start+int64(b.After), over) != nil {
			break
		}
		m.active.Go(func() { m.blow(ctx, b) })
		sleep(ctx, m.breath)
	}
	m.w.pace.Store(math.MaxInt64)
	m.active.Wait()
}

func (m *monkey) blow(ctx context.Context, b Blow) {
	m.write("%s", b)
	if b.Step != "" {
		if err := m.w.arm(b.Step); err != nil {
			m.write("cannot arm %s: %v", b.Step, err)
		}
		return
	}
	m.mu.Lock()
	m.downs[b.Target] = b.Down
	m.deaths++
	m.mu.Unlock()
	if err := m.w.kill(ctx, b); err != nil {
		m.write("cannot kill %s: %v", b.Target, err)
	}
}

// revive starts dead processes again until ctx ends; then it returns when none has been dead for a while: the death
// of one that the dapr CLI started is noticed a little late.
func (m *monkey) revive(ctx context.Context) error {
	dead, well := map[string]time.Time{}, time.Now()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		<-tick.C
		any := false
		for _, p := range m.w.Shop.State().Processes {
			if p.Exit == "" || p.Kind == "cli" {
				continue
			}
			any = true
			m.w.dead.Store(time.Now().UnixNano())
			if dead[p.Name].IsZero() {
				dead[p.Name] = time.Now()
				m.write("  %s died (%s)", p.Name, p.Exit)
			}
			if time.Since(dead[p.Name]) < m.down(p.Name) {
				continue
			}
			if err := m.w.Shop.Restart(p.Name); err != nil {
				tick.Stop()
				return fmt.Errorf("start %s again: %w", p.Name, err)
			}
			m.mu.Lock()
			delete(m.downs, p.Name)
			m.mu.Unlock()
			delete(dead, p.Name)
		}
		if any {
			well = time.Now()
		}
		if ctx.Err() != nil && time.Since(well) > 500*time.Millisecond {
			tick.Stop()
			return nil
		}
	}
}

func (m *monkey) down(name string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d, planned := m.downs[name]; planned {
		return d
	}
	return revival
}

// write adds a line to the diary.
func (m *monkey) write(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.diary = append(m.diary, fmt.Sprintf("%6.1f s %5d answers: %s", time.Since(m.began).Seconds(), m.w.answers.Load(), line))
}

// Diary is what was done so far.
func (m *monkey) Diary() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.diary...)
}
