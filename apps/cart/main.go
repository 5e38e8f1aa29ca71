// Command cart runs the cart service: the carts of guests and customers, and their prices.
package main

import (
	"haberdash/apps/cart/service"
	"haberdash/internal/host"
)

func main() { host.Main("cart", service.Run) }
