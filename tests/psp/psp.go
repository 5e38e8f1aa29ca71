// Package psp is a payment provider for tests: a server that speaks the part of Stripe's API that a shop
// with manual capture needs, over money that does not exist. It keeps a ledger of its own, for a checker
// that believes neither the shop nor its logs.
//
// What it has in common with Stripe (API version 2026-05-27.dahlia): form-encoded requests and JSON answers
// of its shapes, secret-key authentication, idempotency keys, error types and codes, PaymentIntents from
// creation to multicapture and expiry, refunds, search by metadata, signed webhooks that come late, twice or
// out of order. Unknown parameters are refused, as there. What it has not: customers, payment methods that
// last, 3-D Secure, disputes, fees, minimum amounts, API versions.
//
// Its faults are by token (see token.go) and by chance (see Faults).
package psp

import (
	"context"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

// Version is the API version whose shapes it speaks.
const Version = "2026-05-27.dahlia"

// Options configure a provider.
type Options struct {
	// Dir keeps the journal: whatever was answered survives kill -9. Empty: nothing survives Close.
	Dir string
	// SecretKey is what clients authenticate with.
	SecretKey string
	// WebhookURL gets the events, signed with WebhookSecret; empty for none.
	WebhookURL    string
	WebhookSecret string
	// SingleCapture makes an account without Stripe's multicapture, as most are: to ask for it, even if
	// available, is refused when the payment is confirmed.
	SingleCapture bool
	Faults        Faults
}

// Server is the provider. It is an http.Handler.
type Server struct {
	options Options
	mux     *http.ServeMux
	faults  *chance

	mu      sync.Mutex // guards the two below, and the order of the journal
	state   *state
	running map[string]bool // idempotency keys whose first request is under way

	journal *journal // nil without a Dir
	hooks   *hooks   // nil without a WebhookURL
	ctx     context.Context
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// New starts a provider with what its journal remembers. Close it.
func New(o Options) (*Server, error) {
	s := &Server{options: o, faults: newChance(o.Faults), state: newState(), running: map[string]bool{}}
	if o.Dir != "" {
		var err error
		if s.journal, err = openJournal(o.Dir, s.state.apply); err != nil {
			return nil, err
		}
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if o.WebhookURL != "" {
		s.hooks = newHooks(o.WebhookURL, o.WebhookSecret, s.faults, s.delivered)
		for _, e := range s.state.pending {
			s.hooks.add(e)
		}
		s.done.Go(func() { s.hooks.run(s.ctx) })
	}
	s.mux = s.routes()
	return s, nil
}

// Close ends deliveries and silent answers. Events not delivered yet are delivered after the next New.
func (s *Server) Close() error {
	s.stop()
	s.done.Wait()
	if s.journal != nil {
		return s.journal.close()
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	read := func(pattern string, do func(*tx) result) { mux.Handle("GET "+pattern, s.authenticated(s.read(do))) }
	write := func(pattern string, do func(*tx) result) { mux.Handle("POST "+pattern, s.authenticated(s.write(do))) }
	write("/v1/payment_intents", (*tx).create)
	read("/v1/payment_intents/search", (*tx).search)
	read("/v1/payment_intents/{id}", (*tx).retrieve)
	write("/v1/payment_intents/{id}/confirm", (*tx).confirm)
	write("/v1/payment_intents/{id}/capture", (*tx).capture)
	write("/v1/payment_intents/{id}/cancel", (*tx).cancel)
	write("/v1/refunds", (*tx).createRefund)
	read("/v1/refunds", (*tx).listRefunds)
	mux.Handle("/v1/", s.authenticated(func(w http.ResponseWriter, r *http.Request) {
		answer(w, refuse(http.StatusNotFound, apiError{Type: invalidRequest, Message: "Unrecognized request URL (" + r.Method + ": " + r.URL.Path + ")."}))
	}))
	// Not Stripe's: for checkers and tests, on the same loopback address.
	mux.HandleFunc("GET /ledger", s.serveLedger)
	mux.HandleFunc("POST /test/expire/{id}", s.serveExpire)
	mux.HandleFunc("POST /test/forget-keys", s.serveForget)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return mux
}

// authenticated wants the secret key, as a bearer token or as a basic user name.
func (s *Server) authenticated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, _, _ := r.BasicAuth()
		if bearer, ok := cutPrefixFold(r.Header.Get("Authorization"), "Bearer "); ok {
			key = bearer
		}
		if key == "" || subtle.ConstantTimeCompare([]byte(key), []byte(s.options.SecretKey)) != 1 {
			answer(w, refuse(http.StatusUnauthorized, apiError{Type: invalidRequest, Message: "Invalid API Key provided."}))
			return
		}
		w.Header().Set("Request-Id", newID("req"))
		w.Header().Set("Stripe-Version", Version)
		next(w, r)
	}
}

// tx is one request that looks at the state, and proposes a change of it.
type tx struct {
	*state
	options *Options
	form    *form
	id      string // of the path
	now     time.Time
}

// read answers from the state. Even so it waits for the journal: what a read has shown is not lost either.
func (s *Server) read(do func(*tx) result) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fault := s.faults.ofRead()
		if s.stumble(w, r, fault) {
			return
		}
		f, err := readForm(r)
		if err != nil {
			answer(w, refuse(http.StatusBadRequest, *err))
			return
		}
		s.mu.Lock()
		res := do(&tx{options: &s.options, state: s.state, form: f, id: r.PathValue("id"), now: time.Now()})
		wait := s.barrier()
		s.mu.Unlock()
		s.finish(w, r, f.checked(res), fault, wait)
	}
}
