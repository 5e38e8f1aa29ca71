// Package byhand starts the shop without the launcher's `make up`: as `dapr run -f` and Tye do.
package byhand

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
	"haberdash/tests/api"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("skipped: starts real sidecars")
		return
	}
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

const (
	startTimeout = 3 * time.Minute // on a busy machine
	soon         = 30 * time.Second
	tick         = 50 * time.Millisecond
	sku          = "BASQUE-BERET-RED" // of the demo catalogue
)

// checkout returns a directory that is like the checkout in what the programs by hand read, with a run directory of its
// own, and the checkout.
func checkout(t *testing.T) (dir, root string) {
	t.Helper()
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	require.NoError(t, toolchain.BuildApps(t.Context(), root, t.Output()))
	dir, err = filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".run"), 0o700))
	return dir, root
}

var portOfTheDefaults = regexp.MustCompile(`\b(8080|231\d\d)\b`)

// moved returns a text with the ports of the defaults moved to a block of ports.
func moved(text string, base int) string {
	return portOfTheDefaults.ReplaceAllStringFunc(text, func(port string) string {
		n, _ := strconv.Atoi(port)
		if n == ports.DefaultGateway {
			return strconv.Itoa(base + ports.FirstApp)
		}
		return strconv.Itoa(n - ports.DefaultBase + base)
	})
}

func await(t *testing.T, set *supervisor.Set, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	require.NoError(t, set.Await(ctx, nil, names...))
}

// buy buys as a guest, waits for the mail, and ships the order, with which its lifecycle captures the payment.
func buy(t *testing.T, gateway, mailDir string) api.Order {
	t.Helper()
	ctx, guest := t.Context(), api.New(gateway)
	cart, err := guest.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	placement := api.NewPlacement(cart, api.Visa)
	answer, err := guest.Place(ctx, api.NewKey(), placement)
	require.NoError(t, err)
	var order api.Order
	require.NoError(t, answer.Decode(&order))
	require.Equal(t, "confirmed", order.Status)
	require.Eventually(t, func() bool { return mailed(mailDir, placement.Email) }, soon, tick, "no confirmation")

	admin, err := guest.AsAdmin(ctx)
	require.NoError(t, err)
	_, err = admin.Fulfil(ctx, order.ID, "all", api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		o, err := guest.Order(ctx, order.ID, order.AccessToken)
		return err == nil && o.Status == "fulfilled" && o.Payment.Status == "captured"
	}, soon, tick, "the payment is not captured")
	return order
}

// mailed reports whether there is a mail to the address.
func mailed(dir, to string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*.eml"))
	for _, path := range files {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), to) {
			return true
		}
	}
	return false
}
