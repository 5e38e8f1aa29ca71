package chaos

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/tests/api"
	"haberdash/tests/psp"
)

// change changes an order of the example.
func change(b *Books, id string, f func(*OrderBook)) {
	o := b.Orders[id]
	f(&o)
	b.Orders[id] = o
}

// changeStock changes the hats of the example.
func changeStock(b *Books, f func(*StockBook)) {
	s := b.Stock["HAT"]
	f(&s)
	b.Stock["HAT"] = s
}

// Every way in which the books can be wrong is found: a checker that finds nothing proves nothing.
func TestTheCheckerFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	b, w := example()
	require.Empty(t, Check(b, w), "the example is right")
	require.Empty(t, b.Pending())

	for name, c := range map[string]struct {
		invariant int
		spoil     func(*Books, *Witness)
	}{
		"a level that its history does not come to": {1, func(b *Books, _ *Witness) { changeStock(b, func(s *StockBook) { s.Levels[0].OnHand++ }) }},
		"a history with a gap":                      {1, func(b *Books, _ *Witness) { changeStock(b, func(s *StockBook) { s.Events[9].Seq++ }) }},
		"an oversold moment": {1, func(b *Books, _ *Witness) {
			changeStock(b, func(s *StockBook) { s.Events[1].Data.Quantity, s.Events[3].Data.Quantity = 9, 8 })
		}},
		"a level at a location that is not told":      {1, func(b *Books, _ *Witness) { changeStock(b, func(s *StockBook) { s.Events[9].Location = "attic" }) }},
		"stock held for a cancelled order":            {1, func(b *Books, _ *Witness) { b.stockEvent(3, func(e *StockEvent) { e.Data.Order = "A" }) }},
		"stock held for nobody":                       {1, func(b *Books, _ *Witness) { b.stockEvent(2, func(e *StockEvent) { e.Data.Order = "X" }) }},
		"a parcel that left with another quantity":    {1, func(b *Books, _ *Witness) { b.stockEvent(6, func(e *StockEvent) { e.Data.Quantity = 1 }) }},
		"a parcel that left twice":                    {1, func(b *Books, _ *Witness) { b.stockEvent(7, func(e *StockEvent) { e.Data.ID = "f1" }) }},
		"a return that is on no shelf":                {1, func(b *Books, _ *Witness) { b.stockEvent(8, func(e *StockEvent) { e.Data.ID = "r9" }) }},
		"an adjustment that is lost":                  {6, func(b *Books, _ *Witness) { b.stockEvent(9, func(e *StockEvent) { e.Data.Reason = "other" }) }},
		"an adjustment of another size":               {6, func(b *Books, _ *Witness) { b.stockEvent(9, func(e *StockEvent) { e.Data.Quantity = -2 }) }},
		"an adjustment that was refused":              {6, func(_ *Books, w *Witness) { w.movements[0].Status = http.StatusConflict }},
		"an import that counted twice":                {6, func(_ *Books, w *Witness) { w.goods["HAT"] = 5 }},
		"money captured that the order does not know": {2, func(b *Books, _ *Witness) { b.Ledger.Intents[0].Captured++ }},
		"money refunded that the order does not know": {2, func(b *Books, _ *Witness) { b.Ledger.Intents[0].Refunded++ }},
		"money reserved for a cancelled order":        {2, func(b *Books, _ *Witness) { b.Ledger.Intents[1].Reserved = 3770 }},
		"money reserved for an order that is over": {2, func(b *Books, _ *Witness) {
			b.Ledger.Intents[0].Reserved = 1
			change(b, "A", func(o *OrderBook) { o.Payment.Authorized = eur(1) })
		}},
		"two authorisations": {2, func(b *Books, _ *Witness) {
			b.Ledger.Intents = append(b.Ledger.Intents, psp.Account{Order: "A", Movements: movements("authorized 3770", "released 3770")})
		}},
		"an authorisation of another amount": {2, func(b *Books, _ *Witness) { b.Ledger.Intents[0].Movements[0].Amount++ }},
		"a capture too many": {2, func(b *Books, _ *Witness) {
			b.Ledger.Intents[0].Movements = append(b.Ledger.Intents[0].Movements, movements("captured 1")...)
		}},
		"money of an order that nobody knows": {2, func(b *Books, _ *Witness) {
			b.Ledger.Intents = append(b.Ledger.Intents, psp.Account{Order: "X", Reserved: 1})
		}},
		"money of somebody who was refused": {2, func(b *Books, _ *Witness) {
			b.Ledger.Intents[2].Reserved = 3770
			change(b, "C", func(o *OrderBook) { o.Payment.Authorized = eur(3770) })
		}},
		"more captured than was sent": {2, func(b *Books, _ *Witness) {
			change(b, "A", func(o *OrderBook) { o.Fulfilments[1].Status = "pending" })
		}},
		"a refund of nothing": {2, func(b *Books, _ *Witness) { change(b, "A", func(o *OrderBook) { o.Returns = nil }) }},
		"a capture twice for one parcel": {2, func(b *Books, _ *Witness) {
			change(b, "A", func(o *OrderBook) { o.Events[7].Data.For = "f1" })
		}},
		"two orders of one key": {3, func(b *Books, _ *Witness) { b.Orders["A2"] = OrderBook{Order: exampleOrder("A", "H9", "rejected", 1)} }},
		"another answer to the same request": {3, func(_ *Books, w *Witness) {
			w.placements["key-A"].Answers[1] = &api.Answer{Status: 201, Body: []byte("{ }")}
		}},
		"an order that nobody placed": {3, func(_ *Books, w *Witness) { delete(w.placements, "key-C") }},
		"one order of two keys": {3, func(_ *Books, w *Witness) {
			twin := *w.placements["key-A"]
			twin.Key = "key-A2"
			w.placements["key-A2"] = &twin
		}},
		"a consumer that is behind":             {4, func(b *Books, _ *Witness) { b.Cursors["cart"][0].Position--; b.Cursors["cart"][0].Applied-- }},
		"a consumer that applied an event less": {4, func(b *Books, _ *Witness) { b.Cursors["cart"][0].Applied-- }},
		"a consumer that parked an event":       {4, func(b *Books, _ *Witness) { b.Cursors["cart"][0].Parked = 1 }},
		"no consumers":                          {4, func(b *Books, _ *Witness) { b.Cursors = map[string][]contract.Cursor{} }},
		"a feed with a gap":                     {4, func(b *Books, _ *Witness) { b.Feeds[0].Events[3].Position++ }},
		"a feed that names an event twice":      {4, func(b *Books, _ *Witness) { b.Feeds[0].Events[3].ID = b.Feeds[0].Events[2].ID }},
		"a feed that is cut off":                {4, func(b *Books, _ *Witness) { b.Feeds[0].Events = b.Feeds[0].Events[:20] }},
		"a feed of other events":                {4, func(b *Books, _ *Witness) { b.Feeds[1].Events[3].Type = "stock.received" }},
		"a feed of another order":               {4, func(b *Books, _ *Witness) { b.Feeds[0].Events[3].Aggregate = "order/X" }},
		"a mail that is lost":                   {4, func(b *Books, _ *Witness) { b.Mails = b.Mails[1:] }},
		"a mail twice": {4, func(b *Books, _ *Witness) {
			b.Mails = append(b.Mails, Mail{"9.eml", "A@example.test", "Your order H1"})
		}},
		"a mail to somebody else": {4, func(b *Books, _ *Witness) { b.Mails[0].To = "B@example.test" }},
		"a mail of a refused order": {4, func(b *Books, _ *Witness) {
			b.Mails = append(b.Mails, Mail{"9.eml", "C@example.test", "Your order H3"})
		}},
		"an ordered cart that is full":   {4, func(b *Books, _ *Witness) { b.Carts["cart-A"] = basket{Items: hats(1)} }},
		"a cart that has lost its goods": {4, func(b *Books, _ *Witness) { b.Carts["cart-C"] = basket{} }},
		"a document that is wrong": {5, func(b *Books, _ *Witness) {
			b.Audits[0].Wrong, b.Audits[0].Differences = 1, []contract.Difference{{Key: "k", Kind: "missing"}}
		}},
		"documents that are wrong and not named": {5, func(b *Books, _ *Witness) { b.Audits[0].Wrong = 1 }},
		"no audit":                               {5, func(b *Books, _ *Witness) { b.Audits = nil }},
		"an order that is gone":                  {6, func(b *Books, _ *Witness) { delete(b.Orders, "A") }},
		"an order of another number":             {6, func(b *Books, _ *Witness) { change(b, "A", func(o *OrderBook) { o.Number = "H7" }) }},
		"an order of other lines":                {6, func(b *Books, _ *Witness) { change(b, "A", func(o *OrderBook) { o.Lines[0].Quantity = 1 }) }},
		"a confirmed order that is rejected":     {6, func(b *Books, _ *Witness) { change(b, "A", func(o *OrderBook) { o.Status = "rejected" }) }},
		"a refused order that is confirmed":      {6, func(b *Books, _ *Witness) { change(b, "C", func(o *OrderBook) { o.Status = "confirmed" }) }},
		"a 201 that was not confirmed":           {6, func(_ *Books, w *Witness) { w.placements["key-A"].Order.Status = "placing" }},
		"a guest without a token":                {6, func(_ *Books, w *Witness) { w.placements["key-A"].Order.AccessToken = "" }},
		"a parcel that is gone":                  {6, func(_ *Books, w *Witness) { w.acts[0].Part = "f9" }},
		"a parcel of other lines":                {6, func(_ *Books, w *Witness) { w.acts[0].Lines = hats(1) }},
		"a delivery that is undone":              {6, func(b *Books, _ *Witness) { change(b, "A", func(o *OrderBook) { o.Fulfilments[0].Status = "shipped" }) }},
		"a return that is gone":                  {6, func(_ *Books, w *Witness) { w.acts[3].Part = "r9" }},
		"a receipt that is undone":               {6, func(b *Books, _ *Witness) { change(b, "A", func(o *OrderBook) { o.Returns[0].Status = "requested" }) }},
		"a refund that is gone":                  {6, func(_ *Books, w *Witness) { w.acts[5].Amount = 55 }},
		"a cancellation that is undone":          {6, func(b *Books, _ *Witness) { change(b, "B", func(o *OrderBook) { o.Status = "confirmed" }) }},
		"a list that lacks an order":             {7, func(b *Books, w *Witness) { b.Own[w.placements["key-B"].Customer] = nil }},
		"a list with somebody else's order":      {7, func(b *Books, w *Witness) { b.Own[w.placements["key-B"].Customer] = []string{"A", "B"} }},
		"a total that does not add up":           {8, func(b *Books, _ *Witness) { change(b, "C", func(o *OrderBook) { o.Shipping = eur(501) }) }},
		"a line that does not add up":            {8, func(b *Books, _ *Witness) { change(b, "C", func(o *OrderBook) { o.Lines[0].UnitPrice = eur(1) }) }},
		"a discount that is not the lines'":      {8, func(b *Books, _ *Witness) { change(b, "C", func(o *OrderBook) { o.Lines[0].Discount = eur(299) }) }},
		"a line in another currency":             {8, func(b *Books, _ *Witness) { change(b, "C", func(o *OrderBook) { o.Lines[0].Total.Currency = "USD" }) }},
		"more tax on lines than on all":          {8, func(b *Books, _ *Witness) { change(b, "C", func(o *OrderBook) { o.Lines[0].Tax = eur(571) }) }},
		"parcels that take more than their share": {8, func(b *Books, _ *Witness) {
			change(b, "A", func(o *OrderBook) { o.Fulfilments[0].Amount, o.Fulfilments[1].Amount = eur(2699), eur(1080) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := example()
			c.spoil(b, w)
			var found []int
			for _, v := range Check(b, w) {
				found = append(found, v.Invariant)
			}
			require.Contains(t, found, c.invariant)
			require.NotEmpty(t, Report(b, Check(b, w)))
		})
	}
}

// stockEvent changes an event of the hats' history.
func (b *Books) stockEvent(i int, f func(*StockEvent)) {
	changeStock(b, func(s *StockBook) { f(&s.Events[i]) })
}

func TestTheCheckerKnowsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Books){
		"an undecided order": func(b *Books) { change(b, "A", func(o *OrderBook) { o.Status = "placing" }) },
		"a parcel":           func(b *Books) { change(b, "A", func(o *OrderBook) { o.Fulfilments[0].Status = "pending" }) },
		"a return":           func(b *Books) { change(b, "A", func(o *OrderBook) { o.Returns[0].Refunded = nil }) },
		"a refund":           func(b *Books) { change(b, "A", func(o *OrderBook) { o.Events = o.Events[:17] }) },
		"a cancellation":     func(b *Books) { change(b, "B", func(o *OrderBook) { o.Events = o.Events[:4] }) },
		"an event":           func(b *Books) { b.moved = true },
		"a consumer":         func(b *Books) { b.Cursors["cart"][0].Position-- },
	} {
		b, _ := example()
		spoil(b)
		require.Len(t, b.Pending(), 1, name)
	}
}

func TestTheWitnessJudgesAnswers(t *testing.T) {
	t.Parallel()
	problem := func(status int, retry string) *api.Answer {
		h := http.Header{"Content-Type": {"application/problem+json"}}
		if retry != "" {
			h.Set("Retry-After", retry)
		}
		return &api.Answer{Status: status, Header: h, Body: []byte(`{"type":"x/y"}`)}
	}
	for name, c := range map[string]struct {
		answer *api.Answer
		found  int
	}{
		"an outage":                     {problem(503, "1"), 0},
		"a refusal":                     {problem(409, ""), 0},
		"success":                       {&api.Answer{Status: 201, Header: http.Header{}}, 0},
		"a server's own fault":          {problem(500, ""), 1},
		"an outage without end":         {problem(503, ""), 1},
		"an error that is no problem":   {&api.Answer{Status: 404, Header: http.Header{}}, 1},
		"a gateway that found no words": {&api.Answer{Status: 502, Header: http.Header{}, Body: []byte("bad gateway")}, 1},
	} {
		w := newWitness()
		w.judge(api.Request{}, c.answer)
		require.Len(t, w.surprises, c.found, name)
	}
}
