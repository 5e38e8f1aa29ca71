package launch

import (
	"fmt"
	"path/filepath"

	"haberdash/dapr/launch/runfile"
)

// IssuerDir is the directory of the certificate authority of a secure shop.
func (s *Shop) IssuerDir() string { return issuerDir(s.opts) }

// SidecarEnv returns the environment that makes a sidecar outside of the shop use the shop's certificate authority;
// empty without SECURE=1.
func (s *Shop) SidecarEnv() map[string]string { return trust(s.opts).Vars() }

// GatewayURL is the public address, without a slash at the end.
func (s *Shop) GatewayURL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.opts.GatewayPort) }

// AppURL is the address of an app itself, without its sidecar; empty for an unknown app.
func (s *Shop) AppURL(app string) string {
	return s.url(app, func(a runfile.App) int { return a.Port })
}

// OperationsURL is the address for operators of a public app; empty for another app.
func (s *Shop) OperationsURL(app string) string {
	for _, a := range s.file.Apps {
		if a.AppID == app && a.OperationsPort() > 0 {
			return fmt.Sprintf("http://127.0.0.1:%d", a.OperationsPort())
		}
	}
	return ""
}

// SidecarHTTP is the address of the HTTP API of an app's sidecar; empty for an unknown app.
func (s *Shop) SidecarHTTP(app string) string {
	return s.url(app, func(a runfile.App) int { return a.HTTPPort })
}

func (s *Shop) url(app string, port func(runfile.App) int) string {
	for _, a := range s.file.Apps {
		if a.AppID == app {
			return fmt.Sprintf("http://127.0.0.1:%d", port(a))
		}
	}
	return ""
}

// SidecarGRPC is host:port of the gRPC API of an app's sidecar; empty for an unknown app.
func (s *Shop) SidecarGRPC(app string) string {
	for _, a := range s.file.Apps {
		if a.AppID == app {
			return fmt.Sprintf("127.0.0.1:%d", a.GRPCPort)
		}
	}
	return ""
}

// SidecarToken returns the token that the sidecar of an app demands; empty for an unknown app.
func (s *Shop) SidecarToken(app string) string { return s.file.SidecarToken(app) }

// Apps lists the apps in the order of dapr/apps.yaml.
func (s *Shop) Apps() []string {
	var names []string
	for _, a := range s.file.Apps {
		names = append(names, a.AppID)
	}
	return names
}

// MailDir is the directory in which MAIL=files writes each message as an .eml file.
func (s *Shop) MailDir() string { return filepath.Join(s.opts.RunDir, "mail") }

// RunDir is the directory of the shop's data, logs and state.
func (s *Shop) RunDir() string { return s.opts.RunDir }
