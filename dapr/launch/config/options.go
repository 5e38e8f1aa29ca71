// Package config holds the options of a local shop: where it runs, which infrastructure it uses, and what that
// infrastructure needs.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/toolchain"
)

// Options are the options of a shop. The zero value stands for the embedded infrastructure on the default ports.
type Options struct {
	Root   string // the checkout; default: toolchain.FindRoot
	RunDir string // data, logs and state; default: <Root>/.run

	// Directories below components/<kind>/, or paths of others; default sqlite, embedded, files, env.
	State, PubSub, Mail, Secrets string

	FreePorts   bool // use any free block of ports instead of PortBase and GatewayPort
	PortBase    int  // first of all ports but the gateway's; default ports.DefaultBase
	GatewayPort int  // default ports.DefaultGateway, or a port of the free block

	// Env is the environment of every app. It takes precedence over dapr/apps.yaml and over this process's environment.
	Env map[string]string

	// Secure starts sentry, and makes the sidecars refuse calls that dapr/secure does not allow.
	Secure bool

	// ShortCertificates makes the certificates of a secure shop expire soon: see controlplane.ShortAuthority.
	ShortCertificates bool

	// Watch starts the optional apps, too: the watcher of the invariants.
	Watch bool

	// Joined are the apps of other folders that run in the shop, too.
	Joined []appfile.App

	// Replacements are the apps of other folders that run in the place of apps of the shop.
	Replacements []appfile.App

	// Tags are build tags of the apps, for tests. They need a RunDir that is not the default.
	Tags []string

	// Tap lets a test see what the sidecars send to the apps. It is called for each app that is not public, before the
	// apps start. The app then listens on the port behind, and Tap must forward connections from the app's own port, as
	// soon as the app listens. It needs FreePorts.
	Tap func(app string, port, behind int)

	Log          io.Writer     // progress, a line each; default: none
	System       bool          // use the Dapr that `dapr init --slim` has installed
	BackingOnly  bool          // start placement, scheduler and broker only
	SkipBuild    bool          // do not build the apps: the caller has
	StartTimeout time.Duration // default 90 s
}

// FromEnv reads the variables that `make up` documents. It fails for a port that is not a number.
func FromEnv() (Options, error) {
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
	switch v := os.Getenv("CERTIFICATES"); v {
	case "":
	case "short":
		o.ShortCertificates = true
	default:
		return o, fmt.Errorf("CERTIFICATES=%s is unknown: use CERTIFICATES=short for certificates that expire soon, "+
			"or leave it out", v)
	}
	switch v := os.Getenv("WATCH"); v {
	case "", "off":
	case "on":
		o.Watch = true
	default:
		return o, fmt.Errorf("WATCH=%s is unknown: use WATCH=on for the watcher of the invariants, or leave it out", v)
	}
	var err error
	if err = o.readApps(os.Getenv(AppsVariable)); err != nil {
		return o, err
	}
	for name, to := range map[string]*int{"GATEWAY_PORT": &o.GatewayPort, "PORT_BASE": &o.PortBase} {
		v := os.Getenv(name)
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 65535-ports.BlockSize {
			return o, fmt.Errorf("%s=%s is not a port between 1 and %d", name, v, 65535-ports.BlockSize)
		}
		*to = n
	}
	return o, nil
}

// Complete returns the options with defaults and absolute paths. It fails for an unknown choice of infrastructure.
func (o Options) Complete() (Options, error) {
	var err error
	if o.Root, o.RunDir, err = toolchain.Directories(o.Root, o.RunDir, ".run"); err != nil {
		return o, err
	}
	if len(o.Tags) > 0 && o.RunDir == filepath.Join(o.Root, ".run") {
		return o, errors.New("apps with build tags need a run directory of their own: " +
			"the default one is for the apps without")
	}
	if o.Secure && o.System {
		return o, errors.New("SECURE=1 needs the sidecar that is built here, " +
			"because only that one can be told the address of sentry: leave DAPR=system out")
	}
	if o.ShortCertificates && !o.Secure {
		return o, errors.New("CERTIFICATES=short needs SECURE=1: without it there are no certificates")
	}
	if err := o.checkJoined(); err != nil {
		return o, err
	}
	if o.BackingOnly {
		o.Watch = true // the files for starting apps by hand have all of them
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 90 * time.Second
	}
	if o.PortBase == 0 {
		o.PortBase = ports.DefaultBase
	}
	if o.GatewayPort == 0 && !o.FreePorts {
		o.GatewayPort = ports.DefaultGateway
	}
	for _, c := range o.pointers() {
		if *c.to == "" {
			*c.to = c.fallback
		}
		if *c.to, err = checkChoice(o.Root, c.kind, c.variable, *c.to); err != nil {
			return o, err
		}
	}
	return o, nil
}

// Choice is the choice of a kind of infrastructure: Value is a directory below components/<Kind>, or an absolute path.
type Choice struct{ Kind, Variable, Value string }

// Choices lists the choice of each kind.
func (o Options) Choices() (list []Choice) {
	for _, c := range o.pointers() {
		list = append(list, Choice{c.kind, c.variable, *c.to})
	}
	return list
}

type pointer struct {
	kind, variable, fallback string
	to                       *string
}

func (o *Options) pointers() []pointer {
	return []pointer{
		{"state", "STATE", "sqlite", &o.State},
		{"pubsub", "PUBSUB", "embedded", &o.PubSub},
		{"mail", "MAIL", "files", &o.Mail},
		{"secrets", "SECRETS", "env", &o.Secrets},
	}
}

// checkChoice returns the name of a directory in components/, or the absolute path of another that has components.
func checkChoice(root, kind, variable, value string) (string, error) {
	if strings.ContainsRune(value, filepath.Separator) {
		path, err := filepath.Abs(value)
		if err != nil {
			return value, err
		}
		if files, _ := filepath.Glob(filepath.Join(path, "*.yaml")); len(files) == 0 {
			return path, fmt.Errorf("%s=%s: the directory %s has no component files (*.yaml)", variable, value, path)
		}
		return path, nil
	}
	entries, err := os.ReadDir(filepath.Join(root, "components", kind))
	if err != nil {
		return value, fmt.Errorf("no components to choose from: %w", err)
	}
	var known []string
	for _, e := range entries {
		if e.IsDir() {
			known = append(known, e.Name())
		}
		if e.IsDir() && e.Name() == value {
			return value, nil
		}
	}
	return value, fmt.Errorf("%s=%s is unknown: the choices are %s, or the path of a directory",
		variable, value, strings.Join(known, ", "))
}
