package roster_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/roster"
)

func TestEveryFollowedLogIsKeptByAnApp(t *testing.T) {
	t.Parallel()
	for _, a := range roster.Apps() {
		for _, l := range a.Follows {
			require.Contains(t, roster.Get(l.App).Logs, l, "%s follows it", a.ID)
		}
		for _, l := range a.Logs {
			require.Equal(t, a.ID, l.App)
			require.NotEmpty(t, l.Topic)
		}
	}
}

// If the export left out an app, the data of that app would be lost in a move to another store.
func TestEveryAppWithDataIsExported(t *testing.T) {
	t.Parallel()
	for _, a := range roster.Apps() {
		if len(a.Logs)+len(a.Follows) > 0 {
			require.Contains(t, roster.Exported(), a.ID)
		}
	}
	require.Equal(t, []string{"users", "notifications", "cart", "orders", "catalog"}, roster.Exported()[:5])
}

func TestEveryFollowerHasADeadLetterTopic(t *testing.T) {
	t.Parallel()
	for _, app := range roster.Following() {
		require.Contains(t, roster.Topics(), roster.DeadLetterTopic(app))
	}
	require.Subset(t, roster.Topics(), []string{"catalog", "stock", "orders", "users", "cart-dead", "orders-dead"})
}

func TestMemberNamesALogOfAFamily(t *testing.T) {
	t.Parallel()
	require.Equal(t, roster.Log{App: "catalog", Name: "stock-main", Topic: "stock"}, roster.StockLogs.Member("main"))
}
