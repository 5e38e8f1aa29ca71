package commitlog

import (
	"context"
	"encoding/json"
	"fmt"

	"haberdash/internal/sidecar"
)

// Export hands out what of the partition nothing else gives: its commits, byte for byte as they are stored, first to
// last, and before them how far its events are published to topic. A log may grow meanwhile: a cursor that is behind
// its log repeats events, one beyond it would lose them.
//
// The cursors of those who follow the log inside its own service are not among it: documents are rebuilt, and other
// work begins anew in another store.
func (p *Partition[S]) Export(ctx context.Context, topic string, put func(sidecar.Item) error) error {
	published, err := p.store.Get(ctx, cursorKey(p.name, publisher(topic)))
	if err == nil && published.Found() {
		err = put(published)
	}
	if err != nil {
		return err
	}
	for n := uint64(1); ; {
		keys := make([]string, readAhead)
		for i := range keys {
			keys[i] = logKey(p.name, n+uint64(i))
		}
		items, err := p.store.GetMany(ctx, keys)
		if err != nil {
			return err
		}
		for _, key := range keys {
			item, ok := items[key]
			if !ok {
				return nil
			}
			if _, err := decodeCommit(key, n, item.Value, p.model.Upcasters); err != nil {
				return err // not to find out in the other store
			}
			if err := put(item); err != nil {
				return err
			}
			n++
		}
	}
}

// Export hands out what the consumer keeps: how far it has come in each log, and the events that it has parked.
func (c *Consumer) Export(ctx context.Context, put func(sidecar.Item) error) error {
	if err := c.recall(ctx); err != nil {
		return err
	}
	if err := c.exportKeys(ctx, put, logsKey); err != nil {
		return err
	}
	for _, r := range c.all() {
		if err := c.store(ctx, r); err != nil {
			return err
		}
		place, err := c.o.State.Get(ctx, r.log.key("consumer"))
		if err != nil {
			return err
		}
		if !place.Found() {
			continue
		}
		var at progress
		if err := json.Unmarshal(place.Value, &at); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrCorrupt, place.Key, err)
		}
		if err := put(place); err != nil {
			return err
		}
		for n := uint64(1); n <= at.Parked; {
			var keys []string
			for ; n <= at.Parked && len(keys) < parkedPage; n++ {
				keys = append(keys, r.log.parkedKey(n))
			}
			if err := c.exportKeys(ctx, put, keys...); err != nil {
				return err
			}
		}
	}
	return nil
}

// exportKeys hands out those of the keys that exist, in their order.
func (c *Consumer) exportKeys(ctx context.Context, put func(sidecar.Item) error, keys ...string) error {
	items, err := c.o.State.GetMany(ctx, keys)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if item, ok := items[key]; ok {
			if err := put(item); err != nil {
				return err
			}
		}
	}
	return nil
}
