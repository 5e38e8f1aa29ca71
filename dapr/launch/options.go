// Package launch builds the local toolchain, starts a whole shop under `dapr run -f`, watches it and
// stops it without leaving a process or port behind. `make up` and the tests use the same code.
package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options say what to start and where. The zero value is the embedded default on the default ports.
type Options struct {
	Root   string // the checkout; default: the nearest parent directory with module haberdash
	RunDir string // data, logs and state; default: <Root>/.run

	State, PubSub, Mail, Secrets string // directories below components/<kind>/; default sqlite, embedded, files, env

	FreePorts   bool // take any free block of ports instead of PortBase and GatewayPort
	PortBase    int  // first port of all but the gateway's; default DefaultPortBase
	GatewayPort int  // default DefaultGatewayPort, or one of the free block

	// Env is given to every app, over what dapr/apps.yaml says and over this process's environment.
	Env map[string]string

	// Secure starts sentry and has the sidecars refuse each other what dapr/secure does not allow.
	Secure bool

	// Tags are build tags of the apps, for tests; then RunDir is not the default.
	Tags []string

	Log          io.Writer     // progress, a line each; default: none
	System       bool          // use the dapr that `dapr init --slim` installed
	BackingOnly  bool          // placement, scheduler and broker only
	SkipBuild    bool          // the apps and tools are known to be built
	StartTimeout time.Duration // default 90 s
}

// OptionsFromEnv reads the variables that `make up` documents. It fails on a port that is no number.
func OptionsFromEnv() (Options, error) {
	o := Options{
		RunDir:  os.Getenv("RUN_DIR"),
		State:   os.Getenv("STATE"),
		PubSub:  os.Getenv("PUBSUB"),
		Mail:    os.Getenv("MAIL"),
		Secrets: os.Getenv("SECRETS"),
	}
	switch v := os.Getenv("DAPR"); v {
	case "":
	case "system":
		o.System = true
	default:
		return o, fmt.Errorf("DAPR=%s is unknown: use DAPR=system for an installed Dapr, or leave it out", v)
	}
	switch v := os.Getenv("SECURE"); v {
	case "", "0":
	case "1":
		o.Secure = true
	default:
		return o, fmt.Errorf("SECURE=%s is unknown: use SECURE=1 for mutual TLS and access rules, or leave it out", v)
	}
	for name, to := range map[string]*int{"GATEWAY_PORT": &o.GatewayPort, "PORT_BASE": &o.PortBase} {
		v := os.Getenv(name)
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 65535-blockSize {
			return o, fmt.Errorf("%s=%s is not a port between 1 and %d", name, v, 65535-blockSize)
		}
		*to = n
	}
	return o, nil
}

// complete fills in defaults, makes paths absolute and checks the component choices.
func (o Options) complete() (Options, error) {
	var err error
	if o.Root, o.RunDir, err = places(o.Root, o.RunDir, ".run"); err != nil {
		return o, err
	}
	if len(o.Tags) > 0 && o.RunDir == filepath.Join(o.Root, ".run") {
		return o, errors.New("apps with build tags need a run directory of their own: the default one has the real ones")
	}
	if o.Secure && o.System {
		return o, errors.New("SECURE=1 needs the sidecar that is built here, which can be told where sentry is: leave DAPR=system out")
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 90 * time.Second
	}
	if o.PortBase == 0 {
		o.PortBase = DefaultPortBase
	}
	if o.GatewayPort == 0 && !o.FreePorts {
		o.GatewayPort = DefaultGatewayPort
	}
	for _, c := range o.choices() {
		if *c.value == "" {
			*c.value = c.fallback
		}
		if err := checkChoice(o.Root, c.kind, c.variable, *c.value); err != nil {
			return o, err
		}
	}
	return o, nil
}

// places makes the checkout and a directory absolute; an empty one is where below the checkout.
func places(root, dir string, where ...string) (absRoot, absDir string, err error) {
	if root == "" {
		if root, err = FindRoot(); err != nil {
			return root, dir, err
		}
	}
	if root, err = filepath.Abs(root); err != nil {
		return root, dir, err
	}
	if dir == "" {
		dir = filepath.Join(root, filepath.Join(where...))
	}
	dir, err = filepath.Abs(dir)
	return root, dir, err
}

type choice struct {
	kind, variable, fallback string
	value                    *string
}

func (o *Options) choices() []choice {
	return []choice{
		{"state", "STATE", "sqlite", &o.State},
		{"pubsub", "PUBSUB", "embedded", &o.PubSub},
		{"mail", "MAIL", "files", &o.Mail},
		{"secrets", "SECRETS", "env", &o.Secrets},
	}
}

func checkChoice(root, kind, variable, value string) error {
	entries, err := os.ReadDir(filepath.Join(root, "components", kind))
	if err != nil {
		return fmt.Errorf("no components to choose from: %w", err)
	}
	var known []string
	for _, e := range entries {
		if e.IsDir() {
			known = append(known, e.Name())
		}
		if e.IsDir() && e.Name() == value {
			return nil
		}
	}
	return fmt.Errorf("%s=%s is unknown: the choices are %s", variable, value, strings.Join(known, ", "))
}

// FindRoot returns the nearest parent of the working directory that holds module haberdash.
func FindRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module haberdash\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("not inside a Haberdash checkout: no go.mod of module haberdash in this directory or above")
		}
		dir = up
	}
}
