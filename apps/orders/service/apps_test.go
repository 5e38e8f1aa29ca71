package service

import (
	"encoding/json"
	"net/http"
	"strings"

	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/money"
)

// cart answers for the cart service. The version of the cart is another one for each quote, as after an order.
func (f *fixture) cart(rw http.ResponseWriter, r *http.Request) {
	if f.beforeQuote != nil {
		f.beforeQuote()
	}
	version := f.quotes.Add(1)
	var q contract.QuoteRequest
	json.NewDecoder(r.Body).Decode(&q)
	if q.CartID == "empty" {
		httpx.WriteProblem(rw, fault.New(fault.Invalid, "empty-cart", "The cart is empty."))
		return
	}
	eur := func(n int64) money.Money { return money.New(n, "EUR") }
	f.mu.Lock()
	defer f.mu.Unlock()
	if q.Renew {
		f.cartPrice = f.price
		httpx.WriteProblem(rw, contract.PriceChanged(nil))
		return
	}
	hat := contract.QuoteLine{SKU: "HAT", Title: "Hat", Quantity: 1, UnitPrice: eur(f.cartPrice), Taxable: true,
		Shipped: true,
		Total:   eur(f.cartPrice)}
	json.NewEncoder(rw).Encode(contract.Quote{CartID: q.CartID, CartVersion: version, Lines: []contract.QuoteLine{hat},
		Subtotal: eur(f.cartPrice), Discount: eur(0), Shipping: eur(500), Tax: eur(190), Total: eur(f.cartPrice + 690),
		ShippingOption: "standard"})
}

// catalog answers for the catalog service.
func (f *fixture) catalog(rw http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unavailable["catalog"] {
		rw.WriteHeader(http.StatusBadGateway)
		return
	}
	id, action, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/internal/reservations/"), "/")
	switch {
	case action == "commit":
		f.committed[id] = true
	case action == "ship", action == "return":
		var s contract.ShipmentRequest
		json.NewDecoder(r.Body).Decode(&s)
		if action == "ship" && !f.committed[id] {
			httpx.WriteProblem(rw, fault.New(fault.Conflict, "invalid-transition", "Not committed."))
			return
		}
		f.movements[action+"/"+s.ID] = s.Lines
	case r.Method == http.MethodPut:
		var in contract.ReservationRequest
		json.NewDecoder(r.Body).Decode(&in)
		if err := f.reserve(id, in); err != nil {
			httpx.WriteProblem(rw, err)
			return
		}
	case r.Method == http.MethodDelete:
		f.stock += f.reservations[id]
		f.reservations[id] = 0
	}
	json.NewEncoder(rw).Encode(contract.Reservation{OrderID: id, Status: "held"})
}

// reserve reserves one hat; f.mu is locked.
func (f *fixture) reserve(id string, in contract.ReservationRequest) error {
	price := money.New(f.price, "EUR")
	_, reserved := f.reservations[id]
	switch {
	case reserved:
		return nil
	case len(in.Shown) != 1 || !in.Shown[0].Taxable || !in.Shown[0].Shipped || in.Shown[0].UnitPrice != price:
		return contract.PriceChanged([]contract.PriceChangedLine{{SKU: "HAT", Was: in.Shown[0].UnitPrice, Now: price}})
	case f.discontinued:
		return contract.CartChanged([]string{"HAT"})
	case f.stock < 1:
		return fault.New(fault.Conflict, "out-of-stock", "No.").
			With("lines", []contract.OutOfStockLine{{SKU: "HAT", Requested: 1}})
	}
	f.stock--
	f.reservations[id] = 1
	return nil
}
