package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/shop"
)

// action is a request of a buyer or of the staff, and the steps that the shop reaches while it handles the request.
type action struct {
	name  string
	steps []string
	run   func(*killPoint) error
}

var actions = []action{
	{"place", []string{
		"orders-placed", "orders-reserved", "orders-authorised", "orders-decided", "catalog-reserved", "catalog-decided",
		"cart-emptied", "notifications-mailed",
	}, (*killPoint).place},
	{"decline", []string{
		"orders-giving-up", "orders-voided", "orders-released", "catalog-released",
	}, (*killPoint).decline},
	{"cancel", []string{
		"orders-promised", "orders-voided", "orders-released", "catalog-released", "catalog-decided",
	}, (*killPoint).cancel},
	{"fulfil", []string{
		"orders-promised", "orders-captured", "orders-shipped", "catalog-committed", "catalog-shipped",
	}, (*killPoint).fulfil},
	{"receive", []string{
		"orders-promised", "orders-refunded", "orders-restocked", "catalog-returned",
	}, (*killPoint).receive},
	{"refund", []string{"orders-promised", "orders-refunded"}, (*killPoint).refund},
	{"count", []string{"catalog-adjusted"}, (*killPoint).adjust},
}

// TestEveryKillPoint kills the process that reaches a step, for each action and step. The order must end as if no
// process had died.
func TestEveryKillPoint(t *testing.T) {
	h := harness(t)
	type point struct {
		action
		step string
	}
	var points []point
	covered := map[string]bool{}
	for _, a := range actions {
		for _, step := range a.steps {
			points = append(points, point{a, step})
			covered[step] = true
		}
	}
	for _, step := range steps(t) {
		require.True(t, covered[step], "no action reaches %s: add it to an action", step)
	}
	if !*long { // some of them, which the seed selects
		r := rand.New(rand.NewPCG(*seed, 1))
		r.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		points = points[:4]
	}
	name := fmt.Sprintf("points-%d", *seed)
	product := plan.Product{SKU: name, Price: "19.99", Quantity: 1000}
	require.NoError(t, h.Buyers.Import(t.Context(), []plan.Product{product}))
	for i, p := range points {
		ok := t.Run(p.name+"/"+p.step, func(t *testing.T) {
			k := &killPoint{buyers: h.Buyers, name: fmt.Sprintf("%s-%d", name, i), sku: product.SKU, step: p.step}
			killer := shop.NewKiller(h.Shop, 0)
			app, _, _ := strings.Cut(p.step, "-")
			died := func() bool {
				return strings.Contains(strings.Join(killer.Log(), "\n"), app+" died (signal: killed)")
			}
			log, err := killer.During(t.Context(), nil, func(ctx context.Context) error {
				k.ctx = ctx
				if err := p.run(k); err != nil {
					return err
				}
				return h.Buyers.Retry(ctx, "death of a process at "+p.step, func(context.Context) error {
					if !died() {
						return fmt.Errorf("%s has not died; armed steps: %v", app, h.Shop.ArmedSteps())
					}
					return nil
				})
			})
			require.NoError(t, err, killLog(log))
			requireNoViolation(t, h, log)
		})
		if !ok { // the next point would fail too
			break
		}
	}
}
