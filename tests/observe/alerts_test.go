package observe

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/observe"
)

// faults are the fault flags, and the alert that each is meant for.
var faults = []struct{ app, flag, variant, alert string }{
	{"orders", "slow-payment", "slow", "PaymentsSlow"},
	{"orders", "slow-store", "very-slow", "StoreSlow"},
	{"catalog", "paused-publisher", "on", "PublisherStandsStill"},
	{"catalog", "failing-requests", "half", "ReadAvailability"},
	{"users", "full-disk", "on", "StoreFails"},
}

// Each fault flag lights the alert that is meant for it, and without the fault the alert is dark.
func TestServersAlertOnFaults(t *testing.T) {
	t.Parallel()
	var log launchtest.Log
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	o := config.Options{
		RunDir: t.TempDir(), FreePorts: true, Log: &log,
		Env: map[string]string{"FAULT_FLAGS": "on", "RATE_LIMIT": "off"},
	}
	shop, err := launch.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = shop.Stop(t.Context()) })
	o, err = o.Complete()
	require.NoError(t, err)
	servers, err := observe.Start(t.Context(), observe.Options{
		Root: o.Root, RunDir: o.RunDir, Rules: hastened(t, o.Root), Log: &log,
	})
	require.NoError(t, err)
	t.Cleanup(servers.Stop)
	s := shown{t, servers, addresses(servers.State())}
	people := visit(t, shop)

	s.waitForOrders(20)
	firing := s.firing()
	for _, f := range faults {
		require.NotContains(t, firing, f.alert, "before its fault")
		people.switchFault(f.app, f.flag, f.variant)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		firing := s.firing()
		for _, f := range faults {
			assert.Contains(c, firing, f.alert, "%s of %s", f.flag, f.app)
		}
	}, 5*time.Minute, time.Second)

	for _, f := range faults {
		people.switchFault(f.app, f.flag, "off")
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		firing := s.firing()
		for _, f := range faults {
			assert.NotContains(c, firing, f.alert, "%s of %s is off", f.flag, f.app)
		}
	}, 5*time.Minute, time.Second)
}

// waitForOrders waits until Prometheus has counted some orders.
func (s shown) waitForOrders(n float64) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		series, err := s.query(`sum(orders_placed_total{outcome="confirmed"})`)
		require.NoError(c, err)
		require.Len(c, series, 1)
		require.GreaterOrEqual(c, series[0].value(c), n)
	}, 2*time.Minute, tick)
}

// firing returns the names of the alerts that Alertmanager has, to send them to somebody.
func (s shown) firing() map[string]bool {
	var alerts []struct {
		Labels map[string]string
		Status struct{ State string }
	}
	require.NoError(s.t, s.get("Alertmanager", "/api/v2/alerts?active=true", &alerts))
	names := map[string]bool{}
	for _, a := range alerts {
		names[a.Labels["alertname"]] = true
	}
	return names
}

// duration matches the times in a file of rules: windows and those after which an alert fires.
var duration = regexp.MustCompile(`(\[|\bfor: )(\d+)([mhd])\b`)

// hastened returns a directory with Prometheus' rules in which all times are shorter, a minute for each window and some
// seconds until an alert fires. The expressions and their limits are the same.
func hastened(t *testing.T, root string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy", "observability", "prometheus", "rules", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	dir := t.TempDir()
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		text = duration.ReplaceAllFunc(text, func(match []byte) []byte {
			if match[0] == '[' {
				return []byte("[1m")
			}
			return []byte("for: 5s")
		})
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), text, 0o600))
	}
	return dir
}

// sample is a series of an instant query.
type sample struct {
	Metric map[string]string
	Value  [2]any // the time, and the value as a text
}

func (s sample) value(t require.TestingT) float64 {
	v, err := strconv.ParseFloat(fmt.Sprint(s.Value[1]), 64)
	require.NoError(t, err)
	return v
}
