package daprd

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// maxDelivery is the largest request body of the sidecar in bytes. It may contain many events.
const maxDelivery = 16 << 20

// Deliveries implements sidecar.Subscriber. The sidecar delivers events with POST /events/{topic}, one by one or
// several at once: see dapr/resources/subscriptions.yaml.
type Deliveries struct{ router chi.Router }

// NewDeliveries creates a subscriber that adds its routes to the router.
func NewDeliveries(router chi.Router) *Deliveries { return &Deliveries{router} }

var _ sidecar.Subscriber = (*Deliveries)(nil)

// Subscribe implements sidecar.Subscriber.
func (d *Deliveries) Subscribe(topic string, h sidecar.Handler) {
	d.router.Post("/events/"+topic, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxDelivery+1))
		if err != nil || len(body) > maxDelivery {
			w.WriteHeader(http.StatusInternalServerError) // the sidecar delivers again after any status but 404
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(deliver(r.Context(), topic, body, h))
	})
}

// bulk is a body with several events.
type bulk struct {
	Entries []struct {
		EntryID string     `json:"entryId"`
		Event   cloudEvent `json:"event"`
	} `json:"entries"`
}

// entryStatus is the response to one event of a bulk.
type entryStatus struct {
	EntryID string `json:"entryId"`
	Status  string `json:"status"`
}

// statuses are Dapr's names of the outcomes.
var statuses = map[sidecar.Outcome]string{sidecar.Done: "SUCCESS", sidecar.Retry: "RETRY", sidecar.Drop: "DROP"}

// deliver calls the handler with the events of a body and returns the response.
func deliver(ctx context.Context, topic string, body []byte, h sidecar.Handler) any {
	var b bulk
	if err := json.Unmarshal(body, &b); err != nil {
		telemetry.Log(ctx).Error().Err(err).Str(field.Topic, topic).Msg("dropped a delivery that is not JSON")
		return map[string]string{"status": statuses[sidecar.Drop]}
	}
	if b.Entries == nil {
		var e cloudEvent
		if err := json.Unmarshal(body, &e); err != nil {
			return map[string]string{"status": statuses[sidecar.Drop]}
		}
		return map[string]string{"status": handle(ctx, h, []sidecar.Delivery{e.delivery(topic)})[0]}
	}
	deliveries, entries := make([]sidecar.Delivery, len(b.Entries)), make([]entryStatus, len(b.Entries))
	for i, entry := range b.Entries {
		deliveries[i] = entry.Event.delivery(topic)
	}
	for i, status := range handle(ctx, h, deliveries) {
		entries[i] = entryStatus{b.Entries[i].EntryID, status}
	}
	return map[string]any{"statuses": entries}
}

// handle calls the handler and returns the status of each delivery. A delivery without an outcome is delivered again.
func handle(ctx context.Context, h sidecar.Handler, deliveries []sidecar.Delivery) []string {
	result := make([]string, len(deliveries))
	if len(deliveries) == 0 {
		return result
	}
	outcomes := h(ctx, deliveries)
	for i := range result {
		result[i] = statuses[sidecar.Retry]
		if i < len(outcomes) {
			result[i] = statuses[outcomes[i]]
		}
	}
	return result
}
