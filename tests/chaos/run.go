package chaos

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"haberdash/tests/api"
)

// atOnce is how many buyers are in the shop at the same time.
const atOnce = 40

// Stock imports goods, and waits until they can be bought.
func (w *World) Stock(ctx context.Context, goods []Good) error {
	var file bytes.Buffer
	rows := csv.NewWriter(&file)
	_ = rows.Write([]string{ // a buffer takes everything
		"Handle", "Title", "Published", "Option1 Name", "Option1 Value", "Variant SKU", "Variant Grams", "Variant Inventory Tracker",
		"Variant Inventory Qty", "Variant Inventory Policy", "Variant Price", "Variant Requires Shipping", "Variant Taxable",
	})
	for _, g := range goods {
		_ = rows.Write([]string{strings.ToLower(g.SKU), "A " + g.SKU, "true", "Title", "Default Title", g.SKU, "100", "shopify",
			fmt.Sprint(g.Quantity), "deny", g.Price, "true", "true"})
		w.Witness.note(func() { w.Witness.goods[g.SKU] = g.Quantity })
	}
	rows.Flush()
	a, err := w.staff.once(ctx, api.Request{Method: http.MethodPost, Path: "/api/v1/products/import",
		Header: map[string]string{"Content-Type": "text/csv"}, Body: file.Bytes()})
	if err != nil {
		return err
	}
	var did api.Imported
	if err := a.Decode(&did); err != nil {
		return err
	}
	if did.Created != len(goods) {
		return fmt.Errorf("the import did %+v of %d products", did, len(goods))
	}
	return nil
}

// Run carries a plan out: everybody buys while the monkey strikes. It returns when all processes run again and nothing
// is under way, or should be; what went wrong until then is in the error. The diary tells what the monkey did.
func (w *World) Run(ctx context.Context, p Plan) (diary []string, err error) {
	if err := w.Stock(ctx, p.Goods); err != nil {
		return nil, err
	}
	m := newMonkey(w)
	m.breath = p.Breath
	return m.during(ctx, p.Blows, func(ctx context.Context) error {
		var all sync.WaitGroup
		var failed failures
		gone := make(chan struct{})
		all.Go(func() { failed.add(w.countAll(ctx, p, gone)) })
		failed.add(parallel(p.Buyers, atOnce, func(b Buyer) error { return w.buy(ctx, b) }))
		close(gone)
		all.Wait()
		return failed.all()
	})
}

// during does something while blows fall, and then waits until the shop is itself again.
func (m *monkey) during(ctx context.Context, blows []Blow, do func(context.Context) error) (diary []string, err error) {
	over := make(chan struct{})
	living, rest := context.WithCancel(ctx)
	defer rest()
	struck, revived := make(chan struct{}), make(chan error, 1)
	go func() { m.strike(ctx, blows, over); close(struck) }()
	go func() { revived <- m.revive(living) }()

	err = do(ctx)
	close(over)
	<-struck
	for _, step := range m.w.armed() {
		m.write("nobody has reached %s", step)
	}
	m.w.disarm()
	rest()
	err = errors.Join(err, <-revived)
	ready, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	if err == nil {
		err = m.w.Shop.Ready(ready)
	}
	return m.Diary(), err
}

// countAll adjusts stock by hand, evenly over the run; what is left when the buyers are gone, at once.
func (w *World) countAll(ctx context.Context, p Plan, gone <-chan struct{}) error {
	start := w.answers.Load()
	for i, m := range p.Movements {
		if err := w.await(ctx, start+int64(i*p.requests()/len(p.Movements)), gone); err != nil {
			return err
		}
		if err := w.count(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// await waits until so many requests are answered, or no more will be.
func (w *World) await(ctx context.Context, answers int64, over <-chan struct{}) error {
	for w.answers.Load() < answers {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// Quiet waits until nothing is under way, and reads the books then. last is what was under way until the end.
func (w *World) Quiet(ctx context.Context) (books *Books, last error, err error) {
	err = w.until(ctx, "the shop comes to rest", func(ctx context.Context) (err error) {
		if last != nil { // reading everything is work for the shop, too
			sleep(ctx, time.Second)
		}
		if books, err = w.Read(ctx); err != nil {
			last = err
			return err
		}
		if pending := books.Pending(); len(pending) > 0 {
			last = fmt.Errorf("%d things are under way, such as %s", len(pending), pending[0])
			return last
		}
		return nil
	})
	return books, last, err
}

// failures gathers errors from several goroutines.
type failures struct {
	mu   sync.Mutex
	errs []error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *failures) all() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.errs...)
}
