package plan

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/toolchain"
)

func TestSameSeedDrawsTheSamePlan(t *testing.T) {
	t.Parallel()
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	steps, err := Steps(root)
	require.NoError(t, err)
	size := Size{Buyers: 50, Kills: 2 * len(Processes), StepKills: 2 * len(steps)}
	plan := Draw("x", 7, size, steps)
	assert.Equal(t, plan, Draw("x", 7, size, steps))
	assert.NotEqual(t, plan.Kills, Draw("x", 8, size, steps).Kills)
	kills := map[string]int{}
	last := 0
	for _, k := range plan.Kills {
		kills[k.Process+k.Step]++
		assert.GreaterOrEqual(t, k.After, last)
		last = k.After
	}
	assert.Less(t, last, plan.Requests())
	for _, name := range append(steps, Processes...) {
		assert.GreaterOrEqual(t, kills[name], 2, name)
	}
	size.Buyers++
	assert.Equal(t, plan.Buyers[1:9], Draw("x", 7, size, steps).Buyers[1:9], "another buyer does not change the others")
}
