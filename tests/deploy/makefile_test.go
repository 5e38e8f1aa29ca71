package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// kubectl stands in for the program. The cluster has no ConfigMap, and apply stores what it gets.
const kubectl = `#!/bin/sh
case "$*" in
kustomize*) echo "overlay: $2" ;;
*"get configmap shop"*) exit 1 ;;
*"create configmap shop"*) shift 5; echo "shop: $*" ;;
apply*) cat > "$APPLIED" ;;
esac
`

func TestDeployAsksForTheAddressOfTheShop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	applied := filepath.Join(dir, "applied")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kubectl"), []byte(kubectl), 0o700))
	deploy := func(args ...string) (output string, err error) {
		cmd := exec.CommandContext(t.Context(), "make", append([]string{"-s", "-C", "../..", "deploy"}, args...)...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "APPLIED="+applied, "SHOP_URL=")
		text, err := cmd.CombinedOutput()
		return string(text), err
	}
	output, err := deploy("OVERLAY=redis-redis")
	require.Error(t, err)
	require.Contains(t, output, "set SHOP_URL to the public address of the shop")
	require.NoFileExists(t, applied)

	output, err = deploy("OVERLAY=redis-redis", "SHOP_URL=https://shop.test")
	require.NoError(t, err, output)
	text, err := os.ReadFile(applied)
	require.NoError(t, err)
	require.Equal(t, "overlay: deploy/overlays/redis-redis\n---\n"+
		"shop: --from-literal=SHOP_URL=https://shop.test --dry-run=client -o yaml\n", string(text))

	output, err = deploy()
	require.NoError(t, err, output)
	text, err = os.ReadFile(applied)
	require.NoError(t, err)
	require.Equal(t, "overlay: deploy/overlays/demo\n", string(text))
}
