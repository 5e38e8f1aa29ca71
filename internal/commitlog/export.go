package commitlog

import (
	"context"

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
