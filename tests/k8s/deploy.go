package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"haberdash/dapr/launch/infra"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// apps are all apps in the order of a rollout, the gateway last.
var apps = rolloutOrder()

func rolloutOrder() []string {
	ids := roster.IDs()
	slices.Reverse(ids)
	return ids
}

// shopOn is a shop on the cluster.
type shopOn struct {
	*cluster
	overlay, dir string
	servers      *infra.Servers
	tag          string // of the images that run
	sidecar      string // the image of sidecars; the cluster's own if empty
	secrets      map[string]map[string]string
	forwards     []*forward
}

// kustomization is the overlay with what only a test wants: images of a tag, one replica until there shall be more, an
// address for the gateway, no limits for many customers who all come from here, and the administrator that tests know.
const kustomization = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: haberdash
resources: [%s]
images:
%ssortOptions: # as the overlays': those of the outermost are heeded
  order: legacy
  legacySortOptions:
    orderFirst: [Namespace, Configuration, Resiliency, Component, Subscription]
    orderLast: [StatefulSet, Deployment]
patches:
%s  - target: {kind: HorizontalPodAutoscaler}
    patch: |
      $patch: delete
      apiVersion: autoscaling/v2
      kind: HorizontalPodAutoscaler
      metadata: {name: any}
  - target: {kind: Service, name: gateway}
    patch: |
      - {op: add, path: /spec/type, value: NodePort}
  - target: {kind: Deployment, name: gateway}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: gateway}
      spec: {template: {spec: {containers: [{name: app, env: [{name: RATE_LIMIT, value: "off"}]}]}}}
  - target: {kind: Deployment, name: users}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: users}
      spec: {template: {spec: {containers: [{name: app, env: [{name: LOCAL_DEFAULTS, value: "on"}]}]}}}
  - target: {kind: Deployment, name: catalog}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: catalog}
      spec: {template: {spec: {containers: [{name: app, env: [{name: DEMO_CATALOGUE, value: "on"}]}]}}}
`

const sidecarPatch = `  - target: {kind: Deployment}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: any}
      spec: {template: {metadata: {annotations: {dapr.io/sidecar-image: %q}}}}
`

// deploy begins with an empty namespace and ends with a shop that answers.
func (s *shopOn) deploy(ctx context.Context) error {
	if err := s.kubectl(ctx, "delete", "namespace", namespace, "--ignore-not-found", "--wait=true", "--timeout=180s"); err != nil {
		return err
	}
	if err := s.kubectl(ctx, "create", "namespace", namespace); err != nil {
		return err
	}
	if err := s.makeSecrets(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := s.apply(ctx); err != nil {
		return err
	}
	if err := s.completeSidecar(ctx); err != nil {
		return err
	}
	if err := s.whole(ctx); err != nil {
		return err
	}
	fmt.Printf("all pods ready after %s\n", time.Since(began).Round(time.Second))
	return s.connect(ctx)
}

// apply brings the overlay, with the images of s.tag, to the cluster.
func (s *shopOn) apply(ctx context.Context) error {
	overlay, err := filepath.Abs(filepath.Join("deploy", "overlays", s.overlay))
	if err == nil {
		overlay, err = filepath.Rel(s.dir, overlay) // kustomize takes no other
	}
	if err != nil {
		return err
	}
	var images string
	for _, app := range apps {
		images += fmt.Sprintf("  - {name: localhost/haberdash/%s, newTag: %s}\n", app, s.tag)
	}
	var more string
	if s.sidecar != "" {
		more = fmt.Sprintf(sidecarPatch, s.sidecar)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "kustomization.yaml"), fmt.Appendf(nil, kustomization, overlay, images, more), 0o644); err != nil {
		return err
	}
	return s.kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", s.dir)
}

// noMail is what a sidecar says that was built without the SMTP binding. Dapr's releases have it, its stable component
// set has not.
const noMail = "couldn't find binding mail (bindings.smtp/v1)"

// completeSidecar has the shop run with the sidecar of dapr/local if the cluster's own has no SMTP binding, which
// notifications' sidecar is the one to say.
func (s *shopOn) completeSidecar(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < 5*time.Minute && ctx.Err() == nil; time.Sleep(time.Second) {
		if s.in(ctx, "rollout", "status", "deployment/notifications", "--timeout=1s") == nil {
			return nil
		}
		said, err := s.output(ctx, nil, "--namespace", namespace, "logs", "deployment/notifications", "--container=daprd", "--tail=50")
		if err == nil && bytes.Contains(said, []byte(noMail)) { // an error: it has not begun
			fmt.Println("the cluster's sidecar has no SMTP binding: one is built here")
			if err := images(ctx, first, "daprd"); err != nil {
				return err
			}
			s.sidecar = "localhost/haberdash/daprd:" + first
			return s.apply(ctx)
		}
	}
	return errors.New("notifications does not come up")
}

// makeSecrets makes those that docs/kubernetes.md lists.
func (s *shopOn) makeSecrets(ctx context.Context) error {
	vars := s.servers.Vars()
	s.secrets = map[string]map[string]string{
		"keys":          {"ID_KEY": rand.Text(), "KEY_ENCRYPTION_KEY": rand.Text() + rand.Text()},
		"app-token":     {"token": rand.Text()},
		"dapr-token":    {"token": rand.Text()},
		"administrator": {"ADMIN_EMAIL": api.AdminEmail, "ADMIN_PASSWORD": api.AdminPassword},
	}
	for secret, keys := range map[string][]string{
		"redis": {"REDIS_HOST", "REDIS_PASSWORD"}, "postgres": {"POSTGRES_CONNECTION"}, "kafka": {"KAFKA_BROKERS"},
		"smtp": {"SMTP_HOST", "SMTP_PORT", "SMTP_USER", "SMTP_PASSWORD"},
	} {
		if _, has := vars[keys[0]]; !has {
			continue
		}
		s.secrets[secret] = map[string]string{}
		for _, key := range keys {
			s.secrets[secret][key] = vars[key]
		}
	}
	for name, values := range s.secrets {
		if err := s.makeSecret(ctx, name, values); err != nil {
			return err
		}
	}
	return nil
}

func (s *shopOn) makeSecret(ctx context.Context, name string, values map[string]string) error {
	args := []string{"create", "secret", "generic", name}
	for key, value := range values {
		args = append(args, "--from-literal="+key+"="+value)
	}
	return s.in(ctx, args...)
}

// gatewayURL is the gateway's address on a node.
func (s *shopOn) gatewayURL(ctx context.Context) (string, error) {
	var service struct {
		Spec struct {
			Ports []struct {
				NodePort int
			}
		}
	}
	if err := s.get(ctx, &service, "service", "gateway"); err != nil {
		return "", err
	}
	if len(service.Spec.Ports) == 0 || service.Spec.Ports[0].NodePort == 0 {
		return "", fmt.Errorf("the gateway's service has no port on the node")
	}
	return fmt.Sprintf("http://%s:%d", s.node, service.Spec.Ports[0].NodePort), nil
}

// throughput prints how many orders a second replicas of orders and catalog, one to three of each, confirm for buyers
// who do not wait: see docs/scaling.md.
func (s *shopOn) throughput(ctx context.Context) error {
	const buyers, during = 16, 20 * time.Second
	for n := 1; n <= 3; n++ {
		for _, app := range []string{"catalog", "orders"} {
			if err := s.in(ctx, "scale", "deployment/"+app, fmt.Sprint("--replicas=", n)); err != nil {
				return err
			}
		}
		if err := s.whole(ctx); err != nil {
			return err
		}
		c, err := s.customers(ctx, 100_000, true)
		if err != nil {
			return err
		}
		over := make(chan struct{})
		time.AfterFunc(during, func() { close(over) })
		c.buy(ctx, buyers, over)
		fmt.Printf("%d replicas of catalog and orders, %d buyers: %.1f orders a second\n", n, buyers, float64(len(c.bought))/during.Seconds())
		if len(c.failed) > 0 {
			return fmt.Errorf("%d requests failed: %s", len(c.failed), c.failed[0])
		}
	}
	return nil
}

// scale gives the services that keep logs three replicas each, and those in front of them two.
func (s *shopOn) scale(ctx context.Context) error {
	for app, n := range map[string]int{"catalog": 3, "orders": 3, "gateway": 2, "cart": 2, "users": 2} {
		if err := s.in(ctx, "scale", "deployment/"+app, fmt.Sprint("--replicas=", n)); err != nil {
			return err
		}
	}
	if err := s.whole(ctx); err != nil {
		return err
	}
	return s.connect(ctx)
}
