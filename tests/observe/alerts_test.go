package observe

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/observe"
	"haberdash/dapr/launch/toolchain"
)

// fault is something that breaks in a running shop, and the alerts that it lights.
type fault struct {
	what   string
	alerts []alert
	begin  func(*stage) // nil: it is there from the beginning
	end    func(*stage) // nil: it ends by itself
}

// alert is an alert as Alertmanager has it: its labels are some of those that it must have.
type alert struct{ name, labels string }

const page, ticket = "severity=page", "severity=ticket"

// turns are faults that do not hinder each other, one turn after the other in the same shop.
var turns = [][]fault{
	{ // The shop sells as before.
		{"a mailbox that does not exist", []alert{{"DeadLetters", "app=notifications"}},
			(*stage).writeToNobody, (*stage).discardDeadLetters},
		{"many orders to one mailbox", []alert{{"MailsDropped", "app=notifications"}}, (*stage).flood, nil},
		{"no mail server", []alert{
			{"MailsFail", "app=notifications"},
			{"ConsumerLags", "app=notifications"},
			{"ConsumerStandsStill", "app=notifications"},
		}, (*stage).killMailServer, (*stage).restartMailServer},
		flag("orders", "refused-events", "some", alert{"EventsRefusedByBroker", "app=orders"}),
		flag("orders", "refused-workflows", "on", alert{"LifecyclesSetAside", "app=orders"}),
		flag("orders", "paused-projections", "on", alert{"ProjectionBehind", "app=orders"}),
		{"documents that the store refuses", []alert{{"DocumentsSetAside", "app=catalog"}},
			(*stage).refuseDocuments, (*stage).takeDocuments},
		flag("cart", "memory-ballast", "large", alert{"MemoryNearLimit", "app=cart"}),
		{"no collector of traces", []alert{{"SpansLost", "app=orders"}}, (*stage).killJaeger, (*stage).restartJaeger},
		{"a disk that fills up", []alert{
			{"DiskFillsUp", "instance=small-disk"},
			{"DiskNearlyFull", "instance=small-disk"},
		}, (*stage).fillDisk, (*stage).clearDisk},
	},
	{ // Orders wait for their payments.
		{"a document that somebody has changed", []alert{{"InvariantViolated", "invariant=5"}},
			(*stage).changeDocument, (*stage).mendDocument},
		flag("orders", "slow-payment", "hanging",
			alert{"PaymentsFail", "provider=sandbox"},
			alert{"PaymentsSlow", "provider=sandbox"},
			alert{"OrdersUndecidedTooLong", "app=orders"},
			alert{"PlacementLatency", page},
			alert{"PlacementLatency", ticket},
		),
		{"no scheduler, so no workflow goes on", []alert{
			{"ControlPlaneDown", "app=scheduler"},
			{"OrdersStuck", "app=orders"},
		}, stop("scheduler"), restart("scheduler")},
		flag("users", "slow-store", "very-slow", alert{"StoreSlow", "target=state"}),
		flag("cart", "slow-store", "very-slow",
			alert{"ReadLatency", page},
			alert{"ReadLatency", ticket},
		),
		flag("catalog", "paused-publisher", "on", alert{"PublisherStandsStill", "app=catalog"}),
		{"an app that starts again and again", []alert{{"AppRestarts", "app=watcher"}}, (*stage).restartWatcher, nil},
	},
	{ // Parts of the shop do not work at all.
		{"full-disk of catalog", []alert{
			{"StoreFails", "target=state"},
			{"CommitsFail", "app=catalog"},
			{"CheckpointsFail", "app=catalog"},
			{"CheckpointTooOld", "app=catalog"},
		}, (*stage).fillStore, (*stage).clearStore},
		flag("catalog", "failing-requests", "half",
			alert{"CallsFail", "target=catalog"},
			alert{"PlacementAvailability", page},
			alert{"PlacementAvailability", ticket},
			alert{"ReadAvailability", page},
			alert{"ReadAvailability", ticket},
		),
		{"no sidecar of users", []alert{
			{"SidecarDown", "app=users"},
			{"AppNotReady", "check=users"},
			{"ShopFull", "app=gateway"}, // its circuit breaker refuses what users would have to answer
			{"WatcherStandsStill", "invariant=4"},
		}, stop("users-daprd"), restart("users-daprd")},
		{"no app notifications", []alert{
			{"AppDown", "app=notifications"},
			{"ProcessDown", "app=notifications"},
		}, stop("notifications"), restart("notifications")},
	},
}

// ofCertificates are the turns of a shop in which certificates expire soon.
var ofCertificates = [][]fault{
	{{"an issuer that expires in a week", []alert{{"IssuerCertificateExpires", "app=sentry"}},
		nil, (*stage).renewIssuer}},
	// A sidecar that does not reach Sentry waits, and counts no failure: then ControlPlaneDown fires instead.
	{{"a Sentry that asks for tokens", []alert{{"SidecarCertificateNotRenewed", "app=orders"}},
		(*stage).askForTokens, (*stage).askForNothing}},
}

// flag is a fault that is switched on by a fault flag.
func flag(app, name, variant string, alerts ...alert) fault {
	return fault{name + " of " + app, alerts,
		func(s *stage) { s.visitors.switchFault(app, name, variant) },
		func(s *stage) { s.visitors.switchFault(app, name, "off") }}
}

// Every alert has a fault in the tests below, so a new alert needs one.
func TestEveryAlertHasAFault(t *testing.T) {
	t.Parallel()
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	severities := map[string][]string{} // by alert
	for _, r := range rules(t, root) {
		if r.severity != "" {
			severities[r.where] = append(severities[r.where], "severity="+r.severity)
		}
	}
	var defined, tested []string
	for name := range unlit {
		require.Contains(t, severities, name)
		delete(severities, name)
	}
	for _, name := range ofServers {
		require.Len(t, severities[name], 1)
		tested = append(tested, name+" "+severities[name][0])
	}
	for name, list := range severities {
		for _, severity := range list {
			defined = append(defined, name+" "+severity)
		}
	}
	for _, f := range slices.Concat(slices.Concat(turns, ofCertificates)...) {
		for _, a := range f.alerts {
			severity := a.labels
			if list := severities[a.name]; len(list) == 1 {
				severity = list[0]
			}
			tested = append(tested, a.name+" "+severity)
		}
	}
	require.ElementsMatch(t, defined, tested)
}

// Each alert fires by its fault in a running shop, and ends with the fault.
func TestServersAlertOnFaults(t *testing.T) {
	t.Parallel()
	var log launchtest.Log
	mails, err := infra.Start(t.Context(), infra.Options{Dir: t.TempDir(), Servers: []string{"smtp"}, Log: &log})
	require.NoError(t, err)
	t.Cleanup(mails.Stop)
	env := map[string]string{
		"FAULT_FLAGS": "on", "RATE_LIMIT": "off", "GOMEMLIMIT": "200MiB",
		// As much shorter as hastened makes the ages.
		"ORDER_GIVE_UP": "45s", "WATCH_CHECK": "2s",
		"WATCH_FIRST_AUDIT": "10s", "AUDIT_EVERY": "10s",
	}
	maps.Copy(env, mails.Vars())
	s := newStage(t, &log, config.Options{Watch: true, Mail: "smtp", Env: env},
		"alertmanager", "prometheus", "node-exporter", "jaeger")
	s.mails = mails
	s.visitors = visit(t, s.shop)
	s.waitForOrders(20)
	for _, turn := range turns {
		s.play(turn)
	}
}

// So do the alerts about certificates, in a shop where these expire soon.
func TestServersAlertOnCertificates(t *testing.T) {
	t.Parallel()
	var log launchtest.Log
	s := newStage(t, &log, config.Options{Secure: true, ShortCertificates: true}, "alertmanager", "prometheus")
	for _, turn := range ofCertificates {
		s.play(turn)
	}
}

// stage is a running shop that servers show, and what its faults need.
type stage struct {
	shown
	shop     *launch.Shop
	runDir   string
	visitors *visitors
	mails    *infra.Servers

	disk     *smallDisk
	document tampered
}

// newStage starts the servers of the names, and then a shop.
func newStage(t *testing.T, log *launchtest.Log, o config.Options, names ...string) *stage {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	o.RunDir, o.FreePorts, o.Log = t.TempDir(), true, log
	complete, err := o.Complete()
	require.NoError(t, err)
	servers, err := observe.Start(t.Context(), observe.Options{
		Root: complete.Root, RunDir: o.RunDir, Tracing: launch.TracingSettings(), Rules: hastened(t, complete.Root),
		Servers: names, Log: log,
	})
	require.NoError(t, err)
	t.Cleanup(servers.Stop)
	shop, err := launch.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = shop.Stop(t.Context()) })
	return &stage{shown: shown{t, servers, addresses(servers.State())}, shop: shop, runDir: o.RunDir}
}

// patience is how long alerts may take to fire, and to end.
const patience = 4 * time.Minute

// play begins all faults of a turn, waits until each of their alerts has fired, ends the faults, and waits until all
// alerts have ended.
func (s *stage) play(turn []fault) {
	s.t.Helper()
	var awaited, dark []alert
	for _, f := range turn {
		awaited = append(awaited, f.alerts...)
		if f.begin != nil {
			dark = append(dark, f.alerts...)
		}
	}
	s.awaitDark(dark)
	began := time.Now()
	fired, stop := s.collect(awaited)
	defer stop()
	for _, f := range turn {
		if f.begin != nil {
			f.begin(s)
		}
		s.t.Logf("%s after %s", f.what, time.Since(began).Round(time.Second))
	}
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		for _, a := range awaited {
			assert.True(c, fired(a), "%v has not fired", a)
		}
	}, patience, tick)
	s.t.Logf("all have fired after %s", time.Since(began).Round(time.Second))
	for _, f := range turn {
		if f.end != nil {
			f.end(s)
		}
	}
	s.awaitDark(awaited)
	s.t.Logf("all have ended after %s", time.Since(began).Round(time.Second))
}

// collect notes which of the alerts fire until stop is called. Some end before the last one fires.
func (s *stage) collect(alerts []alert) (fired func(alert) bool, stop func()) {
	var mu sync.Mutex
	seen := map[alert]bool{}
	done, began := make(chan struct{}), time.Now()
	var work sync.WaitGroup
	work.Go(func() {
		for {
			firing, _ := s.firing() // asked again soon
			mu.Lock()
			for _, a := range alerts {
				if !seen[a] && a.among(firing) {
					seen[a] = true
					s.t.Logf("%v fires after %s", a, time.Since(began).Round(time.Second))
				}
			}
			mu.Unlock()
			select {
			case <-done:
				return
			case <-time.After(tick):
			}
		}
	})
	fired = func(a alert) bool {
		mu.Lock()
		defer mu.Unlock()
		return seen[a]
	}
	return fired, sync.OnceFunc(func() {
		close(done)
		work.Wait()
	})
}

// awaitDark waits until none of the alerts fires.
func (s *stage) awaitDark(alerts []alert) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		firing, err := s.firing()
		require.NoError(c, err)
		for _, a := range alerts {
			assert.False(c, a.among(firing), "%v fires without its fault", a)
		}
	}, patience, tick)
}

// among reports whether an alert is among those that Alertmanager has.
func (a alert) among(list []map[string]string) bool {
	name, value, _ := strings.Cut(a.labels, "=")
	return slices.ContainsFunc(list, func(labels map[string]string) bool {
		return labels["alertname"] == a.name && labels[name] == value
	})
}

// waitForOrders waits until Prometheus has counted some orders.
func (s shown) waitForOrders(n float64) {
	s.t.Helper()
	s.waitFor(`sum(orders_placed_total{outcome="confirmed"})`, n)
}

// waitFor waits until Prometheus has at least a number for an expression.
func (s shown) waitFor(expr string, n float64) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		series, err := s.query(expr)
		require.NoError(c, err)
		require.Len(c, series, 1, expr)
		require.GreaterOrEqual(c, series[0].value(c), n, expr)
	}, 2*time.Minute, tick)
}

// firing returns the labels of the alerts that Alertmanager has. It has those that another alert inhibits, too, such as
// the ticket about an objective during the page.
func (s shown) firing() (list []map[string]string, err error) {
	var alerts []struct{ Labels map[string]string }
	if err := s.get("Alertmanager", "/api/v2/alerts", &alerts); err != nil {
		return nil, err
	}
	for _, a := range alerts {
		list = append(list, a.Labels)
	}
	return list, nil
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
