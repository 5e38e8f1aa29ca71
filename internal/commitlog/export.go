package commitlog

import (
	"context"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
)

// Export calls put with what an export of the service's data must contain of the partition: the cursor of the publisher
// to topic, then all commits, byte for byte as they are stored and in order. The log may grow meanwhile, so the cursor
// comes first: a cursor behind its log repeats events, and one ahead of its log would lose them.
//
// Documents and the cursors of other followers are not exported: after the import, documents are made from the log, and
// the other followers begin at its first commit.
func (p *Partition[S]) Export(ctx context.Context, topic string, put func(sidecar.Item) error) error {
	published, err := p.store.Get(ctx, layout.CursorKey(p.name, publisherName(topic)))
	if err == nil && published.Found() {
		err = put(published)
	}
	if err != nil {
		return err
	}
	for n := uint64(1); ; {
		keys := make([]string, layout.ReadAhead)
		for i := range keys {
			keys[i] = layout.CommitKey(p.name, n+uint64(i))
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
				return err // a damaged log must not fail only after the import
			}
			if err := put(item); err != nil {
				return err
			}
			n++
		}
	}
}
