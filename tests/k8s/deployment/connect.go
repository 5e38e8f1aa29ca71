package deployment

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"

	"haberdash/tests/k8s/cluster"
)

// DescriptionPath is the path of the file that Connect writes.
func (d *Deployment) DescriptionPath() string { return filepath.Join(d.Dir, "shop.json") }

// Connect forwards local ports to the apps and their sidecars, and describes the shop in a file for the end-to-end
// suite, which reads it from E2E_SHOP. It must be called again when pods were replaced.
func (d *Deployment) Connect(ctx context.Context) error {
	if err := d.Disconnect(); err != nil {
		return err
	}
	gateway, err := d.GatewayURL(ctx)
	if err != nil {
		return err
	}
	apps, sidecars, secrets := map[string]string{}, map[string]string{}, map[string]string{}
	for _, app := range Apps {
		sidecar, err := d.forward(ctx, app, "3500")
		if err != nil {
			return err
		}
		if sidecars[app], err = sidecar.WithToken(d.Secrets["dapr-token"]["token"]); err != nil {
			return err
		}
		direct, err := d.forward(ctx, app, "http")
		if err != nil {
			return err
		}
		apps[app] = "http://" + direct.Address
	}
	operations, err := d.forward(ctx, "gateway", "operations")
	if err != nil {
		return err
	}
	for _, values := range d.Secrets {
		maps.Copy(secrets, values)
	}
	text, err := json.Marshal(map[string]any{
		"gateway": gateway, "mail": d.Servers.MailDir(), "apps": apps, "sidecars": sidecars, "secrets": secrets,
		"operations": map[string]string{"gateway": "http://" + operations.Address},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(d.DescriptionPath(), text, 0o600)
}

func (d *Deployment) forward(ctx context.Context, app, port string) (*cluster.Forward, error) {
	f, err := d.Forward(ctx, app, port)
	if err == nil {
		d.forwards = append(d.forwards, f)
	}
	return f, err
}

// Disconnect ends the port-forwards.
func (d *Deployment) Disconnect() (err error) {
	for _, f := range d.forwards {
		err = errors.Join(err, f.Close())
	}
	d.forwards = nil
	return err
}
