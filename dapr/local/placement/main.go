// Command placement is Dapr's own placement service at the version this module pins.
package main

import "github.com/dapr/dapr/cmd/placement/app"

func main() { app.Run() }
