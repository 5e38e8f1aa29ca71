package launch

import (
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
func infraVars(root string) string { return filepath.Join(root, ".run", "infra", "vars.env") }

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
