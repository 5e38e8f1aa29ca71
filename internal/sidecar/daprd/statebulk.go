package daprd

import (
	"context"
	"fmt"

	dapr "github.com/dapr/go-sdk/client"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/internal/sidecar"
)

// bulkKeys is how many keys one bulk get asks for: enough to spread the cost of the call, few enough to
// stay far below gRPC's message limit.
const bulkKeys = 100

// bulkWrites is how many items one transaction writes, and bulkBytes how much they may be (one alone may be more):
// a commit to the log waits for at most one of them, and a sidecar takes 4 MB.
const (
	bulkWrites = 25
	bulkBytes  = 1 << 20
)

// GetMany implements sidecar.State.
func (s *State) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	items := make(map[string]sidecar.Item, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), bulkKeys)
		if err := s.getSome(ctx, keys[:n], items); err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return items, nil
}

func (s *State) getSome(ctx context.Context, keys []string, items map[string]sidecar.Item) error {
	if len(keys) == 1 {
		item, err := s.Get(ctx, keys[0])
		if err == nil && item.Found() {
			items[item.Key] = item
		}
		return err
	}
	parent := ctx
	ctx, cancel := s.bound(ctx)
	defer cancel()
	read, err := s.c.dapr.GetBulkState(ctx, s.store, keys, nil, 10)
	if status.Code(err) == codes.ResourceExhausted { // the answer exceeds what a sidecar sends at once, 4 MB
		half := len(keys) / 2
		if err := s.getSome(parent, keys[:half], items); err != nil {
			return err
		}
		return s.getSome(parent, keys[half:], items)
	}
	if err != nil {
		return unavailable(fmt.Errorf("get %d keys from %s: %w", len(keys), keys[0], err))
	}
	for _, r := range read {
		if r.Error != "" {
			return unavailable(fmt.Errorf("get %s: %s", r.Key, r.Error))
		}
		if item := found(r.Key, r.Value, r.Etag); item.Found() {
			items[item.Key] = item
		}
	}
	return nil
}

// PutMany implements sidecar.State.
func (s *State) PutMany(ctx context.Context, items []sidecar.Item) error {
	if s.kindOf(ctx) == redis { // has no transaction for this, see saveMany, and may refuse some: see overwrite
		var puts errgroup.Group
		puts.SetLimit(bulkWrites)
		for _, item := range items {
			puts.Go(func() error {
				return s.overwrite(ctx, item.Key, item.Value, []sidecar.PutOption{sidecar.TTL(item.TTL)})
			})
		}
		return puts.Wait()
	}
	return s.putAll(ctx, items, func(item *dapr.SetStateItem, _ string) {
		item.Options.Concurrency = dapr.StateConcurrencyLastWrite
	})
}

// PutManyIf implements sidecar.State.
func (s *State) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	return s.putAll(ctx, items, func(item *dapr.SetStateItem, etag string) {
		item.Options.Concurrency = dapr.StateConcurrencyFirstWrite
		if etag != "" {
			item.Etag = &dapr.ETag{Value: etag}
		}
	})
}

func (s *State) putAll(ctx context.Context, items []sidecar.Item, mode func(item *dapr.SetStateItem, etag string)) error {
	for len(items) > 0 {
		n := fitting(items)
		batch := make([]*dapr.SetStateItem, n)
		for i, item := range items[:n] {
			batch[i] = &dapr.SetStateItem{Key: item.Key, Value: item.Value, Metadata: lifetime(item.TTL), Options: &dapr.StateOptions{Consistency: dapr.StateConsistencyStrong}}
			mode(batch[i], item.ETag)
		}
		if err := s.saveMany(ctx, batch); err != nil {
			return unavailable(fmt.Errorf("put %d keys from %s: %w", n, items[0].Key, err))
		}
		items = items[n:]
	}
	return nil
}

// fitting is how many of the items, at least one, go into one batch.
func fitting(items []sidecar.Item) (n int) {
	for size := 0; n < len(items) && n < bulkWrites; n++ {
		if size += len(items[n].Value); n > 0 && size > bulkBytes {
			break
		}
	}
	return n
}

// saveMany writes a batch in one transaction where the store's transactions keep each item's condition:
// one sync to disk instead of one an item. Redis's do not (a failed ETag does not undo the rest, and
// first-write is ignored), so there, and in stores nobody has tried, the items are written side by side.
func (s *State) saveMany(ctx context.Context, batch []*dapr.SetStateItem) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	done, err := s.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	if kind := s.kindOf(ctx); kind != sqlite && kind != "state.postgresql" {
		return s.c.dapr.SaveBulkState(ctx, s.store, batch...)
	}
	ops := make([]*dapr.StateOperation, len(batch))
	for i, item := range batch {
		ops[i] = &dapr.StateOperation{Type: dapr.StateOperationTypeUpsert, Item: item}
	}
	return s.c.dapr.ExecuteStateTransaction(ctx, s.store, nil, ops)
}
