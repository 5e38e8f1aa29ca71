package view

import "haberdash/tests/api"

// Cart is a cart.
type Cart struct {
	ID      string     `json:"id"`
	Items   []api.Item `json:"items"`
	Coupons []string   `json:"coupons"`
}
