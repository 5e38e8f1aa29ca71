package standalone

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/toolchain"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

func TestSidecarAndBrokerWithoutAShop(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real sidecars")
	}
	t.Parallel()
	dir := t.TempDir()
	broker, err := StartBroker(t.Context(), BrokerOptions{RunDir: dir})
	require.NoError(t, err)
	defer broker.Stop()
	side, err := StartSidecar(t.Context(), SidecarOptions{
		RunDir: dir, AppID: "orders",
		ResourcesPaths: []string{"components/state/sqlite", "components/pubsub/embedded", "components/secrets/env"},
		Env:            map[string]string{"KAFKA_BROKERS": broker.Address},
	})
	require.NoError(t, err)
	defer side.Stop()
	code, body := launchtest.Post(side.HTTP()+"/v1.0/publish/pubsub/orders", `{}`)
	require.Equal(t, http.StatusNoContent, code, body)
	code, _ = launchtest.Post(side.HTTP()+"/v1.0/state/state", `[{"key":"k","value":1}]`)
	require.Equal(t, http.StatusNoContent, code)
	side.Kill()
	require.NoError(t, side.Restart(t.Context()))
	require.Equal(t, "1", launchtest.Get(t, side.HTTP()+"/v1.0/state/state/k"))

	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	good, err := os.ReadFile(filepath.Join(root, "components", "state", "sqlite", "state.yaml"))
	require.NoError(t, err)
	broken := t.TempDir()
	bad := bytes.Replace(good, []byte("file:data/"), []byte("file:no/such/directory/"), 1)
	require.NoError(t, os.WriteFile(filepath.Join(broken, "state.yaml"), bad, 0o600))
	_, err = StartSidecar(t.Context(), SidecarOptions{RunDir: dir, AppID: "orders", ResourcesPaths: []string{broken}})
	require.ErrorContains(t, err, "unable to open database file")
}

// The error of a start has what the sidecar says about a component that does not work.
func TestComponentThatDoesNotWorkIsNamed(t *testing.T) {
	t.Parallel()
	redis := map[string]string{"REDIS_HOST": "127.0.0.1:1", "REDIS_PASSWORD": "x"}
	for choice, c := range map[string]struct {
		env  map[string]string
		says []string
	}{
		"state/redis": {redis, []string{"state.redis", "connection refused"}},
		"state/postgres": {
			map[string]string{"POSTGRES_CONNECTION": "postgres://a:b@127.0.0.1:1/c?sslmode=disable"},
			[]string{"state.postgresql", "connection refused"},
		},
		"pubsub/redis": {redis, []string{"pubsub.redis", "connection refused"}},
		"pubsub/rabbitmq": {
			map[string]string{"RABBITMQ_CONNECTION": "amqp://a:b@127.0.0.1:1"},
			[]string{"pubsub.rabbitmq", "connection refused"},
		},
		"pubsub/nats": {
			map[string]string{"NATS_URL": "nats://127.0.0.1:1"}, []string{"pubsub.jetstream", "no servers available"},
		},
		"pubsub/kafka": {map[string]string{"KAFKA_BROKERS": "127.0.0.1:1"}, []string{"pubsub.kafka", "brokers"}},
	} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			s, err := StartSidecar(soon, SidecarOptions{
				AppID: "orders", RunDir: t.TempDir(), Env: c.env,
				ResourcesPaths: []string{filepath.Join("components", filepath.FromSlash(choice)), "components/secrets/env"},
			})
			if err == nil { // a sidecar may report that it is healthy before it has asked all brokers
				select {
				case err = <-s.set.Died():
				case <-soon.Done():
				}
				s.Stop()
			}
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
		})
	}
}
