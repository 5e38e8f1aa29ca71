package admin

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnknownFlagsAndVariantsAreAnsweredWithAList(t *testing.T) {
	t.Parallel()
	var f flags
	require.NoError(t, json.Unmarshal([]byte(`{"flags": {
		"slow-payment": {"variants": {"off": 0, "slow": 3}}, "fail-mail": {"variants": {"off": 0, "on": 1}}
	}}`), &f))
	require.NoError(t, f.check("orders", "slow-payment", "slow"))
	require.EqualError(t, f.check("orders", "slow", "on"), `orders has no flag "slow": it has fail-mail, slow-payment`)
	require.EqualError(t, f.check("orders", "fail-mail", "slow"),
		`the flag fail-mail of orders has no variant "slow": it has off, on`)
}
