package launch

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/secrets"
	"haberdash/internal/roster"
)

// Every process has the variables that it needs and no others, so that nobody finds the secrets of all apps in the
// weakest of them. The dapr CLI would give its own environment to all apps and sidecars. So the CLI has no secret, the
// rendered run file has the variables of each app, and a script in the place of daprd reads those of the sidecar.
//
// By hand (BackingOnly) there is one shell, and all apps and sidecars have its environment with the same tokens. Tye
// cannot pass all flags of a sidecar: a script in the place of daprd adds them.

// Environment is the environment of a program that starts a shop with these options: what this program has of the
// variables that the launcher, the go command, the apps or the chosen components read.
func Environment(o config.Options) ([]string, error) {
	o, err := o.Complete()
	if err != nil {
		return nil, err
	}
	settings, err := runfile.Settings(o.Root)
	if err != nil {
		return nil, err
	}
	names := []string{
		"STATE", "PUBSUB", "MAIL", "SECRETS", "DAPR", "SECURE", "CERTIFICATES", "WATCH", "TRACES", "RUN_DIR",
		"GATEWAY_PORT", "PORT_BASE", "SERVERS", config.AppsVariable,
		"HABERDASH_CACHE", "XDG_CACHE_HOME", "GOROOT", "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN",
		"KUBECONFIG", "NAMESPACE",
	}
	for app, read := range settings {
		allowed, err := runfile.AllowedSecrets(o.Root, app)
		if err != nil {
			return nil, err
		}
		needed, err := o.SecretsOfSidecar(app)
		if err != nil {
			return nil, err
		}
		names = slices.Concat(names, read, allowed, needed)
	}
	for _, a := range o.OfFolders() {
		names = slices.Concat(names, a.Settings, a.Secrets, slices.Collect(maps.Keys(a.Env)))
	}
	file, err := runfile.Read(runfile.Source(o.Root))
	for _, a := range file.Apps {
		names = slices.AppendSeq(names, maps.Keys(a.Env))
	}
	return process.Inherited(append(names, tracingNames()...)...), err
}

// mailVariable tells notifications the form in which the mail binding takes messages.
const mailVariable = "MAIL"

// prepareEnvironments gives each app and each sidecar its variables. generated are the secrets of the run directory.
func (s *Shop) prepareEnvironments(generated map[string]string) error {
	settings, err := runfile.Settings(s.opts.Root)
	if err != nil {
		return err
	}
	allowed := map[string][]string{} // by app, the secrets that it may read
	isSecret := map[string]bool{}
	for _, a := range s.file.Apps {
		if _, ofTheShop := roster.Find(a.AppID); !ofTheShop {
			continue
		}
		if allowed[a.AppID], err = runfile.AllowedSecrets(s.opts.Root, a.AppID); err != nil {
			return err
		}
		for _, name := range allowed[a.AppID] {
			isSecret[name] = true
		}
	}
	for name := range s.secrets {
		isSecret[name] = true
	}
	if err := s.checkSecretsOfJoined(isSecret); err != nil {
		return err
	}
	for _, a := range s.opts.Joined {
		allowed[a.ID], settings[a.ID] = a.Secrets, a.Settings
		for _, name := range a.Secrets {
			isSecret[name] = true
		}
	}
	for _, a := range s.opts.Replacements {
		settings[a.ID] = slices.Concat(settings[a.ID], a.Settings)
	}
	common := map[string]string{"DAPR_RUNTIME_PATH": filepath.Join(s.opts.RunDir, "runtime")}
	if s.opts.BackingOnly {
		if err := s.writeDaprd(s.completingScript()); err != nil {
			return err
		}
		return s.writeEnvFile(common, generated, isSecret)
	}
	s.env = process.Environment(common)
	for i := range s.file.Apps {
		a := &s.file.Apps[i]
		tokens := map[string]string{runfile.AppToken: secrets.NewToken(), runfile.SidecarToken: secrets.NewToken()}
		s.setAppVariables(a, settings[a.AppID], isSecret)
		maps.Copy(a.Env, tokens)
		vars, err := s.sidecarVariables(a.AppID, allowed[a.AppID], generated)
		if err != nil {
			return err
		}
		maps.Copy(vars, tokens)
		if err := secrets.WriteShellFile(s.sidecarFile(a.AppID), vars); err != nil {
			return err
		}
	}
	dir := filepath.Dir(s.sidecarFile(""))
	return s.writeDaprd(fmt.Sprintf(sidecarScript, secrets.Quote(dir), secrets.Quote(s.tools.Daprd)))
}

// setAppVariables adds the settings of an app from this program's environment, and removes secrets: an app asks its
// sidecar for them.
func (s *Shop) setAppVariables(a *runfile.App, settings []string, isSecret map[string]bool) {
	for _, name := range settings {
		_, set := a.Env[name]
		_, common := s.file.Common.Env[name]
		if value, ok := os.LookupEnv(name); ok && !set && !common {
			a.Env[name] = value
		}
	}
	for name, value := range s.tracing {
		if _, set := a.Env[name]; !set {
			a.Env[name] = value
		}
	}
	if slices.Contains(settings, mailVariable) {
		a.Env[mailVariable] = cmp.Or(s.opts.Env[mailVariable], s.opts.Mail)
	}
	maps.DeleteFunc(a.Env, func(name, _ string) bool { return isSecret[name] })
}

// sidecarVariables returns the secrets that an app may read or its components need, and what mutual TLS needs.
func (s *Shop) sidecarVariables(app string, allowed []string, generated map[string]string) (map[string]string, error) {
	vars := map[string]string{}
	if tracing(s.tracing) {
		maps.Copy(vars, s.tracing)
	}
	delete(vars, serviceName)
	maps.Copy(vars, s.SidecarEnv())
	needed, err := s.opts.SecretsOfSidecar(app)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Concat(allowed, needed, s.ofSecretStore()) {
		for _, value := range []string{s.opts.Env[name], s.secrets[name], generated[name], os.Getenv(name)} {
			if value != "" {
				vars[name] = value
				break
			}
		}
	}
	return vars, nil
}

// ofSecretStore returns the variables with which the secret store of Kubernetes finds the API server.
func (s *Shop) ofSecretStore() []string {
	if s.opts.Secrets != "kubernetes" {
		return nil
	}
	return []string{"KUBECONFIG", "NAMESPACE"}
}

func (s *Shop) sidecarFile(app string) string {
	return filepath.Join(s.opts.RunDir, "sidecars", app+".env")
}

// sidecarScript is the program that the CLI starts as daprd: the sidecar of an app with the variables of that app. %s
// are the directory of the files with the variables, and the program.
const sidecarScript = `#!/bin/sh
# Written by the launcher.
for argument; do
	if [ "$previous" = --app-id ]; then app=$argument; fi
	previous=$argument
done
if [ -n "$app" ]; then
	set -a
	. %s/"$app".env
	set +a
fi
exec %s "$@"
`

// completingScript is the program that the CLI starts as daprd by hand: it adds the flags that Tye has no setting for,
// and the address of this scheduler instead of the one that the CLI assumes.
func (s *Shop) completingScript() string {
	var b strings.Builder
	b.WriteString(`#!/bin/sh
# Written by the launcher.
for argument; do
	shift
	if [ "$previous" = --app-id ]; then app=$argument; fi
	if [ "$argument" != --scheduler-host-address ] && [ "$previous" != --scheduler-host-address ]; then
		set -- "$@" "$argument"
	fi
	previous=$argument
done
case $app in
`)
	for _, a := range s.file.Apps {
		fmt.Fprintf(&b, "%s) set -- \"$@\"", a.AppID)
		for _, flag := range s.file.SidecarFlags(a) {
			b.WriteString(" " + secrets.Quote(flag))
		}
		b.WriteString(" ;;\n")
	}
	fmt.Fprintf(&b, "?*) set -- \"$@\" --scheduler-host-address=%s ;;\n", s.file.Common.SchedulerHost)
	fmt.Fprintf(&b, "esac\nexec %s \"$@\"\n", secrets.Quote(s.tools.Daprd))
	return b.String()
}

// writeDaprd writes the script that the CLI starts as daprd.
func (s *Shop) writeDaprd(script string) error {
	path := filepath.Join(s.opts.RunDir, "runtime", ".dapr", "bin", "daprd")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", []byte(script), 0o700); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// EnvFile is the file with the variables of apps and sidecars, for starting them by hand.
func EnvFile(runDir string) string { return filepath.Join(runDir, "env") }

// writeEnvFile writes the environment of a shell in which `dapr run -f` is run by hand.
func (s *Shop) writeEnvFile(common, generated map[string]string, isSecret map[string]bool) error {
	vars := map[string]string{
		mailVariable: s.opts.Mail, runfile.AppToken: secrets.NewToken(), runfile.SidecarToken: secrets.NewToken(),
	}
	maps.Copy(vars, common)
	maps.Copy(vars, s.SidecarEnv())
	maps.Copy(vars, s.secrets)
	for name, value := range generated {
		if isSecret[name] {
			vars[name] = value
		}
	}
	maps.Copy(vars, s.opts.Env)
	s.env = process.Environment(nil)
	return secrets.WriteShellFile(EnvFile(s.opts.RunDir), vars)
}
