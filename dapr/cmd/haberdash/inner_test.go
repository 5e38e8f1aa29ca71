package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/launchtest/checkout"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/toolchain"
)

// cli runs the haberdash command on a checkout whose apps start fast, on free ports.
type cli struct {
	t             *testing.T
	root, program string
	base          int
}

func newCLI(t *testing.T) *cli {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real sidecars")
	}
	root, err := checkout.Make(t.TempDir())
	require.NoError(t, err)
	program, err := toolchain.BuildProgram(t.Context(), root, "./dapr/cmd/haberdash", io.Discard)
	require.NoError(t, err)
	block, err := ports.Reserve()
	require.NoError(t, err)
	c := &cli{t: t, root: root, program: program, base: block.Base}
	t.Cleanup(func() {
		out, err := c.command("down").CombinedOutput()
		block.Release()
		require.NoError(t, err, string(out))
	})
	return c
}

// gateway is the port of the gateway.
func (c *cli) gateway() int { return c.base + ports.FirstApp }

func (c *cli) command(args ...string) *exec.Cmd {
	cmd := exec.Command(c.program, args...)
	cmd.Dir = c.root
	cmd.Env = append(os.Environ(), "PORT_BASE="+strconv.Itoa(c.base), "GATEWAY_PORT="+strconv.Itoa(c.gateway()))
	return cmd
}

// run runs a command that succeeds and returns its output.
func (c *cli) run(args ...string) string {
	c.t.Helper()
	out, err := c.command(args...).CombinedOutput()
	require.NoError(c.t, err, string(out))
	return string(out)
}

// refused runs a command that fails and returns its output.
func (c *cli) refused(args ...string) string {
	c.t.Helper()
	out, err := c.command(args...).CombinedOutput()
	require.Error(c.t, err, string(out))
	return string(out)
}

// replace replaces text in a file of the checkout.
func (c *cli) replace(file, before, after string) {
	c.t.Helper()
	path := filepath.Join(c.root, file)
	text, err := os.ReadFile(path)
	require.NoError(c.t, err)
	require.Contains(c.t, string(text), before)
	text = bytes.Replace(text, []byte(before), []byte(after), 1)
	require.NoError(c.t, os.WriteFile(path, text, 0o644))
}

// status returns the line of `haberdash status` about a process.
func (c *cli) status(name string) string {
	c.t.Helper()
	for line := range strings.Lines(c.run("status")) {
		if strings.HasPrefix(line, name+" ") {
			return line
		}
	}
	c.t.Fatalf("no process %q", name)
	return ""
}

// The commands of the inner loop, on one checkout: it takes a while to build.
func TestInnerLoop(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *cli)
	}{
		{"up tells what is older than the source", upTellsWhatIsOlder},
		{"commands work while an app is detached", commandsWorkWhileDetached},
		{"dev serves what is saved", devServesWhatIsSaved},
	} {
		t.Run(test.name, func(t *testing.T) {
			of := *c
			of.t = t
			test.run(t, &of)
		})
		c.run("down")
	}
}

func upTellsWhatIsOlder(t *testing.T, c *cli) {
	require.Contains(t, c.refused("restart", "orders"), "the shop is not running: `make up` starts it")
	require.Contains(t, c.refused("detach", "orders"), "the shop is not running: `make up` starts it")
	require.Contains(t, c.run("up"), "ready after")
	current := "what runs is what the source says"
	require.Contains(t, c.run("up"), current)

	const main = "apps/cart/main.go"
	c.replace(main, `"ok"`, `"changed"`)
	said := c.run("up")
	require.Contains(t, said, "older than the source: cart; `make restart APP=cart` starts what is built now")
	require.NotContains(t, said, current)
	require.Contains(t, c.run("restart", "cart"), "cart: ready after")
	require.Contains(t, c.run("up"), current)
	require.Equal(t, "changed\n", launchtest.Get(t, fmt.Sprintf("http://127.0.0.1:%d/healthz", c.base+30)))

	c.replace(main, `"changed"`, `changed`)
	said = c.refused("up")
	require.Contains(t, said, "which does not compile")
	require.Contains(t, said, "undefined: changed")
	c.replace(main, `changed`, `"changed"`)
	require.Contains(t, c.run("up"), current)

	const component = "components/state/sqlite/state.yaml"
	c.replace(component, "apiVersion:", "# Changed.\napiVersion:")
	require.Contains(t, c.run("up"), "changed since the start: "+component+"; `make down`, then `make up`")
	require.Contains(t, c.run("restart", "orders cart,users"), "cart, orders, users: ready after")
	require.Contains(t, c.refused("restart", "shop"),
		`no app "shop": the apps of this shop are gateway, catalog, cart, orders, users, notifications`)
	require.Contains(t, c.refused("restart", ""), "which app?")
}

func commandsWorkWhileDetached(t *testing.T, c *cli) {
	c.run("up")
	require.Contains(t, c.refused("detach", ""), "which app?")
	detach := c.command("detach", "orders")
	var printed bytes.Buffer
	detach.Stderr = os.Stderr
	detach.Stdout = &printed
	require.NoError(t, detach.Run())
	require.Contains(t, printed.String(), fmt.Sprintf("DAPR_HTTP_PORT=%d\n", c.base+41))
	file, err := os.ReadFile(filepath.Join(c.root, ".run", "detached", "orders.env"))
	require.NoError(t, err)
	require.Equal(t, string(file), printed.String())
	require.Regexp(t, `(?m) detached$`, c.status("orders"))
	require.Contains(t, c.status("orders-daprd"), "running")
	require.Contains(t, c.run("logs", "orders"), "orders listens on")
	require.Contains(t, c.run("up"), "what runs is what the source says")

	elsewhere := exec.Command("/bin/sh", "-c", "set -a; . .run/detached/orders.env; exec .run/bin/orders")
	elsewhere.Dir = c.root
	require.NoError(t, elsewhere.Start())
	ended := make(chan error, 1)
	go func() { ended <- elsewhere.Wait() }()
	defer func() { _ = elsewhere.Process.Kill() }()
	used := fmt.Sprintf("its port is used by orders (pid %d)", elsewhere.Process.Pid)
	require.Eventually(t, func() bool {
		out, err := c.command("status").Output()
		return err == nil && strings.Contains(string(out), used)
	}, time.Minute, 100*time.Millisecond)
	require.Contains(t, c.refused("restart", "orders"), "end that program")
	require.Contains(t, c.run("restart", "cart"), "cart: ready after")

	said := c.run("down")
	require.Contains(t, said, fmt.Sprintf("orders was detached, and its port %d is still in use by orders (pid %d)",
		c.base+40, elsewhere.Process.Pid))
	require.Contains(t, said, "stopped; data stays")
	require.Equal(t, "ok\n", launchtest.Get(t, fmt.Sprintf("http://127.0.0.1:%d/healthz", c.base+40)))
	require.Contains(t, c.refused("up"), fmt.Sprintf("port %d (orders) is in use by orders", c.base+40))
	require.NoError(t, elsewhere.Process.Kill())
	require.ErrorContains(t, <-ended, "signal: killed")
	c.run("up")
	require.Contains(t, c.status("orders"), "running")
	require.NoFileExists(t, filepath.Join(c.root, ".run", "detached", "orders.env"))
}

func devServesWhatIsSaved(t *testing.T, c *cli) {
	var log launchtest.Log
	dev := c.command("dev")
	dev.Stdout, dev.Stderr = &log, &log
	require.NoError(t, dev.Start())
	ended := make(chan error, 1)
	go func() { ended <- dev.Wait() }()
	defer func() { _ = dev.Process.Kill() }()
	says := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(log.String(), text) }, 2*time.Minute,
			20*time.Millisecond, "%s is not in\n%s", text, &log)
	}
	says("watching apps")
	healthz := func() string {
		return launchtest.Get(t, fmt.Sprintf("http://127.0.0.1:%d/healthz", c.gateway()))
	}
	sidecar := c.status("gateway-daprd")
	require.Equal(t, "ok\n", healthz())
	c.replace("apps/gateway/main.go", `"ok"`, `"saved"`)
	says("apps/gateway/main.go changed: building gateway")
	says("serving after")
	require.Equal(t, "saved\n", healthz())
	c.replace("apps/gateway/main.go", `"saved"`, `saved`)
	says("undefined: saved")
	says("the apps go on as they were")
	require.Equal(t, "saved\n", healthz())
	require.Equal(t, strings.Fields(sidecar)[1], strings.Fields(c.status("gateway-daprd"))[1], "the same process")

	require.NoError(t, dev.Process.Signal(syscall.SIGINT))
	require.NoError(t, <-ended)
	says("the shop goes on running")
	require.Equal(t, "saved\n", healthz())
}
