package launch

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A runFile is dapr/apps.yaml, the file that `dapr run -f` reads. It is the one list of apps, ports and
// commands: nothing in this package names an app. Members that need no change are carried along.
type runFile struct {
	Version int       `yaml:"version"`
	Common  runCommon `yaml:"common"`
	Apps    []runApp  `yaml:"apps"`
}

type runCommon struct {
	ConfigFile    string            `yaml:"configFilePath"`
	Resources     []string          `yaml:"resourcesPaths"`
	PlacementHost string            `yaml:"placementHostAddress"`
	SchedulerHost string            `yaml:"schedulerHostAddress"`
	Env           map[string]string `yaml:"env,omitempty"`
	Rest          map[string]any    `yaml:",inline"`
}

type runApp struct {
	AppID        string            `yaml:"appID"`
	Dir          string            `yaml:"appDirPath"`
	Port         int               `yaml:"appPort"`
	HTTPPort     int               `yaml:"daprHTTPPort"`
	GRPCPort     int               `yaml:"daprGRPCPort"`
	InternalPort int               `yaml:"daprInternalGRPCPort"`
	MetricsPort  int               `yaml:"metricsPort"`
	ConfigFile   string            `yaml:"configFilePath,omitempty"`
	Command      []string          `yaml:"command"`
	Env          map[string]string `yaml:"env"` // never empty: the dapr CLI 1.16 panics where only common has one
	Rest         map[string]any    `yaml:",inline"`
}

func runFilePath(root string) string { return filepath.Join(root, "dapr", "apps.yaml") }

func readRunFile(path string) (runFile, error) {
	var f runFile
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

// render returns the run file with this shop's ports, component choices, environment and absolute paths.
func (f runFile) render(o Options) runFile {
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
		for _, c := range o.choices() {
			if kind := filepath.Join(o.Root, "components", c.kind); filepath.Dir(r) == kind {
				r = filepath.Join(kind, *c.value)
			}
		}
		out.Common.Resources = append(out.Common.Resources, r)
	}
	out.Common.PlacementHost = o.movedAddress(f.Common.PlacementHost)
	out.Common.SchedulerHost = o.movedAddress(f.Common.SchedulerHost)
	out.Common.Env = o.overlaid(f.Common.Env)

	out.Apps = nil
	for _, a := range f.Apps {
		a.Dir = o.RunDir
		if o.Secure {
			a.ConfigFile = configPath(o.RunDir, a.AppID)
		}
		for _, p := range []*int{&a.Port, &a.HTTPPort, &a.GRPCPort, &a.InternalPort, &a.MetricsPort} {
			*p = o.moved(*p)
		}
		a.Env = o.overlaid(a.Env)
		maps.Copy(a.Env, o.Env)
		out.Apps = append(out.Apps, a)
	}
	return out
}

// moved maps a port of the file to this shop's.
func (o Options) moved(port int) int {
	switch {
	case port == DefaultGatewayPort:
		return o.GatewayPort
	case port >= DefaultPortBase && port < DefaultPortBase+blockSize:
		return port - DefaultPortBase + o.PortBase
	}
	return port
}

func (o Options) movedAddress(address string) string {
	host, port, ok := strings.Cut(address, ":")
	n, err := strconv.Atoi(port)
	if !ok || err != nil {
		return address
	}
	return fmt.Sprintf("%s:%d", host, o.moved(n))
}

// overlaid lets this process's environment replace the values, never add names: RATE_LIMIT=off reaches
// the app whose env in the file has RATE_LIMIT.
func (o Options) overlaid(env map[string]string) map[string]string {
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

func (f runFile) write(path string) error {
	b, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	note := "# Written by the launcher from dapr/apps.yaml; changes here are lost.\n"
	return os.WriteFile(path, append([]byte(note), b...), 0o644)
}

// ports lists every port that the shop will listen on.
func (o Options) ports(f runFile) []usedPort {
	var list []usedPort
	add := func(port int, what string) {
		variable := "PORT_BASE"
		if port == o.GatewayPort {
			variable = "GATEWAY_PORT"
		}
		list = append(list, usedPort{port, what, variable})
	}
	for i, what := range []string{
		"placement", "placement health", "placement metrics", "placement raft",
		"scheduler", "scheduler health", "scheduler metrics", "etcd client", "etcd peer", "broker",
	} {
		add(o.PortBase+i, what)
	}
	if o.Secure {
		add(o.PortBase+portSentry, "sentry")
		add(o.PortBase+portSentryHealth, "sentry health")
	}
	if o.BackingOnly {
		return list
	}
	for _, a := range f.Apps {
		add(a.Port, a.AppID)
		add(a.HTTPPort, a.AppID+"'s sidecar, HTTP")
		add(a.GRPCPort, a.AppID+"'s sidecar, gRPC")
		add(a.InternalPort, a.AppID+"'s sidecar, internal")
		add(a.MetricsPort, a.AppID+"'s sidecar, metrics")
	}
	return list
}
