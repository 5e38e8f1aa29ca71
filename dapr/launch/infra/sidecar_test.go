package infra

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/standalone"
)

// Dapr's own components need nothing but the variables.
func TestServersThroughASidecar(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := startInfra(t, filepath.Join(dir, "infra"))
	text := `
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: redis}
spec:
  type: state.redis
  version: v1
  metadata: [{name: redisHost, value: "$REDIS_HOST"}, {name: redisPassword, value: "$REDIS_PASSWORD"}]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: postgres}
spec: {type: state.postgresql, version: v2, metadata: [{name: connectionString, value: "$POSTGRES_CONNECTION"}]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: kafka}
spec:
  type: pubsub.kafka
  version: v1
  metadata: [{name: brokers, value: "$KAFKA_BROKERS"}, {name: authType, value: none}]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: mail}
spec:
  type: bindings.smtp
  version: v1
  metadata:
    - {name: host, value: "$SMTP_HOST"}
    - {name: port, value: "$SMTP_PORT"}
    - {name: user, value: "$SMTP_USER"}
    - {name: password, value: "$SMTP_PASSWORD"}
`
	text = os.Expand(text, func(name string) string {
		value, known := i.Vars()[name]
		require.True(t, known, name)
		return value
	})
	resources := filepath.Join(dir, "resources")
	require.NoError(t, os.Mkdir(resources, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(resources, "all.yaml"), []byte(text), 0o600))
	side, err := standalone.StartSidecar(t.Context(), standalone.SidecarOptions{
		RunDir: dir, AppID: "probe", ResourcesPaths: []string{resources},
	})
	require.NoError(t, err)
	defer side.Stop()

	code, said := launchtest.Post(side.HTTP()+"/v1.0/publish/kafka/orders", `"published"`)
	require.Equal(t, http.StatusNoContent, code, said)
	got, err := consume(t.Context(), i)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Contains(t, got[0], "published")

	code, said = launchtest.Post(side.HTTP()+"/v1.0/bindings/mail", `{"operation":"create","data":"hello",
		"metadata":{"emailFrom":"shop@example.com","emailTo":"buyer@example.com","subject":"sent"}}`)
	require.Equal(t, http.StatusNoContent, code, said)
	mails, err := subjects(i.MailDir())
	require.NoError(t, err)
	require.Equal(t, []string{"sent"}, mails)

	// Dapr reconnects by itself, and the servers have kept what they had acknowledged.
	for _, store := range []string{"redis", "postgres"} {
		code, said = launchtest.Post(side.HTTP()+"/v1.0/state/"+store, `[{"key":"k","value":"kept"}]`)
		require.Equal(t, http.StatusNoContent, code, said)
		require.NoError(t, i.Kill(store))
		require.NoError(t, i.RestartServer(t.Context(), store))
		require.Eventually(t, func() bool {
			return strings.Contains(launchtest.Get(t, side.HTTP()+"/v1.0/state/"+store+"/k"), "kept")
		}, 20*time.Second, 200*time.Millisecond, store)
	}
}

// A wrong password is reported as such, by the component.
func TestServersReportAWrongPassword(t *testing.T) {
	t.Parallel()
	i := startInfra(t, t.TempDir(), "redis", "postgres")
	for choice, says := range map[string][]string{
		"redis":    {"state.redis", "WRONGPASS"},
		"postgres": {"state.postgresql", "password authentication failed"},
	} {
		vars := i.Vars()
		vars["REDIS_PASSWORD"] = "wrong"
		vars["POSTGRES_CONNECTION"] = regexp.MustCompile(`:[^:@]+@`).ReplaceAllString(vars["POSTGRES_CONNECTION"], ":wrong@")
		soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := standalone.StartSidecar(soon, standalone.SidecarOptions{
			AppID: "orders", RunDir: t.TempDir(), Env: vars,
			ResourcesPaths: []string{filepath.Join("components", "state", choice), "components/secrets/env"},
		})
		for _, s := range says {
			require.ErrorContains(t, err, s)
		}
		require.NotContains(t, err.Error(), "wrong@", "the error does not have the password")
	}
}
