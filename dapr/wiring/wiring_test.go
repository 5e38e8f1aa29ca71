package wiring

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/appfile"
	"haberdash/internal/roster"
)

func TestRulesHaveAWildcardAtTheirEnd(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/internal/x": "/internal/x", "/feed/stock-*": "/feed/**", "/api/v1/carts/*": "/api/v1/carts/**",
		"/internal/orders/{id}/decision": "/internal/orders/**",
	} {
		require.Equal(t, want, Operation(path))
	}
}

func TestScopesPermitAnAppThatJoinsItsTopicsOnly(t *testing.T) {
	t.Parallel()
	joined := appfile.App{ID: "loyalty", Publishes: []string{"points"}, Follows: []appfile.Topic{{Topic: "orders"}}}
	for _, folder := range []string{"embedded", "kafka", "nats", "rabbitmq", "redis"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "components", "pubsub", folder, "pubsub.yaml"))
		require.NoError(t, err)
		unchanged, err := Scopes(string(text), roster.Apps())
		require.NoError(t, err)
		require.Equal(t, string(text), unchanged)
		with, err := Scopes(string(text), append(roster.Apps(), joined.Entry()))
		require.NoError(t, err)
		require.Contains(t, with, "\n  - loyalty\n")
		require.Contains(t, with, ",notifications-dead,loyalty-dead\"")
		require.Contains(t, with, ";loyalty=points,loyalty-dead\"")
		require.Contains(t, with, ";loyalty=orders,loyalty-dead\"")
		for _, broken := range []string{
			strings.ReplaceAll(string(text), "scopes:\n", "scope:\n"),
			strings.ReplaceAll(string(text), "publishingScopes", "publishing"),
		} {
			_, err := Scopes(broken, roster.Apps())
			require.Error(t, err)
		}
	}
}

func TestAppsThatJoinMayCallWhatTheySay(t *testing.T) {
	t.Parallel()
	app := appfile.App{ID: "loyalty", Serves: []string{"/api/v1/loyalty/*"}, Ready: "/readyz", OpenAPI: "/openapi.json",
		Follows: []appfile.Topic{{Topic: "orders"}}, Calls: []appfile.Call{{App: "cart", Method: "GET", Path: "/internal/x"}}}
	names := func(policy map[string]any) (list []string) {
		operations, _ := policy["operations"].([]any)
		for _, o := range operations {
			list = append(list, o.(map[string]any)["name"].(string))
		}
		return list
	}
	require.Equal(t, []string{"/feed", "/feed/orders"}, names(PolicyOf(app, "orders")))
	require.Equal(t, []string{"/internal/x"}, names(PolicyOf(app, "cart")))
	require.Equal(t, []string{"/.well-known/jwks.json"}, names(PolicyOf(app, "users")))
	require.Nil(t, PolicyOf(app, "catalog"))
	friend := appfile.App{ID: "fraud", Calls: []appfile.Call{{App: "loyalty", Method: "POST", Path: "/points"}}}
	policies := AccessTo(app, []appfile.App{app, friend})["policies"].([]any)
	require.Len(t, policies, 2)
	require.Equal(t, []string{"/api/v1/loyalty/**", "/api/v1/dead-letters/loyalty", "/api/v1/dead-letters/loyalty/**",
		"/openapi.json", "/readyz"}, names(policies[0].(map[string]any)))
	require.Equal(t, []string{"/points"}, names(policies[1].(map[string]any)))
}
