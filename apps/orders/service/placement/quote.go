package placement

import (
	"context"
	"errors"
	"net/http"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/service/privacy"
	"haberdash/apps/orders/service/privacy/vault"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// prepared is what a new order is made of.
type prepared struct {
	quote contract.Quote
	keys  privacy.Keys
}

// prepare quotes the cart and reads the store at the same time. The order is refused if the same request was refused
// before, or if cart refuses the quote. An error means that the store does not answer.
func (p *Placer) prepare(ctx context.Context, s submission) (ready prepared, refused *refusal, err error) {
	quoted := make(chan error, 1)
	go func() { quoted <- p.quoteCart(ctx, s, &ready.quote) }()
	ready.keys, refused, err = p.readStore(ctx, s)
	if quoteErr := <-quoted; err == nil && refused == nil && quoteErr != nil {
		refused = &refusal{cause: quoteErr}
	}
	return ready, refused, err
}

func (p *Placer) quoteCart(ctx context.Context, s submission, quote *contract.Quote) error {
	watch := stopwatch{running: true, since: time.Now()}
	defer watch.lap(p.Stages.quote)
	request := contract.QuoteRequest{CartID: s.request.CartID, ShippingAddress: s.request.ShippingAddress,
		ShippingOption: s.request.ShippingOption}
	return sidecar.Call(ctx, p.Apps, "cart", http.MethodPost, "/internal/quotes", nil, request, quote)
}

// readStore reads with one call what recordAndDecide needs, and whether the same request was refused before. Keys that
// do not exist yet are made.
func (p *Placer) readStore(ctx context.Context, s submission) (keys privacy.Keys, refused *refusal, err error) {
	watch := stopwatch{running: true, since: time.Now()}
	defer watch.lap(p.Stages.read)
	customer, year := s.caller.UserID, p.Now().UTC().Year()
	read, err := p.Log.Preload(ctx, orderlog.PlacementAggregates(s.orderID, s.request.CartID, customer),
		append(vault.DocumentsFor(customer, year), refusalKey(s.orderID))...)
	if err != nil {
		return keys, nil, err
	}
	if item, found := read[refusalKey(s.orderID)]; found {
		return keys, earlierRefusal(item, s), nil
	}
	keys, err = p.Personal.KeysFor(ctx, customer, year, read)
	if errors.Is(err, privacy.ErrAccountDeleted) {
		return keys, &refusal{cause: err}, nil
	}
	return keys, nil, err
}

// orderOf makes the order of a quote.
func (s submission) orderOf(q contract.Quote) contract.OrderFact {
	fact := contract.OrderFact{
		OrderID: s.orderID, Customer: s.caller.UserID, CartID: q.CartID, CartVersion: q.CartVersion,
		Subtotal: q.Subtotal, Discount: q.Discount, Shipping: q.Shipping, Tax: q.Tax, Total: q.Total,
	}
	for _, l := range q.Lines {
		fact.Lines = append(fact.Lines, contract.OrderLine{SKU: l.SKU, Title: l.Title, Quantity: l.Quantity,
			UnitPrice: l.UnitPrice, Taxable: l.Taxable, Shipped: l.Shipped, Total: l.Total, Discount: l.Discount, Tax: l.Tax})
	}
	return fact
}

// renewCart asks cart to apply the new prices that the buyer is about to learn. If that fails, the next order of the
// cart is refused like this one.
func (p *Placer) renewCart(ctx context.Context, o order.Order, s submission) {
	request := contract.QuoteRequest{CartID: o.CartID, ShippingAddress: s.request.ShippingAddress, Renew: true}
	err := sidecar.Call(ctx, p.Apps, "cart", http.MethodPost, "/internal/quotes", nil, request, nil)
	if err != nil && !fault.Is(err, order.PriceChanged) {
		telemetry.Log(ctx).Warn().Err(err).Str(field.Order, o.OrderID).Msg("cannot renew the prices of a cart")
	}
}
