// Package runfile reads dapr/apps.yaml, the file that `dapr run -f` starts the apps from, and renders it for one shop:
// its ports, its infrastructure, its environment and its access rules, for `dapr run` and for Tye. No app is named
// here: the file lists them.
package runfile

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"

	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/ports"
	"haberdash/internal/roster"
)

// File is a run file. It keeps members that it does not know.
type File struct {
	Version int    `yaml:"version"`
	Common  Common `yaml:"common"`
	Apps    []App  `yaml:"apps"`
}

// Common is what a run file says of all apps.
type Common struct {
	ConfigFile    string            `yaml:"configFilePath"`
	Resources     []string          `yaml:"resourcesPaths"`
	PlacementHost string            `yaml:"placementHostAddress,omitempty"`
	SchedulerHost string            `yaml:"schedulerHostAddress,omitempty"`
	Env           map[string]string `yaml:"env,omitempty"`
	Rest          map[string]any    `yaml:",inline"`
}

// App is an app and its sidecar.
type App struct {
	AppID        string            `yaml:"appID"`
	Dir          string            `yaml:"appDirPath"`
	Port         int               `yaml:"appPort"`
	HTTPPort     int               `yaml:"daprHTTPPort"`
	GRPCPort     int               `yaml:"daprGRPCPort"`
	InternalPort int               `yaml:"daprInternalGRPCPort"`
	MetricsPort  int               `yaml:"metricsPort"`
	ConfigFile   string            `yaml:"configFilePath,omitempty"`
	Command      []string          `yaml:"command"`
	Env          map[string]string `yaml:"env"` // never empty: the dapr CLI 1.16 panics if only common has one
	Rest         map[string]any    `yaml:",inline"`

	Folder string `yaml:"-"` // in which the command of an app of another folder runs: see joined.go
	Ready  string `yaml:"-"` // path of the check whether the app is ready
}

// healthCheckPath is the member with the path at which the sidecars, or the one of an app, ask whether the app lives.
const healthCheckPath = "appHealthCheckPath"

// HealthPath is the path at which the sidecar of an app asks whether the app lives.
func (f File) HealthPath(a App) string {
	if path, ok := a.Rest[healthCheckPath].(string); ok {
		return path
	}
	path, _ := f.Common.Rest[healthCheckPath].(string)
	return path
}

// operationsVariable is the environment variable with the port for operators of a public app.
const operationsVariable = "OPERATIONS_PORT"

// OperationsPort is the port for operators of a public app, 0 of another.
func (a App) OperationsPort() int {
	port, _ := strconv.Atoi(a.Env[operationsVariable])
	return port
}

// portVariable is the environment variable with the port on which an app listens. The dapr CLI sets it to the port to
// which the sidecar sends, unless the run file sets another.
const portVariable = "APP_PORT"

// Tap makes each app that is not public listen on a port behind the one to which its sidecar sends: see config.Options.
func (f File) Tap(tap func(app string, port, behind int)) {
	for _, a := range f.Apps {
		if a.OperationsPort() == 0 {
			a.Env[portVariable] = strconv.Itoa(a.Port + ports.Behind)
			tap(a.AppID, a.Port, a.Port+ports.Behind)
		}
	}
}

// Source is the run file of a checkout.
func Source(root string) string { return filepath.Join(root, "dapr", "apps.yaml") }

// Rendered is the run file of a run directory.
func Rendered(runDir string) string { return filepath.Join(runDir, "apps.yaml") }

// Read reads a run file. It fails if an app lacks a port, a command or an environment.
func Read(path string) (File, error) {
	var f File
	b, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	for _, a := range f.Apps {
		if a.AppID == "" || a.Port == 0 || a.HTTPPort == 0 || a.GRPCPort == 0 || a.InternalPort == 0 ||
			a.MetricsPort == 0 || len(a.Command) == 0 || len(a.Env) == 0 {
			return f, fmt.Errorf("%s: app %q needs appPort, the four dapr ports, command and env", path, a.AppID)
		}
	}
	return f, nil
}

// Write writes a run file. Only the owner may read it, because it contains the tokens of the apps.
func (f File) Write(path string) error {
	b, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	note := "# Written by the launcher from dapr/apps.yaml; changes here are lost.\n"
	if err := os.WriteFile(path+".new", append([]byte(note), b...), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Render returns the run file with the ports, infrastructure, environment and absolute paths of a shop, and without
// optional apps that it does not run. The options must be complete.
func (f File) Render(o config.Options) File {
	base := filepath.Join(o.Root, "dapr")
	abs := func(p string) string {
		if filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(base, p)
	}
	out := f
	out.Common.ConfigFile = abs(f.Common.ConfigFile)
	out.Common.Resources = nil
	for _, r := range f.Common.Resources {
		r = abs(r)
		for _, c := range o.Choices() {
			if filepath.Dir(r) == filepath.Join(o.Root, "components", c.Kind) {
				r = o.Components(c.Kind, c.Value)
			}
		}
		out.Common.Resources = append(out.Common.Resources, r)
	}
	out.Common.PlacementHost = loopback(o.PortBase + ports.Placement)
	out.Common.SchedulerHost = loopback(o.PortBase + ports.Scheduler)
	out.Common.Env = overridden(o, f.Common.Env)

	out.Apps = nil
	for _, a := range f.Apps {
		if app, _ := roster.Find(a.AppID); app.Optional && !o.Watch {
			continue
		}
		a.Dir = o.RunDir
		a.ConfigFile = configPath(o.RunDir, a.AppID)
		for _, p := range []*int{&a.Port, &a.HTTPPort, &a.GRPCPort, &a.InternalPort, &a.MetricsPort} {
			*p = portIn(o, *p)
		}
		operations := a.OperationsPort()
		a.Env = overridden(o, addressed(o, a.Env))
		if operations > 0 {
			a.Env[operationsVariable] = strconv.Itoa(portIn(o, operations))
		}
		a.Ready = "/readyz"
		if by, replaced := o.Replacement(a.AppID); replaced {
			a = a.replacedBy(o, by)
		}
		maps.Copy(a.Env, o.Env)
		out.Apps = append(out.Apps, a)
	}
	return out.join(o)
}

// portIn returns the port of the shop for a port of the file.
func portIn(o config.Options, port int) int {
	switch {
	case port == ports.DefaultGateway:
		return o.GatewayPort
	case port >= ports.DefaultBase && port < ports.DefaultBase+ports.BlockSize:
		return port - ports.DefaultBase + o.PortBase
	}
	return port
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// addressed replaces the address of the shop on the default port by its address on the port of the gateway.
func addressed(o config.Options, env map[string]string) map[string]string {
	out := maps.Clone(env)
	for k, v := range out {
		if v == localAddress(ports.DefaultGateway) {
			out[k] = localAddress(o.GatewayPort)
		}
	}
	return out
}

func localAddress(port int) string { return fmt.Sprintf("http://localhost:%d", port) }

// overridden lets this process's environment and that of the options replace values, but not add names: RATE_LIMIT=off
// applies to the app whose env in the file has RATE_LIMIT.
func overridden(o config.Options, env map[string]string) map[string]string {
	out := maps.Clone(env)
	for k := range out {
		if v, ok := os.LookupEnv(k); ok {
			out[k] = v
		}
		if v, ok := o.Env[k]; ok {
			out[k] = v
		}
	}
	return out
}

// SidecarToken returns the token that the sidecar of an app demands; empty for an unknown app.
func (f File) SidecarToken(app string) string { return f.variable(app, SidecarToken) }

// AppToken returns the token that an app demands of its sidecar; empty for an unknown app.
func (f File) AppToken(app string) string { return f.variable(app, AppToken) }

func (f File) variable(app, name string) string {
	for _, a := range f.Apps {
		if a.AppID == app {
			return a.Env[name]
		}
	}
	return ""
}

// Variables with the tokens with which an app and its sidecar authenticate to each other.
const (
	AppToken     = "APP_API_TOKEN"
	SidecarToken = "DAPR_API_TOKEN"
)

// Ports lists every port on which the shop of a rendered run file will listen.
func (f File) Ports(o config.Options) []ports.Used {
	var list []ports.Used
	add := func(port int, what string) {
		variable := "PORT_BASE"
		if port == o.GatewayPort {
			variable = "GATEWAY_PORT"
		}
		list = append(list, ports.Used{Port: port, For: what, Variable: variable})
	}
	for i, what := range []string{
		"placement", "placement health", "placement metrics", "placement raft",
		"scheduler", "scheduler health", "scheduler metrics", "etcd client", "etcd peer", "broker",
	} {
		add(o.PortBase+i, what)
	}
	if o.Secure {
		add(o.PortBase+ports.Sentry, "sentry")
		add(o.PortBase+ports.SentryHealth, "sentry health")
		add(o.PortBase+ports.SentryMetrics, "sentry metrics")
	}
	if o.BackingOnly {
		return list
	}
	for _, a := range f.Apps {
		if a.Folder != "" && (a.Port < o.PortBase || a.Port >= o.PortBase+ports.BlockSize) {
			list = append(list, ports.Used{Port: a.Port, For: a.AppID, Variable: "port in its app.yaml"})
		} else {
			add(a.Port, a.AppID)
		}
		if port := a.OperationsPort(); port > 0 {
			add(port, a.AppID+"'s metrics")
		}
		add(a.HTTPPort, a.AppID+"'s sidecar, HTTP")
		add(a.GRPCPort, a.AppID+"'s sidecar, gRPC")
		add(a.InternalPort, a.AppID+"'s sidecar, internal")
		add(a.MetricsPort, a.AppID+"'s sidecar, metrics")
	}
	return list
}
