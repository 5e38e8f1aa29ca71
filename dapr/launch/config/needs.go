package config

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

	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/secrets"
)

// component is the part of a Dapr component file that says which secrets the component needs.
type component struct {
	Metadata struct {
		Name        string            `yaml:"name"`
		Annotations map[string]string `yaml:"annotations"`
	} `yaml:"metadata"`
	Spec struct {
		Type     string `yaml:"type"`
		Metadata []struct {
			SecretKeyRef struct {
				Name string `yaml:"name"`
			} `yaml:"secretKeyRef"`
		} `yaml:"metadata"`
	} `yaml:"spec"`
	Scopes []string `yaml:"scopes"` // the apps whose sidecars have the component
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

// neededSecrets returns the secrets that the chosen components refer to, each with a text that names the component.
func (o Options) neededSecrets() (map[string]string, error) {
	needed := map[string]string{}
	for _, c := range o.Choices() {
		list, err := components(o.Folder(c.Kind, c.Value))
		if err != nil {
			return nil, err
		}
		for _, component := range list {
			for _, m := range component.Spec.Metadata {
				if name := m.SecretKeyRef.Name; name != "" && needed[name] == "" {
					needed[name] = fmt.Sprintf("%s=%s (component %s)", c.Variable, c.Value, component.Metadata.Name)
				}
			}
		}
	}
	return needed, nil
}

// SecretsOfSidecar returns the names of the secrets that the chosen components of an app refer to.
func (o Options) SecretsOfSidecar(app string) (names []string, err error) {
	for _, c := range o.Choices() {
		list, err := components(o.Components(c.Kind, c.Value))
		if err != nil {
			return nil, err
		}
		for _, component := range list {
			for _, m := range component.Spec.Metadata {
				if m.SecretKeyRef.Name != "" && slices.Contains(component.Scopes, app) {
					names = append(names, m.SecretKeyRef.Name)
				}
			}
		}
	}
	return names, nil
}

// orderAnnotation is the annotation of a message broker that does not deliver the messages of one key in order.
const orderAnnotation = "haberdash/order"

// Ordered reports whether the chosen message broker delivers the messages of one key in order. One that does not says
// so in its component file, with the annotation haberdash/order: none.
func (o Options) Ordered() (bool, error) {
	list, err := components(o.Components("pubsub", o.PubSub))
	for _, c := range list {
		switch order := c.Metadata.Annotations[orderAnnotation]; order {
		case "", "key":
		case "none":
			return false, nil
		default:
			return false, fmt.Errorf("%s: the annotation %s is %q: expected key or none",
				o.Components("pubsub", o.PubSub), orderAnnotation, order)
		}
	}
	return true, err
}

// Chosen returns the folder that the variable of a kind (STATE, PUBSUB, …) chooses, and the types of its components,
// which must have all of these names.
func (o Options) Chosen(variable string, names ...string) (folder string, types []string, err error) {
	for _, c := range o.Choices() {
		if c.Variable != variable {
			continue
		}
		folder = o.Folder(c.Kind, c.Value)
		list, err := components(folder)
		if err != nil {
			return folder, nil, err
		}
		for _, name := range names {
			i := slices.IndexFunc(list, func(c component) bool { return c.Metadata.Name == name })
			if i < 0 {
				return folder, nil, fmt.Errorf("%s=%s: no file of %s has a component with the name %s",
					variable, c.Value, folder, name)
			}
			if !slices.Contains(types, list[i].Spec.Type) {
				types = append(types, list[i].Spec.Type)
			}
		}
	}
	return folder, types, nil
}

// brokersVariable is the secret with the address of Kafka, or of the embedded broker.
const brokersVariable = "KAFKA_BROKERS"

// infraVars is the file in which `make infra` writes the addresses and passwords of the servers that it starts.
func infraVars(root string) string { return infra.VarsFile(filepath.Join(root, ".run", "infra")) }

// SecretValues returns the secrets that the chosen components need. They come from Env, from the environment, or from
// the servers of `make infra`, in this order. For a secret that is in none of them, the error names the secret and the
// component.
func (o Options) SecretValues() (map[string]string, error) {
	if o.Secrets != "env" {
		return nil, nil
	}
	needed, err := o.neededSecrets()
	if err != nil {
		return nil, err
	}
	started, err := secrets.ReadFile(infraVars(o.Root))
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
			return nil, fmt.Errorf("%s needs the secret %s: set the variable, or start the servers with `make infra`",
				needed[name], name)
		}
	}
	if o.PubSub == "embedded" {
		found[brokersVariable] = fmt.Sprintf("127.0.0.1:%d", o.PortBase+ports.Broker)
	}
	return found, nil
}

// servers lists the real servers that the chosen components need.
func (o Options) servers() (names []string) {
	for _, c := range []struct{ choice, kind, name string }{
		{o.State, "postgres", "postgres"}, {o.State, "mysql", "mysql"},
		{o.PubSub, "kafka", "kafka"}, {o.PubSub, "rabbitmq", "rabbitmq"},
		{o.PubSub, "nats", "nats"}, {o.Mail, "smtp", "smtp"},
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

// GivenServers is a variable for tests on servers that run already: if it is set, WithServers starts none, and the
// components find theirs by the variables of the environment.
const GivenServers = "GIVEN_SERVERS"

// WithServers starts the servers that the chosen components need in <RunDir>/infra, for the shop or sidecar of a test,
// and returns the options with their addresses in Env. stop ends the servers, and they die with this process. servers
// is nil if the choices need none.
func (o Options) WithServers(ctx context.Context) (with Options, servers *infra.Servers, stop func(), err error) {
	if o, err = o.Complete(); err != nil {
		return o, nil, nil, err
	}
	if os.Getenv(GivenServers) != "" {
		o.Env, err = o.SecretValues()
		return o, nil, func() {}, err
	}
	names := o.servers()
	if len(names) == 0 {
		return o, nil, func() {}, nil
	}
	servers, err = infra.Start(ctx, infra.Options{
		Root: o.Root, Dir: filepath.Join(o.RunDir, "infra"), Servers: names, Log: o.Log,
	})
	if err != nil {
		return o, nil, nil, err
	}
	env := maps.Clone(o.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, servers.Vars())
	o.Env = env
	return o, servers, servers.Stop, nil
}
