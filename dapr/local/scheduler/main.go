// Command scheduler is Dapr's own scheduler service at the version this module pins, as the only member
// of its cluster: it does not wait for a predecessor that was killed.
package main

import (
	"context"

	"github.com/dapr/dapr/cmd/scheduler/app"
)

func main() {
	go succeed(context.Background())
	app.Run()
}
