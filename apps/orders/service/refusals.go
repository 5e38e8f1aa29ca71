package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// keyTTL is how long a refusal is remembered under its idempotency key. Orders are in the log, for ever.
const keyTTL = 24 * time.Hour

// recordedRefusal is the first answer to a request that made no order: of a cart that is empty, say, or whose prices
// have changed. The same request gets it again, though the cart may have been mended meanwhile: a new attempt
// takes a new key.
type recordedRefusal struct {
	Fingerprint string         `json:"fingerprint"`
	Status      int            `json:"status"`
	Type        string         `json:"type"`
	Detail      string         `json:"detail"`
	Fields      []fault.Field  `json:"fields,omitempty"`
	Members     map[string]any `json:"members,omitempty"`
}

func refusalKey(orderID string) string { return "refused/" + orderID }

// refuse remembers a refusal that is the shop's answer, not an outage or a request that nobody can make sense
// of, and gives it back.
func (s *Service) refuse(ctx context.Context, id string, p placement, err error) error {
	f := fault.Of(err)
	if f.Kind != fault.Conflict && f.Kind != fault.Invalid || f.Type == keyReused {
		return err
	}
	value, encodeErr := json.Marshal(recordedRefusal{s.fingerprint(p), f.Kind.Status(), f.Type, f.Detail, f.Fields, f.Members})
	if encodeErr != nil {
		return encodeErr
	}
	// Whoever was first has it recorded; a second one differs only when the cart changed between the two.
	if err := s.State.Put(ctx, refusalKey(id), value, "", sidecar.TTL(keyTTL)); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("refusal not remembered: its repetition is judged anew")
	}
	return err
}

const keyReused = "idempotency-key-reused"

// errUnread: the store did not tell what was asked of it. Whoever asks it again waits once more.
var errUnread = errors.New("not read")

// refusedBefore looks for an earlier request with the key that made no order; found tells that the problem
// is the answer that it got. The same read brings what the order's placement will ask for, and what else is asked for.
func (s *Service) refusedBefore(ctx context.Context, id string, p placement, also ...string) (read map[string]sidecar.Item, found bool, err error) {
	read, err = s.Book.Expect(ctx, id, p.CartID, identity.Of(ctx).UserID, append(also, refusalKey(id))...)
	item := read[refusalKey(id)]
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("%w: %w", errUnread, err)
	case !item.Found():
		return read, false, nil
	}
	var r recordedRefusal
	if err := json.Unmarshal(item.Value, &r); err != nil {
		return nil, false, err
	}
	if r.Fingerprint != s.fingerprint(p) {
		return nil, false, order.KeyReused()
	}
	return nil, true, &fault.Error{Kind: fault.KindOf(r.Status), Type: r.Type, Detail: r.Detail, Fields: r.Fields, Members: r.Members}
}
