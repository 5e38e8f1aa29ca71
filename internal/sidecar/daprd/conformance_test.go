package daprd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/standalone"
	"haberdash/internal/contract"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/sidecar/daprdtest"
	"haberdash/internal/sidecar/sidecartest"
	"haberdash/internal/sidecar/sidecartest/invoketest"
	"haberdash/internal/sidecar/sidecartest/messagetest"
	"haberdash/internal/sidecar/sidecartest/statetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// start starts a sidecar with these folders of components, such as "secrets/env", and returns a client of it.
func start(t *testing.T, o standalone.SidecarOptions, components ...string) *daprd.Client {
	t.Helper()
	return startWith(t, daprd.Options{}, o, components...)
}

func startWith(t *testing.T, client daprd.Options, o standalone.SidecarOptions, components ...string) *daprd.Client {
	t.Helper()
	if o.RunDir == "" {
		o.RunDir = t.TempDir()
	}
	for _, c := range components {
		if !filepath.IsAbs(c) {
			c = filepath.Join("components", filepath.FromSlash(c))
		}
		o.ResourcesPaths = append(o.ResourcesPaths, c)
	}
	s, err := standalone.StartSidecar(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	client.HTTPPort, client.GRPCPort = s.HTTPPort, s.GRPCPort
	c, err := daprd.New(client)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.Wait(t.Context()))
	return c
}

// pubsub returns the message broker that the environment variable PUBSUB chooses. It belongs to the test and ends with
// it.
func pubsub(t testing.TB) config.Options {
	t.Helper()
	o, _, stop, err := config.Options{RunDir: t.TempDir(), PubSub: os.Getenv("PUBSUB")}.WithServers(t.Context())
	require.NoError(t, err)
	t.Cleanup(stop)
	if o.PubSub == "embedded" {
		broker, err := standalone.StartBroker(t.Context(), standalone.BrokerOptions{RunDir: t.TempDir()})
		require.NoError(t, err)
		t.Cleanup(broker.Stop)
		o.Env = map[string]string{"KAFKA_BROKERS": broker.Address}
	}
	return o
}

func TestState(t *testing.T) {
	t.Parallel()
	statetest.TestState(t, func(t *testing.T) sidecar.State {
		o := daprdtest.StateOptions(t)
		options := standalone.SidecarOptions{AppID: "orders", Env: o.Env}
		return start(t, options, o.Components("state", o.State), "secrets/env").State(daprd.StateStore)
	})
}

func TestMessages(t *testing.T) {
	t.Parallel()
	chosen, err := config.Options{RunDir: t.TempDir(), PubSub: os.Getenv("PUBSUB")}.Complete()
	require.NoError(t, err)
	ordered, err := chosen.Ordered()
	require.NoError(t, err)
	messagetest.TestMessages(t, ordered, func(t *testing.T, subscribe func(sidecar.Subscriber)) sidecar.Publisher {
		o := pubsub(t)
		app := httpserver.New(httpserver.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
		subscribe(daprd.NewDeliveries(app.Router))
		port, _ := daprdtest.Serve(t, app.Router)
		start(t, standalone.SidecarOptions{
			AppID: roster.Notifications, AppPort: port, Env: o.Env,
			ResourcesPaths: []string{filepath.Join("dapr", "resources")},
		}, o.Components("pubsub", o.PubSub), "secrets/env")
		return startPublishers(t, o)
	})
}

// owners publishes the messages of a topic with the sidecar of the only app that may publish to it.
type owners map[string]sidecar.Publisher

func (o owners) Publish(ctx context.Context, topic string, messages []sidecar.Message) error {
	return o[topic].Publish(ctx, topic, messages)
}

// startPublishers starts the sidecars of orders and users.
func startPublishers(t *testing.T, o config.Options) owners {
	t.Helper()
	publishers := owners{}
	for topic, app := range map[string]string{contract.TopicOrders: roster.Orders, contract.TopicUsers: roster.Users} {
		publishers[topic] = start(t, standalone.SidecarOptions{AppID: app, Env: o.Env},
			o.Components("pubsub", o.PubSub), "secrets/env")
	}
	return publishers
}

func TestInvoker(t *testing.T) {
	t.Parallel()
	var caller sidecar.Invoker
	var stop func()
	invoketest.TestInvoker(t, func(t *testing.T, app http.Handler) sidecar.Invoker {
		dir := t.TempDir() // sidecars with the same directory find each other
		var port int
		port, stop = daprdtest.Serve(t, app)
		resources := []string{filepath.Join("dapr", "resources")}
		start(t, standalone.SidecarOptions{AppID: invoketest.App, AppPort: port, RunDir: dir, ResourcesPaths: resources})
		caller = start(t, standalone.SidecarOptions{AppID: "gateway", RunDir: dir, ResourcesPaths: resources})
		return caller
	})
	t.Run("an app that has stopped is unavailable", func(t *testing.T) {
		stop()
		_, err := caller.Invoke(t.Context(), sidecar.Request{App: invoketest.App, Method: http.MethodGet, Path: "/x"})
		require.ErrorIs(t, err, sidecar.ErrUnavailable)
	})
}

func TestSecretsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	sidecartest.TestSecrets(t, func(t *testing.T) sidecar.Secrets {
		env := map[string]string{sidecartest.SecretName: sidecartest.SecretValue}
		return start(t, standalone.SidecarOptions{AppID: "orders", Env: env}, "secrets/env")
	})
}

// The sidecar reads the secrets of its namespace from a Kubernetes API, with the client that it uses in a cluster.
func TestSecretsOfKubernetes(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/api/v1/namespaces/shop/secrets/haberdash" {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"NotFound","code":404}`)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
			"metadata": map[string]any{"name": "haberdash", "namespace": "shop"},
			"data": map[string][]byte{
				sidecartest.SecretName: []byte(sidecartest.SecretValue), "OTHER": []byte("x"),
			},
		})
	}))
	t.Cleanup(api.Close)
	config := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "apiVersion: v1\nkind: Config\ncurrent-context: c\n"+
		"clusters: [{name: c, cluster: {server: %q}}]\n"+
		"contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u}]\n", api.URL), 0o600))
	sidecartest.TestSecrets(t, func(t *testing.T) sidecar.Secrets {
		return startWith(t, daprd.Options{SecretBundle: "haberdash"}, standalone.SidecarOptions{AppID: "orders",
			Env: map[string]string{"KUBECONFIG": config, "NAMESPACE": "shop"}}, "secrets/kubernetes")
	})
}

func TestMailIntoFiles(t *testing.T) {
	t.Parallel()
	sidecartest.TestBinder(t, func(t *testing.T) (sidecar.Binder, func(string) []byte) {
		dir := t.TempDir()
		client := start(t, standalone.SidecarOptions{AppID: "notifications", RunDir: dir}, "mail/files")
		return client, func(file string) []byte {
			data, err := os.ReadFile(filepath.Join(dir, "mail", file))
			require.NoError(t, err)
			return data
		}
	})
}
