package daprd_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/standalone"
	"haberdash/internal/contract"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/sidecar/daprdtest"
)

// Of the replicas of an app, one receives a message. Some may arrive again, because a broker delivers at least once.
func TestReplicasShareMessages(t *testing.T) {
	t.Parallel()
	o := pubsub(t)
	const replicas, count = 2, 200
	var mu sync.Mutex
	arrivals := map[string]int{}
	for range replicas {
		app := httpserver.New(httpserver.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
		daprd.NewDeliveries(app.Router).Subscribe(contract.TopicOrders, sidecar.Each(
			func(_ context.Context, d sidecar.Delivery) sidecar.Outcome {
				mu.Lock()
				defer mu.Unlock()
				arrivals[d.ID]++
				return sidecar.Done
			}))
		port, _ := daprdtest.Serve(t, app.Router)
		start(t, standalone.SidecarOptions{AppID: roster.Notifications, AppPort: port, Env: o.Env,
			ResourcesPaths: []string{filepath.Join("dapr", "resources")}}, o.Components("pubsub", o.PubSub), "secrets/env")
	}
	publishers := startPublishers(t, o)

	// round publishes messages and waits until each has arrived. It returns how often they have.
	round := func(name string) func() int {
		prefix := rand.Text() + "/" + name
		var batch []sidecar.Message
		for i := range count {
			id := fmt.Sprint(prefix, "/", i)
			batch = append(batch, sidecar.Message{ID: id, Key: fmt.Sprint("key", i%7), Data: []byte("{}")})
		}
		require.NoError(t, publishers.Publish(t.Context(), contract.TopicOrders, batch))
		sum := func() (n, missing int) {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range batch {
				n += arrivals[m.ID]
				if arrivals[m.ID] == 0 {
					missing++
				}
			}
			return n, missing
		}
		require.Eventually(t, func() bool { _, missing := sum(); return missing == 0 }, time.Minute, 10*time.Millisecond)
		return func() int { n, _ := sum(); return n }
	}
	first := round("first")
	round("second") // meanwhile a second delivery of the first round would have come
	require.Less(t, first(), count*replicas*3/4, "each replica has received the messages")
}
