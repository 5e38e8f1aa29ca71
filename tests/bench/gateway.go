package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"haberdash/dapr/launch"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/tests/bench/measure"
)

const (
	bareHandler = "bare handler: one product"
	rawProduct  = "raw sidecar: invoke, one product"
	placeOrder  = "place an order"
)

// gatewayCases returns cases that measure the cost of the gateway. They compare it with a bare HTTP handler, and with a
// call through the sidecar. Every case reads the same product. stop ends the bare handler.
func gatewayCases(
	ctx context.Context, s *launch.Shop, raw *daprd.Client, client *http.Client, handle string,
) (cases []measure.Case, stop func(), err error) {
	path := "/api/v1/products/" + handle
	product, err := read(ctx, client, s.GatewayURL()+path, "")
	if err != nil {
		return nil, nil, err
	}
	address, stop, err := startBareHandler(product)
	if err != nil {
		return nil, nil, err
	}
	get := func(url, cacheControl string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := read(ctx, client, url+path, cacheControl)
			return err
		}
	}
	return []measure.Case{
		{Name: bareHandler, Op: get("http://"+address, "")},
		{
			Name: "gateway: one product, cached", Op: get(s.GatewayURL(), ""),
			Baseline: bareHandler, AtLeast: 0.5,
		},
		{Name: rawProduct, Op: func(ctx context.Context) error {
			res, err := raw.Invoke(ctx, sidecar.Request{App: "catalog", Method: http.MethodGet, Path: path})
			if err != nil {
				return err
			}
			defer res.Body.Close()
			_, err = io.Copy(io.Discard, res.Body)
			return err
		}},
		{
			Name: "gateway: one product, not cached", Op: get(s.GatewayURL(), "no-cache"),
			Baseline: rawProduct, AtLeast: 0.85,
		},
	}, stop, nil
}

// read reads a URL. cacheControl is the request header, and may be empty.
func read(ctx context.Context, client *http.Client, url, cacheControl string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if cacheControl != "" {
		req.Header.Set("Cache-Control", cacheControl)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d", url, res.StatusCode)
	}
	return body, err
}
