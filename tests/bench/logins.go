package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"haberdash/tests/api"
)

const wrongLoginsPerSecond = 200

// wrongLogins returns a background load that signs in with wrong passwords until ctx ends. Each attempt has another
// account and another address, so that no rate limit refuses it before the shop has checked the password.
func wrongLogins(gateway string) func(context.Context) error {
	client := api.New(gateway).HTTP
	return func(ctx context.Context) error {
		tick := time.NewTicker(time.Second / wrongLoginsPerSecond)
		defer tick.Stop()
		var attempts sync.WaitGroup
		defer attempts.Wait()
		var mu sync.Mutex
		var failed error
		for {
			select {
			case <-ctx.Done():
				mu.Lock()
				defer mu.Unlock()
				return failed
			case <-tick.C:
			}
			attempts.Go(func() {
				if err := loginWrongly(ctx, client, gateway); err != nil && ctx.Err() == nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			})
		}
	}
}

// loginWrongly signs in with an account that does not exist. It returns an error if the shop accepts it.
func loginWrongly(ctx context.Context, client *http.Client, gateway string) error {
	body := strings.NewReader(`{"email":"` + api.NewEmail() + `","password":"` + api.NewKey() + `"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/api/v1/auth/login", body)
	if err != nil {
		return err
	}
	var address [4]byte
	for i := range address {
		address[i] = byte(1 + rand.IntN(254))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", netip.AddrFrom4(address).String())
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode < 400 || bytes.Contains(answer, []byte("accessToken")) {
		err = errors.New("the shop accepts a wrong password")
	}
	return err
}
