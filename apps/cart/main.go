// Command cart runs the cart service: the carts of guests and customers, and what they cost.
package main

import (
	"haberdash/apps/cart/service"
	"haberdash/internal/host"
)

func main() { host.Main("cart", service.Run) }
