package runfile

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch/ports"
)

// Tye (https://github.com/dotnet/tye, src/Microsoft.Tye.Extensions/Dapr) gives all sidecars one folder of components
// and looks for their configurations below it. It runs the sidecars in the folder of its file and the apps in their
// workingDirectory, and it looks for executables and for the folder of components from where it was started.

// tyeFolder is the folder of the components for Tye in a run directory.
const tyeFolder = "tye"

// TyeFile is the file for Tye in a run directory.
func TyeFile(runDir string) string { return filepath.Join(runDir, "tye.yaml") }

type (
	tyeFile struct {
		Name       string         `yaml:"name"`
		Extensions []tyeExtension `yaml:"extensions"`
		Services   []tyeService   `yaml:"services"`
	}
	tyeExtension struct {
		Name       string    `yaml:"name"`
		Components string    `yaml:"components-path"`
		Placement  int       `yaml:"placement-port"`
		LogLevel   any       `yaml:"log-level,omitempty"`
		Services   yaml.Node `yaml:"services"` // by app, a tyeSidecar
	}
	tyeSidecar struct {
		Config      string `yaml:"config"`
		HTTPPort    int    `yaml:"http-port"`
		GRPCPort    int    `yaml:"grpc-port"`
		MetricsPort int    `yaml:"metrics-port"`
	}
	tyeService struct {
		Name       string        `yaml:"name"`
		Executable string        `yaml:"executable"`
		Args       string        `yaml:"args,omitempty"`
		Dir        string        `yaml:"workingDirectory"`
		Bindings   []tyeBinding  `yaml:"bindings"`
		Env        []tyeVariable `yaml:"env"`
	}
	tyeBinding struct {
		Protocol string `yaml:"protocol"`
		Port     int    `yaml:"port"`
	}
	tyeVariable struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	}
)

// Tye returns the apps of the file for Tye, as YAML: with the run directory runDir and the ports of the control plane
// from base on. The port of an app is a variable of the app, because Tye sets PORT only.
func (f File) Tye(runDir string, base int) string {
	sidecars := yaml.Node{Kind: yaml.MappingNode}
	file := tyeFile{Name: "haberdash"}
	for _, a := range f.Apps {
		var settings yaml.Node
		_ = settings.Encode(tyeSidecar{"config/" + a.AppID, a.HTTPPort, a.GRPCPort, a.MetricsPort})
		sidecars.Content = append(sidecars.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: a.AppID}, &settings)
		env := map[string]string{"APP_PORT": strconv.Itoa(a.Port)}
		maps.Copy(env, f.Common.Env)
		maps.Copy(env, a.Env)
		program := a.Command[0]
		if !filepath.IsAbs(program) {
			program = filepath.Join(runDir, program)
		}
		service := tyeService{
			Name: a.AppID, Executable: filepath.ToSlash(program), Args: strings.Join(a.Command[1:], " "), Dir: runDir,
			Bindings: []tyeBinding{{"http", a.Port}},
		}
		for _, name := range slices.Sorted(maps.Keys(env)) {
			service.Env = append(service.Env, tyeVariable{name, env[name]})
		}
		file.Services = append(file.Services, service)
	}
	components := filepath.ToSlash(filepath.Join(runDir, tyeFolder))
	file.Extensions = []tyeExtension{
		{"dapr", components, base + ports.Placement, f.Common.Rest["logLevel"], sidecars},
	}
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	_ = encoder.Encode(file) // a struct of strings and numbers
	return b.String()
}

// WriteTye writes what Tye needs into the run directory of a rendered run file: the folder of components with the
// configurations of the sidecars, and a file for Tye with the ports and the environment of this shop.
func (f File) WriteTye(runDir string, base int) error {
	folder := filepath.Join(runDir, tyeFolder)
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(folder, "config"), 0o700); err != nil {
		return err
	}
	for i, dir := range f.Common.Resources {
		files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil {
			return err
		}
		for _, path := range files {
			// Two folders may have files of one name.
			to := filepath.Join(folder, fmt.Sprintf("%d-%s", i, filepath.Base(path)))
			if err := writeAbsolute(path, to, runDir); err != nil {
				return err
			}
		}
	}
	for _, a := range f.Apps {
		to := filepath.Join(folder, "config", a.AppID+".yaml")
		if err := writeAbsolute(a.ConfigFile, to, runDir); err != nil {
			return err
		}
	}
	note := "# Written by the launcher; changes here are lost.\n"
	return os.WriteFile(TyeFile(runDir), []byte(note+f.Tye(runDir, base)), 0o600)
}

// writeAbsolute copies resources of Dapr and makes their paths absolute. Our paths are relative to the run directory,
// in which `dapr run` starts the sidecars.
func writeAbsolute(from, to, runDir string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	for decoder := yaml.NewDecoder(strings.NewReader(string(text))); ; {
		var resource yaml.Node
		if err := decoder.Decode(&resource); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		makeAbsolute(&resource, runDir)
		if err := encoder.Encode(&resource); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	return os.WriteFile(to, []byte(b.String()), 0o600)
}

// makeAbsolute makes the paths of a resource absolute: the files of SQLite, and the directory of bindings.localstorage.
func makeAbsolute(n *yaml.Node, runDir string) {
	for _, child := range n.Content {
		makeAbsolute(child, runDir)
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	value := func(key string) *yaml.Node {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
		return nil
	}
	if name, v := value("name"), value("value"); name != nil && v != nil && name.Value == "rootPath" {
		if !filepath.IsAbs(v.Value) {
			v.Value = filepath.Join(runDir, v.Value)
		}
	}
	for _, v := range []*yaml.Node{value("value"), value("connectionString")} {
		if v == nil {
			continue
		}
		path, ok := strings.CutPrefix(v.Value, "file:")
		if ok && !filepath.IsAbs(path) && !strings.HasPrefix(path, ":") { // file::memory: is no path
			v.Value = "file:" + filepath.Join(runDir, path)
		}
	}
}

// sidecarFlags maps the members of a run file to the flags of daprd for which Tye has no setting.
var sidecarFlags = map[string]string{
	"apiListenAddresses": "dapr-listen-addresses", "maxBodySize": "max-body-size", "readBufferSize": "read-buffer-size",
	"enableAppHealthCheck": "enable-app-health-check", "appHealthCheckPath": "app-health-check-path",
	"appHealthProbeInterval": "app-health-probe-interval", "appHealthProbeTimeout": "app-health-probe-timeout",
}

// SidecarFlags returns the flags of the sidecar of an app for which Tye has no setting.
func (f File) SidecarFlags(a App) []string {
	flags := []string{"--scheduler-host-address=" + f.Common.SchedulerHost}
	for _, member := range slices.Sorted(maps.Keys(sidecarFlags)) {
		value, set := a.Rest[member]
		if !set {
			value, set = f.Common.Rest[member]
		}
		if set {
			flags = append(flags, fmt.Sprintf("--%s=%v", sidecarFlags[member], value))
		}
	}
	return flags
}
