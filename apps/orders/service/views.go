package service

import (
	"context"
	"strconv"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

// orderView is an order of the public API.
type orderView struct {
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
	Payment         paymentView          `json:"payment"`
	ShippingAddress contract.Address     `json:"shippingAddress"`
	Fulfilments     []fulfilmentView     `json:"fulfilments" nullable:"false"`
	Returns         []returnView         `json:"returns" nullable:"false"`
	CreatedAt       time.Time            `json:"createdAt"`
	Version         uint64               `json:"version"`
	AccessToken     string               `json:"accessToken,omitempty" doc:"Lets a guest read the order: send it as X-Order-Token"`
}

type paymentView struct {
	Status     string      `json:"status" enum:"none,authorized,partially-captured,captured,partially-refunded,refunded,voided,declined"`
	Authorized money.Money `json:"authorized"`
	Captured   money.Money `json:"captured"`
	Refunded   money.Money `json:"refunded"`
}

type fulfilmentView struct {
	ID             string          `json:"id"`
	Lines          []contract.Line `json:"lines" nullable:"false"`
	Carrier        string          `json:"carrier"`
	TrackingNumber string          `json:"trackingNumber"`
	Status         string          `json:"status" enum:"pending,shipped,delivered,failed" doc:"failed: its payment was refused, its lines are open again"`
	Amount         money.Money     `json:"amount" doc:"Its share of the total"`
}

type returnView struct {
	ID       string          `json:"id"`
	Lines    []contract.Line `json:"lines" nullable:"false"`
	Reason   string          `json:"reason"`
	Status   string          `json:"status" enum:"requested,received"`
	Refunded *money.Money    `json:"refunded,omitempty" doc:"What was given back for it"`
}

// views are orders as who may read them sees them.
func (s *Service) views(ctx context.Context, orders []order.Listed) ([]orderView, error) {
	plain := make([]order.Order, len(orders))
	for i, o := range orders {
		plain[i] = o.Order
	}
	people, err := s.reveal(ctx, plain...)
	if err != nil {
		return nil, err
	}
	views := make([]orderView, len(orders))
	for i, o := range orders {
		views[i] = view(o.Order, o.Version, people[i])
	}
	return views, nil
}

func (s *Service) view(ctx context.Context, o order.Order, version uint64) (orderView, error) {
	people, err := s.reveal(ctx, o)
	if err != nil {
		return orderView{}, err
	}
	return view(o, version, people[0]), nil
}

func view(o order.Order, version uint64, p person) orderView {
	v := orderView{
		ID: o.OrderID, Number: o.Number, Status: o.Status, Email: p.email, Lines: o.Lines,
		Subtotal: o.Subtotal, Discount: o.Discount, Shipping: o.Shipping, Tax: o.Tax, Total: o.Total,
		Payment:         paymentView{o.Payment.Status(), o.Payment.Authorized, o.Payment.Captured, o.Payment.Refunded},
		ShippingAddress: p.address, Fulfilments: []fulfilmentView{}, Returns: []returnView{},
		CreatedAt: o.PlacedAt, Version: version,
	}
	for _, f := range o.Fulfilments {
		v.Fulfilments = append(v.Fulfilments, fulfilmentView{f.ID, order.Lines(f.Parts), f.Carrier, f.TrackingNumber, f.Status, o.Money(f.Amount())})
	}
	for _, r := range o.Returns {
		rv := returnView{ID: r.ID, Lines: order.Lines(r.Parts), Reason: p.reasons[r.ID], Status: order.Requested}
		if r.Status != order.Requested {
			rv.Status = order.Received
		}
		if r.Status == order.Refunded {
			given := o.Money(r.Owed)
			rv.Refunded = &given
		}
		v.Returns = append(v.Returns, rv)
	}
	return v
}

// firstAnswer is the order as the first answer to its placement showed it, whatever came after. Who is behind it is
// in the request.
func (s *Service) firstAnswer(ctx context.Context, o order.Order, version uint64, p placement) (orderView, error) {
	if o.DecidedBy > 0 && o.DecidedBy != version {
		then, err := s.Book.At(ctx, o.OrderID, o.DecidedBy)
		if err != nil {
			return orderView{}, err
		}
		o, version = then, o.DecidedBy
	}
	v := view(o, version, person{email: p.Email, address: p.ShippingAddress})
	v.AccessToken = s.guestToken(o)
	return v, nil
}

func etag(version uint64) string { return strconv.Quote(strconv.FormatUint(version, 10)) }
