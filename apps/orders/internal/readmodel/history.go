package readmodel

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/contract"
)

// Fact is an event of an order's history, without what its reader must not see.
type Fact struct {
	Seq  uint64          `json:"seq"`
	Type string          `json:"type"`
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"data"`
}

// maxHistory bounds an order's history.
const maxHistory = 1000

// OpenReason opens the reason that a person gave for a part of the order, or with an empty part for the whole order. It
// returns an empty text when the key is destroyed.
type OpenReason func(part string, reason order.Sealed) (text string, err error)

// History lists an order's events, oldest first, with the reasons that can be opened.
func (r *Orders) History(ctx context.Context, orderID string, open OpenReason) ([]Fact, error) {
	events, err := r.log.History(ctx, order.AggregateID(orderID), 0, maxHistory)
	if err != nil {
		return nil, err
	}
	facts := []Fact{}
	for _, e := range slices.Backward(events) {
		if e.Type == order.EventPaymentRequested || e.Type == order.EventRejectionBegun {
			continue
		}
		data, err := readable(e.Data, open)
		if err != nil {
			return nil, err
		}
		facts = append(facts, Fact{Seq: e.Seq, Type: e.Type, At: e.At, Data: data})
	}
	return facts, nil
}

// Movements lists an order's events with those that are not published, oldest first. Of their data it has only what
// events about money say. The list is empty if there is no such order.
func (r *Orders) Movements(ctx context.Context, orderID string) ([]contract.HistoryEvent, error) {
	events, err := r.log.History(ctx, order.AggregateID(orderID), 0, maxHistory)
	if err != nil {
		return nil, err
	}
	list := []contract.HistoryEvent{}
	for _, e := range slices.Backward(events) {
		h := contract.HistoryEvent{Seq: e.Seq, Type: e.Type, Published: !e.Internal}
		switch e.Type {
		case contract.PaymentAuthorized, contract.PaymentCaptured, contract.PaymentRefunded, contract.PaymentVoided:
			var m order.MoneyMoved
			if err := e.Decode(&m); err != nil {
				return nil, err
			}
			h.For, h.Amount = m.For, m.Amount.Amount
		}
		list = append(list, h)
	}
	return list, nil
}

// hidden are members of events that a history does not show. They identify a request or, in events from before they
// were sealed, let a guest in or say who the buyer is.
var hidden = []string{"fingerprint", "accessToken", "email", "shippingAddress"}

// readable is the data of an event without hidden members, and with reasons in words.
func readable(raw json.RawMessage, open OpenReason) (json.RawMessage, error) {
	var data any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // amounts stay exact
	if err := d.Decode(&data); err != nil {
		return nil, err
	}
	if err := edit(data, open); err != nil {
		return nil, err
	}
	return json.Marshal(data)
}

func edit(v any, open OpenReason) error {
	members, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	for _, name := range hidden {
		delete(members, name)
	}
	if sealed, ok := members["why"]; ok {
		delete(members, "why")
		part, _ := members["id"].(string)
		text, err := openMember(part, sealed, open)
		if err != nil {
			return err
		}
		if text != "" {
			members["reason"] = text
		}
	}
	for _, member := range members {
		if err := edit(member, open); err != nil {
			return err
		}
	}
	return nil
}

func openMember(part string, member any, open OpenReason) (string, error) {
	raw, err := json.Marshal(member)
	if err != nil {
		return "", err
	}
	var sealed order.Sealed
	if err := json.Unmarshal(raw, &sealed); err != nil {
		return "", err
	}
	return open(part, sealed)
}
