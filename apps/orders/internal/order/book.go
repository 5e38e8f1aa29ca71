package order

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Book is the log of orders. Its methods may be called at the same time, from several processes; each is
// atomic, and idempotent as the rules say.
type Book struct{ log *commitlog.Partition[State] }

// NewBook makes a book on an open orders log.
func NewBook(log *commitlog.Partition[State]) *Book { return &Book{log} }

// firstNumber is where order numbers start.
const firstNumber = 10_000

// Place records the intent, before anything is reserved or charged. created is false when the order was
// there already (rule 1); a request with another fingerprint is idempotency-key-reused (422).
func (b *Book) Place(ctx context.Context, fact contract.OrderFact, r Request) (o Order, version uint64, created bool, err error) {
	id := orderID(fact.OrderID)
	lists := []string{listAll, listOfStatus(Placing)}
	if fact.Customer != "" {
		lists = append(lists, listOfCustomer(fact.Customer))
	}
	_, err = b.log.Do(ctx, append([]string{id, openID}, lists...), func(tx *commitlog.Tx[State]) error {
		created = false
		if s, seq := tx.State(id); s.Order != nil {
			o, version = *s.Order, seq
			return o.Matches(r.Fingerprint)
		}
		_, n := tx.State(listAll)
		fact.Number = "H" + strconv.FormatUint(firstNumber+n+1, 10)
		fact.AccessToken = ""
		tx.Emit(id, contract.OrderPlaced, fact)
		tx.Note(id, paymentRequested, r)
		tx.Note(openID, openAdded, entry{fact.OrderID})
		for _, list := range lists {
			tx.Note(list, listed, entry{fact.OrderID})
		}
		s, seq := tx.State(id)
		o, version, created = *s.Order, seq, true
		return nil
	})
	return o, version, created, err
}

// Matches refuses a request that is not the one the order was placed with.
func (o Order) Matches(fingerprint string) error {
	if o.Request.Fingerprint == fingerprint {
		return nil
	}
	return fault.New(fault.Invalid, "idempotency-key-reused", "This Idempotency-Key was used for another request.").
		WithField("header.Idempotency-Key", "was used with another body")
}

// Confirm decides for the order (rules 2 and 3). accessToken lets a guest read it; it travels in the
// event, for the mail.
func (b *Book) Confirm(ctx context.Context, id, authorisation string, amount money.Money, accessToken string) (Order, uint64, error) {
	return b.change(ctx, id, []string{listOfStatus(Confirmed)}, func(tx *commitlog.Tx[State], o Order) error {
		switch {
		case o.Status == Confirmed:
			return nil
		case o.Status != Placing:
			return invalid(o)
		case amount != o.Total:
			return fmt.Errorf("order %s: authorised %s for a total of %s", id, amount, o.Total)
		}
		fact := o.OrderFact
		fact.AccessToken = accessToken
		tx.Emit(orderID(id), paymentAuthorized, authorized{authorisation, amount})
		tx.Emit(orderID(id), contract.OrderConfirmed, fact)
		tx.Note(openID, openDropped, entry{id})
		tx.Note(listOfStatus(Confirmed), listed, entry{id})
		return nil
	})
}

// Reject decides against the order (rule 2). Before it is called, nothing of the order must be left: no
// authorised money and no way that an attempt under way could still authorise some.
func (b *Book) Reject(ctx context.Context, id string, why Rejection) (Order, uint64, error) {
	return b.change(ctx, id, []string{listOfStatus(Rejected)}, func(tx *commitlog.Tx[State], o Order) error {
		switch o.Status {
		case Rejected:
			return nil
		case Placing:
		default:
			return invalid(o)
		}
		why.OrderID = id
		tx.Emit(orderID(id), contract.OrderRejected, why)
		tx.Note(openID, openDropped, entry{id})
		tx.Note(listOfStatus(Rejected), listed, entry{id})
		return nil
	})
}

// Cancel ends a confirmed order (rule 4). Its authorisation is to be voided next: see Voided.
func (b *Book) Cancel(ctx context.Context, id, reason string) (Order, uint64, error) {
	return b.change(ctx, id, []string{listOfStatus(Cancelled)}, func(tx *commitlog.Tx[State], o Order) error {
		switch o.Status {
		case Cancelled:
			return nil
		case Confirmed:
		default:
			return invalid(o)
		}
		tx.Emit(orderID(id), contract.OrderCancelled, map[string]string{"orderId": id, "reason": reason})
		tx.Note(openID, openAdded, entry{id})
		tx.Note(listOfStatus(Cancelled), listed, entry{id})
		return nil
	})
}

// Voided records that a cancelled order's authorisation is void (rule 5).
func (b *Book) Voided(ctx context.Context, id string) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		if o.Status != Cancelled {
			return invalid(o)
		}
		if o.Payment.Status == PaymentVoided {
			return nil
		}
		tx.Emit(orderID(id), paymentVoided, authorized{o.Payment.Authorisation, o.Payment.Authorized})
		tx.Note(openID, openDropped, entry{id})
		return nil
	})
}

func (b *Book) change(ctx context.Context, id string, lists []string, decide func(*commitlog.Tx[State], Order) error) (o Order, version uint64, err error) {
	_, err = b.log.Do(ctx, append([]string{orderID(id), openID}, lists...), func(tx *commitlog.Tx[State]) error {
		s, _ := tx.State(orderID(id))
		if s.Order == nil {
			return fault.Missing("order")
		}
		if err := decide(tx, *s.Order); err != nil {
			return err
		}
		s, version = tx.State(orderID(id))
		o = *s.Order
		return nil
	})
	return o, version, err
}

func invalid(o Order) error {
	return fault.New(fault.Conflict, "invalid-transition", "An order that is %s does not allow this.", o.Status).With("orderStatus", o.Status)
}

// Get reads an order; version counts its events. Problems: not-found (404).
func (b *Book) Get(ctx context.Context, id string) (Order, uint64, error) {
	s, version, err := b.log.Get(ctx, orderID(id))
	if err == nil && s.Order == nil {
		err = fault.Missing("order")
	}
	if err != nil {
		return Order{}, 0, err
	}
	return *s.Order, version, nil
}

// Open lists orders that have needed work since before the given time: undecided, or with money to void.
func (b *Book) Open(ctx context.Context, before time.Time) ([]string, error) {
	s, _, err := b.log.Get(ctx, openID)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(s.Open)) {
		if s.Open[id].Before(before) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Filter of a list. At most one of the fields narrows by index, the other by looking.
type Filter struct {
	Customer string
	Status   Status
}

// Listed is an order in a list.
type Listed struct {
	Order
	Version uint64
}

// scanned bounds how many entries one page looks at; a page may have fewer orders than its limit.
const scanned = 300

// List pages through orders, newest first. before is the position that the page before gave, 0 at first; a
// position of 0 in the answer ends the list.
func (b *Book) List(ctx context.Context, f Filter, before uint64, limit int) (orders []Listed, next uint64, err error) {
	list := listAll
	switch {
	case f.Customer != "":
		list = listOfCustomer(f.Customer)
	case f.Status != "":
		list = listOfStatus(f.Status)
	}
	for looked := 0; looked < scanned; {
		entries, err := b.log.History(ctx, list, before, limit)
		if err != nil {
			return nil, 0, err
		}
		for _, e := range entries {
			looked, before = looked+1, e.Seq
			var x entry
			if err := e.Decode(&x); err != nil {
				return nil, 0, err
			}
			o, version, err := b.Get(ctx, x.Order)
			if err != nil {
				return nil, 0, err
			}
			if f.Status != "" && o.Status != f.Status {
				continue
			}
			if orders = append(orders, Listed{o, version}); len(orders) == limit {
				return orders, more(before), nil
			}
		}
		if len(entries) < limit {
			return orders, 0, nil
		}
	}
	return orders, more(before), nil
}

// more is the position after an entry: there is nothing before the first.
func more(seq uint64) uint64 {
	if seq <= 1 {
		return 0
	}
	return seq
}

// Fact is one event of an order's history, without what is not for its reader: tokens.
type Fact struct {
	Seq  uint64          `json:"seq"`
	Type string          `json:"type"`
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"data"`
}

// maxHistory bounds an order's history.
const maxHistory = 1000

// History lists an order's events, oldest first.
func (b *Book) History(ctx context.Context, id string) ([]Fact, error) {
	events, err := b.log.History(ctx, orderID(id), 0, maxHistory)
	if err != nil {
		return nil, err
	}
	facts := []Fact{}
	for _, e := range slices.Backward(events) {
		if e.Internal {
			continue
		}
		data := e.Data
		if e.Type == contract.OrderConfirmed {
			var fact contract.OrderFact
			if err := e.Decode(&fact); err != nil {
				return nil, err
			}
			fact.AccessToken = ""
			if data, err = json.Marshal(fact); err != nil {
				return nil, err
			}
		}
		facts = append(facts, Fact{Seq: e.Seq, Type: e.Type, At: e.At, Data: data})
	}
	return facts, nil
}

// Changed is closed when any order changes next.
func (b *Book) Changed() <-chan struct{} { return b.log.Changed() }
