package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/invariants"
	"haberdash/internal/sidecar"
)

func TestAllInvariantsOfACorrectShopAreChecked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.shop()
	for range 3 {
		f.look(40 * time.Second)
	}
	f.watcher.CheckAudits(f.ctx)
	f.requireNone()
	for _, n := range invariants.All {
		require.Positive(t, f.value("haberdash_invariant_checks_total", n), n)
		require.InDelta(t, f.clock().Unix(), f.value("haberdash_invariant_last_check_timestamp_seconds", n), 1, n)
	}
	require.Equal(t, 6.0, f.position("orders"))
	require.Equal(t, 4.0, f.position("stock-main"))
	open, closed := f.watcher.shop.Sizes()
	require.Equal(t, 1, open)
	require.Equal(t, 1, closed)
	require.Empty(t, f.logged.String())
}

// broken has a violation of each invariant in what the apps serve.
var broken = map[string]struct {
	invariant int
	change    func(f *fixture)
}{
	"stock that was freed": {invariants.Stock, func(f *fixture) { f.move(contract.StockReleased, 2, "b", "") }},
	"oversold":             {invariants.Stock, func(f *fixture) { f.move(contract.StockReserved, 1000, "b", "") }},
	"captured too much": {invariants.Money, func(f *fixture) {
		f.pay("b", contract.PaymentCaptured, "f7", 1)
		f.touch("b")
	}},
	"number given twice": {invariants.OneOrder, func(f *fixture) { f.buy("c", 10001) }},
	"feed with a gap": {invariants.EveryEvent, func(f *fixture) {
		f.buy("c", 10003)
		f.change(func() { f.feeds["orders"]["orders"][7].Position++ })
	}},
	"consumer that skipped an event": {invariants.EveryEvent, func(f *fixture) {
		f.change(func() { f.cursors["cart"][0].Applied-- })
	}},
	"consumer ahead of its log": {invariants.EveryEvent, func(f *fixture) {
		f.change(func() { f.cursors["cart"][0].Position, f.cursors["cart"][0].Applied = 99, 99 })
	}},
	"wrong document": {invariants.Projections, func(f *fixture) { f.change(func() { f.audits["users"][0].Wrong = 1 }) }},
	"log that ends earlier": {invariants.NothingLost, func(f *fixture) {
		f.change(func() { f.feeds["catalog"]["catalog"] = nil })
	}},
	"event that has changed": {invariants.NothingLost, func(f *fixture) {
		f.change(func() { f.feeds["catalog"]["catalog"][0].Data = json.RawMessage(`{"a":1}`) })
	}},
	"order for everybody": {invariants.Ownership, func(f *fixture) { f.change(func() { f.answers = http.StatusOK }) }},
	"amounts that do not add up": {invariants.Sums, func(f *fixture) {
		f.publish("orders", "orders", "order/c", contract.OrderPlaced, func() contract.OrderFact {
			fact := fact("c", 10003)
			fact.Shipping.Amount++
			return fact
		}())
	}},
}

// touch publishes an event of an order that changes nothing.
func (f *fixture) touch(id string) {
	f.publish("orders", "orders", "order/"+id, "order.noted", contract.PartFact{OrderID: id})
}

func TestEachViolationIsReportedOnce(t *testing.T) {
	t.Parallel()
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.shop()
			for range 2 {
				f.look(40 * time.Second)
			}
			f.requireNone()
			b.change(f)
			for range 3 {
				f.look(40 * time.Second)
			}
			f.watcher.CheckAudits(f.ctx)
			require.Positive(t, f.violations()[b.invariant], "%v %s", f.violations(), f.logged)
			require.Contains(t, f.logged.String(), fmt.Sprintf(`"log.level":"error","haberdash.invariant":%d`, b.invariant))
			f.look(40 * time.Second)
			f.watcher.CheckAudits(f.ctx)
			lines := strings.Split(f.logged.String(), "\n")
			slices.Sort(lines)
			require.Equal(t, slices.Compact(slices.Clone(lines)), lines, "each violation is logged once")

			api := httpx.NewAPI(newRouter(f), "test")
			f.watcher.Mount(api)
			var out struct{ Violations []invariants.Violation }
			err := sidecar.Call(t.Context(), f.mesh, "watcher", http.MethodGet, "/internal/violations", nil, nil, &out)
			require.NoError(t, err)
			require.NotEmpty(t, out.Violations)
		})
	}
}

// Violations that heal no longer stand.
func TestHealedViolationsNoLongerStand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.shop()
	f.move(contract.StockReleased, 1, "b", "")
	f.change(func() {
		f.cursors["cart"][0].Applied--
		f.answers = http.StatusOK
	})
	for range 3 {
		f.look(40 * time.Second)
	}
	require.Equal(t, map[int]int{invariants.Stock: 1, invariants.EveryEvent: 1, invariants.Ownership: 3}, f.violations())
	f.move(contract.StockReserved, 1, "b", "") // also makes the cursors right
	f.change(func() { f.answers = http.StatusForbidden })
	for range 3 {
		f.look(40 * time.Second)
	}
	f.requireNone()
}

// What one feed has and another one has not yet is no violation.
func TestLateFeedsAreNoViolation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.shop()
	f.look(0)
	f.publish("orders", "orders", "order/b", contract.OrderCancelled, contract.PartFact{OrderID: "b"})
	f.change(func() { f.cursors["catalog"][0].Position-- }) // catalog does not know it yet
	for range 3 {
		f.look(20 * time.Second)
		f.requireNone()
	}
	f.move(contract.StockReleased, 2, "b", "")
	f.pay("b", contract.PaymentVoided, "", 2500)
	f.change(func() { f.cursors["catalog"][0].Position, f.cursors["catalog"][0].Applied = 7, 7 })
	for range 3 {
		f.look(20 * time.Second)
		f.requireNone()
	}
	open, closed := f.watcher.shop.Sizes()
	require.Equal(t, 0, open)
	require.Equal(t, 2, closed)
}

// Catalog frees the goods of a rejected order when it learns of the rejection, however late that is.
func TestGoodsAreComparedWhenCatalogKnowsTheDecision(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.shop()
	f.publish("orders", "orders", "order/c", contract.OrderPlaced, fact("c", 10003))
	f.move(contract.StockReserved, 2, "c", "")
	f.publish("orders", "orders", "order/c", contract.OrderRejected, contract.PartFact{OrderID: "c"})
	f.change(func() { f.cursors["catalog"][0].Position, f.cursors["catalog"][0].Applied = 7, 7 })
	for range 3 {
		f.look(20 * time.Second)
		f.requireNone()
	}
	f.change(func() { f.cursors["catalog"][0].Position, f.cursors["catalog"][0].Applied = 8, 8 })
	for range 3 {
		f.look(20 * time.Second)
	}
	require.Equal(t, map[int]int{invariants.Stock: 1}, f.violations(), "catalog has passed the rejection")
	f.move(contract.StockReleased, 2, "c", "")
	for range 3 {
		f.look(20 * time.Second)
	}
	f.requireNone()
}

// A log is read on from where it was when an order in it is older than what catalog tells.
func TestTheFeedOfTheOrdersMayBeBehindThatOfTheStock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.shop()
	f.look(0)
	f.buy("c", 10003)
	f.change(func() {
		f.hidden["orders"] = 2
		f.cursors["catalog"][0].Position = 6
		f.cursors["cart"][0].Position = 6
	})
	f.change(func() { f.cursors["catalog"][0].Applied = 6; f.cursors["cart"][0].Applied = 6 })
	f.look(5 * time.Second)
	f.requireNone()
	f.change(func() { f.hidden["orders"] = 0 })
	for range 3 {
		f.look(20 * time.Second)
		f.requireNone()
	}
}

// An unfinished order is not compared, however long it takes.
func TestUnfinishedOrdersAreNotCompared(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.shop()
	f.publish("orders", "orders", "order/b", contract.FulfilmentRequested, contract.FulfilmentFact{OrderID: "b",
		Fulfilment: contract.FulfilmentPart{ID: "f1", Parts: []contract.Part{{SKU: "HAT", Quantity: 2, Amount: 2000}},
			Freight: 500}})
	f.move(contract.StockShipped, 2, "b", "f1")
	f.pay("b", contract.PaymentCaptured, "f1", 2500)
	f.look(time.Hour)
	f.look(time.Hour)
	f.requireNone()
	f.publish("orders", "orders", "order/b", contract.FulfilmentShipped, contract.PartFact{OrderID: "b", ID: "f1"})
	f.look(time.Second)
	f.look(time.Hour)
	f.requireNone()
	_, closed := f.watcher.shop.Sizes()
	require.Equal(t, 2, closed)
}

// After a restart, the watcher knows nothing. It reads the feeds from the beginning, and drops old orders meanwhile.
func TestARestartFindsTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.move(contract.StockReceived, 100_000, "", "")
	for n := range 1500 {
		id := fmt.Sprint("order", n)
		f.buy(id, 10_001+n)
		f.ship(id)
		f.change(func() { f.now = f.now.Add(time.Second) })
	}
	f.move(contract.StockReserved, 1, "order7", "")
	for range 2 {
		f.restart()
		f.look(0)
		_, closed := f.watcher.shop.Sizes()
		require.Greater(t, closed, 1000, "orders are dropped while the feeds are read")
		for range 8 {
			f.look(30 * time.Second)
		}
		require.Equal(t, map[int]int{invariants.Stock: 1}, f.violations(), f.logged)
		open, _ := f.watcher.shop.Sizes()
		require.Equal(t, 1, open, "the one with the violation")
	}
}

// While an app does not answer, nothing is compared that needs it, and no violation is found.
func TestAppsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"orders", "catalog", "users", "cart", "notifications"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.shop()
			f.change(func() { f.down[app] = true })
			for range 3 {
				f.look(40 * time.Second)
			}
			f.watcher.CheckAudits(f.ctx)
			f.requireNone()
			f.change(func() { f.down[app] = false })
			f.look(2 * time.Minute)
			f.buy("c", 10003)
			f.change(func() { f.down[app] = true })
			for range 3 {
				f.look(40 * time.Second)
			}
			f.requireNone()
			require.Contains(t, f.logged.String(), "will try again")
			f.change(func() { f.down[app] = false })
			for range 3 {
				f.look(40 * time.Second)
			}
			f.watcher.CheckAudits(f.ctx)
			f.requireNone()
			for _, n := range invariants.All {
				require.Positive(t, f.value("haberdash_invariant_checks_total", n), n)
			}
		})
	}
}

// Histories cost orders reads of its store: the watcher reads only so many a second, but always those without which it
// cannot tell whether the goods are free.
func TestHistoriesHaveABudget(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.look(0)
	f.move(contract.StockReceived, 100_000, "", "")
	for n := range 300 {
		f.buy(fmt.Sprint("order", n), 10_001+n)
	}
	for range 30 {
		f.look(time.Second)
	}
	f.requireNone()
	compared := f.value("haberdash_invariant_checks_total", invariants.Money)
	require.InDelta(t, 100, compared, 10, "ten seconds' worth")
	require.Equal(t, 300.0, f.value("haberdash_invariant_checks_total", invariants.Stock))
	require.LessOrEqual(t, f.called("orders", "/internal/histories"), 10, "up to fifty orders in one call")
}

func TestNewLogsAreFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.shop()
	f.look(0)
	f.change(func() { f.feeds["catalog"]["stock-north"] = nil })
	f.publish("catalog", "stock-north", "sku/HAT", contract.StockReceived, contract.StockMovement{Quantity: 5})
	f.look(2 * time.Minute)
	require.Equal(t, 1.0, f.position("stock-north"))
	f.requireNone()
}

func TestInvalidSettingsAreRefused(t *testing.T) {
	t.Parallel()
	good := Config{PollEvery: 1, CheckEvery: 1}
	require.NoError(t, good.Check())
	for _, change := range []func(*Config){
		func(c *Config) { c.PollEvery = 0 }, func(c *Config) { c.CheckEvery = -1 }, func(c *Config) { c.Settle = -1 },
		func(c *Config) { c.AuditEvery = -1 }, func(c *Config) { c.FirstAudit = -1 },
		func(c *Config) { c.HistoriesPerSecond = -1 },
	} {
		bad := good
		change(&bad)
		require.Error(t, bad.Check())
	}
}
