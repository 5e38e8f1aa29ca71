package deployment

import (
	"context"
	"crypto/rand"

	"haberdash/tests/api"
)

// createSecrets creates the secrets that docs/kubernetes.md lists, and the ConfigMap with the address of the shop.
func (d *Deployment) createSecrets(ctx context.Context) error {
	vars := d.Servers.Vars()
	d.Secrets = map[string]map[string]string{
		"keys":          {"ID_KEY": rand.Text(), "KEY_ENCRYPTION_KEY": rand.Text() + rand.Text()},
		"app-token":     {"token": rand.Text()},
		"dapr-token":    {"token": rand.Text()},
		"administrator": {"ADMIN_EMAIL": api.AdminEmail, "ADMIN_PASSWORD": api.AdminPassword},
	}
	for secret, keys := range map[string][]string{
		"redis":    {"REDIS_HOST", "REDIS_PASSWORD"},
		"postgres": {"POSTGRES_CONNECTION"},
		"kafka":    {"KAFKA_BROKERS"},
		"smtp":     {"SMTP_HOST", "SMTP_PORT", "SMTP_USER", "SMTP_PASSWORD"},
	} {
		if _, has := vars[keys[0]]; !has {
			continue
		}
		d.Secrets[secret] = map[string]string{}
		for _, key := range keys {
			d.Secrets[secret][key] = vars[key]
		}
	}
	for name, values := range d.Secrets {
		if err := d.CreateSecret(ctx, name, values); err != nil {
			return err
		}
	}
	return d.InNamespace(ctx, "create", "configmap", "shop", "--from-literal=SHOP_URL=http://localhost:8080")
}

// CreateSecret creates a secret in the shop's namespace.
func (d *Deployment) CreateSecret(ctx context.Context, name string, values map[string]string) error {
	args := []string{"create", "secret", "generic", name}
	for key, value := range values {
		args = append(args, "--from-literal="+key+"="+value)
	}
	return d.InNamespace(ctx, args...)
}
