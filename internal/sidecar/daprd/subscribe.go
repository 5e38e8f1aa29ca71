package daprd

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// maxDelivery bounds a bulk delivery, in bytes.
const maxDelivery = 16 << 20

// Deliveries implements sidecar.Subscriber on a router: the sidecar posts to /events/{topic}, as
// dapr/subscriptions.yaml says, one event or a batch at a time.
type Deliveries struct{ router chi.Router }

// NewDeliveries takes deliveries on the router.
func NewDeliveries(router chi.Router) *Deliveries { return &Deliveries{router} }

var _ sidecar.Subscriber = (*Deliveries)(nil)

// Subscribe implements sidecar.Subscriber.
func (d *Deliveries) Subscribe(topic string, h sidecar.Handler) {
	d.router.Post("/events/"+topic, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxDelivery+1))
		if err != nil || len(body) > maxDelivery {
			w.WriteHeader(http.StatusInternalServerError) // anything but 404 is sent again
			return
		}
		reply(w, deliver(r.Context(), topic, body, h))
	})
}

type cloudEvent struct {
	ID          string          `json:"id"`
	Data        json.RawMessage `json:"data"`
	TraceParent string          `json:"traceparent"`
}

type bulk struct {
	Entries []struct {
		EntryID string     `json:"entryId"`
		Event   cloudEvent `json:"event"`
	} `json:"entries"`
}

type entryStatus struct {
	EntryID string `json:"entryId"`
	Status  string `json:"status"`
}

var words = map[sidecar.Outcome]string{sidecar.Done: "SUCCESS", sidecar.Retry: "RETRY", sidecar.Drop: "DROP"}

// deliver hands a body to the handler, a batch at once, and makes the reply.
func deliver(ctx context.Context, topic string, body []byte, h sidecar.Handler) any {
	var b bulk
	if err := json.Unmarshal(body, &b); err != nil {
		telemetry.Log(ctx).Error().Err(err).Str("topic", topic).Msg("delivery is not JSON")
		return map[string]string{"status": words[sidecar.Drop]}
	}
	if b.Entries == nil {
		var e cloudEvent
		if err := json.Unmarshal(body, &e); err != nil {
			return map[string]string{"status": words[sidecar.Drop]}
		}
		return map[string]string{"status": handle(ctx, h, []sidecar.Delivery{delivery(topic, e)})[0]}
	}
	deliveries, statuses := make([]sidecar.Delivery, len(b.Entries)), make([]entryStatus, len(b.Entries))
	for i, entry := range b.Entries {
		deliveries[i] = delivery(topic, entry.Event)
	}
	for i, word := range handle(ctx, h, deliveries) {
		statuses[i] = entryStatus{b.Entries[i].EntryID, word}
	}
	return map[string]any{"statuses": statuses}
}

func delivery(topic string, e cloudEvent) sidecar.Delivery {
	return sidecar.Delivery{ID: e.ID, Topic: topic, Data: e.Data, TraceParent: e.TraceParent}
}

func handle(ctx context.Context, h sidecar.Handler, deliveries []sidecar.Delivery) []string {
	said := make([]string, len(deliveries))
	if len(deliveries) == 0 {
		return said
	}
	outcomes := h(ctx, deliveries)
	for i := range said {
		said[i] = words[sidecar.Retry]
		if i < len(outcomes) {
			said[i] = words[outcomes[i]]
		}
	}
	return said
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
