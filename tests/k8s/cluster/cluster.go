// Package cluster calls kubectl for the Kubernetes tests.
package cluster

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Namespace is the namespace of the overlays.
const Namespace = "haberdash"

// Cluster is the cluster of KUBECONFIG.
type Cluster struct {
	NodeAddress string // of one node
	HostAddress string // of this machine, as pods reach it

	command []string // kubectl with its flags
}

// Connect finds the addresses of the cluster's node and of this machine. It fails if the cluster has no Dapr.
func Connect(ctx context.Context) (*Cluster, error) {
	c := &Cluster{command: strings.Fields(cmp.Or(os.Getenv("KUBECTL"), "kubectl")), HostAddress: os.Getenv("K8S_HOST")}
	if err := c.Kubectl(ctx, "get", "deployment", "dapr-sidecar-injector", "--namespace", "dapr-system"); err != nil {
		return nil, fmt.Errorf("the cluster has no Dapr (dapr init --kubernetes installs it): %w", err)
	}
	var nodes struct {
		Items []struct {
			Status struct {
				Addresses []struct{ Type, Address string }
			}
		}
	}
	if err := c.Get(ctx, &nodes, "nodes"); err != nil {
		return nil, err
	}
	for _, n := range nodes.Items {
		for _, a := range n.Status.Addresses {
			if a.Type == "InternalIP" && c.NodeAddress == "" {
				c.NodeAddress = a.Address
			}
		}
	}
	if c.NodeAddress == "" {
		return nil, errors.New("no node of the cluster has an internal address")
	}
	if c.HostAddress == "" {
		conn, err := net.Dial("udp", net.JoinHostPort(c.NodeAddress, "9")) // finds the route, and sends nothing
		if err != nil {
			return nil, fmt.Errorf("find the address of this machine (set K8S_HOST): %w", err)
		}
		c.HostAddress = conn.LocalAddr().(*net.UDPAddr).IP.String()
		conn.Close()
	}
	return c, nil
}

func (c *Cluster) exec(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, c.command[0], append(slices.Clone(c.command[1:]), args...)...)
}

// Output runs kubectl and returns its output. An error has what kubectl wrote to standard error.
func (c *Cluster) Output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := c.exec(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		command := strings.Join(args[:min(3, len(args))], " ")
		err = fmt.Errorf("kubectl %s: %w: %s", command, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, err
}

// OutputInNamespace is Output in the shop's namespace.
func (c *Cluster) OutputInNamespace(ctx context.Context, args ...string) ([]byte, error) {
	return c.Output(ctx, append([]string{"--namespace", Namespace}, args...)...)
}

// Kubectl runs kubectl and ignores its output.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) error {
	_, err := c.Output(ctx, args...)
	return err
}

// InNamespace runs kubectl in the shop's namespace and ignores its output.
func (c *Cluster) InNamespace(ctx context.Context, args ...string) error {
	_, err := c.OutputInNamespace(ctx, args...)
	return err
}

// Get reads objects of the shop's namespace, or of the cluster, into a value.
func (c *Cluster) Get(ctx context.Context, to any, objects ...string) error {
	out, err := c.OutputInNamespace(ctx, append([]string{"get", "-o", "json"}, objects...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, to)
}

// PrintState prints the pods, warnings and logs of the shop, to explain a failed step.
func (c *Cluster) PrintState(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for _, args := range [][]string{
		{"get", "pods", "-o", "wide"},
		{"get", "events", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"},
		{
			"logs", "--selector=app.kubernetes.io/part-of=haberdash", "--all-containers", "--prefix", "--tail=15",
			"--max-log-requests=40",
		},
	} {
		out, err := c.OutputInNamespace(ctx, args...)
		if err == nil && len(out) > 12_000 {
			out = out[len(out)-12_000:]
		}
		fmt.Printf("--- kubectl %s\n%s\n", strings.Join(args, " "), out)
	}
}
