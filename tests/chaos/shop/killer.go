package shop

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"haberdash/tests/chaos/plan"
)

// Killer carries out planned kills, and starts dead processes again.
type Killer struct {
	shop    *Shop
	pause   time.Duration // between two kills, at least
	started time.Time

	mu        sync.Mutex
	log       []string
	downtimes map[string]time.Duration // of processes that are being killed
	killing   sync.WaitGroup
}

// StepDowntime is the time for which a process stays dead that died at a step.
const StepDowntime = 300 * time.Millisecond

// NewKiller returns a killer that pauses between two kills.
func NewKiller(s *Shop, pause time.Duration) *Killer {
	return &Killer{shop: s, pause: pause, started: time.Now(), downtimes: map[string]time.Duration{}}
}

// During runs work while it carries out the kills, and returns when the shop is ready again. The error is that of the
// work, of a restart, or of a shop that does not become ready within RecoveryTime. The log says what the killer did.
func (k *Killer) During(
	ctx context.Context, kills []plan.Kill, work func(context.Context) error,
) (log []string, err error) {
	workDone := make(chan struct{})
	restarting, stopRestarting := context.WithCancel(ctx)
	defer stopRestarting()
	killsDone, restartsDone := make(chan struct{}), make(chan error, 1)
	go func() { k.killAll(ctx, kills, workDone); close(killsDone) }()
	go func() { restartsDone <- k.restartDead(restarting) }()

	err = work(ctx)
	close(workDone)
	<-killsDone
	for _, step := range k.shop.ArmedSteps() {
		k.logf("no process reached %s", step)
	}
	k.shop.disarmSteps()
	stopRestarting()
	err = errors.Join(err, <-restartsDone)
	ready, cancel := context.WithTimeout(ctx, RecoveryTime)
	defer cancel()
	if err == nil {
		err = k.shop.Ready(ready)
	}
	return k.Log(), err
}

// killAll carries out each kill when it is due. When the work is done, it carries out the remaining kills at once, so
// that every kill of a plan happens. While a kill is due, no purchase begins: so the kill comes at the planned place,
// however fast the shop is.
func (k *Killer) killAll(ctx context.Context, kills []plan.Kill, workDone <-chan struct{}) {
	progress := k.shop.Progress
	start := progress.Answers()
	for _, next := range kills {
		due := start + int64(next.After)
		progress.setLimit(due)
		if progress.WaitFor(ctx, due, workDone) != nil {
			break
		}
		k.killing.Go(func() { k.kill(ctx, next) })
		Sleep(ctx, k.pause)
	}
	progress.removeLimit()
	k.killing.Wait()
}

func (k *Killer) kill(ctx context.Context, planned plan.Kill) {
	k.logf("%s", planned)
	if planned.Step != "" {
		if err := k.shop.ArmStep(planned.Step); err != nil {
			k.logf("cannot arm %s: %v", planned.Step, err)
		}
		return
	}
	k.mu.Lock()
	k.downtimes[planned.Process] = planned.Downtime
	k.mu.Unlock()
	if err := k.shop.kill(ctx, planned); err != nil {
		k.logf("cannot kill %s: %v", planned.Process, err)
	}
}

// kill ends a process with SIGKILL. The launcher does not know the payment provider, so kill also starts it again.
func (s *Shop) kill(ctx context.Context, planned plan.Kill) error {
	if planned.Process != plan.Provider {
		return s.Kill(planned.Process)
	}
	s.Provider.Kill()
	if !Sleep(ctx, planned.Downtime) {
		return ctx.Err()
	}
	defer s.noteDown()
	return s.Provider.Restart(ctx)
}

// restartDead starts dead processes again until ctx ends and no process has been dead for half a second: the launcher
// notices the death of a process that the dapr CLI started a little late.
func (k *Killer) restartDead(ctx context.Context) error {
	deadSince, lastDead := map[string]time.Time{}, time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		dead := false
		for _, p := range k.shop.State().Processes {
			if p.Exit == "" || p.Kind == "cli" {
				continue
			}
			dead = true
			k.shop.noteDown()
			if deadSince[p.Name].IsZero() {
				deadSince[p.Name] = time.Now()
				k.logf("  %s died (%s)", p.Name, p.Exit)
			}
			if time.Since(deadSince[p.Name]) < k.downtime(p.Name) {
				continue
			}
			if err := k.shop.Restart(p.Name); err != nil {
				return fmt.Errorf("start %s again: %w", p.Name, err)
			}
			k.mu.Lock()
			delete(k.downtimes, p.Name)
			k.mu.Unlock()
			delete(deadSince, p.Name)
		}
		if dead {
			lastDead = time.Now()
		}
		if ctx.Err() != nil && time.Since(lastDead) > 500*time.Millisecond {
			return nil
		}
	}
	return nil
}

func (k *Killer) downtime(process string) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d, planned := k.downtimes[process]; planned {
		return d
	}
	return StepDowntime
}

// logf adds a line to the log, with the time and the number of answers.
func (k *Killer) logf(format string, args ...any) {
	line := fmt.Sprintf("%6.1f s %5d answers: ", time.Since(k.started).Seconds(), k.shop.Progress.Answers()) +
		fmt.Sprintf(format, args...)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.log = append(k.log, line)
}

// Log returns what the killer has done so far. It is safe for concurrent use.
func (k *Killer) Log() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.log...)
}
