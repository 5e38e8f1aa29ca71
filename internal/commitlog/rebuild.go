package commitlog

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"haberdash/internal/sidecar"
)

// Rebuild writes all documents of a partition anew from the log, whatever there is of them. No process may have
// the partition open. One that is interrupted does no harm: it has taken the checkpoint away first, and without
// a checkpoint Open reads the whole log.
func Rebuild[S any](ctx context.Context, store sidecar.State, name string, model Model[S]) error {
	key := checkpointKey(versioned(name, model.Version))
	if err := store.Delete(ctx, key, ""); err != nil {
		return fmt.Errorf("rebuild %s: %w", name, err)
	}
	end, err := rebuild(ctx, store, name, model.Upcasters, held, putAll, func() refold { return newAggregateFold(name, model) })
	if err != nil {
		return fmt.Errorf("rebuild %s: %w", name, err)
	}
	return putJSON(ctx, store, key, checkpoint{end.N, end.after()})
}

// Rebuild writes all documents of the projection anew from the log. It may not be running, in any process.
func (v *Projection) Rebuild(ctx context.Context) error {
	key := cursorKey(v.log.Name(), v.follower())
	if err := v.store.Delete(ctx, key, ""); err != nil {
		return fmt.Errorf("rebuild projection %s: %w", v.name, err)
	}
	end, err := rebuild(ctx, v.store, v.log.Name(), v.log.upcasters(), held, putAll, func() refold { return &viewFold{v, map[string]*viewDoc{}} })
	if err != nil {
		return fmt.Errorf("rebuild projection %s: %w", v.name, err)
	}
	return putJSON(ctx, v.store, key, cursor{end.N})
}

func putAll(ctx context.Context, store sidecar.State, items []sidecar.Item) error {
	return store.PutMany(ctx, items)
}

// rebuild puts what the log makes, up to its end, and returns its last commit.
func rebuild(ctx context.Context, store sidecar.State, log string, up Upcasters, hold int,
	put func(context.Context, sidecar.State, []sidecar.Item) error, begin func() refold) (end Commit, err error) {
	to := uint64(math.MaxUint64)
	err = inShares(func(s share) error {
		r := begin()
		last, _, err := refoldUpTo(ctx, store, log, up, to, s, hold, r)
		if err != nil {
			return err
		}
		to, end = last.N, last // all shares end where the first did
		var items []sidecar.Item
		for _, key := range r.keys() {
			value, _, err := r.value(key)
			if err != nil {
				return err
			}
			items = append(items, sidecar.Item{Key: r.storedKey(key), Value: value})
		}
		return put(ctx, store, items)
	})
	return end, err
}

func putJSON(ctx context.Context, store sidecar.State, key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return store.Put(ctx, key, value, "")
}
