package psp

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Ledger says where the money is. GET /ledger returns it, for tests that compare orders with it.
type Ledger struct {
	Intents []Account `json:"intents"` // oldest first
}

// Account is one PaymentIntent. Amounts are minor units of its currency.
type Account struct {
	ID        string     `json:"id"`
	Order     string     `json:"order"` // metadata "order"
	Amount    int64      `json:"amount"`
	Currency  string     `json:"currency"` // upper case, as in ISO 4217
	Status    string     `json:"status"`   // Stripe's
	Reserved  int64      `json:"reserved"` // authorised, but neither captured nor released yet
	Captured  int64      `json:"captured"`
	Refunded  int64      `json:"refunded"`
	Movements []Movement `json:"movements"` // in the order in which they happened
}

// Movement is one change of an account.
type Movement struct {
	Kind   string    `json:"kind"` // created, authorized, declined, captured, released, expired, refunded
	Amount int64     `json:"amount"`
	At     time.Time `json:"at"`
}

func (i *intent) move(now time.Time, kind string, amount int64) {
	i.Movements = append(i.Movements, Movement{kind, amount, now.UTC().Round(0)})
}

// Ledger returns the current ledger.
func (s *Server) Ledger() Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.ledger()
}

func (s *state) ledger() Ledger {
	l := Ledger{Intents: make([]Account, 0, len(s.order))}
	for _, id := range s.order {
		i := s.intents[id]
		a := Account{
			ID: id, Order: i.Metadata["order"], Amount: i.Amount, Currency: strings.ToUpper(i.Currency),
			Status: i.Status, Reserved: i.capturable(), Captured: i.Received, Movements: i.Movements,
		}
		if i.Charge != nil {
			a.Refunded = i.Charge.Refunded
		}
		l.Intents = append(l.Intents, a)
	}
	return l
}

func (s *Server) serveLedger(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	l, wait := s.state.ledger(), s.barrier()
	s.mu.Unlock()
	if err := wait(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(l)
}

// ForgetKeys deletes all idempotency keys, as Stripe does with keys older than a day.
func (s *Server) ForgetKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(entry{Forget: true})
}

func (s *Server) serveForgetKeys(http.ResponseWriter, *http.Request) { s.ForgetKeys() }
