// Command conform tells whether an app keeps its side of docs/contract.md. Its argument is an app of the shop, such as
// notifications, or a folder with an app.yaml. It starts a shop with the app, and tries each promise from outside: by
// the sidecar of the app, the public API, and a gate between the sidecar and the app, which loses, repeats and holds
// back messages. It knows nothing of how the app is written. It prints a line for each promise and exits with 1 if one
// is broken.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"haberdash/dapr/launch/process"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := conform(ctx, os.Args[1:])
	process.CloseGuard()
	os.Exit(code)
}

func conform(ctx context.Context, args []string) (code int) {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "conform: expected one app, as in: make conform APP=notifications")
		return 2
	}
	dir, err := os.MkdirTemp("", "haberdash-conform-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "conform:", err)
		return 2
	}
	s, stop, err := start(ctx, args[0], dir, os.Stderr, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conform:", err)
		return 2
	}
	fmt.Printf("%s, as described in docs/contract.md:\n", s.id)
	failed := s.try(ctx, func(r result) { fmt.Println(r) })
	stop()
	if failed {
		fmt.Printf("What the app and its sidecar have printed is in %s.\n", dir)
		return 1
	}
	_ = os.RemoveAll(dir)
	return 0
}
