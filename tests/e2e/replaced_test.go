package e2e

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
)

// ofOurApps are the tests of what an app that replaces one of the shop's need not have, because docs/contract.md does
// not ask for it. A run with replaced apps (APPS=examples/notifications-node) leaves them out and prints the list.
var ofOurApps = map[string]string{
	"TestEveryMetricOfTheShopIsDocumented":            "a replacement has metrics of its own, or none",
	"TestOneTraceShowsAnOrderFromTheRequestToTheMail": "a replacement may have no spans",
}

// replaced lists the apps of the shop that others replace.
func replaced(o config.Options) (apps []string) {
	for _, app := range o.Replacements {
		apps = append(apps, app.ID)
	}
	return apps
}

// printLeftOut prints which tests a run with replaced apps leaves out.
func printLeftOut(o config.Options) {
	if len(o.Replacements) == 0 {
		return
	}
	fmt.Println("replaced:", replaced(o))
	for _, test := range slices.Sorted(maps.Keys(ofOurApps)) {
		fmt.Printf("left out: %s: %s\n", test, ofOurApps[test])
	}
}

// needsOurApps skips a test of ofOurApps if an app is replaced.
func needsOurApps(t *testing.T) {
	t.Helper()
	reason, listed := ofOurApps[t.Name()]
	require.True(t, listed, "%s is not in ofOurApps", t.Name())
	o, err := config.FromEnv()
	require.NoError(t, err)
	if apps := replaced(o); len(apps) > 0 {
		t.Skipf("%v replaced: %s", apps, reason)
	}
}
