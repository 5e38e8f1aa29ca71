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

// The first purchase of the README works as it is printed, on any address.
func TestReadmePurchase(t *testing.T) {
	c := guest(t)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	found := purchaseBlock.FindStringSubmatch(string(readme))
	require.NotNil(t, found, "the README's purchase has lost its mark")
	const address = "SHOP=http://localhost:8080\n"
	require.True(t, strings.HasPrefix(found[1], address))
	script := "SHOP=" + c.BaseURL + "\n" + strings.TrimPrefix(found[1], address)

	sh := exec.CommandContext(t.Context(), "sh", "-eu")
	sh.Stdin = strings.NewReader(script)
	sh.Dir = t.TempDir()
	out, err := sh.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Contains(t, lines[len(lines)-1], `"status":"confirmed"`, "%s", out)
}
