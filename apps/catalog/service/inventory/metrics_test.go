package inventory_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/apps/catalog/service/inventory"
	"haberdash/internal/commitlog"
)

// reservations are the values of the metrics that are not 0, by event; "held" is the gauge.
func reservations(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, 2)
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := "held"
			if labels := m.GetLabel(); len(labels) > 0 {
				name = labels[0].GetValue()
			}
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue(); v != 0 {
				values[name] = v
			}
		}
	}
	return values
}

// startAnother is the inventory of another process on the same logs, with its metrics.
func (f *fixture) startAnother() (*inventory.Service, *prometheus.Registry) {
	f.t.Helper()
	var ledgers []*ledger.Ledger
	for _, l := range f.logs {
		options := commitlog.Options{Now: f.clock, SyncEvery: 5 * time.Millisecond}
		log, err := commitlog.Open(f.t.Context(), l.Store(), "catalog", l.Name(), stock.Model(), options)
		require.NoError(f.t, err)
		f.t.Cleanup(func() { log.Close(context.Background()) })
		ledgers = append(ledgers, ledger.New(log, l.Name()))
	}
	reg := prometheus.NewRegistry()
	s := inventory.New(inventory.Deps{State: f.logs[0].Store(), Invoker: f.mesh, Catalogue: f.catalogue, Now: f.clock,
		Stock: allocation.New(ledgers[0], ledgers[1:]...), Metrics: reg})
	require.NoError(f.t, s.FollowReservations(f.t.Context()))
	return s, reg
}

func TestReservationsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.placed(map[string]string{"kept": "confirmed", "old": "rejected", "sold": "confirmed", "left": "placing"})
	assert.Equal(t, map[string]float64{"reserved": 4, "held": 4}, reservations(t, f.metrics))
	f.reserve("left", line("hat", 1))
	assert.Equal(t, 409, f.reserve("greedy", line("hat", 1000)).StatusCode)
	for range 2 { // a repetition is no second event
		_, err := f.locations.Commit(t.Context(), "sold")
		require.NoError(t, err)
	}
	_, err := f.locations.Release(t.Context(), "nothing")
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"reserved": 4, "held": 3, "kept": 1, "refused": 1}, reservations(t, f.metrics))
	for range 2 {
		_, err := f.locations.Release(t.Context(), "sold") // it is cancelled
		require.NoError(t, err)
	}
	f.advanceClock(time.Hour)
	f.service.CheckExpiredHolds(t.Context())
	assert.Equal(t, map[string]float64{"reserved": 4, "held": 1, "kept": 2, "refused": 1, "freed": 1, "expired": 1},
		reservations(t, f.metrics))
	_, err = f.locations.Release(t.Context(), "left")
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"reserved": 4, "kept": 2, "refused": 1, "freed": 2, "expired": 1},
		reservations(t, f.metrics))
}

// A process that starts later knows what is held, and counts nothing that another process has done.
func TestReservationsOfAnotherProcess(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "near", "far")
	f.receive("hat", 2) // near
	far, _ := f.locations.Find("far")
	require.NoError(t, far.Receive(t.Context(), "far", []ledger.Move{{SKU: "hat", Delta: 5}}))
	f.reserve("one", line("hat", 1))
	f.reserve("both", line("hat", 3))
	_, err := f.locations.Commit(t.Context(), "one")
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"reserved": 3, "kept": 1, "held": 2}, reservations(t, f.metrics))

	other, metrics := f.startAnother()
	assert.Equal(t, map[string]float64{"held": 2}, reservations(t, metrics), "at two locations")
	f.reserve("two", line("hat", 1))
	require.Eventually(t, func() bool { return reservations(t, metrics)["held"] == 4 }, 5*time.Second, time.Millisecond)
	_, err = other.Stock.Release(t.Context(), "both")
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"held": 2, "freed": 2}, reservations(t, metrics))
	require.NoError(t, f.locations.CatchUp(t.Context()))
	assert.Equal(t, map[string]float64{"reserved": 5, "kept": 1, "held": 2}, reservations(t, f.metrics))
	assert.Equal(t, 409, f.reserve("greedy", line("hat", 9)).StatusCode)
	assert.Equal(t, 409, f.reserve("greedy", line("hat", 9)).StatusCode, "the recorded refusal")
	got := reservations(t, f.metrics)
	assert.Equal(t, 2.0, got["refused"])
	assert.Equal(t, 2.0, got["held"])
}
