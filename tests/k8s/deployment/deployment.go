// Package deployment deploys the shop to a cluster with an overlay of deploy/, for the Kubernetes tests.
package deployment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"haberdash/dapr/launch/infra"
	"haberdash/internal/roster"
	"haberdash/tests/k8s/cluster"
)

// Apps are all apps in the order of a rollout, the gateway last.
var Apps = rolloutOrder()

func rolloutOrder() []string {
	ids := roster.StandardIDs()
	slices.Reverse(ids)
	return ids
}

// Deployment is the shop on a cluster.
type Deployment struct {
	*cluster.Cluster
	Overlay      string                       // folder in deploy/overlays
	Dir          string                       // for files that the deployment writes; must exist
	Servers      *infra.Servers               // that the shop uses
	SidecarImage string                       // empty for the one that the cluster's Dapr injects
	Secrets      map[string]map[string]string // by name and key

	forwards []*cluster.Forward
}

// Deploy deploys the shop to an empty namespace and waits until all pods are ready.
func (d *Deployment) Deploy(ctx context.Context) error {
	if err := d.DeleteNamespace(ctx); err != nil {
		return err
	}
	if err := d.Kubectl(ctx, "create", "namespace", cluster.Namespace); err != nil {
		return err
	}
	if err := d.createSecrets(ctx); err != nil {
		return err
	}
	start := time.Now()
	if err := d.apply(ctx); err != nil {
		return err
	}
	if err := d.ensureMailBinding(ctx); err != nil {
		return err
	}
	if err := d.WaitForRollout(ctx); err != nil {
		return err
	}
	fmt.Printf("all pods ready after %s\n", time.Since(start).Round(time.Second))
	return d.Connect(ctx)
}

// DeleteNamespace removes the shop from the cluster.
func (d *Deployment) DeleteNamespace(ctx context.Context) error {
	return d.Kubectl(ctx, "delete", "namespace", cluster.Namespace, "--ignore-not-found", "--wait=true", "--timeout=180s")
}

// apply applies the overlay with the images of the first version.
func (d *Deployment) apply(ctx context.Context) error {
	overlay, err := filepath.Abs(filepath.Join("deploy", "overlays", d.Overlay))
	if err == nil {
		overlay, err = filepath.Rel(d.Dir, overlay) // kustomize accepts only relative paths
	}
	if err != nil {
		return err
	}
	path := filepath.Join(d.Dir, "kustomization.yaml")
	if err := os.WriteFile(path, kustomization(overlay, d.SidecarImage), 0o644); err != nil {
		return err
	}
	return d.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", d.Dir)
}

// noMailBinding is in the log of a sidecar that was built without the SMTP binding. Dapr's releases have the binding,
// its stable component set does not.
const noMailBinding = "couldn't find binding mail (bindings.smtp/v1)"

// ensureMailBinding deploys the sidecar of dapr/local if the cluster's own sidecar has no SMTP binding. Only the
// sidecar of notifications uses the binding.
func (d *Deployment) ensureMailBinding(ctx context.Context) error {
	for start := time.Now(); time.Since(start) < 5*time.Minute && ctx.Err() == nil; time.Sleep(time.Second) {
		if d.InNamespace(ctx, "rollout", "status", "deployment/notifications", "--timeout=1s") == nil {
			return nil
		}
		log, err := d.OutputInNamespace(ctx, "logs", "deployment/notifications", "--container=daprd", "--tail=50")
		if err == nil && bytes.Contains(log, []byte(noMailBinding)) { // an error: the container has not started
			fmt.Println("the cluster's sidecar has no SMTP binding: building one that has it")
			if err := BuildImages(ctx, FirstVersion, "daprd"); err != nil {
				return err
			}
			d.SidecarImage = "localhost/haberdash/daprd:" + FirstVersion
			return d.apply(ctx)
		}
	}
	return errors.New("notifications does not become ready")
}

// WaitForRollout waits until every app has all its replicas, of its latest version.
func (d *Deployment) WaitForRollout(ctx context.Context) error {
	for _, app := range Apps {
		if err := d.InNamespace(ctx, "rollout", "status", "deployment/"+app, "--timeout=300s"); err != nil {
			return err
		}
	}
	return nil
}

// Scale sets the numbers of replicas of apps, and waits for them.
func (d *Deployment) Scale(ctx context.Context, replicas map[string]int) error {
	for app, n := range replicas {
		if err := d.InNamespace(ctx, "scale", "deployment/"+app, fmt.Sprint("--replicas=", n)); err != nil {
			return err
		}
	}
	return d.WaitForRollout(ctx)
}

// GatewayURL returns the URL of the gateway on a node.
func (d *Deployment) GatewayURL(ctx context.Context) (string, error) {
	var service struct {
		Spec struct {
			Ports []struct {
				NodePort int
			}
		}
	}
	if err := d.Get(ctx, &service, "service", "gateway"); err != nil {
		return "", err
	}
	if len(service.Spec.Ports) == 0 || service.Spec.Ports[0].NodePort == 0 {
		return "", errors.New("the service of the gateway has no port on the nodes")
	}
	return fmt.Sprintf("http://%s:%d", d.NodeAddress, service.Spec.Ports[0].NodePort), nil
}
