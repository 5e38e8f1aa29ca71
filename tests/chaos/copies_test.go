package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
	"haberdash/tests/chaos/buyers"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/shop"
)

// TestFiftyCopies sends fifty copies of one placement at the same moment. They must make one order and one charge and
// get one answer, whichever process dies in the meantime.
func TestFiftyCopies(t *testing.T) {
	h := harness(t)
	const copies = 50
	for name, kills := range map[string][]plan.Kill{
		"without kills":      nil,
		"while orders dies":  {{Step: "orders-authorised"}, {Step: "orders-decided"}},
		"while catalog dies": {{Step: "catalog-reserved"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			key := fmt.Sprintf("copies-%d-%s", *seed, strings.ReplaceAll(name, " ", "-"))
			require.NoError(t, h.Buyers.Import(ctx, []plan.Product{{SKU: key, Price: "19.99", Quantity: 3}}))
			buyer := h.Buyers.Guest(key)
			p := plan.Purchase{
				Key: key, Email: key + "@example.test", Items: []api.Item{{SKU: key, Quantity: 2}},
				Token: api.Visa, Country: "DE",
			}
			cart, err := buyer.FillCart(ctx, p)
			require.NoError(t, err)
			var placement *record.Placement
			log, err := shop.NewKiller(h.Shop, 0).During(ctx, kills, func(ctx context.Context) error {
				answers, err := buyer.DoCopies(ctx, buyers.PlacementRequest(p, cart), copies, false)
				if err != nil {
					return err
				}
				placement, err = buyer.RecordPlacement(p, cart, answers)
				return err
			})
			require.NoError(t, err, killLog(log))
			require.Len(t, placement.Answers, copies)
			for _, a := range placement.Answers {
				require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
				require.Equal(t, string(placement.Answers[0].Body), string(a.Body))
			}
			s := requireNoViolation(t, h, log)
			account := s.Accounts()[placement.Order.ID]
			require.Equal(t, 1, account.Authorisations, "charges")
			require.Equal(t, placement.Order.Total.Amount, account.Reserved)
			require.Len(t, s.IDsByEmail()[p.Email], 1)
			requireLevels(t, s, key, 3, 2)
		})
	}
}
