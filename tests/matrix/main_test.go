package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPlanCoversStoresBrokersAndCombinations(t *testing.T) {
	t.Parallel()
	states, brokers := []string{"sqlite", "redis"}, []string{"embedded", "kafka"}
	all, err := combinations(nil, states, brokers)
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.Len(t, plan(all), 2+2+4)
	one, err := combinations([]string{"redis:kafka"}, states, brokers)
	require.NoError(t, err)
	require.Len(t, plan(one), 3)
	require.Contains(t, plan(one)[0].packages, "./internal/consumer")
	_, err = combinations([]string{"redis"}, states, brokers)
	require.ErrorContains(t, err, "sqlite, redis")
	_, err = combinations([]string{"mongo:kafka"}, states, brokers)
	require.Error(t, err)
}

func TestReportIsATable(t *testing.T) {
	t.Parallel()
	table := report([]run{
		{combination: combination{state: "redis"}, took: 3 * time.Second},
		{combination: combination{pubsub: "kafka"}, took: 4 * time.Second},
		{combination: combination{"redis", "kafka"}, took: 50 * time.Second, err: errors.New("exit status 1")},
	})
	require.Equal(t, `| state \ pubsub | suite of the port | kafka |
|---|---|---|
| suite of the port | | passed, 4 s |
| redis | passed, 3 s | FAILED, 50 s |
`, table)
}

func TestFailuresNameTheTests(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "e2e.log")
	require.NoError(t, os.WriteFile(log, []byte(`a line of a sidecar
--- FAIL: TestPurchase (1.00s)
    --- FAIL: TestPurchase/guest (0.50s)
        purchase_test.go:10: expected 201
FAIL
== APP - orders == {"log.level":"warn"}
`), 0o600))
	require.Equal(t, `--- FAIL: TestPurchase (1.00s)
    --- FAIL: TestPurchase/guest (0.50s)
        purchase_test.go:10: expected 201
`, failures(log))
}
