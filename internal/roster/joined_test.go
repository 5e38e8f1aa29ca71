package roster_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/roster"
)

func TestJoinedAppsAreReadFromJSON(t *testing.T) {
	t.Parallel()
	var apps roster.JoinedApps
	require.NoError(t, apps.UnmarshalText(nil))
	require.Empty(t, apps)
	require.NoError(t, apps.UnmarshalText(
		[]byte(`[{"app":"loyalty","serves":["/api/v1/loyalty/*"],"openapi":"/openapi.json","deadLetters":true}]`)))
	require.Equal(t, []string{"/api/v1/loyalty/*", "/api/v1/dead-letters/loyalty", "/api/v1/dead-letters/loyalty/*"},
		apps[0].Patterns())
	for text, why := range map[string]string{
		`{`:                           "JSON array",
		`[{"app":"x","y":1}]`:         "unknown field",
		`[{"app":"orders"}]`:          "not a name",
		`[{"app":"A b"}]`:             "not a name",
		`[{"app":"lo"},{"app":"lo"}]`: "twice",
		`[{"app":"loyalty","serves":["/api/v1/orders/x"]}]`:          "is not below /api/v1/loyalty",
		`[{"app":"loyalty","serves":["/internal/export"]}]`:          "is not below",
		`[{"app":"loyalty","serves":["/api/v1/loyaltycards"]}]`:      "is not below",
		`[{"app":"products","serves":["/api/v1/products/import"]}]`:  "belongs to the shop",
		`[{"app":"dead-letters","serves":["/api/v1/dead-letters"]}]`: "belongs to the shop",
	} {
		require.ErrorContains(t, apps.UnmarshalText([]byte(text)), why, text)
	}
}
