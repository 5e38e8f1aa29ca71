package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// component is what the launcher reads of a Dapr component file.
type component struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Type     string `yaml:"type"`
		Metadata []struct {
			Name         string `yaml:"name"`
			SecretKeyRef struct {
				Name string `yaml:"name"`
			} `yaml:"secretKeyRef"`
		} `yaml:"metadata"`
	} `yaml:"spec"`
}

// components reads the component files of a directory.
func components(dir string) (list []component, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for dec := yaml.NewDecoder(strings.NewReader(string(b))); ; {
			var c component
			if err := dec.Decode(&c); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

// secretsNeeded are the secrets that the chosen components refer to, each with the component that does.
func (o Options) secretsNeeded() (map[string]string, error) {
	needed := map[string]string{}
	for _, c := range o.choices() {
		list, err := components(filepath.Join(o.Root, "components", c.kind, *c.value))
		if err != nil {
			return nil, err
		}
		for _, component := range list {
			for _, m := range component.Spec.Metadata {
				if name := m.SecretKeyRef.Name; name != "" && needed[name] == "" {
					needed[name] = fmt.Sprintf("%s=%s (component %s)", c.variable, *c.value, component.Metadata.Name)
				}
			}
		}
	}
	return needed, nil
}

// brokersVariable is the secret with the address of Kafka, or of the embedded broker.
const brokersVariable = "KAFKA_BROKERS"

// infraVars is where `make infra` leaves the addresses and passwords of the servers that it has started.
func infraVars(root string) string { return InfraVarsFile(filepath.Join(root, ".run", "infra")) }

// supply gives the secrets that the components need and the launcher does not make: from Env, from the environment,
// or from what `make infra` has left. One that is nowhere is an error that names it and who asks for it.
func (o Options) supply() (map[string]string, error) {
	if o.Secrets != "env" {
		return nil, nil
	}
	needed, err := o.secretsNeeded()
	if err != nil {
		return nil, err
	}
	started, err := readVars(infraVars(o.Root))
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		value, set := o.Env[name]
		if !set {
			value, set = os.LookupEnv(name)
		}
		if !set {
			value, set = started[name]
		}
		switch {
		case set:
			found[name] = value
		case name == brokersVariable && o.PubSub == "embedded":
		default:
			return nil, fmt.Errorf("%s needs the secret %s: set the variable, or start the servers with `make infra`", needed[name], name)
		}
	}
	if o.PubSub == "embedded" {
		found[brokersVariable] = fmt.Sprintf("127.0.0.1:%d", o.PortBase+portBroker)
	}
	return found, nil
}

// servers are the real ones that the chosen components talk to.
func (o Options) servers() (names []string) {
	for _, c := range []struct{ choice, kind, name string }{
		{o.State, "postgres", "postgres"}, {o.PubSub, "kafka", "kafka"}, {o.Mail, "smtp", "smtp"},
	} {
		if c.choice == c.kind {
			names = append(names, c.name)
		}
	}
	if o.State == "redis" || o.PubSub == "redis" {
		names = append(names, "redis")
	}
	return names
}

// WithServers starts the servers that the chosen components need, for a shop or a sidecar of a test's own, in
// <RunDir>/infra, and adds their addresses to Env. They die with this process; stop ends them before. Infra is nil
// where the choices need none.
func (o Options) WithServers(ctx context.Context) (with Options, infra *Infra, stop func(), err error) {
	if o, err = o.complete(); err != nil {
		return o, nil, nil, err
	}
	names := o.servers()
	if len(names) == 0 {
		return o, nil, func() {}, nil
	}
	infra, err = StartInfra(ctx, InfraOptions{Root: o.Root, Dir: filepath.Join(o.RunDir, "infra"), Servers: names, Log: o.Log})
	if err != nil {
		return o, nil, nil, err
	}
	env := maps.Clone(o.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, infra.Vars())
	o.Env = env
	return o, infra, infra.Stop, nil
}
