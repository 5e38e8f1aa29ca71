package checker

import (
	"haberdash/internal/contract"
	"haberdash/internal/invariants"
)

// checkReservations checks that for each order exactly its unshipped quantities are reserved, that each of its parcels
// left the stock once, and that each return to be restocked entered the stock once.
func (c *check) checkReservations() {
	stocks := map[string]*invariants.OrderStock{} // by order
	for sku, stock := range c.Stock {
		for _, e := range stock.Events {
			id := e.Data.Order
			if id == "" {
				continue
			}
			if stocks[id] == nil {
				stocks[id] = &invariants.OrderStock{}
			}
			stocks[id].Apply(sku, e.Type, contract.StockMovement(e.Data))
		}
	}
	for id, o := range c.Orders {
		stock := invariants.OrderStock{}
		if s := stocks[id]; s != nil {
			stock = *s
		}
		c.found = append(c.found, invariants.CheckReservations(asOrder(o), stock)...)
		delete(stocks, id)
	}
	for id, stock := range stocks {
		c.found = append(c.found, invariants.CheckUnknownOrder(id, *stock)...)
	}
}
