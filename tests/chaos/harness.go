// Package chaos buys from a shop with real sidecars while its processes are killed. Afterwards it checks from outside
// whether the shop has kept its invariants: it reads the public API, the feeds, the mails and the ledger of the payment
// provider, and nothing inside the services.
//
// The packages below it are: plan draws everything that happens from a seed; shop starts the shop and kills its
// processes; buyers are the customers and the staff; record remembers the answers that they got; snapshot reads the
// state of the shop afterwards; checker compares the two.
package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"haberdash/tests/chaos/buyers"
	"haberdash/tests/chaos/parallel"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/shop"
	"haberdash/tests/chaos/snapshot"
)

// concurrentBuyers is the number of buyers who buy at the same time.
const concurrentBuyers = 40

// Harness is a shop with its buyers, and the record of the answers that they got.
type Harness struct {
	Shop   *shop.Shop
	Buyers *buyers.Buyers
	Record *record.Record
}

// Start starts a shop. The caller closes Harness.Shop.
func Start(ctx context.Context, o shop.Options) (*Harness, error) {
	s, err := shop.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	r := record.New()
	return &Harness{Shop: s, Buyers: buyers.New(s, r), Record: r}, nil
}

// Execute carries out a plan: the buyers buy while processes are killed. It returns when all processes run again. The
// log lists the kills.
func (h *Harness) Execute(ctx context.Context, p plan.Plan) (log []string, err error) {
	if err := h.Buyers.Import(ctx, p.Products); err != nil {
		return nil, err
	}
	return shop.NewKiller(h.Shop, p.Pause).During(ctx, p.Kills, func(ctx context.Context) error {
		var adjusting sync.WaitGroup
		var failed parallel.Errors
		buyersDone := make(chan struct{})
		adjusting.Go(func() { failed.Add(h.adjustStock(ctx, p, buyersDone)) })
		failed.Add(parallel.Each(p.Buyers, concurrentBuyers, func(b plan.Buyer) error { return h.Buyers.Buy(ctx, b) }))
		close(buyersDone)
		adjusting.Wait()
		return failed.Join()
	})
}

// adjustStock distributes the stock adjustments evenly over the run. When the buyers are done, it makes the remaining
// ones at once.
func (h *Harness) adjustStock(ctx context.Context, p plan.Plan, buyersDone <-chan struct{}) error {
	progress := h.Shop.Progress
	start := progress.Answers()
	for i, a := range p.Adjustments {
		due := start + int64(i*p.Requests()/len(p.Adjustments))
		if err := progress.WaitFor(ctx, due, buyersDone); err != nil {
			return err
		}
		if err := h.Buyers.Adjust(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// WaitUntilIdle waits until the shop has finished all work, and returns a snapshot of that state. last is the work that
// was finished last, or nil if there was none.
func (h *Harness) WaitUntilIdle(ctx context.Context) (s *snapshot.Snapshot, last error, err error) {
	err = h.Buyers.Retry(ctx, "waiting until the shop is idle", func(ctx context.Context) (err error) {
		if last != nil { // reading a snapshot is work for the shop, too
			shop.Sleep(ctx, time.Second)
		}
		if s, err = snapshot.Read(ctx, h.Buyers); err != nil {
			last = err
			return err
		}
		if unfinished := s.Unfinished(); len(unfinished) > 0 {
			last = fmt.Errorf("%d tasks are unfinished, the first: %s", len(unfinished), unfinished[0])
			return last
		}
		return nil
	})
	return s, last, err
}
