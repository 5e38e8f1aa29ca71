// Package stock asks the catalog service to reserve, ship and take back the goods of an order. Each operation is
// idempotent by the order's id, or by the id of the parcel or return.
package stock

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/share"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Client calls catalog. It is safe for concurrent use.
type Client struct {
	apps sidecar.Invoker
	now  func() time.Time
	hold time.Duration
}

// NewClient makes a client. When a reservation is older than hold, catalog asks what became of the order.
func NewClient(apps sidecar.Invoker, now func() time.Time, hold time.Duration) *Client {
	return &Client{apps, now, hold}
}

func reservationPath(orderID string) string {
	return "/internal/reservations/" + url.PathEscape(orderID)
}

// Reserve reserves all lines of the order, or none. A reservation that was released before answers invalid-transition
// (409). See Rejection for the other refusals.
func (c *Client) Reserve(ctx context.Context, o order.Order) error {
	request := contract.ReservationRequest{ExpiresAt: c.now().Add(c.hold).UTC()}
	for _, l := range o.Lines {
		request.Lines = append(request.Lines, contract.Line{SKU: l.SKU, Quantity: l.Quantity})
		request.Shown = append(request.Shown, contract.Shown{SKU: l.SKU, UnitPrice: l.UnitPrice, Taxable: l.Taxable,
			Shipped: l.Shipped})
	}
	var reservation contract.Reservation
	err := sidecar.Call(ctx, c.apps, "catalog", http.MethodPut, reservationPath(o.OrderID), nil, request, &reservation)
	if err == nil && reservation.Status == "released" {
		return fault.New(fault.Conflict, "invalid-transition", "The reservation was released.")
	}
	return err
}

// Release frees what is reserved for the order.
func (c *Client) Release(ctx context.Context, orderID string) error {
	return sidecar.Call(ctx, c.apps, "catalog", http.MethodDelete, reservationPath(orderID), nil, nil, nil)
}

// Ship takes the goods of a parcel out of the stock. Before, it makes the reservation permanent, because catalog may
// not have received the event yet that the order is confirmed.
func (c *Client) Ship(ctx context.Context, orderID string, f order.Fulfilment) error {
	path := reservationPath(orderID)
	if err := sidecar.Call(ctx, c.apps, "catalog", http.MethodPost, path+"/commit", nil, nil, nil); err != nil {
		return err
	}
	return sidecar.Call(ctx, c.apps, "catalog", http.MethodPost, path+"/ship", nil,
		contract.ShipmentRequest{ID: f.ID, Lines: share.Lines(f.Parts)}, nil)
}

// Restock puts the goods of a return into the stock.
func (c *Client) Restock(ctx context.Context, orderID string, r order.Return) error {
	return sidecar.Call(ctx, c.apps, "catalog", http.MethodPost, reservationPath(orderID)+"/return", nil,
		contract.ShipmentRequest{ID: r.ID, Lines: share.Lines(r.Parts)}, nil)
}

// Rejection is the reason to reject an order whose goods catalog refuses to reserve. It is false for any other error:
// the buyer is not to blame, and a repetition may succeed.
func Rejection(err error) (why order.Rejection, refused bool) {
	var f *fault.Error
	if !errors.As(err, &f) {
		return why, false
	}
	switch f.Type {
	case "out-of-stock", "unknown-sku", "invalid-transition":
		return order.Rejection{Reason: order.OutOfStock, Lines: listMember[contract.OutOfStockLine](f, "lines")}, true
	case order.PriceChanged:
		return order.Rejection{Reason: order.PriceChanged, Prices: listMember[contract.PriceChangedLine](f, "lines")}, true
	case order.CartChanged:
		return order.Rejection{Reason: order.CartChanged, Gone: listMember[string](f, "skus")}, true
	}
	return why, false
}

// listMember decodes a list among the members of a problem. Items that cannot be decoded are left out.
func listMember[T any](f *fault.Error, name string) []T {
	list := []T{}
	if raw, err := json.Marshal(f.Members[name]); err == nil {
		_ = json.Unmarshal(raw, &list)
	}
	return list
}
