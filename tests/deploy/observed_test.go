package deploy

import (
	"path/filepath"
	"slices"
	"testing"

	configuration "github.com/dapr/dapr/pkg/apis/configuration/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The port of a sidecar's metrics, and the name that Dapr's injector gives it.
const (
	sidecarMetrics     = "9090"
	sidecarMetricsName = "dapr-metrics"
)

// Prometheus' operator ignores a port that no pod has, and a NetworkPolicy drops what it does not name.
func TestPrometheusReachesEachAppAndSidecar(t *testing.T) {
	c := newCheckout(t)
	c.overlays(t)
	all, err := c.render("/deploy/overlays/postgres-redis")
	require.NoError(t, err)
	for _, d := range objects[*apps.Deployment](all) {
		pod := labels.Set(d.Spec.Template.Labels)
		var scraped []string
		for _, m := range objects[*monitoring.PodMonitor](all) {
			if m.Name == "dapr" || !matches(t, &m.Spec.Selector, pod) {
				continue
			}
			for _, e := range m.Spec.PodMetricsEndpoints {
				scraped = append(scraped, *e.Port)
				require.Condition(t, func() bool {
					return *e.Port == sidecarMetricsName || hasPort(d.Spec.Template, *e.Port)
				}, "%s has no port %s", d.Name, *e.Port)
			}
		}
		app := "http"
		if d.Name == "gateway" {
			app = "operations" // the metrics are not at the public port
		}
		require.ElementsMatch(t, []string{app, sidecarMetricsName}, scraped, d.Name)
		require.ElementsMatch(t, []string{app, sidecarMetrics}, allowed(t, objects[*network.NetworkPolicy](all), pod), d.Name)
	}
}

// Prometheus finds the exporter of the cluster's own Redis, which has no more rights than Redis.
func TestPrometheusReachesTheExporterOfRedis(t *testing.T) {
	c := newCheckout(t)
	const dir = "/deploy/overlays/demo-observed"
	require.NoError(t, c.WriteFile(dir+"/kustomization.yaml", []byte("resources: [../demo]\ncomponents: ["+
		"../../components/observability, ../../components/monitors, ../../components/redis-exporter]\n")))
	all, err := c.render(dir)
	require.NoError(t, err)
	i := slices.IndexFunc(objects[*apps.StatefulSet](all), func(s *apps.StatefulSet) bool { return s.Name == "redis" })
	require.GreaterOrEqual(t, i, 0)
	pod := objects[*apps.StatefulSet](all)[i].Spec.Template
	require.Equal(t, "store", pod.Labels["haberdash/server"])
	var scraped []string
	for _, m := range objects[*monitoring.PodMonitor](all) {
		if matches(t, &m.Spec.Selector, labels.Set(pod.Labels)) {
			for _, e := range m.Spec.PodMetricsEndpoints {
				require.True(t, hasPort(pod, *e.Port), *e.Port)
				scraped = append(scraped, *e.Port)
			}
		}
	}
	require.Equal(t, []string{"exporter"}, scraped)
	require.Equal(t, []string{"exporter"}, allowed(t, objects[*network.NetworkPolicy](all), labels.Set(pod.Labels)))
	for _, container := range pod.Spec.Containers {
		require.False(t, *container.SecurityContext.AllowPrivilegeEscalation, container.Name)
		require.Equal(t, []core.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop, container.Name)
	}
}

// allowed lists the ports of a pod that the namespace of Prometheus reaches.
func allowed(t *testing.T, policies []*network.NetworkPolicy, pod labels.Set) (ports []string) {
	for _, p := range policies {
		if !matches(t, &p.Spec.PodSelector, pod) {
			continue
		}
		for _, rule := range p.Spec.Ingress {
			if slices.ContainsFunc(rule.From, func(from network.NetworkPolicyPeer) bool {
				return from.NamespaceSelector != nil && from.NamespaceSelector.MatchLabels["haberdash/observability"] == "true"
			}) {
				for _, port := range rule.Ports {
					ports = append(ports, port.Port.String())
				}
			}
		}
	}
	return ports
}

func matches(t *testing.T, s *meta.LabelSelector, pod labels.Set) bool {
	t.Helper()
	selector, err := meta.LabelSelectorAsSelector(s)
	require.NoError(t, err)
	return selector.Matches(pod)
}

// An app and its sidecar send their spans to the same collector, or a trace has gaps.
func TestAppsAndSidecarsSendTracesToTheCollector(t *testing.T) {
	c := newCheckout(t)
	c.overlays(t)
	all, err := c.render("/deploy/overlays/postgres-redis")
	require.NoError(t, err)
	for _, d := range objects[*apps.Deployment](all) {
		require.Equal(t, "http://collector.monitoring:4318",
			valueOf(d.Spec.Template.Spec.Containers[0], "OTEL_EXPORTER_OTLP_ENDPOINT"), d.Name)
	}
	found := objects[*configuration.Configuration](all)
	require.NotEmpty(t, found)
	for _, f := range found {
		require.Equal(t, "collector.monitoring:4318", f.Spec.TracingSpec.Otel.EndpointAddress, f.Name)
		require.Equal(t, "0.000001", f.Spec.TracingSpec.SamplingRate, f.Name)
	}
}

// A ConfigMap has at most 1 MiB, and each file in deploy/observability that a server reads is in one.
func TestConfigMapsHaveTheFilesOfTheServers(t *testing.T) {
	c := newCheckout(t)
	c.overlays(t)
	all, err := c.render("/deploy/overlays/postgres-redis")
	require.NoError(t, err)
	have := map[string]string{}
	for _, m := range objects[*core.ConfigMap](all) {
		size := 0
		for name, text := range m.Data {
			size += len(text)
			have[name] = text
		}
		require.Less(t, size, 900<<10, m.Name)
	}
	for _, pattern := range []string{"prometheus/rules/*", "grafana/dashboards/*", "alertmanager/*", "collector/*"} {
		files, err := c.Glob("/deploy/observability/" + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, path := range files {
			text, err := c.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(text), have[filepath.Base(path)], path)
		}
	}
}
