// Command gateway runs the gateway, the public address of the shop: every request from outside enters here.
package main

import (
	"haberdash/apps/gateway/service"
	"haberdash/internal/host"
)

func main() { host.Main("gateway", service.Run, host.Public) }
