package inventory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// placed reserves a hat for each order, which orders has decided so.
func (f *fixture) placed(decisions map[string]string) {
	f.t.Helper()
	f.receive("hat", 100)
	for order, decision := range decisions {
		f.reserve(order, line("hat", 1))
		f.orders.mu.Lock()
		f.orders.decisions[order] = decision
		f.orders.mu.Unlock()
	}
}

func TestExpiredHoldsEndAsTheirOrdersWereDecided(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	decisions := map[string]string{
		"yes": "confirmed", "no": "rejected", "off": "cancelled", "slow": "placing", "ghost": "unknown", "mute": "",
		"strange": "eaten",
	}
	f.placed(decisions)
	check := func(after time.Duration) []string {
		f.advanceClock(after)
		f.service.CheckExpiredHolds(t.Context())
		return f.orders.drainAsked()
	}
	assert.Empty(t, check(14*time.Minute), "nothing has expired")
	assert.Len(t, check(time.Minute), len(decisions))
	for order, want := range map[string]string{
		"yes": "committed", "no": "released", "off": "released", "slow": "held", "ghost": "held", "mute": "held",
		"strange": "held",
	} {
		assert.Equal(t, want, f.status(order), order)
	}
	assert.ElementsMatch(t, []string{"slow", "ghost", "mute", "strange"}, check(time.Minute))
	assert.Equal(t, "released", f.status("ghost"), "a late reservation of it is not made")
	check(1000 * time.Hour)
	assert.Equal(t, []any{"held", "held"}, []any{f.status("slow"), f.status("mute")}, "the clock frees nothing")
	f.level("hat", 100, 4)
}

func TestACheckEndsWhenOrdersIsUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	undecided := map[string]string{}
	for i := range 50 {
		undecided[fmt.Sprint("o", i)] = ""
	}
	f.placed(undecided)
	f.advanceClock(time.Hour)
	f.service.CheckExpiredHolds(t.Context())
	assert.Less(t, len(f.orders.drainAsked()), 5)
	f.level("hat", 100, 50)
}

func TestExpiredHoldsAreCheckedUntilTheServiceEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.placed(map[string]string{"no": "rejected"})
	f.advanceClock(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- f.service.Run(ctx) }()
	released := func() bool { return f.status("no") == "released" }
	require.Eventually(t, released, 5*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
}
