package daprd_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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

// resources returns a copy of dapr/resources whose retry policy uses up the attempts of a delivery at once.
func resources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"subscriptions.yaml", "resiliency.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "dapr", "resources", name))
		require.NoError(t, err)
		if name == "resiliency.yaml" {
			slow := "policy: exponential\n        maxInterval: 15s\n        maxRetries: 20"
			require.Contains(t, string(text), slow)
			quick := "policy: constant\n        duration: 20ms\n        maxRetries: 3"
			text = []byte(strings.Replace(string(text), slow, quick, 1))
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	return dir
}

// A message whose attempts are used up arrives unchanged at the app's own dead-letter topic, whatever topic it comes
// from. The messages that were delivered together with it are handled.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	o := pubsub(t)
	app := httpserver.New(httpserver.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
	events := daprd.NewDeliveries(app.Router)
	var handled, refused atomic.Int32
	dead := make(chan sidecar.Delivery, 100)
	handle := sidecar.Each(func(_ context.Context, d sidecar.Delivery) sidecar.Outcome {
		var p struct{ Fails bool }
		if json.Unmarshal(d.Data, &p) != nil || p.Fails {
			refused.Add(1)
			return sidecar.Retry
		}
		handled.Add(1)
		return sidecar.Done
	})
	events.Subscribe(contract.TopicOrders, handle)
	events.Subscribe(contract.TopicUsers, handle)
	deadLetters := roster.DeadLetterTopic("notifications")
	events.Subscribe(deadLetters, sidecar.Each(func(_ context.Context, d sidecar.Delivery) sidecar.Outcome {
		dead <- d
		return sidecar.Done
	}))
	port, _ := daprdtest.Serve(t, app.Router)
	start(t, standalone.SidecarOptions{AppID: "notifications", AppPort: port, Env: o.Env,
		ResourcesPaths: []string{resources(t)}}, o.Components("pubsub", o.PubSub), "secrets/env")
	publishers := startPublishers(t, o)

	want, run := map[string]string{}, rand.Text()
	for _, topic := range []string{contract.TopicOrders, contract.TopicUsers} {
		var batch []sidecar.Message
		for i := range 20 {
			fails := i%8 == 5
			m := sidecar.Message{
				ID: fmt.Sprintf("%s/%s/%d", run, topic, i), Key: "k", Data: fmt.Appendf(nil, `{"fails":%t,"n":%d}`, fails, i),
			}
			if fails {
				want[m.ID] = string(m.Data)
			}
			batch = append(batch, m)
		}
		require.NoError(t, publishers.Publish(t.Context(), topic, batch))
	}
	for len(want) > 0 {
		select {
		case d := <-dead:
			if data, ok := want[d.ID]; ok { // not a repetition
				require.JSONEq(t, data, string(d.Data))
				require.Equal(t, roster.DeadLetterTopic("notifications"), d.Topic)
				delete(want, d.ID)
			}
		case <-time.After(time.Minute):
			require.Fail(t, "dead letters are missing", "%v", want)
		}
	}
	require.Eventually(t, func() bool { return handled.Load() >= 36 }, time.Minute, 10*time.Millisecond)
	require.GreaterOrEqual(t, refused.Load(), int32(4*4), "each was delivered four times first")
}
