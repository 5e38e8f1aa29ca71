package allocation_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// interrupting is a store that calls a function between the first read of a log and its answer.
type interrupting struct {
	sidecar.State
	armed     atomic.Bool
	interrupt func()
}

func (s *interrupting) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	items, err := s.State.GetMany(ctx, keys)
	if len(keys) > 0 && strings.HasPrefix(keys[0], "log/stock-") && s.armed.Swap(false) {
		s.interrupt()
	}
	return items, err
}

// A process reads the holds of an order location by location. Another process reserves the order between two of these
// reads: what the first process has seen by then is not the whole order, so it must not commit it.
func TestAReservationThatIsReadInPartsIsNotCommitted(t *testing.T) {
	t.Parallel()
	ctx, store := t.Context(), memory.NewState()
	open := func(state sidecar.State) *allocation.Locations {
		var ledgers []*ledger.Ledger
		for _, location := range []string{"first", "second"} {
			log, err := commitlog.Open(ctx, state, "catalog", "stock-"+location, stock.Model(),
				commitlog.Options{SyncEvery: time.Hour, CheckpointEvery: time.Hour}) // no reads but those of commands
			require.NoError(t, err)
			t.Cleanup(func() { _ = log.Close(context.Background()) })
			ledgers = append(ledgers, ledger.New(log, location))
		}
		return allocation.New(ledgers[0], ledgers[1:]...)
	}
	other := open(store)
	for _, location := range []string{"first", "second"} {
		l, _ := other.Find(location)
		receive(t, l, "hat", 2)
	}
	torn := &interrupting{State: store}
	v := open(torn)
	torn.interrupt = func() {
		_, err := other.Reserve(ctx, "o1", lines(line("hat", 3)), due)
		require.NoError(t, err)
	}
	torn.armed.Store(true)
	_, err := v.Commit(ctx, "o1")
	require.False(t, torn.armed.Load(), "nothing was read")
	refusedAs(t, err, fault.Conflict, "invalid-transition")
	hold, _, err := other.Hold(ctx, "o1")
	require.NoError(t, err)
	require.Equal(t, stock.Held, hold.Status)
	h, err := v.Commit(ctx, "o1")
	require.NoError(t, err)
	require.Equal(t, stock.Committed, h.Status)
}
