package allocation_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

var due = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// fixture is some locations on one store, each written by some processes.
type fixture struct {
	store     sidecar.State
	locations []string
	replicas  []*allocation.Locations
	ledgers   [][]*ledger.Ledger // by replica and location
	logs      []*commitlog.Partition[stock.State]
}

func newFixture(t require.TestingT, locations, replicas int) *fixture {
	f := &fixture{store: memory.NewState()}
	for i := range locations {
		f.locations = append(f.locations, fmt.Sprint("l", i))
	}
	for range replicas {
		f.addReplica(t)
	}
	return f
}

// addReplica opens the logs as one more process does, with little in memory and frequent checkpoints.
func (f *fixture) addReplica(t require.TestingT) {
	options := commitlog.Options{CheckpointEvery: time.Millisecond, Warm: 3, SyncEvery: time.Millisecond}
	var ledgers []*ledger.Ledger
	for _, location := range f.locations {
		log := f.openLog(t, location, options)
		ledgers, f.logs = append(ledgers, ledger.New(log, location)), append(f.logs, log)
	}
	f.ledgers = append(f.ledgers, ledgers)
	f.replicas = append(f.replicas, allocation.New(ledgers[0], ledgers[1:]...))
}

func (f *fixture) openLog(t require.TestingT, location string, o commitlog.Options) *commitlog.Partition[stock.State] {
	log, err := commitlog.Open(context.Background(), f.store, "catalog", "stock-"+location, stock.Model(), o)
	require.NoError(t, err)
	return log
}

func (f *fixture) close() {
	for _, log := range f.logs {
		log.Close(context.Background())
	}
}

// twoLocations has one process with two locations, filled with so many of each SKU.
func twoLocations(
	t *testing.T, first, second map[string]int64,
) (*allocation.Locations, *ledger.Ledger, *ledger.Ledger) {
	t.Helper()
	f := newFixture(t, 2, 1)
	t.Cleanup(f.close)
	for i, levels := range []map[string]int64{first, second} {
		for sku, n := range levels {
			receive(t, f.ledgers[0][i], sku, n)
		}
	}
	return f.replicas[0], f.ledgers[0][0], f.ledgers[0][1]
}

var receipts atomic.Int64

func receive(t *testing.T, l *ledger.Ledger, sku string, n int64) {
	t.Helper()
	id := fmt.Sprint("receipt", receipts.Add(1))
	require.NoError(t, l.Receive(t.Context(), id, []ledger.Move{{SKU: sku, Delta: n}}))
}

func line(sku string, n int64) contract.Line { return contract.Line{SKU: sku, Quantity: n} }

func lines(ls ...contract.Line) []contract.Line { return ls }

func level(t *testing.T, l *ledger.Ledger, sku string, onHand, reserved int64) {
	t.Helper()
	got, _, err := l.Level(t.Context(), sku)
	require.NoError(t, err)
	assert.Equal(t, stock.Level{OnHand: onHand, Reserved: reserved}, got, sku)
}

func refusedAs(t *testing.T, err error, kind fault.Kind, typ string) *fault.Error {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, typ, f.Type)
	require.Equal(t, kind, f.Kind)
	return f
}
