// Package views shows orders to readers of the public API, with the personal data that can still be read.
package views

import (
	"context"
	"strconv"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/apps/orders/internal/share"
	"haberdash/apps/orders/service/privacy"
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

// OrderView is an order of the public API.
type OrderView struct {
	ID              string               `json:"id"`
	Number          string               `json:"number" doc:"For people" example:"H10001"`
	Status          order.Status         `json:"status" enum:"placing,confirmed,partially-fulfilled,fulfilled,delivered,cancelled,rejected,returned"`
	Email           string               `json:"email" doc:"Empty once the customer's account is deleted"`
	Lines           []contract.OrderLine `json:"lines" nullable:"false"`
	Subtotal        money.Money          `json:"subtotal"`
	Discount        money.Money          `json:"discount"`
	Shipping        money.Money          `json:"shipping"`
	Tax             money.Money          `json:"tax"`
	Total           money.Money          `json:"total" doc:"subtotal − discount + shipping + tax"`
	Payment         PaymentView          `json:"payment"`
	ShippingAddress contract.Address     `json:"shippingAddress"`
	Fulfilments     []FulfilmentView     `json:"fulfilments" nullable:"false"`
	Returns         []ReturnView         `json:"returns" nullable:"false"`
	CreatedAt       time.Time            `json:"createdAt"`
	Version         uint64               `json:"version"`
	AccessToken     string               `json:"accessToken,omitempty" doc:"Lets a guest read the order: send it as X-Order-Token"`
}

// PaymentView is the payment of an order.
type PaymentView struct {
	Status     string      `json:"status" enum:"none,authorized,partially-captured,captured,partially-refunded,refunded,voided,declined"`
	Authorized money.Money `json:"authorized"`
	Captured   money.Money `json:"captured"`
	Refunded   money.Money `json:"refunded"`
}

// FulfilmentView is a parcel of an order.
type FulfilmentView struct {
	ID             string          `json:"id"`
	Lines          []contract.Line `json:"lines" nullable:"false"`
	Carrier        string          `json:"carrier"`
	TrackingNumber string          `json:"trackingNumber"`
	Status         string          `json:"status" enum:"pending,shipped,delivered,failed" doc:"failed: its payment was refused, its lines are open again"`
	Amount         money.Money     `json:"amount" doc:"Its share of the total"`
}

// ReturnView is a return of an order.
type ReturnView struct {
	ID       string          `json:"id"`
	Lines    []contract.Line `json:"lines" nullable:"false"`
	Reason   string          `json:"reason"`
	Status   string          `json:"status" enum:"requested,received"`
	Refunded *money.Money    `json:"refunded,omitempty" doc:"The amount that was refunded for it"`
}

// Views makes views of orders. It is safe for concurrent use.
type Views struct {
	personal *privacy.PersonalData
	orders   *orderlog.Repository
}

// New makes Views.
func New(personal *privacy.PersonalData, orders *orderlog.Repository) *Views {
	return &Views{personal, orders}
}

// Order is the view of one order.
func (v *Views) Order(ctx context.Context, o order.Order, version uint64) (OrderView, error) {
	people, err := v.personal.Open(ctx, o)
	if err != nil {
		return OrderView{}, err
	}
	return orderView(o, version, people[0]), nil
}

// List is the view of a list of orders.
func (v *Views) List(ctx context.Context, listed []readmodel.Listed) ([]OrderView, error) {
	orders := make([]order.Order, len(listed))
	for i, l := range listed {
		orders[i] = l.Order
	}
	people, err := v.personal.Open(ctx, orders...)
	if err != nil {
		return nil, err
	}
	views := make([]OrderView, len(listed))
	for i, l := range listed {
		views[i] = orderView(l.Order, l.Version, people[i])
	}
	return views, nil
}

// FirstAnswer is the view of an order as the first answer to its placement showed it, however it has changed since. The
// personal data is that of the request.
func (v *Views) FirstAnswer(ctx context.Context, o order.Order, version uint64,
	person privacy.Person) (OrderView, error) {
	if o.DecidedBy > 0 && o.DecidedBy != version {
		decided, err := v.orders.At(ctx, o.OrderID, o.DecidedBy)
		if err != nil {
			return OrderView{}, err
		}
		o, version = decided, o.DecidedBy
	}
	view := orderView(o, version, person)
	view.AccessToken = v.personal.GuestToken(o)
	return view, nil
}

func orderView(o order.Order, version uint64, person privacy.Person) OrderView {
	view := OrderView{
		ID: o.OrderID, Number: o.Number, Status: o.Status, Email: person.Email, Lines: o.Lines,
		Subtotal: o.Subtotal, Discount: o.Discount, Shipping: o.Shipping, Tax: o.Tax, Total: o.Total,
		Payment:         PaymentView{o.Payment.Status(), o.Payment.Authorized, o.Payment.Captured, o.Payment.Refunded},
		ShippingAddress: person.Address, Fulfilments: []FulfilmentView{}, Returns: []ReturnView{},
		CreatedAt: o.PlacedAt, Version: version,
	}
	for _, f := range o.Fulfilments {
		view.Fulfilments = append(view.Fulfilments,
			FulfilmentView{f.ID, share.Lines(f.Parts), f.Carrier, f.TrackingNumber, f.Status, o.Money(f.Amount())})
	}
	for _, r := range o.Returns {
		view.Returns = append(view.Returns, returnView(o, r, person))
	}
	return view
}

func returnView(o order.Order, r order.Return, person privacy.Person) ReturnView {
	view := ReturnView{ID: r.ID, Lines: share.Lines(r.Parts), Reason: person.Reasons[r.ID], Status: order.Requested}
	if r.Status != order.Requested {
		view.Status = order.Received
	}
	if r.Status == order.Refunded {
		refunded := o.Money(r.Owed)
		view.Refunded = &refunded
	}
	return view
}

// ETag is the ETag of a version of an order.
func ETag(version uint64) string { return strconv.Quote(strconv.FormatUint(version, 10)) }
