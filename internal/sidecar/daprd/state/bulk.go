package state

import (
	"context"
	"errors"

	dapr "github.com/dapr/go-sdk/client"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/internal/sidecar"
)

const (
	// maxReads is how many keys one call reads: many, because a call is expensive, but few enough to stay far below the
	// largest message that a sidecar sends, which has 4 MB.
	maxReads = 100
	// parallelReads is how many keys of a call the sidecar reads at once.
	parallelReads = 10
	// maxWrites and maxBytes limit the items of one transaction in number and size; an item that is larger is written
	// alone. A commit to a log waits for one transaction at most, and a sidecar accepts 4 MB.
	maxWrites = 25
	maxBytes  = 1 << 20
)

// GetMany implements sidecar.State.
func (s *Store) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	items := make(map[string]sidecar.Item, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), maxReads)
		if err := s.getInto(ctx, keys[:n], items); err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return items, nil
}

// getInto adds those items to items that exist.
func (s *Store) getInto(ctx context.Context, keys []string, items map[string]sidecar.Item) error {
	if len(keys) == 1 {
		item, err := s.Get(ctx, keys[0])
		if err == nil && item.Found() {
			items[item.Key] = item
		}
		return err
	}
	bounded, cancel := s.withTimeout(ctx)
	defer cancel()
	read, err := s.sidecar.GetBulkState(bounded, s.name, keys, nil, parallelReads)
	if status.Code(err) == codes.ResourceExhausted { // the response is larger than a message may be
		half := len(keys) / 2
		if err := s.getInto(ctx, keys[:half], items); err != nil {
			return err
		}
		return s.getInto(ctx, keys[half:], items)
	}
	if err != nil {
		return failure(ctx, err, "get %d keys from %s", len(keys), keys[0])
	}
	for _, r := range read {
		if r.Error != "" {
			return failure(ctx, errors.New(r.Error), "get %s", r.Key)
		}
		if item := itemOf(r.Key, r.Value, r.Etag); item.Found() {
			items[item.Key] = item
		}
	}
	return nil
}

// PutMany implements sidecar.State.
func (s *Store) PutMany(ctx context.Context, items []sidecar.Item) error {
	kind, err := s.component(ctx)
	if err != nil {
		return failure(ctx, err, "put %d keys", len(items))
	}
	if kind == redis {
		return s.overwriteEach(ctx, items)
	}
	return s.putAll(ctx, items, func(item *dapr.SetStateItem, _ string) {
		item.Options.Concurrency = dapr.StateConcurrencyLastWrite
	})
}

// overwriteEach writes each item with a call of its own. Redis needs it: its transactions are of no use here (see
// saveMany), and it may refuse to overwrite an item (see overwrite).
func (s *Store) overwriteEach(ctx context.Context, items []sidecar.Item) error {
	var writes errgroup.Group
	writes.SetLimit(maxWrites)
	for _, item := range items {
		writes.Go(func() error {
			return s.overwrite(ctx, item.Key, item.Value, []sidecar.PutOption{sidecar.TTL(item.TTL)})
		})
	}
	return writes.Wait()
}

// PutManyIf implements sidecar.State.
func (s *Store) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	return s.putAll(ctx, items, func(item *dapr.SetStateItem, etag string) {
		item.Options.Concurrency = dapr.StateConcurrencyFirstWrite
		if etag != "" {
			item.Etag = &dapr.ETag{Value: etag}
		}
	})
}

// putAll writes items in batches. setCondition sets the condition of an item, whose ETag it is given.
func (s *Store) putAll(
	ctx context.Context, items []sidecar.Item, setCondition func(item *dapr.SetStateItem, etag string),
) error {
	for len(items) > 0 {
		n := batchSize(items)
		batch := make([]*dapr.SetStateItem, n)
		for i, item := range items[:n] {
			batch[i] = &dapr.SetStateItem{
				Key: item.Key, Value: item.Value, Metadata: metadata(item.TTL),
				Options: &dapr.StateOptions{Consistency: dapr.StateConsistencyStrong},
			}
			setCondition(batch[i], item.ETag)
		}
		if err := s.saveMany(ctx, batch); err != nil {
			return failure(ctx, err, "put %d keys from %s", n, items[0].Key)
		}
		items = items[n:]
	}
	return nil
}

// batchSize returns how many of the items, at least one, belong to the next batch.
func batchSize(items []sidecar.Item) (n int) {
	for size := 0; n < len(items) && n < maxWrites; n++ {
		if size += len(items[n].Value); n > 0 && size > maxBytes {
			break
		}
	}
	return n
}

// saveMany writes a batch: in one transaction if the transactions of the store respect the condition of each item,
// because a transaction syncs the disk once and not for each item. Those of Redis do not: an ETag that does not match
// does not undo the other writes, and Redis ignores first-write in a transaction. With Redis, and with stores that were
// never tested, the sidecar writes the items in parallel.
func (s *Store) saveMany(ctx context.Context, batch []*dapr.SetStateItem) error {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	release, err := s.acquireWriter(ctx)
	if err != nil {
		return err
	}
	defer release()
	if kind, _ := s.component(ctx); kind != sqlite && kind != postgres {
		return s.sidecar.SaveBulkState(ctx, s.name, batch...)
	}
	operations := make([]*dapr.StateOperation, len(batch))
	for i, item := range batch {
		operations[i] = &dapr.StateOperation{Type: dapr.StateOperationTypeUpsert, Item: item}
	}
	return s.sidecar.ExecuteStateTransaction(ctx, s.name, nil, operations)
}
