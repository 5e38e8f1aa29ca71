// Command catalog runs the catalog service: products, their categories and the stock.
package main

import (
	"haberdash/apps/catalog/service"
	"haberdash/internal/host"
)

func main() { host.Main("catalog", service.Run) }
