package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// With SECURE=1 the sidecars prove to each other who they are: sentry signs a certificate for each, with an authority
// of the run directory's own that it makes at its first start. Knowing who calls, a sidecar can refuse what its app's
// access rules (dapr/secure) do not name.

// Who signs certificates and whom to believe: what dapr/local/daprd reads.
const (
	sentryVariable  = "SENTRY_ADDRESS"
	anchorsVariable = "TRUST_ANCHORS_FILE"
)

// A trust is where certificates come from. Nil: there are none.
type trust struct{ sentry, anchors string }

func (o Options) trust() *trust {
	if !o.Secure {
		return nil
	}
	return &trust{
		sentry:  fmt.Sprintf("127.0.0.1:%d", o.PortBase+portSentry),
		anchors: filepath.Join(issuerDir(o.RunDir), "ca.crt"),
	}
}

// args make a service of Dapr's control plane speak mutual TLS only.
func (t *trust) args() []string {
	if t == nil {
		return nil
	}
	return []string{"--tls-enabled", "--sentry-address=" + t.sentry, "--trust-anchors-file=" + t.anchors}
}

// vars tell the same to the sidecars.
func (t *trust) vars() map[string]string {
	if t == nil {
		return nil
	}
	return map[string]string{sentryVariable: t.sentry, anchorsVariable: t.anchors}
}

// SidecarEnv is what a sidecar beside the shop's own needs to be certified by its sentry; nothing where there is none.
func (s *Shop) SidecarEnv() map[string]string { return s.opts.trust().vars() }

// issuerDir has the authority's key: it is for the owner only. Without it the next start makes a new one.
func issuerDir(runDir string) string { return filepath.Join(runDir, "sentry") }

func sentryService(bin string, base int, issuer, config string) service {
	at := func(flag string, offset int) string { return fmt.Sprintf("--%s=%d", flag, base+offset) }
	return service{
		name: "sentry",
		args: []string{
			bin, "--listen-address=127.0.0.1", at("port", portSentry),
			at("healthz-port", portSentryHealth), // on all addresses: sentry 1.18.1 ignores what it is told
			"--enable-metrics=false",
			"--issuer-credentials=" + issuer,
			"--config=" + config, // it wants one, and needs nothing of it
			"--log-level=warn",
		},
		ports:   map[string]int{"grpc": base + portSentry},
		healthy: answers(base+portSentryHealth, "/healthz"),
	}
}

// startSentry starts it twice where it has an authority to make: having written the files, it sees them change, and
// for the next seconds would reload itself under those who ask it for certificates.
func (s *Shop) startSentry(ctx context.Context) error {
	made := false
	if _, err := os.Stat(s.opts.trust().anchors); errors.Is(err, fs.ErrNotExist) {
		made = true
	}
	svc := sentryService(s.tools.Sentry, s.opts.PortBase, issuerDir(s.opts.RunDir), s.file.Common.ConfigFile)
	checks := map[string]func(context.Context) bool{svc.name: svc.healthy}
	if err := s.launchBacking(svc); err != nil {
		return err
	}
	if err := s.await(ctx, checks); err != nil || !made {
		return err
	}
	if err := s.Kill(svc.name); err != nil {
		return err
	}
	if err := s.Restart(svc.name); err != nil {
		return err
	}
	return s.await(ctx, checks)
}

func configPath(runDir, app string) string { return filepath.Join(runDir, "config", app+".yaml") }

// writeConfigurations gives each sidecar the common configuration with its app's access rules. An app without rules
// is an error: its sidecar would let everyone in.
func (s *Shop) writeConfigurations() error {
	if err := os.MkdirAll(issuerDir(s.opts.RunDir), 0o700); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(configPath(s.opts.RunDir, "")), 0o755); err != nil {
		return err
	}
	for _, a := range s.file.Apps {
		config, err := readConfiguration(s.file.Common.ConfigFile)
		if err != nil {
			return err
		}
		path := accessPath(s.opts.Root, a.AppID)
		access, err := readConfiguration(path)
		if err != nil {
			return fmt.Errorf("the access rules of %s: %w", a.AppID, err)
		}
		if access.Spec["accessControl"] == nil {
			return fmt.Errorf("%s has no accessControl", path)
		}
		config.Spec["accessControl"] = access.Spec["accessControl"]
		text, err := yaml.Marshal(config)
		if err != nil {
			return err
		}
		if err := os.WriteFile(configPath(s.opts.RunDir, a.AppID), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func accessPath(root, app string) string { return filepath.Join(root, "dapr", "secure", app+".yaml") }

// A configuration is a Dapr resource of kind Configuration.
type configuration struct {
	Spec map[string]any `yaml:"spec"`
	Rest map[string]any `yaml:",inline"`
}

func readConfiguration(path string) (c configuration, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &c)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}
