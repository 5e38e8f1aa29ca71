// Package plan draws a chaos run from a seed: the products, the buyers and what happens to their orders, the stock
// adjustments, and when which process is killed. The same seed and size always give the same plan.
package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// Size is the size of a run.
type Size struct {
	Buyers    int
	Kills     int           // of a process at a random moment
	StepKills int           // of a process that reaches a named step
	Pause     time.Duration // between two kills, at least
}

// Plan is everything that happens in a run.
type Plan struct {
	Seed        uint64
	Products    []Product
	Buyers      []Buyer
	Adjustments []Adjustment
	Kills       []Kill
	Pause       time.Duration // between two kills, at least
}

// Product is a product with one variant.
type Product struct {
	SKU      string
	Price    string // such as "19.99"
	Quantity int64  // in stock at the beginning
}

// Adjustment is a manual stock adjustment by the staff.
type Adjustment struct {
	Key, SKU, Location, Reason string // an empty Location is the first one
	Delta                      int64
}

// Kill is the kill of one process: of the named process or, if Step is set, of the next process that reaches the step.
type Kill struct {
	After         int // final answers that the buyers have got by then
	Process, Step string
	Downtime      time.Duration // before the named process is started again
}

// String describes the kill as a line of a log.
func (k Kill) String() string {
	if k.Step != "" {
		return fmt.Sprintf("after %d answers: kill the next process that reaches %s", k.After, k.Step)
	}
	return fmt.Sprintf("after %d answers: kill %s for %s", k.After, k.Process, k.Downtime)
}

// Processes are the processes that a plan kills, each as often as it is listed: every app and its sidecar, the busiest
// ones once more, the control plane, and the payment provider.
var Processes = processes()

func processes() (list []string) {
	for _, app := range roster.StandardIDs() {
		list = append(list, app, app+"-daprd")
	}
	return append(list, roster.Orders, roster.Orders+"-daprd", roster.Catalog, "broker", "broker", "scheduler",
		"placement", Provider)
}

// Provider is the name of the payment provider's process.
const Provider = "psp"

// Locations are the stock locations of the shop, in the order in which it takes stock from them.
var Locations = []string{"main", "north"}

// Draw makes a plan. Its keys, addresses and SKUs begin with name, so that plans on the same shop do not collide. steps
// are the steps at which processes may be killed.
func Draw(name string, seed uint64, size Size, steps []string) Plan {
	r := rand.New(rand.NewPCG(seed, 0))
	p := Plan{Seed: seed, Pause: size.Pause}
	for i := range max(8, size.Buyers/5) {
		p.Products = append(p.Products, Product{
			SKU:      fmt.Sprintf("%s-%d", name, i),
			Price:    pick(r, "0.01", "0.99", "3.33", "7.77", "19.99", "123.45", "1000.00"),
			Quantity: pick[int64](r, 3, 11, 29, 60),
		})
	}
	for n := range size.Buyers {
		// Each buyer has a random source of its own, so that another number of buyers does not change the first ones.
		b := drawBuyer(rand.New(rand.NewPCG(seed, uint64(n)+1)), fmt.Sprintf("%s-buyer-%d", name, n), p.Products)
		p.Buyers = append(p.Buyers, b)
	}
	for i := range size.Buyers / 3 {
		p.Adjustments = append(p.Adjustments, Adjustment{
			Key: fmt.Sprintf("%s-count-%d", name, i), Reason: fmt.Sprintf("%s count %d", name, i),
			SKU: p.Products[r.IntN(len(p.Products))].SKU, Location: pick(r, append([]string{""}, Locations...)...),
			Delta: pick[int64](r, -40, -3, -1, 1, 2, 7, 13),
		})
	}
	p.Kills = drawKills(r, size, p.Requests(), steps)
	return p
}

// Requests estimates how many requests the buyers make if nothing fails.
func (p Plan) Requests() (n int) {
	for _, b := range p.Buyers {
		n += b.requests()
	}
	return n
}

// drawKills distributes kills over a run of so many requests. It takes the steps in turn, so that a run with enough
// kills covers all of them. Steps that only happen late in the life of an order would not be reached any more in the
// last third of the run, so kills at steps come before it.
func drawKills(r *rand.Rand, size Size, requests int, steps []string) (kills []Kill) {
	downtime := func() time.Duration { return time.Duration(50+r.IntN(1500)) * time.Millisecond }
	processes := slices.Clone(Processes)
	r.Shuffle(len(processes), func(i, j int) { processes[i], processes[j] = processes[j], processes[i] })
	for i := range size.Kills {
		at := (float64(i) + r.Float64()) / float64(size.Kills)
		kills = append(kills, Kill{
			After: 1 + int(at*0.95*float64(requests)), Process: processes[i%len(processes)], Downtime: downtime(),
		})
	}
	steps = slices.Clone(steps)
	r.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	if len(steps) == 0 {
		size.StepKills = 0
	}
	for i := range size.StepKills {
		at := (float64(i) + r.Float64()) / float64(size.StepKills)
		kills = append(kills, Kill{
			After: 1 + int(at*0.65*float64(requests)), Step: steps[i%len(steps)], Downtime: downtime(),
		})
	}
	slices.SortStableFunc(kills, func(a, b Kill) int { return a.After - b.After })
	return kills
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// drawItems draws quantities of up to four different products.
func drawItems(r *rand.Rand, products []Product) (items []api.Item) {
	for _, i := range r.Perm(len(products))[:1+r.IntN(min(4, len(products)))] {
		items = append(items, api.Item{SKU: products[i].SKU, Quantity: pick[int64](r, 1, 1, 1, 2, 2, 3, 5, 7)})
	}
	return items
}
