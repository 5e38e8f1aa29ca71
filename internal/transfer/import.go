package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// usedKey is the key of the mark of a store that a service has used. An import overwrites nothing, but it could bring
// back what the service has deleted since the export.
const usedKey = "used"

// MarkUsed marks a store as one that a service uses. Import refuses such a store.
func MarkUsed(ctx context.Context, state sidecar.State, now time.Time) error {
	item, err := state.Get(ctx, usedKey)
	if err != nil || item.Found() {
		return err
	}
	value, err := json.Marshal(map[string]time.Time{"since": now.UTC()})
	if err != nil {
		return err
	}
	if err := state.Create(ctx, usedKey, value); !errors.Is(err, sidecar.ErrExists) {
		return err
	}
	return nil
}

// Import creates the items that a store does not have. An item that the store has with the same value is ignored, so
// that an interrupted import can be repeated. Nobody else may write to the store meanwhile. Problems: not-empty (409)
// if a service has used the store, and already-there (409) if the store has another value of the problem's member key.
// No item is written then.
func Import(ctx context.Context, state sidecar.State, items []sidecar.Item) error {
	keys := []string{usedKey}
	for _, item := range items {
		keys = append(keys, item.Key)
	}
	stored, err := state.GetMany(ctx, keys)
	if err != nil {
		return err
	}
	if stored[usedKey].Found() {
		return fault.New(fault.Conflict, "not-empty", "The store is not empty: a service has used it.")
	}
	var missing []sidecar.Item
	for _, item := range items {
		existing, found := stored[item.Key]
		switch {
		case !found:
			item.ETag = "" // it is the other store's
			missing = append(missing, item)
			stored[item.Key] = item // so that a second item of the key is compared with this one
		case !bytes.Equal(existing.Value, item.Value):
			return fault.New(fault.Conflict, "already-there", "The store has another value of %s.", item.Key).
				With("key", item.Key)
		}
	}
	return state.PutManyIf(ctx, missing)
}
