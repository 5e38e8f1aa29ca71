package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// targets renders what Prometheus scrapes of a shop that `make up` has started with its default ports, for
// deploy/compose/observability.yaml. `make observe` writes a list of its own, with the ports of the running shop.
func targets() (map[string][]byte, error) {
	text, err := os.ReadFile("../../dapr/apps.yaml")
	if err != nil {
		return nil, err
	}
	var run struct {
		Apps []struct {
			ID          string `yaml:"appID"`
			Port        int    `yaml:"appPort"`
			MetricsPort int    `yaml:"metricsPort"`
			Env         map[string]string
		}
	}
	if err := yaml.Unmarshal(text, &run); err != nil {
		return nil, fmt.Errorf("dapr/apps.yaml: %w", err)
	}
	type target struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	var list []target
	add := func(app, kind string, port int) {
		list = append(list, target{[]string{fmt.Sprintf("127.0.0.1:%d", port)},
			map[string]string{"app": app, "kind": kind}})
	}
	for _, a := range run.Apps {
		port := a.Port
		if operations, err := strconv.Atoi(a.Env["OPERATIONS_PORT"]); err == nil {
			port = operations
		}
		add(a.ID, "app", port)
		add(a.ID, "sidecar", a.MetricsPort)
	}
	// The offsets are those of dapr/launch/ports.
	add("placement", "daprcontrol", 23102)
	add("scheduler", "daprcontrol", 23106)
	add("node", "machine", 9100)
	out, err := json.MarshalIndent(list, "", "  ")
	return map[string][]byte{"prometheus/targets/local.json": append(out, '\n')}, err
}
