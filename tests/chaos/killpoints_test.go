package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// A passage is something that somebody does, and the steps that the shop passes meanwhile.
type passage struct {
	name  string
	steps []string
	pass  func(k *killer) error
}

var passages = []passage{
	{"place", []string{"orders-placed", "orders-reserved", "orders-authorised", "orders-decided", "catalog-reserved", "catalog-decided",
		"cart-emptied", "notifications-mailed"}, (*killer).place},
	{"decline", []string{"orders-giving-up", "orders-voided", "orders-released", "catalog-released"}, (*killer).decline},
	{"cancel", []string{"orders-promised", "orders-voided", "orders-released", "catalog-released", "catalog-decided"}, (*killer).cancel},
	{"fulfil", []string{"orders-promised", "orders-captured", "orders-shipped", "catalog-committed", "catalog-shipped"}, (*killer).fulfil},
	{"receive", []string{"orders-promised", "orders-refunded", "orders-restocked", "catalog-returned"}, (*killer).receive},
	{"refund", []string{"orders-promised", "orders-refunded"}, (*killer).refund},
	{"count", []string{"catalog-adjusted"}, (*killer).count},
}

// Whoever dies at whatever step, the order ends as if nobody had.
func TestEveryKillPoint(t *testing.T) {
	w := world(t)
	type point struct {
		passage
		step string
	}
	var points []point
	passed := map[string]bool{}
	for _, p := range passages {
		for _, step := range p.steps {
			points = append(points, point{p, step})
			passed[step] = true
		}
	}
	for _, step := range steps(t) {
		require.True(t, passed[step], "nothing passes %s: add it to a passage", step)
	}
	if !*long { // some of them; the seed decides which
		r := rand.New(rand.NewPCG(*seed, 1))
		r.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		points = points[:4]
	}
	name := fmt.Sprintf("points-%d", *seed)
	good := Good{SKU: name, Price: "19.99", Quantity: 1000}
	require.NoError(t, w.Stock(t.Context(), []Good{good}))
	for i, p := range points {
		ok := t.Run(p.name+"/"+p.step, func(t *testing.T) {
			k := &killer{w: w, name: fmt.Sprintf("%s-%d", name, i), sku: good.SKU, step: p.step}
			m := newMonkey(w)
			app, _, _ := strings.Cut(p.step, "-")
			died := func() bool { return strings.Contains(strings.Join(m.Diary(), "\n"), app+" died (signal: killed)") }
			diary, err := m.during(t.Context(), nil, func(ctx context.Context) error {
				k.ctx = ctx
				if err := p.pass(k); err != nil {
					return err
				}
				return w.until(ctx, "somebody dies at "+p.step, func(context.Context) error {
					if !died() {
						return fmt.Errorf("%s lives, and armed is %v", app, w.armed())
					}
					return nil
				})
			})
			require.NoError(t, err, "seed %d:\n%s", *seed, strings.Join(diary, "\n"))
			judge(t, w, diary)
		})
		if !ok { // the next would stumble over what this one has left
			break
		}
	}
}

// A killer is a buyer, or the staff, whose last action passes the armed step.
type killer struct {
	w               *World
	ctx             context.Context
	name, sku, step string
}

func (k *killer) arm() error { return k.w.arm(k.step) }

func (k *killer) buy(token string, arm func() error) (*Placement, error) {
	p := &person{w: k.w, name: k.name}
	want := Purchase{Key: k.name, Email: k.name + "@example.test", Items: []api.Item{{SKU: k.sku, Quantity: 3}}, Token: token, Country: "DE"}
	cart, err := p.fill(k.ctx, want)
	if err != nil {
		return nil, err
	}
	if err := arm(); err != nil {
		return nil, err
	}
	a, err := p.once(k.ctx, placing(want, cart))
	if err != nil {
		return nil, err
	}
	return k.w.placed(p, want, cart, []*api.Answer{a})
}

// bought is a confirmed order, placed before the step is armed, for its buyer and for the staff.
func (k *killer) bought() (o Order, buyer, staff handle, err error) {
	p, err := k.buy(api.Visa, func() error { return nil })
	if err != nil {
		return o, buyer, staff, err
	}
	o = p.Order
	return o, handle{k.w, &person{w: k.w, name: k.name}, o.ID, o.AccessToken}, handle{k.w, k.w.staff, o.ID, ""}, nil
}

func (k *killer) place() error {
	p, err := k.buy(api.Visa, k.arm)
	if err == nil && p.Status() != http.StatusCreated {
		err = p.Answers[0].Problem()
	}
	return err
}

func (k *killer) decline() error {
	p, err := k.buy(api.Declined, k.arm)
	if err == nil && p.Status() != http.StatusPaymentRequired {
		err = fmt.Errorf("placed with %d", p.Status())
	}
	return err
}

func (k *killer) cancel() error {
	_, buyer, _, err := k.bought()
	if err != nil {
		return err
	}
	if err := k.arm(); err != nil {
		return err
	}
	_, err = buyer.cancel(k.ctx)
	return err
}

func (k *killer) fulfil() error {
	o, _, staff, err := k.bought()
	if err != nil {
		return err
	}
	if err := k.arm(); err != nil {
		return err
	}
	_, _, err = staff.fulfil(k.ctx, "parcel-"+k.name, o.items())
	return err
}

// sent is an order that was sent before the step is armed.
func (k *killer) sent() (o Order, buyer, staff handle, err error) {
	o, buyer, staff, err = k.bought()
	if err == nil {
		o, _, err = staff.fulfil(k.ctx, "parcel-"+k.name, o.items())
	}
	return o, buyer, staff, err
}

func (k *killer) receive() error {
	o, buyer, staff, err := k.sent()
	if err != nil {
		return err
	}
	ret, err := buyer.sendBack(k.ctx, "return-"+k.name, o.items())
	if err != nil {
		return err
	}
	if err := k.arm(); err != nil {
		return err
	}
	_, err = staff.receive(k.ctx, ret, true)
	return err
}

func (k *killer) refund() error {
	_, _, staff, err := k.sent()
	if err != nil {
		return err
	}
	if err := k.arm(); err != nil {
		return err
	}
	return staff.refund(k.ctx, "refund-"+k.name, api.Money{Amount: 7, Currency: "EUR"})
}

func (k *killer) count() error {
	if err := k.arm(); err != nil {
		return err
	}
	return k.w.count(k.ctx, Movement{Key: "count-" + k.name, SKU: k.sku, Reason: "count " + k.name, Delta: -2})
}
