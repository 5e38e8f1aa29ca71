// Command sentry is Dapr's own sentry service at the version this module pins.
package main

import "github.com/dapr/dapr/cmd/sentry/app"

func main() { app.Run() }
