package snapshot

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"haberdash/internal/contract"
	"haberdash/tests/api"
	"haberdash/tests/chaos/buyers"
	"haberdash/tests/chaos/parallel"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/shop"
	"haberdash/tests/chaos/view"
)

// concurrency is the number of requests that a reader sends at the same time.
const concurrency = 8

// reader reads the parts of a snapshot.
type reader struct {
	shop   *shop.Shop
	record *record.Record
	buyers *buyers.Buyers
}

// Read reads a snapshot. If Unfinished returns nothing, its parts belong to the same moment.
func Read(ctx context.Context, b *buyers.Buyers) (*Snapshot, error) {
	r := &reader{b.Shop, b.Record, b}
	s := &Snapshot{
		Orders: map[string]Order{}, Stock: map[string]Stock{}, Carts: map[string]view.Cart{},
		Listed: map[string][]string{}, Cursors: map[string][]contract.Cursor{},
	}
	headsBefore, err := r.readHeads(ctx)
	if err != nil {
		return nil, err
	}
	cursorsBefore, err := r.readCursors(ctx)
	if err != nil {
		return nil, err
	}
	for _, read := range []func(context.Context, *Snapshot) error{
		r.readOrders, r.readStock, r.readCarts, r.readLists, r.readLedger, r.readFeeds, r.readAudits,
	} {
		if err := read(ctx, s); err != nil {
			return nil, err
		}
	}
	for i, f := range s.Feeds {
		s.Moved = s.Moved || f.Head != headsBefore[i]
	}
	for app, cursors := range s.Cursors {
		for _, c := range cursors {
			s.Moved = s.Moved || !reached(cursorsBefore[app], c)
		}
	}
	s.Mails, err = readMails(r.shop.MailDir())
	return s, err
}

func (r *reader) readOrders(ctx context.Context, s *Snapshot) error {
	orders, err := list[view.Order](ctx, r.buyers.Staff, "/api/v1/orders")
	if err != nil {
		return err
	}
	var mu sync.Mutex
	return parallel.Each(orders, concurrency, func(o view.Order) error {
		events, err := read[[]view.Event](ctx, r.buyers.Staff, "/api/v1/orders/"+o.ID+"/events")
		if err != nil {
			return err
		}
		// The list has the whole order too, but an older one: the order must not be older than its events.
		o, err = read[view.Order](ctx, r.buyers.Staff, "/api/v1/orders/"+o.ID)
		mu.Lock()
		defer mu.Unlock()
		s.Orders[o.ID] = Order{o, events}
		return err
	})
}

func (r *reader) readStock(ctx context.Context, s *Snapshot) error {
	var mu sync.Mutex
	return parallel.Each(r.record.SKUs(), concurrency, func(sku string) error {
		path := "/api/v1/stock/" + url.PathEscape(sku)
		events, err := list[view.StockEvent](ctx, r.buyers.Staff, path+"/history")
		if err != nil {
			return err
		}
		stock, err := read[Stock](ctx, r.buyers.Staff, path)
		slices.Reverse(events)
		stock.Events = events
		mu.Lock()
		defer mu.Unlock()
		s.Stock[sku] = stock
		return err
	})
}

// readCarts reads each cart as its owner: other callers may not.
func (r *reader) readCarts(ctx context.Context, s *Snapshot) error {
	owners := r.record.CartOwners()
	var mu sync.Mutex
	return parallel.Each(slices.Collect(maps.Keys(owners)), concurrency, func(id string) error {
		cart, err := read[view.Cart](ctx, r.buyers.CustomerOrGuest(owners[id]), "/api/v1/carts/"+id)
		mu.Lock()
		defer mu.Unlock()
		s.Carts[id] = cart
		return err
	})
}

// readLists reads the list of orders that each customer sees.
func (r *reader) readLists(ctx context.Context, s *Snapshot) error {
	var mu sync.Mutex
	return parallel.Each(r.buyers.Customers(), concurrency, func(c *buyers.Client) error {
		orders, err := list[view.Order](ctx, c, "/api/v1/orders")
		mu.Lock()
		defer mu.Unlock()
		s.Listed[c.Name] = []string{}
		for _, o := range orders {
			s.Listed[c.Name] = append(s.Listed[c.Name], o.ID)
		}
		return err
	})
}

// read reads one resource.
func read[T any](ctx context.Context, c *buyers.Client, path string) (v T, err error) {
	a, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: path})
	if err == nil {
		err = a.Decode(&v)
	}
	if err != nil {
		err = fmt.Errorf("GET %s: %w", path, err)
	}
	return v, err
}

// list reads all pages of a list.
func list[T any](ctx context.Context, c *buyers.Client, path string) (all []T, err error) {
	for query := (url.Values{"limit": {"100"}}); ; {
		page, err := read[api.List[T]](ctx, c, path+"?"+query.Encode())
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
