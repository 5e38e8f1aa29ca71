package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"haberdash/dapr/launch"
)

// erase has orders erase who placed a guest's order, or the names and addresses of a year's invoices. As audit, it asks
// through the app's own sidecar.
func erase(ctx context.Context, o launch.Options, args []string) error {
	if len(args) != 2 || (args[0] == "") == (args[1] == "") {
		return errors.New("say what: make erase ORDER=…, of a guest, or make erase INVOICES=2015")
	}
	what := "orders/" + url.PathEscape(args[0])
	if args[0] == "" {
		what = "invoices/" + url.PathEscape(args[1])
	}
	st, err := running(o)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sidecarOf(st, "orders")+"/v1.0/invoke/orders/method/internal/erasures/"+what, nil)
	if err != nil {
		return err
	}
	return exchange(req, nil)
}
