package main

import (
	"context"
	"errors"
	"fmt"

	"haberdash/dapr/launch/appfile"
)

// tryEdited buys something while the gate changes each message, and expects that the app handles all of them.
func (s *subject) tryEdited(ctx context.Context, edit func(message map[string]any)) error {
	if len(s.topics()) == 0 {
		return notTried("the app follows no topic of the shop")
	}
	parked, err := s.parked(ctx)
	if err != nil {
		return err
	}
	handled, refused := s.gate.answered(success), s.gate.refused()
	s.gate.rewrite(edit)
	defer s.gate.rewrite(nil)
	if _, err := s.buy(ctx); err != nil {
		return err
	}
	err = s.eventually(ctx, func() error {
		if s.gate.answered(success) == handled && s.gate.refused() == refused {
			return errors.New("the app has answered none of the messages")
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.quiet(ctx)
	if now := s.gate.refused(); now > refused {
		return fmt.Errorf("the app has refused %d messages", now-refused)
	}
	if err != nil {
		return err
	}
	after, err := s.parked(ctx)
	if err == nil && after > parked {
		err = fmt.Errorf("%d of the events became dead letters", after-parked)
	}
	return err
}

// parked is how many events of logs became dead letters so far.
func (s *subject) parked(ctx context.Context) (n uint64, err error) {
	if !s.keeps(appfile.PartConsumers) {
		return 0, nil
	}
	list, err := s.positions(ctx)
	for _, c := range list {
		n += c.Parked
	}
	return n, err
}

func tryAdditions(ctx context.Context, s *subject) error {
	added := map[string]any{"one": []any{1, "two", nil}}
	return s.tryEdited(ctx, func(m map[string]any) {
		m["conformaddition"] = "new"
		envelope, _ := m["data"].(map[string]any)
		if envelope == nil {
			return
		}
		envelope["conformAddition"] = added
		if fact, ok := envelope["data"].(map[string]any); ok {
			fact["conformAddition"] = added
			lines, _ := fact["lines"].([]any)
			for _, line := range lines {
				if line, ok := line.(map[string]any); ok {
					line["conformAddition"] = added
				}
			}
		}
		if envelope["type"] == "order.placed" { // which only reports: order.confirmed follows
			envelope["type"], m["type"] = "order.unheard-of", "order.unheard-of"
			delete(envelope, "data")
			envelope["data"] = added
		}
	})
}

func tryEarlier(ctx context.Context, s *subject) error {
	return s.tryEdited(ctx, func(m map[string]any) {
		for _, name := range []string{"subject", "time", "dataschema", "dataversion"} {
			delete(m, name)
		}
		m["type"] = "com.dapr.event.sent"
		if envelope, ok := m["data"].(map[string]any); ok {
			delete(envelope, "version")
		}
	})
}
