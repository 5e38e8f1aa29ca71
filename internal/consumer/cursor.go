package consumer

import (
	"context"
	"time"

	"haberdash/internal/consumer/consumerstore"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// cursorLifetime is how long a reader uses the cursor in memory while it has no events. Another replica may handle
// events of the log meanwhile.
const cursorLifetime = time.Second

// loadCursor reads the stored cursor, unless the reader has used its cursor within cursorLifetime.
func (r *logReader) loadCursor(ctx context.Context) error {
	if time.Since(r.loadedAt) < cursorLifetime {
		r.loadedAt = time.Now()
		return nil
	}
	return r.reloadCursor(ctx)
}

func (r *logReader) reloadCursor(ctx context.Context) error {
	stored, err := r.consumer.store.Cursor(ctx, r.log)
	if err != nil {
		return err
	}
	r.mergeStored(stored)
	r.loadedAt = time.Now()
	return nil
}

// mergeStored replaces the cursor by the stored one if another replica has come further. Each replica stores a position
// only after it has handled everything up to it, so the greater position is valid for all replicas.
func (r *logReader) mergeStored(stored consumerstore.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stored.Position >= r.cursor.Position {
		r.cursor = stored
	}
	r.stored, r.loaded = stored, true
}

// storeCursorIfDue stores the cursor if it has moved and was stored at least interval ago.
func (r *logReader) storeCursorIfDue(ctx context.Context, interval time.Duration) {
	r.mu.Lock()
	due := r.stored.Position < r.cursor.Position && time.Since(r.storedAt) >= interval
	r.mu.Unlock()
	if !due {
		return
	}
	if err := r.storeCursor(ctx); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str(field.LogOwner, r.log.Source).Str(field.Log, r.log.Partition).
			Msg("cannot store a cursor, events may be handled again after a restart")
	}
}

// storeCursor stores the cursor even if ctx has ended, because otherwise events would be handled again.
func (r *logReader) storeCursor(ctx context.Context) error {
	r.mu.Lock()
	at := r.cursor
	r.mu.Unlock()
	stored, err := r.consumer.store.AdvanceCursor(context.WithoutCancel(ctx), r.log, at.Position, at.Applied)
	if err != nil {
		return err
	}
	r.mergeStored(stored)
	r.mu.Lock()
	r.storedAt = time.Now()
	r.mu.Unlock()
	return nil
}
