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

// event is a webhook event; Body is what is sent.
type event struct {
	ID   string          `json:"id"`
	Body json.RawMessage `json:"body"`
}

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
		panic(err) // of our own types
	}
	return event{id, body}
}

// Sign gives the Stripe-Signature header of a body sent at a time.
func Sign(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

// The pause after a delivery that failed doubles from one to the other.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// hooks delivers events, at least once each, until the endpoint answers 2xx. One that fails lets the others
// pass, so the order is not that of the events.
type hooks struct {
	url, secret string
	chance      *chance
	delivered   func(id string)
	client      *http.Client

	mu    sync.Mutex
	queue []delivery
	wake  chan struct{}
}

type delivery struct {
	event event
	due   time.Time
	pause time.Duration
}

func newHooks(url, secret string, c *chance, delivered func(id string)) *hooks {
	return &hooks{
		url: url, secret: secret, chance: c, delivered: delivered,
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}, wake: make(chan struct{}, 1),
	}
}

func (h *hooks) add(e event) { h.put(delivery{event: e, due: time.Now(), pause: firstPause}) }

func (h *hooks) put(d delivery) {
	h.mu.Lock()
	h.queue = append(h.queue, d)
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// next takes a due delivery, or gives the time until there is one.
func (h *hooks) next() (d delivery, found bool, wait time.Duration) {
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

func (h *hooks) run(ctx context.Context) {
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
			h.put(d)
			continue
		}
		if h.chance.ofRead() != none { // once more, as happens
			h.put(delivery{event: d.event, due: time.Now().Add(d.pause), pause: firstPause})
			continue
		}
		h.delivered(d.event.ID)
	}
}

func (h *hooks) send(ctx context.Context, e event) error {
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
