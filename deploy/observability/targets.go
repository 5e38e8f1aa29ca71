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
	files := map[string][]byte{}
	write := func(name string) error {
		out, err := json.MarshalIndent(list, "", "  ")
		files["prometheus/targets/"+name+".json"], list = append(out, '\n'), nil
		return err
	}
	if err := write("local"); err != nil {
		return nil, err
	}
	// Those of servers that not every shop uses. The ports are the exporters' defaults.
	for _, s := range []struct {
		name, kind string
		port       int
	}{{"redis", "store", 9121}, {"postgres", "store", 9187}, {"kafka", "broker", 9308}} {
		add(s.name, s.kind, s.port)
		if err := write("servers/" + s.name); err != nil {
			return nil, err
		}
	}
	return files, nil
}
