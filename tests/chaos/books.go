package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"haberdash/internal/contract"
	"haberdash/tests/api"
	"haberdash/tests/psp"
)

// readers is how many reads are under way at the same time.
const readers = 8

// Books are all that can be read of a shop from outside.
type Books struct {
	Orders  map[string]OrderBook // by id
	Stock   map[string]StockBook // by SKU
	Carts   map[string]basket    // by id
	Ledger  psp.Ledger
	Feeds   []Feed
	Cursors map[string][]contract.Cursor // by app
	Audits  []contract.Audit
	moved   bool // an event was published or consumed while they were read
	Mails   []Mail
	Own     map[*person][]string // ids of the orders that customers list as their own
}

// OrderBook is an order with its history, oldest first.
type OrderBook struct {
	Order
	Events []Event
}

// happened tells whether an event of the type is in the order's history.
func (o OrderBook) happened(kind string) bool {
	return slices.ContainsFunc(o.Events, func(e Event) bool { return e.Type == kind })
}

// StockBook is a SKU's levels with its history, oldest first at each location.
type StockBook struct {
	Levels []Level      `json:"locations"`
	Events []StockEvent `json:"-"`
}

// Read reads the books. If anything happens meanwhile, they are not to be held against each other: see Pending.
func (w *World) Read(ctx context.Context) (b *Books, err error) {
	b = &Books{Orders: map[string]OrderBook{}, Stock: map[string]StockBook{}, Carts: map[string]basket{}, Own: map[*person][]string{},
		Cursors: map[string][]contract.Cursor{}}
	before, err := w.heads(ctx)
	if err != nil {
		return nil, err
	}
	cursors, err := w.cursors(ctx)
	if err != nil {
		return nil, err
	}
	for _, read := range []func(context.Context, *Books) error{w.readOrders, w.readStock, w.readBuyers, w.readLedger, w.readFeeds} {
		if err := read(ctx, b); err != nil {
			return nil, err
		}
	}
	for i, f := range b.Feeds {
		b.moved = b.moved || f.Head != before[i]
	}
	for app, list := range b.Cursors {
		for _, now := range list {
			b.moved = b.moved || !came(cursors[app], now)
		}
	}
	b.Mails, err = readMails(w.Shop.MailDir())
	return b, err
}

func (w *World) readOrders(ctx context.Context, b *Books) error {
	orders, err := list[Order](ctx, w.staff, "/api/v1/orders")
	if err != nil {
		return err
	}
	var mu sync.Mutex
	return parallel(orders, readers, func(o Order) error {
		events, err := read[[]Event](ctx, w.staff, "/api/v1/orders/"+o.ID+"/events")
		if err != nil {
			return err
		}
		// As the list shows it, but after its events: of the two, the order is read later.
		o, err = read[Order](ctx, w.staff, "/api/v1/orders/"+o.ID)
		mu.Lock()
		defer mu.Unlock()
		b.Orders[o.ID] = OrderBook{o, events}
		return err
	})
}

func (w *World) readStock(ctx context.Context, b *Books) error {
	var mu sync.Mutex
	var skus []string
	w.Witness.note(func() {
		for sku := range w.Witness.goods {
			skus = append(skus, sku)
		}
	})
	return parallel(skus, readers, func(sku string) error {
		path := "/api/v1/stock/" + url.PathEscape(sku)
		events, err := list[StockEvent](ctx, w.staff, path+"/history")
		if err != nil {
			return err
		}
		book, err := read[StockBook](ctx, w.staff, path)
		slices.Reverse(events)
		book.Events = events
		mu.Lock()
		defer mu.Unlock()
		b.Stock[sku] = book
		return err
	})
}

// readBuyers reads what only they can: their carts and their own orders.
func (w *World) readBuyers(ctx context.Context, b *Books) error {
	carts, customers := map[string]*person{}, []*person(nil)
	w.Witness.note(func() {
		for id, note := range w.Witness.carts {
			carts[id] = note.Owner
		}
		customers = append(customers, w.Witness.customers...)
	})
	guest := &person{w: w, name: "guest"}
	var mu sync.Mutex
	var ids []string
	for id := range carts {
		ids = append(ids, id)
	}
	err := parallel(ids, readers, func(id string) error {
		who := carts[id]
		if who == nil {
			who = guest
		}
		cart, err := read[basket](ctx, who, "/api/v1/carts/"+id)
		mu.Lock()
		defer mu.Unlock()
		b.Carts[id] = cart
		return err
	})
	if err != nil {
		return err
	}
	return parallel(customers, readers, func(p *person) error {
		own, err := list[Order](ctx, p, "/api/v1/orders")
		mu.Lock()
		defer mu.Unlock()
		b.Own[p] = []string{}
		for _, o := range own {
			b.Own[p] = append(b.Own[p], o.ID)
		}
		return err
	})
}

func (w *World) readLedger(ctx context.Context, b *Books) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Provider.URL()+"/ledger", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(&b.Ledger)
}

// read reads a resource.
func read[T any](ctx context.Context, p *person, path string) (v T, err error) {
	a, err := p.once(ctx, api.Request{Method: http.MethodGet, Path: path})
	if err == nil {
		err = a.Decode(&v)
	}
	if err != nil {
		err = fmt.Errorf("GET %s: %w", path, err)
	}
	return v, err
}

// list reads all pages of a list.
func list[T any](ctx context.Context, p *person, path string) (all []T, err error) {
	for query := (url.Values{"limit": {"100"}}); ; {
		page, err := read[api.List[T]](ctx, p, path+"?"+query.Encode())
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all, nil
		}
		query.Set("cursor", *page.NextCursor)
	}
}

// parallel does so many at a time and gives all errors.
func parallel[T any](items []T, atOnce int, do func(T) error) error {
	var all sync.WaitGroup
	var failed failures
	gate := make(chan struct{}, atOnce)
	for _, item := range items {
		gate <- struct{}{}
		all.Go(func() {
			defer func() { <-gate }()
			failed.add(do(item))
		})
	}
	all.Wait()
	return failed.all()
}
