package layout

import (
	"context"
	"encoding/json"

	"haberdash/internal/sidecar"
)

// cursor is the stored form of a follower's cursor.
type cursor struct {
	Commit uint64 `json:"n"`
}

// ReadCursor returns the commit up to which a follower has processed a log, 0 if no cursor is stored.
func ReadCursor(ctx context.Context, store sidecar.State, log, follower string) (uint64, error) {
	var c cursor
	_, err := sidecar.ReadJSON(ctx, store, CursorKey(log, follower), &c)
	return c.Commit, err
}

// StoreCursor replaces the cursor of a follower.
func StoreCursor(ctx context.Context, store sidecar.State, log, follower string, commit uint64) error {
	return PutJSON(ctx, store, CursorKey(log, follower), cursor{commit})
}

// PutJSON writes v as JSON, whatever the store has under the key.
func PutJSON(ctx context.Context, store sidecar.State, key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return store.Put(ctx, key, value, "")
}
