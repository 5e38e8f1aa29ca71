package invariants_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/invariants"
)

func cursor(position, applied, parked uint64) contract.Cursor {
	return contract.Cursor{Source: "orders", Partition: "orders", Position: position, Applied: applied, Parked: parked}
}

// requireOne requires one violation of the invariant.
func requireOne(t *testing.T, invariant int, found []invariants.Violation) {
	t.Helper()
	require.Len(t, found, 1)
	require.Equal(t, invariant, found[0].Invariant)
}

func TestConsumersCountEveryEventOnce(t *testing.T) {
	t.Parallel()
	require.Empty(t, invariants.CheckCursor("cart", cursor(7, 6, 1)), "a dead letter is not applied")
	require.Empty(t, invariants.CheckCursor("cart", contract.Cursor{Source: "stranger", Applied: 3}))
	requireOne(t, invariants.EveryEvent, invariants.CheckCursor("cart", cursor(7, 8, 0)))
	requireOne(t, invariants.EveryEvent, invariants.CheckCursor("cart", cursor(7, 6, 0)))
	require.Empty(t, invariants.CheckReached("cart", cursor(7, 7, 0), 7))
	requireOne(t, invariants.EveryEvent, invariants.CheckReached("cart", cursor(8, 8, 0), 7))
}

// A consumer whose process was killed repeats some events. It must reach its position again.
func TestConsumersReachTheirPositionAgain(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p := invariants.NewProgress(time.Minute)
	require.Empty(t, p.Check("cart", cursor(7, 7, 0), start))
	require.Empty(t, p.Check("catalog", cursor(1, 1, 0), start), "another app")
	require.Empty(t, p.Check("cart", cursor(5, 5, 0), start.Add(time.Minute)))
	requireOne(t, invariants.EveryEvent, p.Check("cart", cursor(6, 6, 0), start.Add(time.Minute+1)))
	require.Empty(t, p.Check("cart", cursor(7, 7, 0), start.Add(time.Hour)), "healed")
	require.Empty(t, p.Check("cart", cursor(6, 6, 0), start.Add(time.Hour+time.Minute)))
}

func TestDocumentsAreWhatTheirLogsProduce(t *testing.T) {
	t.Parallel()
	require.Empty(t, invariants.CheckAudit(contract.Audit{Log: "orders", Documents: 3}))
	requireOne(t, invariants.Projections, invariants.CheckAudit(contract.Audit{Log: "orders", Wrong: 1}))
	requireOne(t, invariants.Projections, invariants.CheckAudit(contract.Audit{Log: "orders", Wrong: 1,
		Differences: []contract.Difference{{Key: "doc/orders/order%2Fa", Kind: "missing"}}}))
}

func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 404, 503} {
		require.Empty(t, invariants.CheckRefused("an order", status))
	}
	requireOne(t, invariants.Ownership, invariants.CheckRefused("an order", 200))
}

func TestLogsKeepTheirEvents(t *testing.T) {
	t.Parallel()
	sample := invariants.Sample{Partition: "orders"}
	require.Zero(t, sample.Draw())
	var events []contract.Event
	for n := range uint64(5000) {
		e := event("orders", "orders", n+1, time.Unix(int64(n), 0), "order/a", n+1, "order.placed", n)
		events = append(events, e)
		sample.Add(e)
	}
	seen := map[uint64]bool{}
	for range 500 {
		n := sample.Draw()
		seen[n] = true
		require.Empty(t, sample.Check(n, events[n-1:n]))
		requireOne(t, invariants.NothingLost, sample.Check(n, nil))
		requireOne(t, invariants.NothingLost, sample.Check(n, events[n%5000:n%5000+1]))
		changed := events[n-1]
		changed.Data = json.RawMessage(`"other"`)
		requireOne(t, invariants.NothingLost, sample.Check(n, []contract.Event{changed}))
	}
	require.Greater(t, len(seen), 100, "any event may be drawn")

	f := invariants.Feed{Source: "orders", Partition: "orders", Position: 7}
	require.Empty(t, f.CheckHead(7))
	requireOne(t, invariants.NothingLost, f.CheckHead(6))
}

func TestTheBoardHasWhatStands(t *testing.T) {
	t.Parallel()
	b := invariants.NewBoard()
	one := invariants.Violation{Invariant: invariants.Stock, Text: "one"}
	two := invariants.Violation{Invariant: invariants.Stock, Order: "a", Text: "two"}
	other := invariants.Violation{Invariant: invariants.Sums, Text: "other"}
	require.Equal(t, []invariants.Violation{one, two}, b.Set("x", []invariants.Violation{one, two}))
	require.Equal(t, []invariants.Violation{other}, b.Set("x", []invariants.Violation{two, other}), "the new one only")
	require.Equal(t, []invariants.Violation{one}, b.Add("y", []invariants.Violation{one}))
	require.Empty(t, b.Add("y", []invariants.Violation{one}), "it stands already")
	require.Equal(t, 2, b.Count(invariants.Stock))
	require.Equal(t, 1, b.Count(invariants.Sums))
	require.Equal(t, []invariants.Violation{two, other}, b.List(2))
	require.Empty(t, b.Set("x", nil))
	require.Equal(t, 1, b.Count(invariants.Stock))
	require.Zero(t, b.Count(invariants.Sums))

	for n := range 3000 {
		b.Add("feed", []invariants.Violation{{Invariant: invariants.EveryEvent, Order: "a", Text: string(rune(n + 0x4e00))}})
	}
	require.Equal(t, 1000, b.Count(invariants.EveryEvent), "the board is bounded")
}
