// Command orders runs the orders service: placement, payment and what becomes of an order.
package main

import (
	"haberdash/apps/orders/service"
	"haberdash/internal/host"
)

func main() { host.Main("orders", service.Run) }
