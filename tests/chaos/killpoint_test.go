package chaos

import (
	"context"
	"fmt"
	"net/http"

	"haberdash/tests/api"
	"haberdash/tests/chaos/buyers"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/view"
)

// killPoint arms a step just before the request of an action, so that the process dies that reaches the step.
type killPoint struct {
	buyers          *buyers.Buyers
	ctx             context.Context
	name, sku, step string
}

func (k *killPoint) arm() error { return k.buyers.Shop.ArmStep(k.step) }

// buy places an order of three units. It calls before after the cart is filled.
func (k *killPoint) buy(token string, before func() error) (*record.Placement, error) {
	guest := k.buyers.Guest(k.name)
	p := plan.Purchase{
		Key: k.name, Email: k.name + "@example.test", Items: []api.Item{{SKU: k.sku, Quantity: 3}},
		Token: token, Country: "DE",
	}
	cart, err := guest.FillCart(k.ctx, p)
	if err != nil {
		return nil, err
	}
	if err := before(); err != nil {
		return nil, err
	}
	a, err := guest.Do(k.ctx, buyers.PlacementRequest(p, cart))
	if err != nil {
		return nil, err
	}
	return guest.RecordPlacement(p, cart, []*api.Answer{a})
}

// confirmed places an order before the step is armed. It returns the order for its buyer and for the staff.
func (k *killPoint) confirmed() (o view.Order, asBuyer, asStaff buyers.Order, err error) {
	p, err := k.buy(api.Visa, func() error { return nil })
	if err != nil {
		return o, asBuyer, asStaff, err
	}
	o = p.Order
	return o, k.buyers.Guest(k.name).Order(o.ID, o.AccessToken), k.buyers.Staff.Order(o.ID, ""), nil
}

// shipped places and ships an order before the step is armed.
func (k *killPoint) shipped() (o view.Order, asBuyer, asStaff buyers.Order, err error) {
	o, asBuyer, asStaff, err = k.confirmed()
	if err == nil {
		o, _, err = asStaff.Fulfil(k.ctx, "parcel-"+k.name, o.Items())
	}
	return o, asBuyer, asStaff, err
}

func (k *killPoint) place() error {
	p, err := k.buy(api.Visa, k.arm)
	if err == nil && p.Status() != http.StatusCreated {
		err = p.Answers[0].Problem()
	}
	return err
}

func (k *killPoint) decline() error {
	p, err := k.buy(api.Declined, k.arm)
	if err == nil && p.Status() != http.StatusPaymentRequired {
		err = fmt.Errorf("the placement with a declined payment is answered with %d", p.Status())
	}
	return err
}

func (k *killPoint) cancel() error {
	_, asBuyer, _, err := k.confirmed()
	if err != nil {
		return err
	}
	if err := k.arm(); err != nil {
		return err
	}
	_, err = asBuyer.Cancel(k.ctx)
	return err
}

func (k *killPoint) fulfil() error {
	o, _, asStaff, err := k.confirmed()
	if err != nil {
		return err
	}
	if err := k.arm(); err != nil {
		return err
	}
	_, _, err = asStaff.Fulfil(k.ctx, "parcel-"+k.name, o.Items())
	return err
}

func (k *killPoint) receive() error {
	o, asBuyer, asStaff, err := k.shipped()
	if err != nil {
		return err
	}
	ret, err := asBuyer.RequestReturn(k.ctx, "return-"+k.name, o.Items())
	if err != nil {
		return err
	}
	if err := k.arm(); err != nil {
		return err
	}
	_, err = asStaff.Receive(k.ctx, ret, true)
	return err
}

func (k *killPoint) refund() error {
	_, _, asStaff, err := k.shipped()
	if err != nil {
		return err
	}
	if err := k.arm(); err != nil {
		return err
	}
	return asStaff.Refund(k.ctx, "refund-"+k.name, api.Money{Amount: 7, Currency: "EUR"})
}

func (k *killPoint) adjust() error {
	if err := k.arm(); err != nil {
		return err
	}
	return k.buyers.Adjust(k.ctx, plan.Adjustment{
		Key: "count-" + k.name, SKU: k.sku, Reason: "count " + k.name, Delta: -2,
	})
}
