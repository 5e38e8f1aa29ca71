package service

import (
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
	Email           string               `json:"email"`
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
	Status         string          `json:"status"`
}

type returnView struct {
	ID     string          `json:"id"`
	Lines  []contract.Line `json:"lines" nullable:"false"`
	Status string          `json:"status"`
}

func view(o order.Order, version uint64) orderView {
	return orderView{
		ID: o.OrderID, Number: o.Number, Status: o.Status, Email: o.Email, Lines: o.Lines,
		Subtotal: o.Subtotal, Discount: o.Discount, Shipping: o.Shipping, Tax: o.Tax, Total: o.Total,
		Payment:         paymentView{o.Payment.Status, o.Payment.Authorized, o.Payment.Captured, o.Payment.Refunded},
		ShippingAddress: o.ShippingAddress, Fulfilments: []fulfilmentView{}, Returns: []returnView{},
		CreatedAt: o.PlacedAt, Version: version,
	}
}

// firstAnswer is the order as the first answer to its placement showed it, whatever came after.
func (s *Service) firstAnswer(o order.Order, version uint64) orderView {
	if o.DecidedBy > 0 {
		version = o.DecidedBy
	}
	v := view(o.AtDecision(), version)
	v.AccessToken = s.guestToken(o)
	return v
}

func etag(version uint64) string { return strconv.Quote(strconv.FormatUint(version, 10)) }
