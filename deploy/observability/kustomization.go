package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kustomization renders the list of ConfigMaps that a cluster needs, from the paths of the other files: kustomize
// cannot read a folder.
func kustomization(files map[string][]byte) []byte {
	var b strings.Builder
	b.WriteString(`# Written by "go run ." in this folder. The servers of a cluster read these ConfigMaps, which
# deploy/components/observability includes.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
generatorOptions:
  disableNameSuffixHash: true # other manifests name them
configMapGenerator:
  - name: haberdash-prometheus
    files: [prometheus.yaml=prometheus/kubernetes.yaml]
  - name: haberdash-alertmanager
    files: [alertmanager/alertmanager.yaml]
  - name: haberdash-collector
    files: [collector/collector.yaml]
  - name: haberdash-grafana-provisioning
    files:
      - datasources.yaml=grafana/provisioning/datasources/shop.yaml
      - dashboards.yaml=grafana/provisioning/dashboards/shop.yaml
`)
	for _, m := range []struct{ name, folder, options string }{
		{"haberdash-rules", "prometheus/rules/", ""},
		// The label makes the sidecar of Grafana's chart load them.
		{"haberdash-dashboards", "grafana/dashboards/", "    options: {labels: {grafana_dashboard: \"1\"}}\n"},
	} {
		fmt.Fprintf(&b, "  - name: %s\n%s    files:\n", m.name, m.options)
		for _, path := range slices.Sorted(maps.Keys(files)) {
			if strings.HasPrefix(path, m.folder) {
				fmt.Fprintf(&b, "      - %s\n", path)
			}
		}
	}
	return []byte(b.String())
}
