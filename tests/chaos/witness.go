package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"haberdash/tests/api"
)

// A Witness remembers what the shop told its customers. What it told them must stay true.
type Witness struct {
	mu         sync.Mutex
	placements map[string]*Placement // by key
	acts       []Act
	movements  []Moved
	carts      map[string]CartNote // by id
	goods      map[string]int64    // by SKU: what the import brought
	customers  []*person
	surprises  []Violation
	tally      map[string]int
	slowest    time.Duration
	slowestIs  string
}

// Placement is what is known of one idempotency key.
type Placement struct {
	Key, Email, Cart string
	Customer         *person       // nil for a guest
	Answers          []*api.Answer // final ones
	Order            Order         // of a 201
}

// Status of the final answers; they are all the same, or checkKeys says so.
func (p *Placement) Status() int {
	if len(p.Answers) == 0 {
		return 0
	}
	return p.Answers[0].Status
}

// Act is something that was done with an order, and its final answer.
type Act struct {
	Kind    string // cancel, fulfil, deliver, return, receive or refund
	Order   string
	Part    string // the fulfilment, return or refund
	Lines   []api.Item
	Amount  int64
	Restock bool
	Status  int
	Problem string // name
}

// Moved is an adjustment of stock and its final answer.
type Moved struct {
	Movement
	Status int
}

// CartNote is the last that a buyer did with a cart: what they left in it, and whether that was ordered.
type CartNote struct {
	Owner   *person // nil for a guest
	Items   []api.Item
	Ordered bool
}

func newWitness() *Witness {
	return &Witness{placements: map[string]*Placement{}, carts: map[string]CartNote{}, goods: map[string]int64{}, tally: map[string]int{}}
}

func (w *Witness) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// surprise records an answer that the API does not allow.
func (w *Witness) surprise(invariant int, format string, args ...any) {
	w.note(func() {
		w.surprises = append(w.surprises, Violation{Invariant: invariant, Text: fmt.Sprintf(format, args...)})
	})
}

// forget drops the surprises: they have been told.
func (w *Witness) forget() { w.note(func() { w.surprises = nil }) }

func (w *Witness) count(what string) { w.note(func() { w.tally[what]++ }) }

// judge holds every answer to what the API promises of all of them: an outage is a 503 with Retry-After, never a 500,
// and every error is a problem document.
func (w *Witness) judge(r api.Request, a *api.Answer) {
	what := fmt.Sprint(a.Status)
	if a.Status >= 400 {
		what += " " + a.Problem().Name()
	}
	w.count(what)
	blame := ""
	switch {
	case a.Status < 400:
	case a.Header.Get("Content-Type") != "application/problem+json":
		blame = "is no problem document"
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "":
		blame = "has no Retry-After"
	case a.Status >= 500 && a.Status != http.StatusServiceUnavailable:
		blame = "blames the server"
	}
	if blame != "" {
		w.surprise(0, "%s %s: %d %s: %.300s", r.Method, r.Path, a.Status, blame, a.Body)
	}
}

// waited notes how long somebody had to insist.
func (w *Witness) waited(d time.Duration, what string) {
	w.note(func() {
		if d > w.slowest {
			w.slowest, w.slowestIs = d, what
		}
	})
}

// Tally counts the answers, for the log of a run.
func (w *Witness) Tally() (lines []string) {
	w.note(func() {
		for what, n := range w.tally {
			lines = append(lines, fmt.Sprintf("%5d × %s", n, what))
		}
	})
	slices.Sort(lines)
	slices.Reverse(lines)
	return append(lines, fmt.Sprintf("slowest: %s after %s", w.slowestIs, w.slowest.Round(time.Millisecond)))
}
