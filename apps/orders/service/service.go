// Package service is the edge of orders: wiring, routes, placement and its recovery.
package service

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/sidecar"
)

// Deps are what the service stands on.
type Deps struct {
	Book     *order.Book
	Payments payment.Provider
	Invoker  sidecar.Invoker
	Secret   []byte // keys the order ids and the guests' access tokens
	Now      func() time.Time

	// ProviderPatience is how long a buyer waits for the payment provider; 5 s if zero.
	ProviderPatience time.Duration
	// Deadline is the age at which an undecided order is taken up by recovery; 10 s if zero.
	Deadline time.Duration
	// GiveUp is the age at which an order without an answer from the provider is rejected; 15 min if zero.
	GiveUp time.Duration
}

// Service places orders and keeps them.
type Service struct {
	Deps
	running sync.Map // order id → struct{}: placements under way in this process
}

// New makes the service; see Mount and Recover.
func New(d Deps) *Service {
	if d.ProviderPatience == 0 {
		d.ProviderPatience = 5 * time.Second
	}
	if d.Deadline == 0 {
		d.Deadline = 10 * time.Second
	}
	if d.GiveUp == 0 {
		d.GiveUp = 15 * time.Minute
	}
	return &Service{Deps: d}
}

// idEncoding is lower-case base32: safe in paths, keys and mails.
var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// orderID is the id of the order that a caller places with an idempotency key. The same key of the same
// caller is the same order on every replica and after every restart: the log is the idempotency store.
func (s *Service) orderID(caller, key string) string {
	return idEncoding.EncodeToString(s.mac("order", caller, key)[:20])
}

// accessToken lets a guest read the order; it is derived, not stored.
func (s *Service) accessToken(orderID string) string {
	return hex.EncodeToString(s.mac("access", orderID))
}

// mac is an HMAC-SHA-256 of length-prefixed parts, so that no two lists of parts collide.
func (s *Service) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, s.Secret)
	for _, p := range parts {
		h.Write([]byte{byte(len(p) >> 8), byte(len(p))})
		h.Write([]byte(strings.ToValidUTF8(p, "?")))
	}
	return h.Sum(nil)
}

// Recover takes up orders that were left open (by a crash, an outage, or a silent provider) until ctx
// ends.
func (s *Service) Recover(ctx context.Context) {
	tick := time.NewTicker(min(s.Deadline/5, 2*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.recoverOnce(ctx)
		}
	}
}
