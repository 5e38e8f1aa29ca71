package daprd_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/standalone"
	"haberdash/internal/contract"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/sidecar/daprdtest"
)

// routed is a subscription that routes by the attributes of the CloudEvent, as Dapr's documentation shows it.
const routed = `
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: orders-notifications
spec:
  pubsubname: pubsub
  topic: orders
  routes:
    rules:
      - match: event.type == "order.confirmed" && event.data.seq == 2
        path: /confirmed
    default: /others
scopes:
  - notifications
`

// deliveryTimeout is how long a delivery may take. The first one takes long, because the consumer group starts.
const deliveryTimeout = 60 * time.Second

// received makes an app that keeps the bodies of the deliveries to each path that contain the mark: a server that runs
// already may have others.
func received(router chi.Router, mark string, paths ...string) map[string]chan string {
	bodies := map[string]chan string{}
	for _, path := range paths {
		bodies[path] = make(chan string, 100)
		router.Post(path, func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), mark) {
				bodies[path] <- string(body)
			}
		})
	}
	return bodies
}

func next(t *testing.T, bodies chan string) string {
	t.Helper()
	select {
	case body := <-bodies:
		return body
	case <-time.After(deliveryTimeout):
		require.FailNow(t, "no delivery")
		return ""
	}
}

func TestSubscriptionsRouteByTheAttributesOfCloudEvents(t *testing.T) {
	t.Parallel()
	o := pubsub(t)
	app := httpserver.New(httpserver.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
	mark := rand.Text()
	bodies := received(app.Router, mark, "/confirmed", "/others")
	port, _ := daprdtest.Serve(t, app.Router)
	subscriptions := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(subscriptions, "routed.yaml"), []byte(routed), 0o600))
	start(t, standalone.SidecarOptions{AppID: "notifications", AppPort: port, Env: o.Env,
		ResourcesPaths: []string{subscriptions}}, o.Components("pubsub", o.PubSub), "secrets/env")
	publishers := startPublishers(t, o)

	at := time.Date(2026, 11, 27, 9, 30, 0, 123456789, time.UTC)
	message := func(id, eventType string) sidecar.Message {
		return sidecar.Message{
			ID: id, Key: "orders", Source: "orders", Type: eventType, Subject: "order/o1", Time: at,
			Schema: contract.SchemaOf(eventType, 3), Version: 3, Data: []byte(`{"seq":2,"exact":9007199254740993}`),
			TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}
	}
	require.NoError(t, publishers.Publish(t.Context(), contract.TopicOrders, []sidecar.Message{
		message(mark+"/1", contract.OrderPlaced), message(mark+"/2", contract.OrderConfirmed),
	}))
	confirmed := next(t, bodies["/confirmed"])
	assert.Contains(t, confirmed, "9007199254740993", "large numbers arrive exactly")
	var event map[string]any
	require.NoError(t, json.Unmarshal([]byte(confirmed), &event))
	delete(event, "data")
	assert.Equal(t, map[string]any{
		"specversion": "1.0", "id": mark + "/2", "source": "orders", "type": "order.confirmed",
		"subject": "order/o1", "time": "2026-11-27T09:30:00.123456789Z", "datacontenttype": "application/json",
		"dataschema": "urn:haberdash:event:order.confirmed:3", "dataversion": "3",
		"topic": "orders", "pubsubname": "pubsub", "tracestate": "",
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"traceid":     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}, event)
	assert.Contains(t, next(t, bodies["/others"]), `"order.placed"`)
	assert.Empty(t, bodies["/confirmed"])
}

// During a rollout, and from the data of a broker, consumers get messages as releases before this one published them:
// with the event as the data, and Dapr's own attributes.
func TestMessagesOfEarlierReleasesArrive(t *testing.T) {
	t.Parallel()
	o := pubsub(t)
	app := httpserver.New(httpserver.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
	id, arrived := rand.Text(), make(chan sidecar.Delivery, 100)
	daprd.NewDeliveries(app.Router).Subscribe(contract.TopicOrders, sidecar.Each(
		func(_ context.Context, d sidecar.Delivery) sidecar.Outcome {
			if d.ID == id {
				arrived <- d
			}
			return sidecar.Done
		}))
	port, _ := daprdtest.Serve(t, app.Router)
	start(t, standalone.SidecarOptions{AppID: "notifications", AppPort: port, Env: o.Env,
		ResourcesPaths: []string{filepath.Join("dapr", "resources")}}, o.Components("pubsub", o.PubSub), "secrets/env")
	publisher, err := standalone.StartSidecar(t.Context(), standalone.SidecarOptions{
		AppID: "orders", RunDir: t.TempDir(), Env: o.Env,
		ResourcesPaths: []string{o.Components("pubsub", o.PubSub), "components/secrets/env"},
	})
	require.NoError(t, err)
	t.Cleanup(publisher.Stop)
	old, err := dapr.NewClientWithAddressContext(t.Context(), fmt.Sprint("127.0.0.1:", publisher.GRPCPort))
	require.NoError(t, err)
	t.Cleanup(old.Close)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	require.NoError(t, old.PublishEvents(t.Context(), daprd.PubSub, contract.TopicOrders, []any{dapr.PublishEventsEvent{
		EntryID: "0", Data: []byte(`{"position":1}`), ContentType: "application/json",
		Metadata: map[string]string{
			"partitionKey": "orders", "cloudevent.id": id, "cloudevent.traceparent": trace,
		},
	}}).Error)
	select {
	case d := <-arrived:
		require.JSONEq(t, `{"position":1}`, string(d.Data))
		d.Data = nil
		require.Equal(t, sidecar.Delivery{ID: id, Topic: "orders", TraceParent: trace}, d)
	case <-time.After(deliveryTimeout):
		require.FailNow(t, "no delivery")
	}
}
