package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"haberdash/dapr/launch"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/tests/api"
)

const (
	bareHandler = "bare handler: one product"
	rawProduct  = "raw sidecar: invoke, one product"
	quiet       = "place an order"
)

// gatewayCases measure what the gateway adds to what it does its work with: a handler, and a call by the sidecar.
// Every case reads the same bytes in the same way. stop ends the bare handler.
func gatewayCases(ctx context.Context, s *launch.Shop, raw *daprd.Client, client *http.Client, handle string) (cases []benchCase, stop func(), err error) {
	path := "/api/v1/products/" + handle
	product, err := read(ctx, client, s.GatewayURL()+path, "")
	if err != nil {
		return nil, nil, err
	}
	address, stop, err := startBare(product)
	if err != nil {
		return nil, nil, err
	}
	get := func(url, control string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := read(ctx, client, url+path, control)
			return err
		}
	}
	return []benchCase{
		{name: bareHandler, op: get("http://"+address, "")},
		{name: "gateway: one product, cached", op: get(s.GatewayURL(), ""), against: bareHandler, atLeast: 0.5},
		{name: rawProduct, op: func(ctx context.Context) error {
			res, err := raw.Invoke(ctx, sidecar.Request{App: "catalog", Method: http.MethodGet, Path: path})
			if err != nil {
				return err
			}
			defer res.Body.Close()
			_, err = io.Copy(io.Discard, res.Body)
			return err
		}},
		{name: "gateway: one product, not cached", op: get(s.GatewayURL(), "no-cache"), against: rawProduct, atLeast: 0.85},
	}, stop, nil
}

func read(ctx context.Context, client *http.Client, url, control string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if control != "" {
		req.Header.Set("Cache-Control", control)
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

// bareVariable makes this program the bare handler: a process of its own, as the gateway is.
const bareVariable = "BENCH_BARE_HANDLER"

func startBare(body []byte) (address string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self)
	cmd.Env, cmd.Stderr = append(os.Environ(), bareVariable+"=on"), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if _, err = fmt.Fprintln(in, len(body)); err == nil {
		_, err = in.Write(body)
	}
	if err == nil {
		_, err = fmt.Fscanln(out, &address)
	}
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("bare handler: %w", err)
	}
	return address, stop, nil
}

// serveBare answers every request with the bytes it was given, until its input ends.
func serveBare() error {
	var size int
	if _, err := fmt.Fscanln(os.Stdin, &size); err != nil {
		return err
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(os.Stdin, body); err != nil {
		return err
	}
	r := chi.NewRouter()
	r.Get("/api/v1/products/{handle}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go http.Serve(listener, r)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

const wrongLogins = 200 // a second

// guessing tries wrong passwords for accounts that there are not, each from another address, so that no limit by
// address or account spares the shop the work, until ctx ends.
func guessing(gateway string) func(context.Context) error {
	client := api.New(gateway).HTTP
	return func(ctx context.Context) error {
		tick := time.NewTicker(time.Second / wrongLogins)
		defer tick.Stop()
		var all sync.WaitGroup
		defer all.Wait()
		var mu sync.Mutex
		var wrong error
		for {
			select {
			case <-ctx.Done():
				mu.Lock()
				defer mu.Unlock()
				return wrong
			case <-tick.C:
			}
			all.Go(func() {
				if err := guess(ctx, client, gateway); err != nil && ctx.Err() == nil {
					mu.Lock()
					wrong = err
					mu.Unlock()
				}
			})
		}
	}
}

func guess(ctx context.Context, client *http.Client, gateway string) error {
	body := strings.NewReader(`{"email":"` + api.NewEmail() + `","password":"` + api.NewKey() + `"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/api/v1/auth/login", body)
	if err != nil {
		return err
	}
	var from [4]byte
	for i := range from {
		from[i] = byte(1 + rand.IntN(254))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", netip.AddrFrom4(from).String())
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode < 400 || bytes.Contains(answer, []byte("accessToken")) {
		err = errors.New("a wrong password is right")
	}
	return err
}
