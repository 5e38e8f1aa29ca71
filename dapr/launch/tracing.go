package launch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"strings"

	"haberdash/dapr/launch/apps"
	"haberdash/dapr/launch/observe"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/runfile"
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

// TracingSettings are OpenTelemetry's variables of this program, such as the part of the traces to record.
func TracingSettings() map[string]string { return tracingVariables(nil) }

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

// chooseTracing decides where apps and sidecars export their spans: where OpenTelemetry's variables say, or else to the
// servers of `make observe` while they run.
func (s *Shop) chooseTracing() error {
	s.tracing = tracingVariables(s.opts.Env)
	if tracing(s.tracing) || tracingRefused(s.tracing) {
		return nil
	}
	vars, err := observe.TracingVars(s.opts.RunDir)
	if err != nil || len(vars) == 0 {
		return err
	}
	maps.Copy(vars, s.tracing)
	s.tracing = tracingVariables(vars)
	return nil
}

// tracingRefused reports whether the variables turn tracing off, and do not only lack an address.
func tracingRefused(vars map[string]string) bool {
	return strings.EqualFold(vars["OTEL_SDK_DISABLED"], "true") || vars["OTEL_TRACES_EXPORTER"] == "none"
}

// exportsTo is the address to which spans go, or rundir.NoTraces.
func exportsTo(vars map[string]string) string {
	if !tracing(vars) {
		return rundir.NoTraces
	}
	return cmp.Or(vars["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], vars["OTEL_EXPORTER_OTLP_ENDPOINT"])
}

// FollowObserve restarts the apps with their sidecars, one after the other, if they export no traces and the servers of
// `make observe` have started meanwhile: OpenTelemetry reads its variables only at the start of a process. The shop
// stays up, but for what the app that just restarts would answer. After an error the shop is as healthy as Ready says.
func (s *Shop) FollowObserve(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	before := exportsTo(s.tracing)
	if err := s.chooseTracing(); err != nil {
		return err
	}
	if exportsTo(s.tracing) == before {
		return nil
	}
	if err := s.writeConfigurations(); err != nil {
		return err
	}
	for _, a := range s.file.Apps {
		s.Phase("traces: restarting " + a.AppID)
		if err := s.restartTraced(ctx, a); err != nil {
			err = fmt.Errorf("restart %s: %w", a.AppID, err)
			s.Update(func(st *rundir.State) { st.Status, st.Phase, st.Error = rundir.Broken, "", err.Error() })
			return err
		}
	}
	s.Update(func(st *rundir.State) { st.Phase, st.Traces = "", exportsTo(s.tracing) })
	return nil
}

// restartTraced restarts an app and its sidecar with the variables of tracing, and waits until both are ready.
func (s *Shop) restartTraced(ctx context.Context, a runfile.App) error {
	sidecar := apps.SidecarOf(a.AppID)
	for _, name := range []string{a.AppID, sidecar} { // the app first: it finishes its requests through the sidecar
		if err := s.Terminate(name); err != nil {
			return err
		}
	}
	ofApp, ofSidecar := maps.Clone(s.tracing), maps.Clone(s.tracing)
	ofApp[serviceName] = a.Env[serviceName]
	delete(ofSidecar, serviceName)
	if err := s.RestartWith(sidecar, ofSidecar); err != nil {
		return err
	}
	if s.isDetached(a.AppID) { // who runs it finds the variables in its file
		s.SetVariables(a.AppID, ofApp)
		_, err := s.writeDetached(a.AppID)
		return err
	}
	if err := s.RestartWith(a.AppID, ofApp); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancel()
	return s.Await(ctx, nil, a.AppID, sidecar)
}

// serviceName is the variable with the name of an app in traces. A sidecar's name is the id of its app.
const serviceName = "OTEL_SERVICE_NAME"
