package observe

import (
	"fmt"
	"maps"
	"path/filepath"

	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/secrets"
)

// tracingFile has the variables by which apps and sidecars find Jaeger. It exists while the servers run.
func tracingFile(runDir string) string { return filepath.Join(Dir(runDir), "tracing.env") }

// TracingVars returns OpenTelemetry's variables for a shop that is shown by running servers; none otherwise.
func TracingVars(runDir string) (map[string]string, error) {
	// The file of servers that were killed names a port on which nothing listens.
	if running, err := rundir.Running(Dir(runDir)); err != nil || !running {
		return nil, err
	}
	return secrets.ReadFile(tracingFile(runDir))
}

func (o Options) writeTracing(port int) error {
	if o.Tracing == nil {
		return nil
	}
	vars := map[string]string{
		"OTEL_BSP_SCHEDULE_DELAY": "1000", // milliseconds; by default, a trace would be seen after five seconds
	}
	maps.Copy(vars, o.Tracing)
	vars["OTEL_EXPORTER_OTLP_ENDPOINT"] = fmt.Sprintf("http://127.0.0.1:%d", port)
	return secrets.WriteFile(tracingFile(o.RunDir), vars)
}
