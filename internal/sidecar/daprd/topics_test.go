package daprd_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/standalone"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
)

// The sidecar of an app publishes only to the topics of its app, and receives only those that the app follows.
func TestAppsUseOnlyTheirTopics(t *testing.T) {
	t.Parallel()
	o := pubsub(t)
	for _, app := range roster.Apps() {
		if !app.UsesComponent("pubsub") {
			continue
		}
		t.Run(app.ID, func(t *testing.T) {
			side, err := standalone.StartSidecar(t.Context(), standalone.SidecarOptions{
				AppID: app.ID, RunDir: t.TempDir(), Env: o.Env,
				ResourcesPaths: []string{o.Components("pubsub", o.PubSub), "components/secrets/env"},
			})
			require.NoError(t, err)
			t.Cleanup(side.Stop)
			client, err := daprd.New(daprd.Options{HTTPPort: side.HTTPPort, GRPCPort: side.GRPCPort})
			require.NoError(t, err)
			t.Cleanup(func() { client.Close() })
			require.NoError(t, client.Wait(t.Context()))
			sdk := dapr.NewClientWithConnection(client.Conn().(*grpc.ClientConn))
			for _, topic := range roster.Topics() {
				if !slices.Contains(app.Publishes(), topic) {
					code, said := launchtest.Post(side.HTTP()+"/v1.0/publish/pubsub/"+topic, `{"forged":true}`)
					assert.Equal(t, http.StatusForbidden, code, "%s: %s", topic, said)
					err := client.Publish(t.Context(), topic, []sidecar.Message{{ID: "forged", Data: []byte("{}")}})
					assert.Equal(t, codes.PermissionDenied, status.Code(err), "%s: %v", topic, err)
				}
				if !slices.Contains(app.Receives(), topic) {
					_, err := sdk.Subscribe(t.Context(), dapr.SubscriptionOptions{PubsubName: daprd.PubSub, Topic: topic})
					assert.ErrorContains(t, err, "not allowed", topic)
				}
			}
			code, said := launchtest.Post(side.HTTP()+"/v1.0/publish/pubsub/"+app.Publishes()[0], `{"own":true}`)
			assert.Equal(t, http.StatusNoContent, code, strings.TrimSpace(said))
		})
	}
}
