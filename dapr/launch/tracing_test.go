package launch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppsAndSidecarsUnderstandTheEndpointAlike(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "")
	for name, test := range map[string]struct {
		set, want map[string]string
		traced    bool
	}{
		"no collector": {set: map[string]string{"LOG_LEVEL": "info"}, want: map[string]string{}},
		"off": {
			set:  map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "TRUE"},
			want: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "TRUE"},
		},
		"plain": {
			set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"},
			want: map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
				"OTEL_EXPORTER_OTLP_INSECURE": "true",
			},
			traced: true,
		},
		"secure": {
			set: map[string]string{
				"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
			},
			want: map[string]string{
				"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
			},
			traced: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.want["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio" // of this program's environment
			vars := tracingVariables(test.set)
			require.Equal(t, test.want, vars)
			require.Equal(t, test.traced, tracing(vars))
		})
	}
}
