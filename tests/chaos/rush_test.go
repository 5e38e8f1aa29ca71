package chaos

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
	"haberdash/tests/chaos/buyers"
	"haberdash/tests/chaos/parallel"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/shop"
	"haberdash/tests/chaos/snapshot"
)

// TestRush has ten buyers for each unit in stock place an order at the same moment, while two services die. All units
// must be sold, and no more: no buyer is refused while a unit is left, and no unit is sold twice.
func TestRush(t *testing.T) {
	h := harness(t)
	const buyersPerUnit = 10
	units := 20
	if *long {
		units = 100
	}
	n := buyersPerUnit * units
	sku := fmt.Sprintf("rush-%d", *seed)
	ctx := t.Context()
	require.NoError(t, h.Buyers.Import(ctx, []plan.Product{{SKU: sku, Price: "19.99", Quantity: int64(units)}}))
	guests, carts, purchases := make([]*buyers.Client, n), make([]string, n), make([]plan.Purchase, n)
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = i
		name := fmt.Sprintf("%s-%d", sku, i)
		guests[i] = h.Buyers.Guest(name)
		purchases[i] = plan.Purchase{
			Key: name, Email: name + "@example.test", Items: []api.Item{{SKU: sku, Quantity: 1}},
			Token: api.Visa, Country: "DE",
		}
	}
	require.NoError(t, parallel.Each(indexes, concurrentBuyers, func(i int) (err error) {
		carts[i], err = guests[i].FillCart(ctx, purchases[i])
		return err
	}))

	kills := []plan.Kill{
		{After: n / 20, Process: "orders", Downtime: shop.StepDowntime},
		{After: n / 4, Process: "catalog", Downtime: shop.StepDowntime},
	}
	placements := make([]*record.Placement, n)
	log, err := shop.NewKiller(h.Shop, 0).During(ctx, kills, func(ctx context.Context) error {
		return parallel.Together(n, func(i int) error {
			a, err := guests[i].Do(ctx, buyers.PlacementRequest(purchases[i], carts[i]))
			if err != nil {
				return err
			}
			placements[i], err = guests[i].RecordPlacement(purchases[i], carts[i], []*api.Answer{a})
			return err
		})
	})
	require.NoError(t, err, killLog(log))
	sold := 0
	for _, p := range placements {
		if p.Status() == http.StatusCreated {
			sold++
			continue
		}
		require.Equal(t, http.StatusConflict, p.Status(), "%s", p.Answers[0].Body)
		var lines []api.OutOfStockLine
		require.NoError(t, p.Answers[0].Problem().Member("lines", &lines))
		require.Equal(t, []api.OutOfStockLine{{SKU: sku, Requested: 1, Available: 0}}, lines)
	}
	require.Equal(t, units, sold)
	requireLevels(t, requireNoViolation(t, h, log), sku, int64(units), int64(units))
}

// requireLevels requires the stock of a SKU, summed over all locations.
func requireLevels(t *testing.T, s *snapshot.Snapshot, sku string, wantOnHand, wantReserved int64) {
	t.Helper()
	onHand, reserved := s.Levels(sku)
	require.Equal(t, []int64{wantOnHand, wantReserved}, []int64{onHand, reserved}, "on hand and reserved")
}
