// Command k8s tries the manifests of deploy/ on a real cluster that has Dapr: from nothing, for each overlay, it
// deploys the shop with real servers beside the cluster, runs the end-to-end suite against the gateway, kills pods at
// random while customers buy, rolls a new version out and back under load without a failed request, lets pods lack what
// they need and looks whether they say so, and holds what was sold against stock, orders and logs.
//
//	KUBECONFIG=… K8S_LOAD="kind load image-archive" go run ./tests/k8s [overlay…]
//
// Settings, from the environment:
//
//	KUBECTL    the command, with its flags; kubectl if empty
//	K8S_LOAD   a command that takes an image archive (its path is added) into the cluster's nodes
//	K8S_STEPS  a pattern of the steps to take after the deployment; all if empty
//	K8S_IMAGES there: the nodes have the images of an earlier run, which will do
//	K8S_SIDECAR an image of the sidecar that the nodes have. Default: the one that the cluster's Dapr injects, or, if it was
//	            built without the SMTP binding, one of dapr/local
//	K8S_HOST   an address of this machine that pods reach: servers listen there. Default: that of the route to the node
//
// It needs what make test-infra needs, and leaves the namespace of the last overlay as it was when something failed.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/process"
)

// overlays are tried without arguments, and the servers that each needs.
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
			return fmt.Errorf("there is no overlay %q to try: redis-redis, postgres-kafka", name)
		}
	}
	dir, err := filepath.Abs(filepath.Join(".run", "k8s"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	c, err := connect(ctx)
	if err != nil {
		return err
	}
	versions := []string{first, second}
	if os.Getenv("K8S_IMAGES") == "there" {
		versions = nil
	}
	for _, tag := range versions {
		if err := images(ctx, tag); err != nil {
			return err
		}
	}
	for _, name := range names {
		began := time.Now()
		fmt.Printf("== %s\n", name)
		if err := try(ctx, c, name, dir); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Printf("== %s: passed, %s\n", name, time.Since(began).Round(time.Second))
	}
	return nil
}

// The two versions of the images. They are of the same source: what is tried is the change of one for the other.
const (
	first  = "test-1"
	second = "test-2"
)

// images builds a version's images, of the programs named or of all of the shop's, and takes them to the nodes.
func images(ctx context.Context, tag string, programs ...string) error {
	build := exec.CommandContext(ctx, "go", append([]string{"run", ".", "-platforms=linux/" + runtime.GOARCH}, programs...)...)
	build.Dir = filepath.Join("deploy", "images")
	build.Env = append(os.Environ(), "TAG="+tag, "PREFIX=localhost/haberdash")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("images: %w\n%s", err, out)
	}
	load := strings.Fields(cmp.Or(os.Getenv("K8S_LOAD"), "kind load image-archive"))
	out, err := exec.CommandContext(ctx, load[0], append(slices.Clone(load[1:]), filepath.Join(".run", "images", "images.tar"))...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("K8S_LOAD: %w\n%s", err, out)
	}
	return nil
}

const deployed = "deployed from nothing"

// try puts one overlay to the test.
func try(ctx context.Context, c *cluster, overlay, dir string) error {
	dir = filepath.Join(dir, overlay)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	servers, err := infra.Start(ctx, infra.Options{
		Dir: filepath.Join(dir, "infra"), Servers: overlays[overlay], Address: c.host, Log: os.Stdout,
	})
	if err != nil {
		return err
	}
	defer servers.Stop()
	only, err := regexp.Compile(os.Getenv("K8S_STEPS"))
	if err != nil {
		return fmt.Errorf("K8S_STEPS: %w", err)
	}
	s := &shopOn{cluster: c, overlay: overlay, dir: dir, servers: servers, tag: first, sidecar: os.Getenv("K8S_SIDECAR")}
	for _, step := range []struct {
		name  string
		do    func(context.Context) error
		extra bool // only where K8S_STEPS asks for it
	}{
		{name: deployed, do: s.deploy},
		{name: "end-to-end suite", do: s.endToEnd},
		{name: "throughput of one to three replicas", do: s.throughput, extra: true},
		{name: "three replicas of catalog and orders", do: s.scale},
		{name: "pods killed while customers buy", do: s.kill},
		{name: "another version rolled out, and back, under load", do: s.roll},
		{name: "what a pod lacks, explained", do: s.explained},
		{name: "consumers and documents", do: s.audit},
	} {
		if step.name != deployed && !only.MatchString(step.name) || step.extra && only.String() == "" {
			continue
		}
		began := time.Now()
		if err := step.do(ctx); err != nil {
			c.explain(ctx) // while its servers are there
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Printf("%s: passed, %s\n", step.name, time.Since(began).Round(time.Second))
	}
	return errors.Join(s.close(), c.kubectl(ctx, "delete", "namespace", namespace, "--wait=true", "--timeout=180s"))
}
