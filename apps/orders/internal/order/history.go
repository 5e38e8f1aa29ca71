package order

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Fact is one event of an order's history, without what is not for its reader.
type Fact struct {
	Seq  uint64          `json:"seq"`
	Type string          `json:"type"`
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"data"`
}

// maxHistory bounds an order's history.
const maxHistory = 1000

// Reveal gives the words of a reason, which was given for a part of the order or, without one, for the whole; none
// if nobody can read them any more.
type Reveal func(part string, why Sealed) (words string, err error)

// History lists an order's events, oldest first, with the reasons that can be read.
func (b *Book) History(ctx context.Context, id string, reveal Reveal) ([]Fact, error) {
	events, err := b.log.History(ctx, orderID(id), 0, maxHistory)
	if err != nil {
		return nil, err
	}
	facts := []Fact{}
	for _, e := range slices.Backward(events) {
		if e.Type == paymentRequested || e.Type == givenUp {
			continue
		}
		data, err := forReaders(e.Data, reveal)
		if err != nil {
			return nil, err
		}
		facts = append(facts, Fact{Seq: e.Seq, Type: e.Type, At: e.At, Data: data})
	}
	return facts, nil
}

// private are members of events that are not for who reads a history: they identify a request, or, in events of
// former times, let in or say who the buyer is.
var private = []string{"fingerprint", "accessToken", "email", "shippingAddress"}

func forReaders(raw json.RawMessage, reveal Reveal) (json.RawMessage, error) {
	var data any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // amounts stay exact
	if err := d.Decode(&data); err != nil {
		return nil, err
	}
	if err := edit(data, reveal); err != nil {
		return nil, err
	}
	return json.Marshal(data)
}

func edit(v any, reveal Reveal) error {
	members, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	for _, name := range private {
		delete(members, name)
	}
	if why, ok := members["why"]; ok {
		delete(members, "why")
		part, _ := members["id"].(string)
		words, err := revealed(part, why, reveal)
		if err != nil {
			return err
		}
		if words != "" {
			members["reason"] = words
		}
	}
	for _, member := range members {
		if err := edit(member, reveal); err != nil {
			return err
		}
	}
	return nil
}

func revealed(part string, why any, reveal Reveal) (string, error) {
	raw, err := json.Marshal(why)
	if err != nil {
		return "", err
	}
	var s Sealed
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	return reveal(part, s)
}
