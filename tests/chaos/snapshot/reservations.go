package snapshot

// Reservations are the sums of the stock events that belong to orders.
type Reservations struct {
	Reserved map[OrderSKU]int64        // quantity that is neither released nor shipped
	Moved    map[Part]map[string]int64 // quantities by SKU that left the stock in a parcel or entered it in a return
}

// OrderSKU is a SKU of an order.
type OrderSKU struct{ Order, SKU string }

// Part is a parcel or a return of an order.
type Part struct{ Kind, Order, ID string } // Kind is parcel or return

// Reservations sums the history of the stock.
func (s *Snapshot) Reservations() Reservations {
	r := Reservations{map[OrderSKU]int64{}, map[Part]map[string]int64{}}
	for sku, stock := range s.Stock {
		for _, e := range stock.Events {
			order := e.Data.Order
			if order == "" {
				continue
			}
			switch n := e.Data.Quantity; e.Type {
			case "stock.reserved":
				r.Reserved[OrderSKU{order, sku}] += n
			case "stock.released":
				r.Reserved[OrderSKU{order, sku}] -= n
			case "stock.shipped":
				r.Reserved[OrderSKU{order, sku}] -= n
				r.move(Part{"parcel", order, e.Data.ID}, sku, n)
			case "stock.returned":
				r.move(Part{"return", order, e.Data.ID}, sku, n)
			}
		}
	}
	return r
}

func (r Reservations) move(p Part, sku string, n int64) {
	if r.Moved[p] == nil {
		r.Moved[p] = map[string]int64{}
	}
	r.Moved[p][sku] += n
}
