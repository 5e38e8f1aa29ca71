// Command watcher runs the watcher of a shop: it reads what the services publish, and tells when an invariant is
// violated.
package main

import (
	"haberdash/apps/watcher/service"
	"haberdash/internal/host"
)

func main() { host.Main("watcher", service.Run) }
