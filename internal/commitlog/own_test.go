package commitlog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar/memory"
)

// Two processes write one log on a store that loses answers, so they learn of some of their commits from the log only.
// Each event is in the own commit of one of them.
func TestEachCommitIsTheOwnOneOfOneProcess(t *testing.T) {
	t.Parallel()
	const commands = 60
	state := memory.NewState()
	var mu sync.Mutex
	own, seen := map[string]int{}, [2]int{} // by aggregate; by process
	var work sync.WaitGroup
	var logs []*commitlog.Partition[string]
	for process := range 2 {
		store := &flaky{State: state, rnd: rand.New(rand.NewPCG(1, uint64(process)))}
		log := openTexts(t, store, commitlog.Options{Patience: time.Millisecond})
		t.Cleanup(func() { log.Close(context.Background()) })
		store.mu.Lock()
		store.rate = 0.6
		store.mu.Unlock()
		require.NoError(t, log.Subscribe(t.Context(), func(c commitlog.Commit) {
			mu.Lock()
			defer mu.Unlock()
			seen[process] += len(c.Events)
			for _, e := range c.Events {
				if c.Own {
					own[e.Aggregate]++
				}
			}
		}))
		logs = append(logs, log)
		for n := range commands {
			work.Go(func() { writeOnce(t, log, fmt.Sprint(process, "/", n)) })
		}
	}
	work.Wait()
	for _, log := range logs {
		require.Eventually(t, func() bool { return log.CatchUp(t.Context()) == nil }, 10*time.Second, time.Millisecond)
	}
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, [2]int{2 * commands, 2 * commands}, seen)
	assert.Len(t, own, 2*commands)
	for id, n := range own {
		assert.Equal(t, 1, n, id)
	}
}

// writeOnce gives an aggregate its first event, and repeats the command until it has an answer.
func writeOnce(t *testing.T, log *commitlog.Partition[string], id string) {
	for {
		_, err := log.Do(t.Context(), []string{id}, func(tx *commitlog.Tx[string]) error {
			if _, seq := tx.State(id); seq == 0 {
				tx.Emit(id, "written", "x")
			}
			return nil
		})
		if errors.Is(err, commitlog.ErrUnknown) {
			continue
		}
		assert.NoError(t, err)
		return
	}
}
