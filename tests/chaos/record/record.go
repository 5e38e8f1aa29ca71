// Package record remembers what the shop answered to its customers and to the staff. The checker compares it with the
// state of the shop afterwards: an acknowledged change must still be there.
package record

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"haberdash/tests/api"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/view"
)

// Record has the answers of a run. Its methods are safe for concurrent use. Its fields may be read only while no buyer
// sends requests.
type Record struct {
	Placements  map[string]*Placement // by idempotency key
	Actions     []Action
	Adjustments []Adjustment
	Carts       map[string]Cart  // by id
	Imported    map[string]int64 // quantity, by SKU
	Violations  []Violation      // of answers that the API does not allow

	mu      sync.Mutex
	answers map[string]int // by status and problem
	longest wait
}

// Placement has the answers to one idempotency key.
type Placement struct {
	Key, Email, Cart string
	Customer         string        // name; empty for a guest
	Answers          []*api.Answer // final ones
	Order            view.Order    // of an answer 201
}

// Status returns the status of the final answers. They all have the same one, or the checker reports a violation.
func (p *Placement) Status() int {
	if len(p.Answers) == 0 {
		return 0
	}
	return p.Answers[0].Status
}

// Action is a change of an order, and its final answer.
type Action struct {
	Kind    string // cancel, fulfil, deliver, return, receive or refund
	Order   string
	Part    string // id of the fulfilment or return
	Lines   []api.Item
	Amount  int64
	Restock bool
	Status  int
	Problem string // name
}

// Adjustment is a stock adjustment, and the status of its final answer.
type Adjustment struct {
	plan.Adjustment
	Status int
}

// Cart is the last state in which a buyer left a cart.
type Cart struct {
	Owner   string // name of the customer; empty for a guest
	Items   []api.Item
	Ordered bool // the items became a confirmed order
}

// New returns an empty record.
func New() *Record {
	return &Record{
		Placements: map[string]*Placement{}, Carts: map[string]Cart{}, Imported: map[string]int64{},
		answers: map[string]int{},
	}
}

func (r *Record) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// AddPlacement records the answers to the placement of a cart.
func (r *Record) AddPlacement(p *Placement) {
	r.locked(func() {
		r.Placements[p.Key] = p
		cart := r.Carts[p.Cart]
		cart.Ordered = p.Status() == http.StatusCreated
		r.Carts[p.Cart] = cart
	})
}

// AddAnswer records one more final answer to a placement.
func (r *Record) AddAnswer(p *Placement, a *api.Answer) {
	r.locked(func() { p.Answers = append(p.Answers, a) })
}

// AddAction records a change of an order.
func (r *Record) AddAction(a Action) { r.locked(func() { r.Actions = append(r.Actions, a) }) }

// AddAdjustment records a stock adjustment.
func (r *Record) AddAdjustment(a Adjustment) {
	r.locked(func() { r.Adjustments = append(r.Adjustments, a) })
}

// AddImport records the quantity of a SKU that an import brings.
func (r *Record) AddImport(sku string, quantity int64) {
	r.locked(func() { r.Imported[sku] = quantity })
}

// SetCart records the items of a cart before it is ordered.
func (r *Record) SetCart(id string, c Cart) { r.locked(func() { r.Carts[id] = c }) }

// CartOwners returns the owner of each cart by the cart's id. The owner of a guest's cart is empty.
func (r *Record) CartOwners() map[string]string {
	owners := map[string]string{}
	r.locked(func() {
		for id, c := range r.Carts {
			owners[id] = c.Owner
		}
	})
	return owners
}

// SKUs returns the SKUs that were imported.
func (r *Record) SKUs() (skus []string) {
	r.locked(func() {
		for sku := range r.Imported {
			skus = append(skus, sku)
		}
	})
	return skus
}

// wait is the time that an operation needed until its final answer.
type wait struct {
	operation string
	took      time.Duration
}

// AddWait records the time that an operation needed until its final answer.
func (r *Record) AddWait(operation string, took time.Duration) {
	r.locked(func() {
		if took > r.longest.took {
			r.longest = wait{operation, took}
		}
	})
}

// AddViolation records an answer that breaks an invariant.
func (r *Record) AddViolation(invariant int, format string, args ...any) {
	r.locked(func() {
		r.Violations = append(r.Violations, Violation{Invariant: invariant, Text: fmt.Sprintf(format, args...)})
	})
}

// ClearViolations removes the violations after they were reported.
func (r *Record) ClearViolations() { r.locked(func() { r.Violations = nil }) }
