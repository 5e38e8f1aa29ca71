package chaos

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/tests/chaos/checker"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/snapshot"
)

// runSize returns the size of the run that the flags ask for.
func runSize(steps int) plan.Size {
	s := plan.Size{Buyers: 60, Kills: 6, StepKills: 5, Pause: time.Second}
	if *long {
		s = plan.Size{Buyers: 400, Kills: 60, StepKills: 3 * steps, Pause: 2 * time.Second}
	}
	if *buyerCount > 0 {
		s.Kills, s.StepKills = max(1, s.Kills**buyerCount/s.Buyers), max(1, s.StepKills**buyerCount/s.Buyers)
		s.Buyers = *buyerCount
	}
	return s
}

// TestChaos kills every process at many moments. All invariants must hold afterwards.
func TestChaos(t *testing.T) {
	h, steps := harness(t), steps(t)
	p := plan.Draw(fmt.Sprintf("chaos-%d", *seed), *seed, runSize(len(steps)), steps)
	t.Logf("seed %d: %d buyers, %d kills", *seed, len(p.Buyers), len(p.Kills))
	log, err := h.Execute(t.Context(), p)
	require.NoError(t, err, killLog(log))
	s := requireNoViolation(t, h, log)
	found, err := h.TryForeignAccess(t.Context(), "stranger")
	require.NoError(t, err)
	require.Empty(t, found, checker.Report(s, found))
	t.Logf("kills:\n%s", strings.Join(log, "\n"))
	t.Logf("answers:\n%s", strings.Join(h.Record.Summary(), "\n"))
	t.Logf("%d orders", len(s.Orders))
	if *long {
		requireSameAfterRebuild(t, h, s)
	}
}

// requireSameAfterRebuild restarts the shop and lets it rebuild all documents from its logs. The shop must show the
// same state as before, byte for byte.
func requireSameAfterRebuild(t *testing.T, h *Harness, before *snapshot.Snapshot) {
	require.NoError(t, h.Shop.Relaunch(t.Context(), map[string]string{"REBUILD": "on"}))
	after := requireNoViolation(t, h, nil)
	for name, part := range map[string]func(*snapshot.Snapshot) any{
		"orders": func(s *snapshot.Snapshot) any { return s.Orders },
		"stock":  func(s *snapshot.Snapshot) any { return s.Stock },
		"feeds":  func(s *snapshot.Snapshot) any { return s.Feeds },
		"carts":  func(s *snapshot.Snapshot) any { return s.Carts },
		"ledger": func(s *snapshot.Snapshot) any { return s.Ledger },
	} {
		was, err := json.Marshal(part(before))
		require.NoError(t, err)
		is, err := json.Marshal(part(after))
		require.NoError(t, err)
		require.True(t, string(was) == string(is), "after a rebuild, the %s are different", name)
	}
}
