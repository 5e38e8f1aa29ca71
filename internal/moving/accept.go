package moving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// usedKey marks a store that a service has worked on: what is there is not overwritten, but what has been deleted
// since would come back.
const usedKey = "used"

// Use marks the store as one that a service works on. It takes no more imports.
func Use(ctx context.Context, state sidecar.State, now time.Time) error {
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

// Accept creates the items that the store does not have; nobody else may be writing to it. One that is there with
// the same value is fine: an import that was interrupted is repeated. Problems: not-empty (409, a service has worked
// on the store), already-there (409, the member key has another value; nothing of these items was written).
func Accept(ctx context.Context, state sidecar.State, items []sidecar.Item) error {
	keys := []string{usedKey}
	for _, item := range items {
		keys = append(keys, item.Key)
	}
	there, err := state.GetMany(ctx, keys)
	if err != nil {
		return err
	}
	if there[usedKey].Found() {
		return fault.New(fault.Conflict, "not-empty", "The store is not empty: a shop has worked on it.")
	}
	var missing []sidecar.Item
	for _, item := range items {
		was, found := there[item.Key]
		switch {
		case !found:
			item.ETag = "" // of another store
			missing = append(missing, item)
			there[item.Key] = item // once, should it come twice
		case !bytes.Equal(was.Value, item.Value):
			return fault.New(fault.Conflict, "already-there", "The store has another value of %s.", item.Key).With("key", item.Key)
		}
	}
	return state.PutManyIf(ctx, missing)
}
