// Command notifications runs the notifications service, which mails customers about events.
package main

import (
	"haberdash/apps/notifications/service"
	"haberdash/internal/host"
)

func main() { host.Main("notifications", service.Run) }
