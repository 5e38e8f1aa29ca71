package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// Fifty copies of one request are one order, one charge and one answer, whoever dies meanwhile.
func TestFiftyCopies(t *testing.T) {
	w := world(t)
	const copies = 50
	for name, blows := range map[string][]Blow{
		"in peace":           nil,
		"while orders dies":  {{Step: "orders-authorised"}, {Step: "orders-decided"}},
		"while catalog dies": {{Step: "catalog-reserved"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			key := fmt.Sprintf("copies-%d-%s", *seed, strings.ReplaceAll(name, " ", "-"))
			require.NoError(t, w.Stock(ctx, []Good{{SKU: key, Price: "19.99", Quantity: 3}}))
			p := &person{w: w, name: key}
			want := Purchase{Key: key, Email: key + "@example.test", Items: []api.Item{{SKU: key, Quantity: 2}}, Token: api.Visa, Country: "DE"}
			cart, err := p.fill(ctx, want)
			require.NoError(t, err)
			var placed *Placement
			diary, err := newMonkey(w).during(ctx, blows, func(ctx context.Context) error {
				answers, err := p.insist(ctx, placing(want, cart), copies, false)
				if err != nil {
					return err
				}
				placed, err = w.placed(p, want, cart, answers)
				return err
			})
			require.NoError(t, err, "seed %d:\n%s", *seed, strings.Join(diary, "\n"))
			require.Len(t, placed.Answers, copies)
			for _, a := range placed.Answers {
				require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
				require.Equal(t, string(placed.Answers[0].Body), string(a.Body))
			}
			books := judge(t, w, diary)
			account := books.accounts()[placed.Order.ID]
			require.Equal(t, 1, account.authorised, "charges")
			require.Equal(t, placed.Order.Total.Amount, account.reserved)
			require.Len(t, books.byEmail()[want.Email], 1)
			require.Equal(t, []int64{3, 2}, books.sums(key), "on hand and reserved")
		})
	}
}
