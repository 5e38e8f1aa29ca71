package consumer

import (
	"context"

	"haberdash/internal/sidecar"
)

// Export writes what the consumer stores to put: the list of logs, the cursors and the dead letters. It implements
// transfer.Source.
func (c *Consumer) Export(ctx context.Context, put func(sidecar.Item) error) error {
	readers, err := c.allReaders(ctx)
	if err != nil {
		return err
	}
	if err := c.exportKeys(ctx, put, logsKey); err != nil {
		return err
	}
	for _, r := range readers {
		if err := r.storeCursor(ctx); err != nil {
			return err
		}
		item, err := c.o.State.Get(ctx, r.log.cursorKey())
		if err != nil {
			return err
		}
		if !item.Found() {
			continue
		}
		var at cursor
		if err := sidecar.DecodeJSON(item, &at); err != nil {
			return err
		}
		if err := put(item); err != nil {
			return err
		}
		for n := uint64(1); n <= at.Parked; {
			var keys []string
			for ; n <= at.Parked && len(keys) < deadLetterPage; n++ {
				keys = append(keys, r.log.deadLetterKey(n))
			}
			if err := c.exportKeys(ctx, put, keys...); err != nil {
				return err
			}
		}
	}
	return nil
}

// exportKeys writes the items of those keys that exist, in the order of the keys.
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
