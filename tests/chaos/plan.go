// Package chaos buys from a shop over real sidecars while its processes are killed, and then judges from outside
// whether the promises of the design hold: it reads the public API, the feeds, the mails and the payment provider's
// own ledger, and nothing of the services' inside.
//
// plan.go draws everything that happens from a seed: who buys what and what becomes of it, and which process dies
// when. buyer.go and afterwards.go are the buyers and the staff, monkey.go the one who kills, books.go what can be
// read of the shop afterwards, and the files that begin with check hold the books against each other and against what
// the buyers were told.
package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// Size says how large a run is.
type Size struct {
	Buyers int
	Kills  int // of processes, whatever they are doing
	Steps  int // of processes that reach a named step

	Breath time.Duration // between two deaths, at least
}

// Plan is a run: the same seed and size are the same plan.
type Plan struct {
	Seed      uint64
	Goods     []Good
	Buyers    []Buyer
	Movements []Movement
	Blows     []Blow
	Breath    time.Duration
}

// Good is a product of one variant.
type Good struct {
	SKU      string
	Price    string // such as "19.99"
	Quantity int64
}

// Movement is an adjustment of stock by hand.
type Movement struct {
	Key, SKU, Location, Reason string
	Delta                      int64
}

// Blow is a death: of the process named Target, or, if Step is set, of whoever reaches the step next. It comes when
// the buyers have so many final answers, and the process is started again after Down.
type Blow struct {
	After        int
	Target, Step string
	Down         time.Duration
}

// String is the blow as a line of the schedule.
func (b Blow) String() string {
	if b.Step != "" {
		return fmt.Sprintf("after %d answers: whoever reaches %s", b.After, b.Step)
	}
	return fmt.Sprintf("after %d answers: %s, for %s", b.After, b.Target, b.Down)
}

// Targets are the processes that a plan kills, each as often as it is listed: every app and its sidecar, those that do
// the most once more, the control plane, and the payment provider.
var Targets = targets()

func targets() (list []string) {
	for _, app := range roster.IDs() {
		list = append(list, app, app+"-daprd")
	}
	return append(list, roster.Orders, roster.Orders+"-daprd", roster.Catalog, "broker", "broker", "scheduler", "placement", Provider)
}

// Provider is the name of the payment provider's process.
const Provider = "psp"

// Locations are where the stock of a chaotic shop stands, in the order in which they serve.
var Locations = []string{"main", "north"}

// Draw makes a plan. name sets its keys, addresses and SKUs apart from those of other plans on the same shop.
func Draw(name string, seed uint64, size Size, steps []string) Plan {
	r := rand.New(rand.NewPCG(seed, 0))
	p := Plan{Seed: seed, Breath: size.Breath}
	for i := range max(8, size.Buyers/5) {
		p.Goods = append(p.Goods, Good{
			SKU:      fmt.Sprintf("%s-%d", name, i),
			Price:    pick(r, "0.01", "0.99", "3.33", "7.77", "19.99", "123.45", "1000.00"),
			Quantity: pick[int64](r, 3, 11, 29, 60),
		})
	}
	for n := range size.Buyers {
		// Each buyer draws alone: more buyers change nothing for those who were there.
		b := drawBuyer(rand.New(rand.NewPCG(seed, uint64(n)+1)), fmt.Sprintf("%s-buyer-%d", name, n), p.Goods)
		p.Buyers = append(p.Buyers, b)
	}
	for i := range size.Buyers / 3 {
		p.Movements = append(p.Movements, Movement{
			Key: fmt.Sprintf("%s-count-%d", name, i), Reason: fmt.Sprintf("%s count %d", name, i),
			SKU: p.Goods[r.IntN(len(p.Goods))].SKU, Location: pick(r, append([]string{""}, Locations...)...),
			Delta: pick[int64](r, -40, -3, -1, 1, 2, 7, 13),
		})
	}
	p.Blows = drawBlows(r, size, p.requests(), steps)
	return p
}

// requests is about how many requests the buyers make if all goes well.
func (p Plan) requests() (n int) {
	for _, b := range p.Buyers {
		n += b.requests()
	}
	return n
}

// drawBlows spreads deaths over a run of so many requests. Steps come round in turn, so that enough of them are all of
// them; those that only the end of an order's life reaches would find nobody in the last third.
func drawBlows(r *rand.Rand, size Size, requests int, steps []string) (blows []Blow) {
	down := func() time.Duration { return time.Duration(50+r.IntN(1500)) * time.Millisecond }
	targets := slices.Clone(Targets)
	r.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	for i := range size.Kills {
		at := (float64(i) + r.Float64()) / float64(size.Kills)
		blows = append(blows, Blow{After: 1 + int(at*0.95*float64(requests)), Target: targets[i%len(targets)], Down: down()})
	}
	steps = slices.Clone(steps)
	r.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	if len(steps) == 0 {
		size.Steps = 0
	}
	for i := range size.Steps {
		at := (float64(i) + r.Float64()) / float64(size.Steps)
		blows = append(blows, Blow{After: 1 + int(at*0.65*float64(requests)), Step: steps[i%len(steps)], Down: down()})
	}
	slices.SortStableFunc(blows, func(a, b Blow) int { return a.After - b.After })
	return blows
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// lines draws quantities of different goods.
func lines(r *rand.Rand, goods []Good) (items []api.Item) {
	for _, i := range r.Perm(len(goods))[:1+r.IntN(min(4, len(goods)))] {
		items = append(items, api.Item{SKU: goods[i].SKU, Quantity: pick[int64](r, 1, 1, 1, 2, 2, 3, 5, 7)})
	}
	return items
}
