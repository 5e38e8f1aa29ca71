package chaos

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// size is that of the run that the flags ask for.
func size(steps int) Size {
	s := Size{Buyers: 60, Kills: 6, Steps: 5, Breath: time.Second}
	if *long {
		s = Size{Buyers: 400, Kills: 60, Steps: 3 * steps, Breath: 2 * time.Second}
	}
	if *buyers > 0 {
		s.Kills, s.Steps = max(1, s.Kills**buyers/s.Buyers), max(1, s.Steps**buyers/s.Buyers)
		s.Buyers = *buyers
	}
	return s
}

// Whatever is killed whenever, all promises hold afterwards.
func TestChaos(t *testing.T) {
	w, steps := world(t), steps(t)
	plan := Draw(fmt.Sprintf("chaos-%d", *seed), *seed, size(len(steps)), steps)
	t.Logf("seed %d: %d buyers, %d deaths", *seed, len(plan.Buyers), len(plan.Blows))
	diary, err := w.Run(t.Context(), plan)
	require.NoError(t, err, "seed %d; the schedule:\n%s", *seed, strings.Join(diary, "\n"))
	books := judge(t, w, diary)
	strangers, err := w.Strangers(t.Context(), books, "stranger")
	require.NoError(t, err)
	require.Empty(t, strangers, Report(books, strangers))
	t.Logf("the schedule:\n%s", strings.Join(diary, "\n"))
	t.Logf("the answers:\n%s", strings.Join(w.Witness.Tally(), "\n"))
	t.Logf("%d orders", len(books.Orders))
	if *long {
		derivedAgain(t, w, books)
	}
}

// derivedAgain stops the shop and lets it write all its documents anew from its logs: it must show what it showed
// before, to the byte.
func derivedAgain(t *testing.T, w *World, before *Books) {
	require.NoError(t, w.Reopen(t.Context(), map[string]string{"REBUILD": "on"}))
	after := judge(t, w, nil)
	for what, part := range map[string]func(*Books) any{
		"orders": func(b *Books) any { return b.Orders },
		"stock":  func(b *Books) any { return b.Stock },
		"feeds":  func(b *Books) any { return b.Feeds },
		"carts":  func(b *Books) any { return b.Carts },
		"ledger": func(b *Books) any { return b.Ledger },
	} {
		was, err := json.Marshal(part(before))
		require.NoError(t, err)
		is, err := json.Marshal(part(after))
		require.NoError(t, err)
		require.True(t, string(was) == string(is), "after a rebuild, %s are different", what)
	}
}

func TestASeedIsAPlan(t *testing.T) {
	t.Parallel()
	steps := steps(t)
	s := Size{Buyers: 50, Kills: 2 * len(Targets), Steps: 2 * len(steps)}
	plan := Draw("x", 7, s, steps)
	assert.Equal(t, plan, Draw("x", 7, s, steps))
	assert.NotEqual(t, plan.Blows, Draw("x", 8, s, steps).Blows)
	struck := map[string]int{}
	last := 0
	for _, b := range plan.Blows {
		struck[b.Target+b.Step]++
		assert.GreaterOrEqual(t, b.After, last)
		last = b.After
	}
	assert.Less(t, last, plan.requests())
	for _, name := range append(steps, Targets...) {
		assert.GreaterOrEqual(t, struck[name], 2, name)
	}
	s.Buyers++
	assert.Equal(t, plan.Buyers[1:9], Draw("x", 7, s, steps).Buyers[1:9], "one more buyer changes nothing for the others")
}
