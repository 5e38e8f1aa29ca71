package byhand

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/launch/supervisor"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// tye is what Tye knows of a file, with the rules of its last version (github.com/dotnet/tye: ApplicationFactory,
// DaprExtension, PortAssigner, ProcessRunner, Application.PopulateEnvironment). It refuses members that Tye would.
type tye struct {
	Name       string `yaml:"name"`
	Extensions []struct {
		Name           string                `yaml:"name"`
		ComponentsPath string                `yaml:"components-path"`
		PlacementPort  int                   `yaml:"placement-port"`
		LogLevel       string                `yaml:"log-level"`
		Services       map[string]tyeSidecar `yaml:"services"`
	} `yaml:"extensions"`
	Services []tyeService `yaml:"services"`

	folder string   // of the file, in which the sidecars run
	cwd    string   // of tye
	env    []string // of tye
}

type tyeSidecar struct {
	Config      string `yaml:"config"`
	HTTPPort    int    `yaml:"http-port"`
	GRPCPort    int    `yaml:"grpc-port"`
	MetricsPort int    `yaml:"metrics-port"`
}

type tyeService struct {
	Name       string `yaml:"name"`
	Executable string `yaml:"executable"`
	Dir        string `yaml:"workingDirectory"`
	Bindings   []struct {
		Protocol string `yaml:"protocol"`
		Port     int    `yaml:"port"`
	} `yaml:"bindings"`
	Env []struct{ Name, Value string } `yaml:"env"`
}

// binding is a binding of a service or of its sidecar, which all services are told.
type binding struct {
	service, name, protocol string
	port                    int
}

func readTye(t *testing.T, path, cwd string, env []string) tye {
	t.Helper()
	text, err := os.Open(path)
	require.NoError(t, err)
	defer text.Close()
	decoder := yaml.NewDecoder(text)
	decoder.KnownFields(true)
	file := tye{folder: filepath.Dir(path), cwd: cwd, env: env}
	require.NoError(t, decoder.Decode(&file))
	require.Len(t, file.Extensions, 1)
	require.Equal(t, "dapr", file.Extensions[0].Name)
	return file
}

// initialized is Tye's check that Dapr is installed.
func (f tye) initialized(t *testing.T) {
	t.Helper()
	cmd := exec.Command(f.program(t, "dapr"), "--version")
	cmd.Env = f.env
	out, err := cmd.Output()
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^Runtime version: (.+)$`).FindSubmatch(out)
	require.NotNil(t, version, "%s", out)
	require.NotEqual(t, "n/a", string(version[1]), "Dapr has not been initialized (e.g. via `dapr init`).")
}

// program finds an executable as .NET does: from the working directory of Tye, then on the PATH. Tye prefers
// /usr/local/bin/dapr, which may be of any version on the machine that tests; here it is that on the PATH.
func (f tye) program(t *testing.T, name string) string {
	t.Helper()
	paths := []string{filepath.Join(f.cwd, name)}
	for _, kv := range f.env {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			for _, dir := range filepath.SplitList(path) {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
	}
	i := slices.IndexFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Mode().IsRegular()
	})
	require.GreaterOrEqual(t, i, 0, "no program %s", name)
	return paths[i]
}

// specs returns the processes that Tye starts: each app, and each sidecar under the name that Tye gives it.
func (f tye) specs(t *testing.T) (list []supervisor.Spec) {
	t.Helper()
	var bindings []binding
	for _, s := range f.Services {
		require.Len(t, s.Bindings, 1)
		require.Equal(t, "http", s.Bindings[0].Protocol, "without it, Tye starts no sidecar")
		sidecar := f.Extensions[0].Services[s.Name]
		bindings = append(bindings, binding{s.Name, "", "http", s.Bindings[0].Port},
			binding{s.Name + "-dapr", "grpc", "https", sidecar.GRPCPort},
			binding{s.Name + "-dapr", "http", "http", sidecar.HTTPPort},
			binding{s.Name + "-dapr", "metrics", "http", sidecar.MetricsPort})
	}
	for _, s := range f.Services {
		port, sidecar := s.Bindings[0].Port, f.Extensions[0].Services[s.Name]
		env := environment(s.Name, bindings)
		for _, v := range s.Env {
			env[v.Name] = v.Value
		}
		env["DAPR_GRPC_PORT"], env["DAPR_HTTP_PORT"] = strconv.Itoa(sidecar.GRPCPort), strconv.Itoa(sidecar.HTTPPort)
		list = append(list, supervisor.Spec{
			Name: s.Name, Kind: process.KindApp, Healthy: supervisor.HTTPCheck(port, "/readyz"),
			Command: process.Command{
				Args: []string{f.program(t, s.Executable)}, Dir: filepath.Join(f.folder, s.Dir), Env: process.With(f.env, env),
			},
		})

		env = environment(s.Name+"-dapr", bindings)
		env["APP_PORT"], env["METRICS_PORT"] = strconv.Itoa(port), strconv.Itoa(sidecar.MetricsPort)
		env["DAPR_GRPC_PORT"], env["DAPR_HTTP_PORT"] = strconv.Itoa(sidecar.GRPCPort), strconv.Itoa(sidecar.HTTPPort)
		args := f.arguments(t, s.Name)
		for name, value := range env {
			args = strings.ReplaceAll(args, "%"+name+"%", value)
		}
		words := strings.Fields(strings.ReplaceAll(args, `"`, "")) // no path here has spaces
		list = append(list, supervisor.Spec{
			Name: s.Name + "-dapr", Kind: process.KindCLI, Healthy: supervisor.HTTPCheck(sidecar.HTTPPort, "/v1.0/healthz"),
			Command: process.Command{
				Args: append([]string{f.program(t, "dapr")}, words...), Dir: f.folder, Env: process.With(f.env, env),
			},
		})
	}
	return list
}

// arguments are those of the dapr CLI for the sidecar of an app, with names of variables where Tye has them.
func (f tye) arguments(t *testing.T, app string) string {
	t.Helper()
	extension := f.Extensions[0]
	args := "run --app-id " + app +
		" --dapr-grpc-port %DAPR_GRPC_PORT% --dapr-http-port %DAPR_HTTP_PORT% --metrics-port %METRICS_PORT%" +
		" --app-port %APP_PORT%" + fmt.Sprintf(" --placement-host-address localhost:%d", extension.PlacementPort) +
		" --components-path " + extension.ComponentsPath
	path := filepath.Join(extension.ComponentsPath, extension.Services[app].Config+".yaml")
	require.FileExists(t, filepath.Join(f.cwd, path), "Could not find dapr config. Skipping...")
	return args + ` --config "` + path + `" --log-level ` + extension.LogLevel
}

// environment is what Tye sets for every process, beside its own environment: the ports of the process, and where all
// others are.
func environment(name string, bindings []binding) map[string]string {
	env := map[string]string{
		"DOTNET_ENVIRONMENT": "Development", "ASPNETCORE_ENVIRONMENT": "Development", "APP_INSTANCE": name + "_0a1b2c3d4e",
	}
	var urls, ports []string
	for _, b := range bindings {
		key, underscored := strings.ToUpper(b.service), strings.ToUpper(b.service)
		if b.name != "" {
			key, underscored = key+"__"+strings.ToUpper(b.name), underscored+"_"+strings.ToUpper(b.name)
		}
		port := strconv.Itoa(b.port)
		maps.Copy(env, map[string]string{
			"SERVICE__" + key + "__PROTOCOL": b.protocol, underscored + "_SERVICE_PROTOCOL": b.protocol,
			"SERVICE__" + key + "__PORT": port, underscored + "_SERVICE_PORT": port,
			"SERVICE__" + key + "__HOST": "localhost", underscored + "_SERVICE_HOST": "localhost",
		})
		if b.service == name {
			urls, ports = append(urls, b.protocol+"://localhost:"+port), append(ports, port)
			if b.protocol == "https" {
				env["HTTPS_PORT"] = port
			}
		}
	}
	env["ASPNETCORE_URLS"], env["PORT"] = strings.Join(urls, ";"), strings.Join(ports, ";")
	return env
}

// The commands of docs/operations.md: make backing, the environment from .run/env, and tye run, which these functions
// stand for. The file is that of the checkout; only the ports differ.
func TestTyeStartsTheShop(t *testing.T) {
	t.Parallel()
	dir, root := checkout(t)
	runDir := filepath.Join(dir, ".run")
	s, err := launch.Start(t.Context(), config.Options{
		Root: root, RunDir: runDir, FreePorts: true, BackingOnly: true, Log: t.Output(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(t.Context())) })
	text, err := os.ReadFile(filepath.Join(root, "tye.yaml"))
	require.NoError(t, err)
	path := filepath.Join(dir, "tye.yaml")
	require.NoError(t, os.WriteFile(path, []byte(moved(string(text), s.State().PortBase)), 0o600))

	vars, err := secrets.ReadShellFile(launch.EnvFile(runDir))
	require.NoError(t, err)
	vars["PATH"] = filepath.Join(runDir, "tools", "bin") + ":" + os.Getenv("PATH")
	file := readTye(t, path, dir, process.Environment(vars))
	file.initialized(t)
	var names []string
	for _, spec := range file.specs(t) {
		spec.Command.Log = filepath.Join(runDir, "logs", spec.Name+".log")
		require.NoError(t, s.Supervisor.Start(spec))
		names = append(names, spec.Name)
	}
	require.Len(t, names, 2*len(roster.Apps()))
	await(t, s.Set, names...)

	buy(t, s.GatewayURL(), s.MailDir())

	// Flags that Tye has no setting for: an access token exceeds the default of 4 KB for headers.
	answer, err := api.New(s.GatewayURL()).Do(t.Context(), api.Request{
		Method: http.MethodGet, Path: "/api/v1/products",
		Header: map[string]string{"Accept-Language": strings.Repeat("de,", 2000)},
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, "%s", answer.Body)
}
