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
	"haberdash/tests/bench/measure"
)

const rawInvoke = "raw sidecar: invoke"

// prepareCases adds stock and returns the cases: first the raw sidecar, then the shop. A case comes after its baseline.
// stop ends the processes that it has started.
func prepareCases(ctx context.Context, s *launch.Shop) (cases []measure.Case, stop func(), err error) {
	guest := api.New(s.GatewayURL())
	guest.HTTP.Transport.(*http.Transport).MaxIdleConnsPerHost = 256
	if withFlood() {
		guest.HTTP.Transport = spread{guest.HTTP.Transport}
	}
	skus, handle, err := addStock(ctx, guest)
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
	gateway, stop, err := gatewayCases(ctx, s, raw, guest.HTTP, handle)
	if err != nil {
		return nil, nil, err
	}
	cases = []measure.Case{
		{Name: "raw sidecar: put", Op: func(ctx context.Context) error {
			return raw.State(daprd.StateStore).Put(ctx, "bench/"+strconv.FormatInt(n.Add(1), 10), value, "")
		}},
		{Name: "raw sidecar: get", Op: func(ctx context.Context) error {
			_, err := raw.State(daprd.StateStore).Get(ctx, "bench/1")
			return err
		}},
		{Name: rawInvoke, Op: func(ctx context.Context) error {
			res, err := raw.Invoke(ctx, sidecar.Request{App: "catalog", Method: http.MethodGet, Path: "/healthz"})
			if err != nil {
				return err
			}
			if res.Status != http.StatusOK { // a refusal is faster and would spoil the figure
				err = fmt.Errorf("answered %d", res.Status)
			}
			return errors.Join(err, res.Body.Close())
		}},
		{Name: "read one product", Op: func(ctx context.Context) error {
			_, err := guest.Product(ctx, handle)
			return err
		}},
		{Name: "new cart with one item", Op: func(ctx context.Context) error {
			_, err := guest.NewCart(ctx, api.Item{SKU: skus[int(n.Add(1))%len(skus)], Quantity: 1})
			return err
		}},
		{Name: placeOrder, Setup: orders.setup, Op: orders.place},
		{Name: "place an order, alone", Setup: orders.setup, Op: orders.place, Pause: 150 * time.Millisecond},
		{
			Name: "place an order, 200 wrong logins a second beside", Setup: orders.setup, Op: orders.place,
			Background: wrongLogins(s.GatewayURL()), Baseline: placeOrder, AtMost: 1.5,
		},
	}
	if withFlood() {
		cases = append(cases, measure.Case{
			Name: floodBaseline, Setup: orders.setup, Op: orders.place, Background: floodElsewhere,
		}, measure.Case{
			Name: floodCase, Setup: orders.setup, Op: orders.place,
			Background: flood(s), Baseline: floodBaseline, AtMost: 2,
		})
	}
	return append(gateway, cases...), stop, nil
}

// addStock gives the products of the first page of the demo catalogue enough stock for any run. It returns their SKUs
// and the handle of one of them.
func addStock(ctx context.Context, guest *api.Client) (skus []string, handle string, err error) {
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
		a, err := admin.Do(ctx, api.Request{
			Method: http.MethodPost, Path: "/api/v1/stock/" + p.Variants[0].SKU + "/adjustments",
			Header: map[string]string{"Idempotency-Key": api.NewKey()},
			Body:   map[string]any{"delta": 1_000_000, "reason": "benchmark"},
		})
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

// rawSidecar returns a client of the gateway's sidecar, like the one that the gateway uses.
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
	return daprd.New(daprd.Options{HTTPPort: h, GRPCPort: g, APIToken: s.SidecarToken("gateway")})
}

// orderCase places orders of carts that were made before the measurement.
type orderCase struct {
	guest *api.Client
	skus  []string
	carts []api.Cart
	next  atomic.Int64
}

// expectedRate limits the number of carts that are made before the measurement. It is a number of orders a second that
// no shop reaches.
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
		return measure.ErrDone
	}
	order, err := o.guest.Checkout(ctx, o.carts[i], api.Visa, api.NewKey())
	if err == nil && order.Status != "confirmed" {
		err = fmt.Errorf("order is %s", order.Status)
	}
	return err
}
