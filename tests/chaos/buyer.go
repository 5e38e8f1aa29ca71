package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"haberdash/tests/api"
)

// buy lives a buyer's life. An error means that somebody got no final answer within patience.
func (w *World) buy(ctx context.Context, b Buyer) error {
	p := &person{w: w, name: b.Name}
	if b.Customer {
		p.email, p.password = b.Name+"@example.test", "a password of "+b.Name
		if err := p.register(ctx); err != nil {
			return err
		}
		w.Witness.note(func() { w.Witness.customers = append(w.Witness.customers, p) })
	}
	for _, purchase := range b.Purchases {
		if err := w.purchase(ctx, p, purchase); err != nil {
			return err
		}
	}
	return nil
}

// purchase fills a cart, orders it, and lives through what becomes of the order.
func (w *World) purchase(ctx context.Context, p *person, want Purchase) error {
	for w.answers.Load() > w.pace.Load() {
		if !sleep(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
	cart, err := p.fill(ctx, want)
	if err != nil {
		return err
	}
	request := placing(want, cart)
	answers, err := p.insist(ctx, request, want.Copies, want.HangsUp)
	if err != nil {
		return err
	}
	placed, err := w.placed(p, want, cart, answers)
	if err != nil {
		return err
	}
	if placed.Status() == http.StatusCreated {
		if err := w.afterwards(ctx, p, placed.Order, want.Fate); err != nil {
			return err
		}
	}
	if want.Again {
		again, err := p.once(ctx, request)
		if err != nil {
			return err
		}
		w.Witness.note(func() { placed.Answers = append(placed.Answers, again) })
	}
	return nil
}

// placing is the request that orders a cart.
func placing(want Purchase, cart string) api.Request {
	home := api.Home
	home.Country = want.Country
	return api.Request{
		Method: http.MethodPost, Path: "/api/v1/orders", Header: map[string]string{"Idempotency-Key": want.Key},
		Body: api.Placement{CartID: cart, Email: want.Email, ShippingAddress: home, Payment: api.Payment{Method: "card", Token: want.Token}},
	}
}

// refusals are the ways in which a placement may be refused.
var refusals = []string{
	"402 payment-declined", "409 out-of-stock", "409 price-changed", "409 cart-changed", "422 empty-cart",
}

// placed writes down what a placement was answered with.
func (w *World) placed(p *person, want Purchase, cart string, answers []*api.Answer) (*Placement, error) {
	made := &Placement{Key: want.Key, Email: want.Email, Cart: cart, Answers: answers}
	if p.email != "" {
		made.Customer = p
	}
	a := answers[0]
	if a.Status == http.StatusCreated {
		if err := json.Unmarshal(a.Body, &made.Order); err != nil {
			return nil, fmt.Errorf("key %s: %w: %.300s", want.Key, err, a.Body)
		}
	} else if what := fmt.Sprintf("%d %s", a.Status, a.Problem().Name()); !slices.Contains(refusals, what) {
		w.Witness.surprise(0, "key %s: placing an order is answered with %s: %.300s", want.Key, what, a.Body)
	}
	w.Witness.note(func() {
		w.Witness.placements[want.Key] = made
		note := w.Witness.carts[cart]
		note.Ordered = a.Status == http.StatusCreated
		w.Witness.carts[cart] = note
	})
	return made, nil
}

// basket is what a buyer sees of a cart.
type basket struct {
	ID      string     `json:"id"`
	Items   []api.Item `json:"items"`
	Coupons []string   `json:"coupons"`
}

// fill makes a cart that holds what is wanted, and no more, and gives its id. It reads the cart again after each change
// that was not answered or met another version.
func (p *person) fill(ctx context.Context, want Purchase) (id string, err error) {
	start := api.Request{Method: http.MethodPost, Path: "/api/v1/carts", Body: struct{}{}}
	if p.email != "" {
		start = api.Request{Method: http.MethodGet, Path: "/api/v1/carts/mine"}
	}
	a, err := p.once(ctx, start)
	if err != nil {
		return "", err
	}
	var b basket
	if err := a.Decode(&b); err != nil {
		return "", fmt.Errorf("%s: a cart: %w", p.name, err)
	}
	id = b.ID
	err = p.w.until(ctx, p.name+" fills a cart", func(ctx context.Context) error { return p.fillOnce(ctx, id, want) })
	p.w.Witness.note(func() {
		note := CartNote{Items: want.Items}
		if p.email != "" {
			note.Owner = p
		}
		p.w.Witness.carts[id] = note
	})
	return id, err
}

// fillOnce changes what is not as wanted; no error means that nothing was.
func (p *person) fillOnce(ctx context.Context, id string, want Purchase) error {
	path := "/api/v1/carts/" + id
	a, err := p.try(ctx, api.Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return err
	}
	var b basket
	if err := a.Decode(&b); err != nil {
		return err
	}
	change := func(method, path string, body any) error {
		a, err := p.try(ctx, api.Request{Method: method, Path: path, Header: map[string]string{"If-Match": a.Header.Get("ETag")}, Body: body})
		if err == nil && a.Status == http.StatusOK {
			err = errChanged
		} else if err == nil {
			err = a.Problem()
		}
		return err
	}
	for _, there := range b.Items {
		if !slices.ContainsFunc(want.Items, func(i api.Item) bool { return i.SKU == there.SKU }) {
			return change(http.MethodDelete, path+"/items/"+there.SKU, nil)
		}
	}
	for _, i := range want.Items {
		if !slices.Contains(b.Items, i) {
			return change(http.MethodPut, path+"/items/"+i.SKU, map[string]int64{"quantity": i.Quantity})
		}
	}
	if want.Coupon != "" && !slices.Contains(b.Coupons, want.Coupon) {
		return change(http.MethodPost, path+"/coupons", map[string]string{"code": want.Coupon})
	}
	return nil
}

var errChanged = fmt.Errorf("%w: changed, to be looked at again", errNotYet)
