package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"haberdash/dapr/launch"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/tests/api"
)

const rawInvoke = "raw sidecar: invoke"

// prepare fills the shelves and lists what is measured: the raw sidecar first, then the shop. A case that is judged by
// another comes after it. done ends what prepare started.
func prepare(ctx context.Context, s *launch.Shop) (cases []benchCase, done func(), err error) {
	guest := api.New(s.GatewayURL())
	guest.HTTP.Transport.(*http.Transport).MaxIdleConnsPerHost = 256
	skus, handle, err := stockUp(ctx, guest)
	if err != nil {
		return nil, nil, err
	}
	raw, err := rawSidecar(s)
	if err != nil {
		return nil, nil, err
	}
	var n atomic.Int64
	orders := &orderCase{guest: guest, skus: skus}
	value := []byte(strings.Repeat("x", 400))
	gateway, done, err := gatewayCases(ctx, s, raw, guest.HTTP, handle)
	if err != nil {
		return nil, nil, err
	}
	cases = []benchCase{
		{name: "raw sidecar: put", op: func(ctx context.Context) error {
			return raw.State(daprd.StateStore).Put(ctx, "bench/"+strconv.FormatInt(n.Add(1), 10), value, "")
		}},
		{name: "raw sidecar: get", op: func(ctx context.Context) error {
			_, err := raw.State(daprd.StateStore).Get(ctx, "bench/1")
			return err
		}},
		{name: rawInvoke, op: func(ctx context.Context) error {
			res, err := raw.Invoke(ctx, sidecar.Request{App: "catalog", Method: http.MethodGet, Path: "/healthz"})
			if err != nil {
				return err
			}
			if res.Status != http.StatusOK { // no figure rather than that of a refusal
				err = fmt.Errorf("answered %d", res.Status)
			}
			return errors.Join(err, res.Body.Close())
		}},
		{name: "read one product", op: func(ctx context.Context) error {
			_, err := guest.Product(ctx, handle)
			return err
		}},
		{name: "new cart with one item", op: func(ctx context.Context) error {
			_, err := guest.NewCart(ctx, api.Item{SKU: skus[int(n.Add(1))%len(skus)], Quantity: 1})
			return err
		}},
		{name: quiet, setup: orders.setup, op: orders.place},
		{name: "place an order, alone", setup: orders.setup, op: orders.place, rest: 150 * time.Millisecond},
		{name: "place an order, 200 wrong logins a second beside", setup: orders.setup, op: orders.place, beside: guessing(s.GatewayURL()), against: quiet, atMost: 1.5},
	}
	return append(gateway, cases...), done, nil
}

// stockUp gives some demo products enough stock for any run.
func stockUp(ctx context.Context, guest *api.Client) (skus []string, handle string, err error) {
	admin, err := guest.AsAdmin(ctx)
	if err != nil {
		return nil, "", err
	}
	found, err := guest.Products(ctx, nil)
	if err != nil {
		return nil, "", err
	}
	for _, item := range found.Items {
		p, err := guest.Product(ctx, item.Handle)
		if err != nil {
			return nil, "", err
		}
		a, err := admin.Do(ctx, api.Request{Method: http.MethodPost, Path: "/api/v1/stock/" + p.Variants[0].SKU + "/adjustments",
			Header: map[string]string{"Idempotency-Key": api.NewKey()}, Body: map[string]any{"delta": 1_000_000, "reason": "benchmark"}})
		if err != nil {
			return nil, "", err
		}
		if a.Status != http.StatusOK {
			return nil, "", fmt.Errorf("adjust stock: %w", a.Problem())
		}
		skus, handle = append(skus, p.Variants[0].SKU), p.Handle
	}
	if len(skus) == 0 {
		return nil, "", errors.New("the demo catalogue is empty")
	}
	return skus, handle, nil
}

// rawSidecar is a client of the gateway's own sidecar, as the gateway uses it.
func rawSidecar(s *launch.Shop) (*daprd.Client, error) {
	_, httpPort, _ := strings.Cut(strings.TrimPrefix(s.SidecarHTTP("gateway"), "http://"), ":")
	_, grpcPort, _ := strings.Cut(s.SidecarGRPC("gateway"), ":")
	h, err := strconv.Atoi(httpPort)
	if err != nil {
		return nil, err
	}
	g, err := strconv.Atoi(grpcPort)
	if err != nil {
		return nil, err
	}
	return daprd.New(daprd.Options{HTTPPort: h, GRPCPort: g})
}

// orderCase places orders of carts that were made before the clock starts.
type orderCase struct {
	guest *api.Client
	skus  []string
	carts []api.Cart
	next  atomic.Int64
}

// expectedRate bounds how many carts are made ahead: orders a second that nobody reaches on this path.
const expectedRate = 400

func (o *orderCase) setup(ctx context.Context, clients int, d time.Duration) error {
	n := int(d.Seconds() * float64(min(expectedRate, 120*clients)))
	o.carts = make([]api.Cart, n)
	o.next.Store(0)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range o.carts {
		g.Go(func() (err error) {
			o.carts[i], err = o.guest.NewCart(ctx, api.Item{SKU: o.skus[i%len(o.skus)], Quantity: 1})
			return err
		})
	}
	return g.Wait()
}

func (o *orderCase) place(ctx context.Context) error {
	i := o.next.Add(1) - 1
	if int(i) >= len(o.carts) {
		return errDone
	}
	order, err := o.guest.Checkout(ctx, o.carts[i], "tok_visa", api.NewKey())
	if err == nil && order.Status != "confirmed" {
		err = fmt.Errorf("order is %s", order.Status)
	}
	return err
}
