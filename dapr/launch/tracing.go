package launch

import (
	"cmp"
	"maps"
	"os"
	"strings"

	"haberdash/internal/telemetry"
)

// tracingPrefix begins the names of OpenTelemetry's standard variables, of which apps and sidecars get all.
const tracingPrefix = "OTEL_"

// tracingVariables are OpenTelemetry's variables: those of this program, those of set, and those without which apps and
// sidecars would understand the endpoint differently.
func tracingVariables(set map[string]string) map[string]string {
	vars := map[string]string{}
	for _, kv := range os.Environ() {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, tracingPrefix) {
			vars[name] = value
		}
	}
	maps.Copy(vars, set)
	maps.DeleteFunc(vars, func(name, value string) bool { return !strings.HasPrefix(name, tracingPrefix) || value == "" })
	if !tracing(vars) {
		return vars
	}
	// Dapr's default is grpc, against the specification, and it does not take "insecure" from the scheme of the address.
	if vars["OTEL_EXPORTER_OTLP_PROTOCOL"] == "" {
		vars["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
	}
	endpoint := cmp.Or(vars["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], vars["OTEL_EXPORTER_OTLP_ENDPOINT"])
	if strings.HasPrefix(endpoint, "http://") && vars["OTEL_EXPORTER_OTLP_INSECURE"] == "" {
		vars["OTEL_EXPORTER_OTLP_INSECURE"] = "true"
	}
	return vars
}

// tracing reports whether the variables ask for an export of traces.
func tracing(vars map[string]string) bool {
	return telemetry.ExportConfigured(func(name string) string { return vars[name] })
}

// tracingNames are the names of OpenTelemetry's variables that this program has.
func tracingNames() (names []string) {
	for name := range tracingVariables(nil) {
		names = append(names, name)
	}
	return names
}
