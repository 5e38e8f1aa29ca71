package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var purchaseBlock = regexp.MustCompile("(?s)<!-- tests/e2e runs this block -->\n```sh\n(.*?)```")

// What the README has readers do works as it is printed, on any address: the first purchase and, in the same
// shell, what comes after.
func TestReadmePurchase(t *testing.T) {
	c := guest(t)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	found := purchaseBlock.FindAllStringSubmatch(string(readme), -1)
	require.Len(t, found, 2, "the README's blocks have lost their marks")
	const address = "SHOP=http://localhost:8080\n"
	require.True(t, strings.HasPrefix(found[0][1], address))
	script := "SHOP=" + c.BaseURL + "\n" + strings.TrimPrefix(found[0][1], address) + "\necho\n" + found[1][1]

	sh := exec.CommandContext(t.Context(), "sh", "-eu")
	sh.Stdin = strings.NewReader(script)
	sh.Dir = t.TempDir()
	out, err := sh.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Contains(t, string(out), `"status":"confirmed"`)
	require.Contains(t, string(out), `"status":"fulfilled"`)
	require.Contains(t, string(out), `"status":"returned"`)
	require.Contains(t, lines[len(lines)-1], "return.settled", "%s", out)
}
