package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
)

// record is the stored document of an order's key, "payment/<key>": some 200 bytes, and 150 more for each capture or
// refund. Its JSON names are stored data.
type record struct {
	Status      payment.Status `json:"status,omitempty"` // empty while TokenError fails
	Token       string         `json:"token,omitempty"`
	Amount      money.Money    `json:"amount,omitzero"`
	Captured    money.Money    `json:"captured,omitzero"`
	Refunded    money.Money    `json:"refunded,omitzero"`
	DeclineCode string         `json:"declineCode,omitempty"`
	At          time.Time      `json:"at,omitzero"`
	// Attempts have ids, so that an attempt finds its own write although the write returned an error, or was overwritten
	// before it was read back.
	Decider   string     `json:"decider,omitempty"` // the attempt that decided
	Failed    []string   `json:"failed,omitempty"`  // the attempts that ended in ErrProvider
	Movements []movement `json:"movements,omitempty"`
}

type movement struct {
	ID     string      `json:"id"`
	Kind   string      `json:"kind"` // capture or refund
	Key    string      `json:"key"`
	Amount money.Money `json:"amount"`
	At     time.Time   `json:"at"`
}

const (
	capture = "capture"
	refund  = "refund"
)

// idPrefix begins the ids of authorisations.
const idPrefix = "sandbox_"

// attempted reports whether an attempt arrived; otherwise Token means nothing.
func (r record) attempted() bool { return r.Decider != "" || len(r.Failed) > 0 }

// bindAmount binds the key to the first amount that is used with it. Error: ErrKeyReused.
func (r *record) bindAmount(amount money.Money) error {
	if r.Amount.Amount == 0 {
		r.Amount = amount
		r.Captured, r.Refunded = money.New(0, amount.Currency), money.New(0, amount.Currency)
	}
	if r.Amount != amount {
		return payment.ErrKeyReused
	}
	return nil
}

func (r record) authorisation(key string) payment.Authorisation {
	a := payment.Authorisation{
		Key: key, Amount: r.Amount, Captured: r.Captured, Refunded: r.Refunded,
		Status: r.Status, DeclineCode: r.DeclineCode, At: r.At,
	}
	if r.Decider != "" {
		a.ID = idPrefix + key
	}
	return a
}

func recordKey(key string) string { return "payment/" + key }

// read returns a key's record, zero if it has none.
func (p *Provider) read(ctx context.Context, key string) (r record, err error) {
	if _, err = sidecar.ReadJSON(ctx, p.state, recordKey(key), &r); err != nil {
		return record{}, storeError(ctx, err)
	}
	return r, nil
}

// decision changes a key's record, and says whether to write it. It may be called again, on what another writer has
// written meanwhile.
type decision func(*record) (write bool, err error)

// change changes a key's record.
func (p *Provider) change(ctx context.Context, key string, decide decision) (record, error) {
	return p.update(ctx, key, sidecar.Update[record], decide)
}

// changeNew is change for a key that most probably has no record: it then costs a write and no read.
func (p *Provider) changeNew(ctx context.Context, key string, decide decision) (record, error) {
	return p.update(ctx, key, sidecar.UpdateNew[record], decide)
}

type updater func(context.Context, sidecar.State, string, sidecar.Change[record], ...sidecar.PutOption) (record, error)

func (p *Provider) update(ctx context.Context, key string, update updater, decide decision) (record, error) {
	var refused error
	r, err := update(ctx, p.state, recordKey(key), func(r *record, _ bool) (write bool, _ error) {
		write, refused = decide(r)
		return write, nil
	})
	if err != nil {
		return record{}, storeError(ctx, err)
	}
	return r, refused
}

// storeError is the port's error for a store that failed, or for a caller whose ctx has ended.
func storeError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, sidecar.ErrCorrupt):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", payment.ErrNoAnswer, err)
	}
	return fmt.Errorf("%w: %w", payment.ErrProvider, err)
}

// Export passes the stored records of orders' keys to put. A key without a record is left out.
func (p *Provider) Export(ctx context.Context, keys []string, put func(sidecar.Item) error) error {
	stored := make([]string, len(keys))
	for i, key := range keys {
		stored[i] = recordKey(key)
	}
	items, err := p.state.GetMany(ctx, stored)
	if err != nil {
		return storeError(ctx, err)
	}
	for _, key := range stored {
		if item, ok := items[key]; ok {
			if err := put(item); err != nil {
				return err
			}
		}
	}
	return nil
}
