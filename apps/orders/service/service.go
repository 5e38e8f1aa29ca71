// Package service is the edge of orders: wiring, routes, placement, and the lifecycle that
// stands behind it.
package service

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/vault"
	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
)

// Deps are what the service stands on.
type Deps struct {
	Book      *order.Book
	Payments  payment.Provider
	Invoker   sidecar.Invoker
	State     sidecar.State // for refusals, see refusals.go, and what is consumed
	Vault     *vault.Vault
	Workflows sidecar.Workflows
	Secret    []byte // keys the order ids and the guests' access tokens
	Now       func() time.Time
	// InvoiceYears is for how many calendar years after its own an invoice is kept.
	InvoiceYears int
	Times
}

// Times are the service's patience.
type Times struct {
	// ProviderPatience is how long a buyer waits for the payment provider.
	ProviderPatience time.Duration `env:"PROVIDER_PATIENCE" envDefault:"5s"`
	// Deadline is the age at which an undecided order is taken up by its lifecycle.
	Deadline time.Duration `env:"ORDER_DEADLINE" envDefault:"10s"`
	// GiveUp is the age at which an order without an answer from the provider is rejected.
	GiveUp time.Duration `env:"ORDER_GIVE_UP" envDefault:"15m"`
	// HoldFor is how long goods are held before catalog asks what became of the order.
	HoldFor time.Duration `env:"RESERVATION_TIME" envDefault:"15m"`
	// AuthorisationLife is how long an authorisation can be captured. Stripe's last 7 days for most cards;
	// what is not shipped by then is cancelled.
	AuthorisationLife time.Duration `env:"AUTHORIZATION_LIFE" envDefault:"160h"`
	// ReturnsFor is how long after its last change an order that arrived is watched.
	ReturnsFor time.Duration `env:"RETURNS_FOR" envDefault:"720h"`
}

// Service places orders and keeps them.
type Service struct {
	Deps
	running  sync.Map // order id → struct{}: orders that this process is working on
	placing  traffic  // requests to place an order that are under way here
	consumer *consumer.Consumer
}

// New makes the service; see Mount, Host, Follow, Listen and Run.
func New(d Deps) *Service {
	s := &Service{Deps: d}
	s.consumer = s.newConsumer()
	return s
}

// Host registers the lifecycle of orders.
func (s *Service) Host(w sidecar.WorkflowHost) {
	w.Workflow(lifecycleName, s.lifecycle)
	w.Activity(settleName, s.settleOrder)
}

// take claims an order for this caller; mine is false while another one in this process works on it. It
// saves work, no more: every step may be done twice.
func (s *Service) take(id string) (done func(), mine bool) {
	if _, busy := s.running.LoadOrStore(id, struct{}{}); busy {
		return nil, false
	}
	return func() { s.running.Delete(id) }, true
}

// idEncoding is lower-case base32: safe in paths, keys and mails.
var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// orderID is the id of the order that a caller places with an idempotency key. The same key of the same
// caller is the same order on every replica and after every restart: the log is the idempotency store.
func (s *Service) orderID(caller, key string) string {
	return idEncoding.EncodeToString(s.mac("order", caller, key)[:20])
}

func newPartID() string { return strings.ToLower(rand.Text()) }

// accessToken lets a guest read the order; it is derived, not stored.
func (s *Service) accessToken(orderID string) string {
	return hex.EncodeToString(s.mac("access", orderID))
}

// fingerprint identifies a request body as it was understood, whatever the order of its members or its white space.
// It has a key: from a digest, who reads the store could find out an address by guessing.
func (s *Service) fingerprint(body any) string {
	canonical, err := json.Marshal(body)
	if err != nil {
		panic(err) // plain structs of strings and numbers
	}
	return hex.EncodeToString(s.mac("request", string(canonical)))
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
