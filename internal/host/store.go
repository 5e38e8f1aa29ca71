package host

import (
	"context"
	"errors"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/transfer"
)

// storeCheckTime limits checkStore.
const storeCheckTime = 10 * time.Second

// checkStore returns an error for a store that breaks a promise. The service starts with one that does not answer: it
// is not ready until the store does.
func (h *Host) checkStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeCheckTime)
	defer cancel()
	err := sidecar.CheckStore(ctx, h.State())
	if err == nil || errors.Is(err, sidecar.ErrUnfit) {
		return err
	}
	h.Log.Warn().Err(err).Msg("cannot check whether the store is fit")
	return nil
}

// markStoreUsed marks the store, so that an import refuses it from now on. The service starts even if it cannot set the
// mark, because an import notices most stores with data by itself.
func (h *Host) markStoreUsed(ctx context.Context) {
	if err := transfer.MarkUsed(ctx, h.State(), time.Now()); err != nil {
		h.Log.Warn().Err(err).Msg("cannot mark the store as one that is in use")
	}
}
