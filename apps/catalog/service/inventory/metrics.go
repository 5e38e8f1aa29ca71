package inventory

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
)

// metrics count what becomes of reservations. A hold that several replicas see is counted by the one that committed it.
type metrics struct {
	reserved, refused, freed, expired, kept prometheus.Counter

	mu        sync.Mutex
	undecided []map[string]struct{} // orders by location
	expiring  map[string]struct{}   // orders whose holds the check of expired holds is just about to free
}

func newMetrics(reg prometheus.Registerer) *metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "stock_reservations_total",
		Help: "What becomes of reservations: reserved, refused (out of stock), kept (confirmed), freed, expired.",
	}, []string{"event"})
	m := &metrics{
		reserved: events.WithLabelValues("reserved"), refused: events.WithLabelValues("refused"),
		freed: events.WithLabelValues("freed"), expired: events.WithLabelValues("expired"),
		kept: events.WithLabelValues("kept"), expiring: map[string]struct{}{},
	}
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "stock_reservations", Help: "Reservations of orders that are not decided yet, counted at each location.",
	}, func() float64 { return float64(m.held()) })
	reg.MustRegister(events, held)
	return m
}

func (m *metrics) held() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, orders := range m.undecided {
		n += len(orders)
	}
	return n
}

// FollowReservations counts reservations from now on. It reads once which ones are held.
func (s *Service) FollowReservations(ctx context.Context) error {
	for _, l := range s.Stock.Ledgers() {
		location := s.metrics.addLocation()
		start := func(orders []string) { s.metrics.start(location, orders) }
		if err := l.FollowHolds(ctx, start, func(e ledger.HoldEvent) { s.metrics.apply(location, e) }); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) addLocation() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.undecided = append(m.undecided, map[string]struct{}{})
	return len(m.undecided) - 1
}

func (m *metrics) start(location int, orders []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.undecided[location])
	for _, order := range orders {
		m.undecided[location][order] = struct{}{}
	}
}

func (m *metrics) apply(location int, e ledger.HoldEvent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Type == stock.HoldPlaced {
		m.undecided[location][e.Order] = struct{}{}
	} else {
		delete(m.undecided[location], e.Order)
	}
	if !e.Own {
		return
	}
	_, expiring := m.expiring[e.Order]
	switch {
	case e.Type == stock.HoldPlaced:
		m.reserved.Inc()
	case e.Type == stock.HoldCommitted:
		m.kept.Inc()
	case e.First: // nothing was held
	case expiring:
		m.expired.Inc()
	default:
		m.freed.Inc()
	}
}

// expire calls free, which frees the expired hold of an order, and counts that as an expiry.
func (m *metrics) expire(order string, free func() error) error {
	m.mu.Lock()
	m.expiring[order] = struct{}{}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.expiring, order)
	}()
	return free()
}
