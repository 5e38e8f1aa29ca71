package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// Of a hundred units a thousand buyers get exactly a hundred, though two services die in the middle of it: nobody is
// refused as long as there is one, and nobody is promised one that is not there.
func TestRush(t *testing.T) {
	w := world(t)
	const share = 10 // buyers for each unit
	units := 20
	if *long {
		units = 100
	}
	n := share * units
	name := fmt.Sprintf("rush-%d", *seed)
	ctx := t.Context()
	require.NoError(t, w.Stock(ctx, []Good{{SKU: name, Price: "19.99", Quantity: int64(units)}}))
	people, carts, wants := make([]*person, n), make([]string, n), make([]Purchase, n)
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = i
		buyer := fmt.Sprintf("%s-%d", name, i)
		people[i] = &person{w: w, name: buyer}
		wants[i] = Purchase{Key: buyer, Email: buyer + "@example.test", Items: []api.Item{{SKU: name, Quantity: 1}}, Token: api.Visa, Country: "DE"}
	}
	require.NoError(t, parallel(indexes, atOnce, func(i int) (err error) {
		carts[i], err = people[i].fill(ctx, wants[i])
		return err
	}))

	blows := []Blow{
		{After: n / 20, Target: "orders", Down: revival},
		{After: n / 4, Target: "catalog", Down: revival},
	}
	placements := make([]*Placement, n)
	diary, err := newMonkey(w).during(ctx, blows, func(ctx context.Context) error {
		return together(n, func(i int) error {
			a, err := people[i].once(ctx, placing(wants[i], carts[i]))
			if err != nil {
				return err
			}
			placements[i], err = w.placed(people[i], wants[i], carts[i], []*api.Answer{a})
			return err
		})
	})
	require.NoError(t, err, "seed %d; the schedule:\n%s", *seed, strings.Join(diary, "\n"))
	sold := 0
	for _, p := range placements {
		if p.Status() == http.StatusCreated {
			sold++
			continue
		}
		require.Equal(t, http.StatusConflict, p.Status(), "%s", p.Answers[0].Body)
		var short []api.OutOfStockLine
		require.NoError(t, p.Answers[0].Problem().Member("lines", &short))
		require.Equal(t, []api.OutOfStockLine{{SKU: name, Requested: 1, Available: 0}}, short)
	}
	require.Equal(t, units, sold)
	books := judge(t, w, diary)
	require.Equal(t, []int64{int64(units), int64(units)}, books.sums(name), "on hand and reserved")
}

// sums are what is on hand and what is reserved of a SKU, everywhere.
func (b *Books) sums(sku string) []int64 {
	sums := []int64{0, 0}
	for _, l := range b.Stock[sku].Levels {
		sums[0], sums[1] = sums[0]+l.OnHand, sums[1]+l.Reserved
	}
	return sums
}

// together does something n times at the same moment.
func together(n int, do func(i int) error) error {
	var all sync.WaitGroup
	var failed failures
	gate := make(chan struct{})
	for i := range n {
		all.Go(func() { <-gate; failed.add(do(i)) })
	}
	close(gate)
	all.Wait()
	return failed.all()
}
