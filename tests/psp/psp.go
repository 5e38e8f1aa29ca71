// Package psp is a payment provider for tests: a server with the part of Stripe's API that manual capture needs. No
// money is involved. It records every movement of money in a ledger of its own, so that a test can check orders without
// trusting the apps or their logs.
//
// It behaves like Stripe (API version 2026-05-27.dahlia) in this: form-encoded requests and JSON answers of the same
// shapes, authentication by secret key, idempotency keys, error types and codes, PaymentIntents from creation to
// multicapture and expiry, refunds, search by metadata, and signed webhooks that may arrive late, twice or out of
// order. It refuses unknown parameters, as Stripe does. It does not have customers, stored payment methods, 3-D Secure,
// disputes, fees, minimum amounts and other API versions.
//
// Tests choose its faults by token (see token.go), or let it fail at random (see Faults).
package psp

import (
	"context"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

// Version is the version of Stripe's API that the provider implements.
const Version = "2026-05-27.dahlia"

// Options configure a provider.
type Options struct {
	// Dir is the directory of the journal, with which every answered change survives kill -9. If it is empty, nothing
	// survives Close.
	Dir string
	// SecretKey is the key with which clients authenticate.
	SecretKey string
	// WebhookURL is the address to which events are sent, signed with WebhookSecret. If it is empty, there are no
	// events.
	WebhookURL    string
	WebhookSecret string
	// SingleCapture turns Stripe's multicapture off for the account, as it is for most accounts. The confirmation of a
	// payment that requests it, even with if_available, is refused.
	SingleCapture bool
	// Faults are the random faults.
	Faults Faults
}

// Server is the provider. It is an http.Handler, and safe for concurrent use.
type Server struct {
	options Options
	mux     *http.ServeMux
	faults  *faultSource

	mu      sync.Mutex // guards state, running and the order of the journal
	state   *state
	running map[string]bool // idempotency keys whose first request is in progress

	journal  *journal  // nil without a Dir
	webhooks *webhooks // nil without a WebhookURL
	ctx      context.Context
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// New starts a provider with the state in its journal. The caller must Close it.
func New(o Options) (*Server, error) {
	s := &Server{options: o, faults: newFaultSource(o.Faults), state: newState(), running: map[string]bool{}}
	if o.Dir != "" {
		var err error
		if s.journal, err = openJournal(o.Dir, s.state.apply); err != nil {
			return nil, err
		}
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if o.WebhookURL != "" {
		s.webhooks = newWebhooks(o.WebhookURL, o.WebhookSecret, s.faults, s.recordDelivery)
		for _, e := range s.state.pending {
			s.webhooks.enqueue(e)
		}
		s.done.Go(func() { s.webhooks.run(s.ctx) })
	}
	s.mux = s.routes()
	return s, nil
}

// Close ends the delivery of events and the answers that are delayed. The next New delivers the remaining events.
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
		message := "Unrecognized request URL (" + r.Method + ": " + r.URL.Path + ")." //nolint:misspell // as Stripe
		answer(w, refuse(http.StatusNotFound, apiError{Type: invalidRequest, Message: message}))
	}))
	// Stripe does not have these. They are for tests.
	mux.HandleFunc("GET /ledger", s.serveLedger)
	mux.HandleFunc("POST /test/expire/{id}", s.serveExpire)
	mux.HandleFunc("POST /test/forget-keys", s.serveForgetKeys)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return mux
}

// authenticated requires the secret key, as a bearer token or as the user name of basic authentication.
func (s *Server) authenticated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, _, _ := r.BasicAuth()
		if bearer, ok := cutPrefixFold(r.Header.Get("Authorization"), "Bearer "); ok {
			key = bearer
		}
		if key == "" || subtle.ConstantTimeCompare([]byte(key), []byte(s.options.SecretKey)) != 1 {
			answer(w, refuse(http.StatusUnauthorized,
				apiError{Type: invalidRequest, Message: "Invalid API Key provided."}))
			return
		}
		w.Header().Set("Request-Id", newID("req"))
		w.Header().Set("Stripe-Version", Version)
		next(w, r)
	}
}

// tx is the execution of one request. Its methods read the state and return the change that the request makes.
type tx struct {
	*state
	options *Options
	form    *form
	id      string // the id in the path
	now     time.Time
}

// read answers a request that changes nothing. It waits for the journal too, so that no state that a client has seen is
// lost in a crash.
func (s *Server) read(do func(*tx) result) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fault := s.faults.drawForRead()
		if s.failBefore(w, r, fault) {
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
