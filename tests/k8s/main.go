// Command k8s tests the manifests of deploy/ on a real cluster that has Dapr. For each overlay it starts real servers
// beside the cluster and deploys the shop to an empty namespace. Then it runs the end-to-end suite against the gateway,
// kills random pods while customers buy, rolls a new version out and back under load without a failed request, and
// checks that a pod explains what it lacks. At the end it compares the orders, the stock and the logs with what was
// sold.
//
//	KUBECONFIG=… K8S_LOAD="kind load image-archive" go run ./tests/k8s [overlay…]
//
// Settings, from the environment:
//
//	KUBECTL     the kubectl command with its flags; default: kubectl
//	K8S_LOAD    the command that loads an image archive into the cluster's nodes; the archive's path is appended
//	K8S_STEPS   a regular expression that selects steps after the deployment by name; default: all steps
//	K8S_IMAGES  "there" if the nodes already have the images of an earlier run
//	K8S_SIDECAR the image of the sidecar, which the nodes must have; default: the one that the cluster's Dapr injects,
//	            or one of dapr/local if that was built without the SMTP binding
//	K8S_HOST    the address of this machine on which the servers listen and which pods reach; default: the local address
//	            of the route to the node
//
// It needs the same programs as make test-infra. When a step fails, the namespace stays as it is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/process"
	"haberdash/tests/k8s/cluster"
	"haberdash/tests/k8s/deployment"
)

// overlays are the overlays that can be tested, with the servers that each needs.
var overlays = map[string][]string{
	"redis-redis":    {"redis", "smtp"},
	"postgres-kafka": {"postgres", "kafka", "smtp"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	process.CloseGuard()
	if err != nil {
		fmt.Fprintln(os.Stderr, "k8s:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	if len(names) == 0 {
		names = []string{"redis-redis", "postgres-kafka"}
	}
	for _, name := range names {
		if overlays[name] == nil {
			return fmt.Errorf("unknown overlay %q: choose redis-redis or postgres-kafka", name)
		}
	}
	dir, err := filepath.Abs(filepath.Join(".run", "k8s"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	c, err := cluster.Connect(ctx)
	if err != nil {
		return err
	}
	versions := []string{deployment.FirstVersion, deployment.SecondVersion}
	if os.Getenv("K8S_IMAGES") == "there" {
		versions = nil
	}
	for _, version := range versions {
		if err := deployment.BuildImages(ctx, version); err != nil {
			return err
		}
	}
	for _, name := range names {
		start := time.Now()
		fmt.Printf("== %s\n", name)
		if err := testOverlay(ctx, c, name, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Printf("== %s: passed, %s\n", name, time.Since(start).Round(time.Second))
	}
	return nil
}

// test runs the steps of one overlay.
type test struct{ *deployment.Deployment }

// firstStep runs always.
const firstStep = "deployed from nothing"

// testOverlay runs the selected steps with one overlay.
func testOverlay(ctx context.Context, c *cluster.Cluster, overlay, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	servers, err := infra.Start(ctx, infra.Options{
		Dir: filepath.Join(dir, "infra"), Servers: overlays[overlay], Address: c.HostAddress, Log: os.Stdout,
	})
	if err != nil {
		return err
	}
	defer servers.Stop()
	selected, err := regexp.Compile(os.Getenv("K8S_STEPS"))
	if err != nil {
		return fmt.Errorf("K8S_STEPS: %w", err)
	}
	t := test{&deployment.Deployment{
		Cluster: c, Overlay: overlay, Dir: dir, Servers: servers, SidecarImage: os.Getenv("K8S_SIDECAR"),
	}}
	for _, step := range []struct {
		name     string
		run      func(context.Context) error
		optional bool // runs only if K8S_STEPS selects it
	}{
		{name: firstStep, run: t.Deploy},
		{name: "end-to-end suite", run: t.endToEnd},
		{name: "throughput of one to three replicas", run: t.throughput, optional: true},
		{name: "three replicas of catalog and orders", run: t.scaleUp},
		{name: "pods killed while customers buy", run: t.killPods},
		{name: "another version rolled out and back under load", run: t.rollOut},
		{name: "pods explain what they lack", run: t.explainFaults},
		{name: "consumers and documents", run: t.audit},
	} {
		if step.name != firstStep && !selected.MatchString(step.name) || step.optional && selected.String() == "" {
			continue
		}
		start := time.Now()
		if err := step.run(ctx); err != nil {
			c.PrintState(ctx) // before the servers stop
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Printf("%s: passed, %s\n", step.name, time.Since(start).Round(time.Second))
	}
	return errors.Join(t.Disconnect(), t.DeleteNamespace(ctx))
}
