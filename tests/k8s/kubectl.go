package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// namespace is the overlays' own.
const namespace = "haberdash"

// cluster is what KUBECONFIG names.
type cluster struct {
	command []string
	node    string // an address of a node
	host    string // of this machine, as pods reach it
}

// connect asks the cluster for an address, and whether it has Dapr.
func connect(ctx context.Context) (*cluster, error) {
	c := &cluster{command: strings.Fields(cmp.Or(os.Getenv("KUBECTL"), "kubectl")), host: os.Getenv("K8S_HOST")}
	if err := c.kubectl(ctx, "get", "deployment", "dapr-sidecar-injector", "--namespace", "dapr-system"); err != nil {
		return nil, fmt.Errorf("no cluster with Dapr (dapr init --kubernetes): %w", err)
	}
	var nodes struct {
		Items []struct {
			Status struct {
				Addresses []struct{ Type, Address string }
			}
		}
	}
	if err := c.get(ctx, &nodes, "nodes"); err != nil {
		return nil, err
	}
	for _, n := range nodes.Items {
		for _, a := range n.Status.Addresses {
			if a.Type == "InternalIP" && c.node == "" {
				c.node = a.Address
			}
		}
	}
	if c.node == "" {
		return nil, fmt.Errorf("no node has an address")
	}
	if c.host == "" {
		way, err := net.Dial("udp", net.JoinHostPort(c.node, "9")) // sends nothing
		if err != nil {
			return nil, fmt.Errorf("K8S_HOST: %w", err)
		}
		c.host = way.LocalAddr().(*net.UDPAddr).IP.String()
		way.Close()
	}
	return c, nil
}

func (c *cluster) exec(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, c.command[0], append(slices.Clone(c.command[1:]), args...)...)
}

// output runs kubectl and gives what it prints; an error has what it says.
func (c *cluster) output(ctx context.Context, in []byte, args ...string) ([]byte, error) {
	cmd := c.exec(ctx, args...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args[:min(3, len(args))], " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return out, err
}

func (c *cluster) kubectl(ctx context.Context, args ...string) error {
	_, err := c.output(ctx, nil, args...)
	return err
}

// in is kubectl in the shop's namespace.
func (c *cluster) in(ctx context.Context, args ...string) error {
	return c.kubectl(ctx, append([]string{"--namespace", namespace}, args...)...)
}

// get reads objects of the shop's namespace, or of the cluster.
func (c *cluster) get(ctx context.Context, to any, what ...string) error {
	out, err := c.output(ctx, nil, append([]string{"--namespace", namespace, "get", "-o", "json"}, what...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, to)
}

// explain prints what the cluster knows of a shop that failed.
func (c *cluster) explain(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for _, args := range [][]string{
		{"get", "pods", "-o", "wide"},
		{"get", "events", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"},
		{"logs", "--selector=app.kubernetes.io/part-of=haberdash", "--all-containers", "--prefix", "--tail=15", "--max-log-requests=40"},
	} {
		out, err := c.output(ctx, nil, append([]string{"--namespace", namespace}, args...)...)
		if err == nil && len(out) > 12_000 {
			out = out[len(out)-12_000:]
		}
		fmt.Printf("--- kubectl %s\n%s\n", strings.Join(args, " "), out)
	}
}
