package psp

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// event is a webhook event.
type event struct {
	ID   string          `json:"id"`
	Body json.RawMessage `json:"body"` // the body of the request
}

// eventObject has the shape of an event in Stripe's API.
type eventObject struct {
	ID         string    `json:"id"`
	Object     string    `json:"object"`
	APIVersion string    `json:"api_version"`
	Created    int64     `json:"created"`
	Type       string    `json:"type"`
	Livemode   bool      `json:"livemode"`
	Data       eventData `json:"data"`
}

type eventData struct {
	Object any `json:"object"`
}

func newEvent(kind string, now time.Time, object any) event {
	id := newID("evt")
	body, err := json.Marshal(eventObject{id, "event", Version, now.Unix(), kind, false, eventData{object}})
	if err != nil {
		panic(err) // our own types can always be encoded
	}
	return event{id, body}
}

// Sign returns the Stripe-Signature header for a body that is sent at a time.
func Sign(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

// The pause after a failed delivery doubles from firstPause up to lastPause.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// webhooks delivers each event until the endpoint answers 2xx, at least once. A failed delivery does not delay those of
// other events, so events may arrive out of order.
type webhooks struct {
	url, secret string
	faults      *faultSource
	onDelivered func(id string) // called after the last delivery of an event
	client      *http.Client

	mu    sync.Mutex
	queue []delivery
	wake  chan struct{}
}

// delivery is a delivery that is due at a time.
type delivery struct {
	event event
	due   time.Time
	pause time.Duration // before the next attempt, if this one fails
}

func newWebhooks(url, secret string, faults *faultSource, onDelivered func(id string)) *webhooks {
	return &webhooks{
		url: url, secret: secret, faults: faults, onDelivered: onDelivered,
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}, wake: make(chan struct{}, 1),
	}
}

// enqueue adds an event for its first delivery.
func (h *webhooks) enqueue(e event) {
	h.schedule(delivery{event: e, due: time.Now(), pause: firstPause})
}

func (h *webhooks) schedule(d delivery) {
	h.mu.Lock()
	h.queue = append(h.queue, d)
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// next removes a due delivery from the queue and returns it. If none is due, it returns the time until the next one.
func (h *webhooks) next() (d delivery, found bool, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wait = time.Hour
	for n, d := range h.queue {
		until := time.Until(d.due)
		if until <= 0 {
			h.queue = append(h.queue[:n], h.queue[n+1:]...)
			return d, true, 0
		}
		wait = min(wait, until)
	}
	return delivery{}, false, wait
}

// run delivers events until ctx ends.
func (h *webhooks) run(ctx context.Context) {
	defer h.client.CloseIdleConnections()
	for ctx.Err() == nil {
		d, found, wait := h.next()
		if !found {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
			case <-h.wake:
			case <-t.C:
			}
			t.Stop()
			continue
		}
		if h.send(ctx, d.event) != nil {
			d.due, d.pause = time.Now().Add(d.pause), min(2*d.pause, lastPause)
			h.schedule(d)
			continue
		}
		if h.faults.drawForRead() != noFault { // deliver the event a second time
			h.schedule(delivery{event: d.event, due: time.Now().Add(d.pause), pause: firstPause})
			continue
		}
		h.onDelivered(d.event.ID)
	}
}

func (h *webhooks) send(ctx context.Context, e event) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(e.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Stripe-Signature", Sign(h.secret, time.Now(), e.Body))
	res, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("webhook answered %s", res.Status)
	}
	return nil
}
